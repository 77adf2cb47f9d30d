"""Logs the report of a run where `[log]` says, when all else of the run is done.

Called on the main thread of the process that wrote the report, after the engine has
closed. Each destination is `pytest-ladder log` in a child process: so no client is
imported into the process of somebody's tests, none of its threads and settings stay
there, and one that hangs is ended. The run has its exit status by then, and nothing
here changes it. Ctrl-C reaches the child as well, and ends both.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from pytest_ladder.core.ladder import LogConfig
from pytest_ladder.text.phrases import shown

LONGEST_S = 300.0
"""Seconds after which a destination is given up."""
_PATIENCE = {
    "OTEL_EXPORTER_OTLP_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Seconds for a request, unless the user says it: here somebody waits for the run."""


class LogDestination(msgspec.Struct, frozen=True, kw_only=True):
    """A place that reports are logged to."""

    action: str
    """Of `pytest-ladder log`."""
    is_asked: Callable[[LogConfig], bool]
    variables: Sequence[str]
    """Of the environment: one of them must be set, for it says where the server is."""
    options: Callable[[LogConfig], Sequence[str]] = lambda log: ()


DESTINATIONS = (
    LogDestination(
        action="mlflow",
        is_asked=lambda log: log.mlflow is not None,
        variables=("MLFLOW_TRACKING_URI",),
        options=lambda log: (f"--experiment={log.mlflow}",),
    ),
    LogDestination(
        action="otel",
        is_asked=lambda log: log.otel,
        variables=(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ),
    ),
)
"""A new one is one more entry, a key of `[log]`, and an action of the command."""


def log_reports(
    reports: Iterable[tuple[Path, LogConfig]], notes: list[str], warnings: list[str]
) -> None:
    """Log written reports to each destination that is asked for and addressed.

    What was done is added to the notes, what failed to the warnings, a line each.
    """
    for folder, log in reports:
        for one in DESTINATIONS:
            if one.is_asked(log) and any(map(os.environ.get, one.variables)):
                lines, why = _logged(one, folder, log)
                notes += [f"{one.action}: {line}" for line in lines]
                if why:
                    warnings.append(
                        f"{shown(folder)} was not logged to {one.action}: {why}"
                    )


def _logged(
    one: LogDestination, folder: Path, log: LogConfig
) -> tuple[Sequence[str], str]:
    """Return what the command said, and why it failed; empty: it did not."""
    # `-P`: nothing that lies in the working folder is taken for a module.
    command = [sys.executable, "-P", "-m", "pytest_ladder", "log", one.action]
    try:
        done = subprocess.run(
            [*command, str(folder), *one.options(log)],
            env={**_PATIENCE, **os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=LONGEST_S,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return (), f"it took longer than {LONGEST_S:.0f} s"
    except OSError as error:
        return (), error.strerror or str(error)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        return (), said.removeprefix("pytest-ladder: ") or "it said nothing"
    return done.stdout.splitlines(), ""
