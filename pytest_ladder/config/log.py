"""What `[log]` must obey: the name of an experiment, and no address.

A file of its own because most suites are logged nowhere, and load none of it.
"""

from __future__ import annotations

from pytest_ladder.config.source import Source
from pytest_ladder.core.ladder import LogConfig


def check_log(source: Source, log: LogConfig) -> None:
    """Check the name of the experiment; raises `ConfigError`."""
    name = log.mlflow or ""
    place = ("log", "mlflow")
    if "://" in name:
        # It is not repeated: an address may hold a password.
        raise source.error(
            place,
            "this is an address, and an experiment is named here; the address of the "
            "server is in the variable MLFLOW_TRACKING_URI, and a password in "
            "MLFLOW_TRACKING_PASSWORD.",
        )
    if not name.strip() or not name.isprintable():
        raise source.error(
            place, 'this is no name; write that of an experiment, such as "support".'
        )
