"""Which release this is, and whether the tables of a shared store fit to it."""

from __future__ import annotations

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.errors import ConfigError

CLIENT = 2
"""Number of this client; `meta.oldest_client` says which ones a database takes."""
SCHEMA_VERSION = 2
"""The newest migration that this client knows, which an owner's commands need."""
CALLS_NEED = 1
"""The newest migration that calls need, so that workers may be updated first."""


def check_release(
    address: SharedAddress, version: int, oldest_client: int, needed: int = CALLS_NEED
) -> None:
    """Refuse tables that this release does not fit to; raises `ConfigError`."""
    if oldest_client > CLIENT:
        raise ConfigError(
            f"The shared store {address.name} is of a newer release, which no longer "
            "takes this one; upgrade pytest-ladder."
        )
    if version < needed:
        raise ConfigError(
            f"The tables of the shared store {address.name} are of an older release "
            f"(version {version} of {needed}); its owner upgrades them by "
            "`pytest-ladder store init`."
        )
