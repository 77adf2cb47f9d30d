"""What the database will not do, in one sentence that says what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.errors import ConfigError, StoreError

if TYPE_CHECKING:
    import psycopg

CLIENT = 1
"""Number of this client; `meta.oldest_client` says which ones a database takes."""
SCHEMA_VERSION = 1
"""The newest migration that this client needs."""
_NO_LEDGER = "LA002"
# Schema, table or function is missing: nobody has made them, or an older release did.
_NOT_MADE = ("3F000", "42P01", "42883", "42703")
FORBIDDEN = "42501"


def check_release(address: SharedAddress, version: int, oldest_client: int) -> None:
    """Refuse tables that this release does not fit to; raises `ConfigError`."""
    if oldest_client > CLIENT:
        raise ConfigError(
            f"The shared store {address.name} is of a newer release, which no longer "
            "takes this one; upgrade pytest-ladder."
        )
    if version < SCHEMA_VERSION:
        raise ConfigError(
            f"The tables of the shared store {address.name} are of an older release "
            f"(version {version} of {SCHEMA_VERSION}); its owner upgrades them by "
            "`pytest-ladder store init`."
        )


def refusal(
    address: SharedAddress, error: psycopg.Error, *, owners: bool = False
) -> ConfigError | StoreError:
    """Word an error of a statement; `owners`: it is one that only an owner may run."""
    where, reason = address.name, address.reason(error)
    schema, variable = address.schema, address.variable
    if error.sqlstate in _NOT_MADE:
        return ConfigError(
            f"The shared store {where} has no tables of this release in schema "
            f"{schema!r} ({reason}); its owner makes them by `pytest-ladder store "
            "init`."
        )
    if error.sqlstate == FORBIDDEN and owners:
        return ConfigError(
            f"Only the owner of the shared store {where} may do that ({reason}), and "
            f"the role that {variable} names is not its owner; set the variable to the "
            "owner's address for this command."
        )
    if error.sqlstate == FORBIDDEN:
        return ConfigError(
            f"The role that {variable} names may not use schema {schema!r} of the "
            f"shared store {where} ({reason}); its owner grants that by "
            "`pytest-ladder store init`."
        )
    if error.sqlstate == _NO_LEDGER:
        return ConfigError(
            f"In the shared store {where} {reason}; its owner makes it by "
            "`pytest-ladder budget set NAME --usd 500 --per month`."
        )
    return StoreError(f"The shared store {where} answered: {reason}.")
