"""What `[gateway]` must obey: patterns that compile, and an address to listen at.

A file of its own because most suites have no app, and load none of it.
"""

from __future__ import annotations

import ipaddress
import re

from pytest_ladder.config.source import Source
from pytest_ladder.core.ladder import GatewayConfig


def check_gateway(source: Source, gateway: GatewayConfig) -> None:
    """Check names, patterns and address; raises `ConfigError`."""
    for key, names in (("override", gateway.override), ("pass", gateway.passes)):
        for index, name in enumerate(names):
            if not name.strip():
                raise source.error(
                    ("gateway", key, index), "it is empty; write the name of a model."
                )
    for index, pattern in enumerate(gateway.ignore):
        _check_pattern(source, index, pattern)
    try:
        ipaddress.ip_address(gateway.host)
    except ValueError:
        raise source.error(
            ("gateway", "host"),
            f"`{gateway.host}` is no address; write 127.0.0.1, or 0.0.0.0 to let "
            "containers in.",
        ) from None


def _check_pattern(source: Source, index: int, pattern: str) -> None:
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise source.error(
            ("gateway", "ignore", index),
            f"{pattern!r} is no regular expression ({error}); correct it, and put it "
            "in single quotes, in which TOML leaves backslashes as they are.",
        ) from None
    if found.match(""):
        raise source.error(
            ("gateway", "ignore", index),
            f"{pattern!r} fits everywhere, for it fits nothing at all; make it say at "
            "least one character.",
        )
