"""Where the shared store is: a URL that only ever comes from the environment.

It may hold a password. So it lies in an object that shows host and database only, is
handed to psycopg in one place each (`connecting`, `connected`), and what psycopg raises
there goes no further: its frames hold the URL, and some of its words quote it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_ladder.errors import ConfigError, StoreError

if TYPE_CHECKING:
    import psycopg

EXTRA = "pip install 'pytest-ladder[shared]'"
_CONNECT_S = 10
_DEFAULT_PORT = "5432"
_NO_LEDGER = "LA002"
# Schema, table or function is missing: nobody has made them, or an older release did.
_NOT_MADE = ("3F000", "42P01", "42883")
# A column is missing, or a table is in the way.
_NOT_OURS = ("42703", "42P07")
_FORBIDDEN = "42501"


class SharedAddress:
    """A database and the schema in it; shows neither password nor parameters."""

    def __init__(self, url: str, schema: str, *, variable: str) -> None:
        """Raises `ConfigError` where psycopg is missing or does not understand it."""
        self.schema = schema
        self.variable = variable
        """The environment variable that it came from."""
        parameters = _parameters(url)
        if parameters is None:
            raise ConfigError(
                f"The variable {variable} holds no address of a PostgreSQL database; "
                "set it to postgresql://user@host:port/database."
            )
        host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
        port = str(parameters.get("port") or _DEFAULT_PORT)
        user, database = parameters.get("user"), parameters.get("dbname")
        self.shown = f"{host}" if port == _DEFAULT_PORT else f"{host}:{port}"
        """Host and port, for people."""
        self.name = f"{database or user or 'postgres'}@{self.shown}"
        """Database and host, for people."""
        # Transactions may each run on another connection of a pooler, which therefore
        # knows no prepared statements; a group of calls hardly gains by them.
        self._parameters = {
            "connect_timeout": _CONNECT_S,
            "application_name": "pytest-ladder",
            **parameters,
            "autocommit": True,
            "prepare_threshold": None,
        }

    def __repr__(self) -> str:
        return f"SharedAddress({self.name!r}, schema {self.schema!r})"

    async def connecting(self) -> psycopg.AsyncConnection[Any] | str:
        """Connect for the engine's loop; a text says why it did not work."""
        import psycopg

        try:
            return await psycopg.AsyncConnection.connect(**self._parameters)
        except (psycopg.Error, OSError) as error:
            return self.reason(error)

    def connected(self) -> psycopg.Connection[Any]:
        """Connect for a command. Raises `StoreError`."""
        import psycopg

        try:
            return psycopg.Connection.connect(**self._parameters)
        except (psycopg.Error, OSError) as error:
            reason = self.reason(error)
        raise StoreError(
            f"The shared store {self.name} cannot be reached ({reason}); start it, or "
            f"correct host, user and password in the variable {self.variable}."
        )

    def reason(self, error: BaseException) -> str:
        """Return what an error says in one line, without any secret of the address."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = lines[0] if lines else type(error).__name__
        # psycopg tells the latest of several addresses last.
        if said.endswith(":") and len(lines) > 1:
            said = lines[1].lstrip("- ")
        for name in ("password", "sslpassword", "passfile"):
            secret = self._parameters.get(name)
            if secret:
                said = said.replace(str(secret), "…")
        return said.rstrip(".")

    def unreachable(self, reason: str) -> str:
        """Say that there is no store, why, and what to do."""
        return (
            f"The shared store {self.name} cannot be reached ({reason}); start it, "
            f"correct the variable {self.variable}, or go on with this machine's own "
            "store by --ladder-store=local."
        )

    def refusal(self, error: psycopg.Error) -> ConfigError | StoreError:
        """Say what the database will not do, and what helps."""
        where, reason = self.name, self.reason(error)
        schema, variable = self.schema, self.variable
        if error.sqlstate in _NOT_MADE:
            return ConfigError(
                f"The shared store {where} has no tables of this release in schema "
                f"{schema!r} ({reason}); its owner makes them by `pytest-ladder store "
                "init`."
            )
        if error.sqlstate in _NOT_OURS:
            return ConfigError(
                f"Schema {schema!r} of the shared store {where} has tables that are "
                f"not pytest-ladder's ({reason}); name another one by `schema` in "
                "[store]."
            )
        if error.sqlstate == _FORBIDDEN:
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


def from_environment(variable: str, schema: str) -> SharedAddress | None:
    """Return the address that a variable holds; None: it is not set.

    Raises `ConfigError` where it cannot be used.
    """
    if not os.environ.get(variable):
        return None
    return SharedAddress(os.environ[variable], schema, variable=variable)


def _parameters(url: str) -> dict[str, Any] | None:
    """Take a URL apart; None: it is none. Raises `ConfigError` without psycopg."""
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        psycopg = None  # type: ignore[assignment]
    if psycopg is None:
        raise ConfigError(f"A shared store needs psycopg: {EXTRA}.")
    if not url.startswith(("postgresql://", "postgres://")):
        return None
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.Error:
        return None
