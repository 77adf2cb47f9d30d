"""The store that machines share: what `[store]` says of it, and whether it is used.

A file of its own because most suites share nothing, and load none of it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ladder.config.models import ENVIRONMENT_NAME, check_secrets
from pytest_ladder.config.source import Source, decode, read_source
from pytest_ladder.core.ladder import StoreConfig

if TYPE_CHECKING:
    from pytest_ladder.calls.shared.address import SharedAddress

_LONGEST_SCHEMA = 63
"""Bytes that PostgreSQL keeps of a name."""


def shared_store(store: StoreConfig | None, choice: str) -> SharedAddress | None:
    """Return where the store is that machines share; None: this machine alone.

    `choice` is `--ladder-store`, `auto` or `local`. The variable that `[store]` names
    decides, and an empty one counts as none: CI leaves it so where a secret is not for
    a job. Raises `ConfigError` where it holds no address, or psycopg is missing.
    """
    if store is None or choice == "local":
        return None
    from pytest_ladder.calls.shared.address import from_environment

    return from_environment(store.url_env, store.schema)


def read_store(path: Path) -> StoreConfig | None:
    """Read `[store]` of a configuration file alone; raises `ConfigError`."""
    source = read_source(path)
    check_secrets(source)
    if "store" not in source.table:
        return None
    store = decode(source, StoreConfig, ("store",))
    check_store(source, store)
    return store


def check_store(source: Source, store: StoreConfig) -> None:
    """Check names of variable, schema and ledger; raises `ConfigError`."""
    if not re.fullmatch(ENVIRONMENT_NAME, store.url_env):
        # What stands there may hold a password, so it is not repeated.
        raise source.error(
            ("store", "url_env"),
            "this is not the name of an environment variable; write one such as "
            '"LADDER_STORE_URL", without `$`.',
        )
    length = len(store.schema.encode())
    if not 0 < length <= _LONGEST_SCHEMA or store.schema.lower().startswith("pg_"):
        raise source.error(
            ("store", "schema"),
            f"PostgreSQL has no schema of that name; write one of 1 to "
            f'{_LONGEST_SCHEMA} bytes that does not begin with "pg_".',
        )
    if store.ledger is not None and not is_ledger(store.ledger):
        raise source.error(
            ("store", "ledger"),
            "a ledger has a name, which does not begin with `run:`, as those of runs "
            'do; write one such as "team".',
        )


def is_ledger(name: str) -> bool:
    """Tell whether a ledger of more than a run may have a name."""
    return bool(name.strip()) and name.isprintable() and not name.startswith("run:")
