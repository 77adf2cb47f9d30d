"""What the owner of a shared store does: make it, upgrade it, set caps, look at it.

Everything here needs the role that owns the tables. Workers log in as another one,
which `install` lets call the functions in `WORKER_MAY`, read replies, and do nothing
else: no pull request, whatever it runs, raises a cap.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Literal, NamedTuple

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.command_link import (
    CommandLink,
    as_sql,
    commanding,
    quoted,
)
from pytest_ladder.errors import ConfigError, StoreError

WORKER_ROLE = "ladder_worker"
WORKER_MAY = (
    *("join_run", "open_place", "admit", "settle", "pause", "beat", "reap", "leave"),
    *("look", "keep", "standing", "climb"),
)
"""The functions of `functions.sql` that a worker's role may call."""
WORKER_READS = ("replies", "meta")
"""The tables that it may read; `meta` says which release they are of."""
Per = Literal["ever", "month", "day", "run"]
_WRITTEN_SCHEMA = '"ladder"'
_MIGRATION = re.compile(r"^-- migration (\d+):.*$", re.MULTILINE)


class Installed(NamedTuple):
    """What `install` did."""

    migrations: list[int]
    """Those that were missing, in order; empty: the tables were there."""
    grants: list[str]
    """What the worker's role may do now, as SQL."""
    can_log_in: bool
    """Whether the worker's role is one to connect as, and not only one to grant."""


def install(
    address: SharedAddress,
    *,
    worker_role: str = WORKER_ROLE,
    beat_s: float | None = None,
    dead_after_s: float | None = None,
) -> Installed:
    """Make the tables, or upgrade them, and let a worker's role do what it may.

    `worker_role` is created, without login, where there is none. How often processes
    show life and when they count as dead (10 and 45 s) is for tests to change. Raises
    `StoreError` or `ConfigError`.
    """
    with (
        commanding(address, owners=True, made=False) as link,
        link.connection.transaction(),
    ):
        ((encoding,),) = link.rows("SHOW server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"The shared store {address.name} is encoded as {encoding}; make the "
                "database with ENCODING 'UTF8'."
            )
        # Of two that install at once the second waits, and finds nothing to do.
        link.rows(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            (f"pytest-ladder install {address.schema}",),
        )
        # Not said blindly: that takes a right that an owner of the schema may lack.
        if link.rows("SELECT 1 WHERE to_regnamespace(%s) IS NULL", (link.schema,)):
            link.rows("CREATE SCHEMA {schema}")
        done = _migrate(link)
        functions = _text("functions.sql").replace(_WRITTEN_SCHEMA, link.schema)
        link.connection.execute(as_sql(functions))
        grants = _grant(link, worker_role)
        link.rows(
            "UPDATE {schema}.meta SET beat_s = coalesce(%s, beat_s), "
            "dead_after_s = coalesce(%s, dead_after_s)",
            (beat_s, dead_after_s),
        )
        ((can_log_in,),) = link.rows(
            "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", (worker_role,)
        )
    return Installed(done, grants, can_log_in)


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
    `StoreError` or `ConfigError`.
    """
    if ledger.startswith("run:") or not ledger.strip():
        raise ConfigError(
            f"A ledger cannot be called {ledger!r}: names that begin with 'run:' are "
            "those of runs."
        )
    with commanding(address, owners=True) as link:
        link.rows(
            "SELECT {schema}.set_cap(%s, %s, %s::bigint, %s)",
            (ledger, per, cap_nano, everyone),
        )


def release(address: SharedAddress, fence: int, bill_nano: int = 0) -> bool:
    """Correct the worst case of a dead call to what was billed; False: there is none.

    `fence` is its number in the table `reaped`. Raises `StoreError` or
    `ConfigError`.
    """
    with commanding(address, owners=True) as link:
        ((was_there,),) = link.rows(
            "SELECT {schema}.release(%s::bigint, %s::bigint)", (fence, bill_nano)
        )
    return bool(was_there)


def _migrate(link: CommandLink) -> list[int]:
    """Run the migrations that are missing, in order; returns their numbers."""
    ((there,),) = link.rows("SELECT to_regclass(%s)", (f"{link.schema}.meta",))
    version = 0
    if there is not None:
        ((version,),) = link.rows("SELECT version FROM {schema}.meta")
    _, *parts = _MIGRATION.split(_text("schema.sql"))
    migrations = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
    if version > max(migrations):
        # The functions of this release would replace the newer ones.
        raise ConfigError(
            f"The tables of the shared store {link.address.name} are of a newer "
            f"release (version {version}, and this one knows {max(migrations)}); "
            "upgrade pytest-ladder."
        )
    done = [number for number in migrations if number > version]
    for number in done:
        text = migrations[number].replace(_WRITTEN_SCHEMA, link.schema)
        link.connection.execute(as_sql(text))
        link.rows("UPDATE {schema}.meta SET version = %s", (number,))
    return done


def _grant(link: CommandLink, role: str) -> list[str]:
    """Let a worker's role do what it may, and nobody anything else; returns the SQL."""
    name, worker = link.schema, quoted(role)
    if not link.rows("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)):
        _create(link, worker)
    # So that functions are named with their schema.
    link.rows("SET LOCAL search_path = pg_catalog")
    functions = link.rows(
        "SELECT p.oid::regprocedure::text, p.proname FROM pg_proc p "
        "JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = %s "
        "ORDER BY 2",
        (link.address.schema,),
    )
    grants = [
        f"GRANT USAGE ON SCHEMA {name} TO {worker}",
        *(f"GRANT SELECT ON {name}.{table} TO {worker}" for table in WORKER_READS),
    ]
    for function, called in functions:
        # Postgres lets everybody call a new function.
        link.connection.execute(
            as_sql(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        )
        if called in WORKER_MAY:
            grants.append(f"GRANT EXECUTE ON FUNCTION {function} TO {worker}")
    for grant in grants:
        link.connection.execute(as_sql(grant))
    return grants


def _create(link: CommandLink, role: str) -> None:
    """Create a role; raises `ConfigError` where the owner is not allowed to."""
    create = f"CREATE ROLE {role} NOLOGIN"
    if not link.rows(
        "SELECT 1 FROM pg_roles WHERE rolname = current_user "
        "AND (rolsuper OR rolcreaterole)"
    ):
        raise ConfigError(
            f"There is no role {role}, and the role that {link.address.variable} names "
            f"may not create one; have an administrator run {create}, or name one that "
            "there is by --worker-role."
        )
    link.connection.execute(as_sql(create))


def _text(file: str) -> str:
    return resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
