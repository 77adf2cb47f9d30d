"""Where the shared store is: a URL that only ever comes from the environment.

It may hold a password. So it lies in an object that shows host and database only, is
handed to psycopg in one place each (`connecting`, `connected`), and what psycopg raises
there goes no further: its frames hold the URL, and some of its words quote it.

psycopg is loaded by who connects: a replay that has all replies only names the store.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

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
_URL = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:@/]*)(?::[^@/]*)?@)?"
    r"(?P<places>(?:\[[^\]/]*\]|[^:,/?\[\]])*(?::\d*)?"
    r"(?:,(?:\[[^\]/]*\]|[^:,/?\[\]])*(?::\d*)?)*)"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<more>.*))?",
    re.DOTALL,
)
"""An address as libpq takes it apart; user and password end at the first `@`."""
_PLACE = re.compile(r"\[?(?P<host>[^\]]*?)\]?(?::(?P<port>\d*))?")


class SharedAddress:
    """A database and the schema in it; shows neither password nor parameters."""

    def __init__(self, url: str, schema: str, *, variable: str) -> None:
        """Raises `ConfigError` where it is no address.

        What it says of anything but the place is read when something connects.
        """
        self.schema = schema
        self.variable = variable
        """The environment variable that it came from."""
        self._url = url
        parts = _named(url)
        if parts is None:
            raise self._no_address()
        host = parts.get("host") or parts.get("hostaddr") or "localhost"
        port = parts.get("port") or _DEFAULT_PORT
        self.shown = host if port == _DEFAULT_PORT else f"{host}:{port}"
        """Host and port, for people."""
        database = parts.get("dbname") or parts.get("user") or "postgres"
        self.name = f"{database}@{self.shown}"
        """Database and host, for people."""

    def __repr__(self) -> str:
        return f"SharedAddress({self.name!r}, schema {self.schema!r})"

    async def connecting(self) -> psycopg.AsyncConnection[Any] | str:
        """Connect for the engine's loop; a text says why it did not work.

        Raises `ConfigError` where psycopg is missing or cannot use the address.
        """
        parameters = self._parameters
        import psycopg

        try:
            return await psycopg.AsyncConnection.connect(**parameters)
        except (psycopg.Error, OSError) as error:
            return self.reason(error)

    def connected(self) -> psycopg.Connection[Any]:
        """Connect for a command. Raises `StoreError`, and `ConfigError` as above."""
        parameters = self._parameters
        import psycopg

        try:
            return psycopg.Connection.connect(**parameters)
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

    @cached_property
    def _parameters(self) -> dict[str, Any]:
        """What psycopg connects with; raises `ConfigError` where there is none."""
        parameters = _parameters(self._url)
        if parameters is None:
            raise self._no_address()
        # Transactions may each run on another connection of a pooler, which therefore
        # knows no prepared statements; a group of calls hardly gains by them.
        return {
            "connect_timeout": _CONNECT_S,
            "application_name": "pytest-ladder",
            **parameters,
            "autocommit": True,
            "prepare_threshold": None,
        }

    def _no_address(self) -> ConfigError:
        return ConfigError(
            f"The variable {self.variable} holds no address of a PostgreSQL database; "
            "set it to postgresql://user@host:port/database."
        )


def from_environment(variable: str, schema: str) -> SharedAddress | None:
    """Return the address that a variable holds; None: it is not set.

    Raises `ConfigError` where it cannot be used.
    """
    if not os.environ.get(variable):
        return None
    return SharedAddress(os.environ[variable], schema, variable=variable)


def _named(url: str) -> dict[str, str] | None:
    """Return what names a database in a URL, without its password; None: it is none."""
    found = _URL.fullmatch(url)
    if found is None:
        return None
    places = [_PLACE.fullmatch(place) for place in found["places"].split(",")]
    hosts = [unquote(place["host"]) for place in places if place]
    ports = [place["port"] or "" for place in places if place]
    parts = {
        "user": unquote(found["user"] or ""),
        "host": ",".join(hosts),
        "port": ",".join(ports) if any(ports) else "",
        "dbname": unquote(found["database"] or ""),
    }
    more = parse_qsl((found["more"] or "").replace("+", "%2B"))
    return parts | {name: value for name, value in more if name in (*parts, "hostaddr")}


def _parameters(url: str) -> dict[str, Any] | None:
    """Take a URL apart; None: it is none. Raises `ConfigError` without psycopg."""
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        psycopg = None  # type: ignore[assignment]
    if psycopg is None:
        raise ConfigError(f"A shared store needs psycopg: {EXTRA}.")
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.Error:
        return None
