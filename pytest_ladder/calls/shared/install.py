"""What the owner of a shared store does: make it, upgrade it, set caps, look at it.

Everything here needs the role that owns the tables. Workers log in as another one,
which `install` lets call the functions in `WORKER_MAY`, read replies, and do nothing
else: no pull request, whatever it runs, raises a cap.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, LiteralString

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.errors import ConfigError, StoreError

if TYPE_CHECKING:
    import psycopg

WORKER_ROLE = "ladder_worker"
WORKER_MAY = (
    *("join_run", "open_place", "admit", "settle", "pause", "beat", "reap", "leave"),
    *("look", "keep", "standing"),
)
"""The functions of `functions.sql` that a worker's role may call."""
Per = Literal["ever", "month", "day"]
_WRITTEN_SCHEMA = '"ladder"'
_MIGRATION = re.compile(r"^-- migration (\d+):.*$", re.MULTILINE)


def install(
    address: SharedAddress,
    *,
    worker_role: str = WORKER_ROLE,
    beat_s: float | None = None,
    dead_after_s: float | None = None,
) -> list[int]:
    """Make the tables, or upgrade them; returns the migrations that were run.

    `worker_role` is created, without login, where there is none. How often processes
    show life and when they count as dead (10 and 45 s) is for tests to change. Raises
    `StoreError`.
    """
    with _OwnersWork(address) as connection, connection.transaction():
        _check_encoding(connection, address)
        # Of two that install at once the second waits, and finds nothing to do.
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            (f"pytest-ladder install {address.schema}",),
        )
        name = _name(address.schema)
        connection.execute(_sql(f"CREATE SCHEMA IF NOT EXISTS {name}"))
        done = _migrate(connection, address.schema)
        connection.execute(_written("functions.sql", address.schema))
        _grant(connection, address.schema, worker_role)
        connection.execute(
            _sql(
                f"UPDATE {_filled(name)}.meta SET beat_s = coalesce(%s, beat_s), "
                "dead_after_s = coalesce(%s, dead_after_s)"
            ),
            (beat_s, dead_after_s),
        )
    return done


def set_cap(
    address: SharedAddress,
    ledger: str,
    cap_nano: int | None,
    *,
    per: Per = "month",
    everyone: bool = False,
) -> None:
    """Set what a ledger may spend in each period, in nano-dollars; None: no cap.

    With `everyone` all calls draw on it, whatever their clients name: a pull request
    cannot leave it out. Lowered below what is spent, it lets nothing more in. Raises
    `StoreError`.
    """
    if ledger.startswith("run:") or not ledger:
        raise ConfigError(
            f"A ledger cannot be called {ledger!r}: names that begin with 'run:' are "
            "those of runs."
        )
    name = _filled(_name(address.schema))
    with _OwnersWork(address) as connection:
        connection.execute(
            _sql(f"SELECT {name}.set_cap(%s, %s, %s::bigint, %s)"),
            (ledger, per, cap_nano, everyone),
        )


def release(address: SharedAddress, fence: int, bill_nano: int = 0) -> bool:
    """Correct the worst case of a dead call to what was billed; False: there is none.

    `fence` is its number in the table `reaped`. Raises `StoreError`.
    """
    name = _filled(_name(address.schema))
    with _OwnersWork(address) as connection:
        row = connection.execute(
            _sql(f"SELECT {name}.release(%s::bigint, %s::bigint)"),
            (fence, bill_nano),
        ).fetchone()
    return bool(row and row[0])


class _OwnersWork:
    """A connection for one job of the owner's; what goes wrong is one sentence."""

    def __init__(self, address: SharedAddress) -> None:
        self._address = address

    def __enter__(self) -> psycopg.Connection[Any]:
        self._connection = self._address.connected()
        return self._connection

    def __exit__(self, _kind: object, error: BaseException | None, _at: object) -> None:
        import psycopg

        self._connection.close()
        if isinstance(error, psycopg.Error):
            raise StoreError(
                f"The shared store {self._address.name} answered: "
                f"{self._address.reason(error)}."
            ) from None


def _migrate(connection: psycopg.Connection[Any], schema: str) -> list[int]:
    """Run the migrations that are missing, in order; returns their numbers."""
    name = _name(schema)
    row = connection.execute("SELECT to_regclass(%s)", (f"{name}.meta",)).fetchone()
    version = 0
    if row and row[0] is not None:
        row = connection.execute(_sql(f"SELECT version FROM {name}.meta")).fetchone()
        version = row[0] if row else 0
    done = []
    _, *parts = _MIGRATION.split(_text("schema.sql"))
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        if int(number) > version:
            connection.execute(_sql(text.replace(_WRITTEN_SCHEMA, name)))
            connection.execute(
                _sql(f"UPDATE {_filled(name)}.meta SET version = %s"), (int(number),)
            )
            done.append(int(number))
    return done


def _grant(connection: psycopg.Connection[Any], schema: str, role: str) -> None:
    """Let a worker's role do what it may, and nobody anything else."""
    name, worker = _name(schema), _name(role)
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    if found.fetchone() is None:
        connection.execute(_sql(f"CREATE ROLE {worker} NOLOGIN"))
    functions = connection.execute(
        "SELECT p.oid::regprocedure::text, p.proname FROM pg_proc p "
        "JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = %s",
        (schema,),
    ).fetchall()
    connection.execute(_sql(f"GRANT USAGE ON SCHEMA {name} TO {worker}"))
    connection.execute(_sql(f"GRANT SELECT ON {name}.replies TO {worker}"))
    for function, called in functions:
        # Postgres lets everybody call a new function.
        connection.execute(_sql(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"))
        if called in WORKER_MAY:
            connection.execute(
                _sql(f"GRANT EXECUTE ON FUNCTION {function} TO {worker}")
            )


def _check_encoding(
    connection: psycopg.Connection[Any], address: SharedAddress
) -> None:
    row = connection.execute("SHOW server_encoding").fetchone()
    if row and row[0] != "UTF8":
        raise StoreError(
            f"The shared store {address.name} is encoded as {row[0]}; make the "
            "database with ENCODING 'UTF8'."
        )


def _written(file: str, schema: str) -> LiteralString:
    return _sql(_text(file).replace(_WRITTEN_SCHEMA, _name(schema)))


def _text(file: str) -> str:
    return resources.files(__package__).joinpath(file).read_text(encoding="utf-8")


def _name(identifier: str) -> str:
    """Quote a name, as SQL wants it."""
    from psycopg import sql

    return sql.Identifier(identifier).as_string()


def _filled(name: str) -> str:
    """Return a quoted name for a statement that takes values, marked by `%`."""
    return name.replace("%", "%%")


def _sql(text: str) -> LiteralString:
    """Pass on a statement that is made of quoted names and of files of ours."""
    return text
