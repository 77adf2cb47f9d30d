"""Old replies leave a shared store; for its owner."""

from __future__ import annotations

from collections.abc import Callable, Collection

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.command_link import CommandLink, commanding

_AT_ONCE = 5_000
# What is older than so many seconds, and not named.
_OLD = (
    "FROM {schema}.replies r WHERE "
    "r.created < clock_timestamp() - make_interval(secs => %s) AND NOT EXISTS ("
    "SELECT FROM unnest(%s::bytea[]) AS named(key) WHERE named.key = r.key)"
)
_NOTES = {
    "replaced": "replaced_at",
    "waste": "at",
}
"""What else goes by its age: what was replaced, and notes of what was paid twice."""


def old_replies(address: SharedAddress, age_s: float, named: Collection[str]) -> int:
    """Count the replies older than so many seconds, but for those of `named` keys.

    Raises `StoreError` or `ConfigError`.
    """
    with commanding(address, owners=True) as link:
        ((old,),) = link.rows(f"SELECT count(*) {_OLD}", _values(age_s, named))
    return int(old)


def prune(
    address: SharedAddress,
    age_s: float,
    named: Collection[str],
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Delete what `old_replies` counts, with notes of that age; returns how many.

    Thousands at a time, so that whoever works meanwhile waits for none of it.
    `progress` is told how many are gone. Raises `StoreError` or `ConfigError`.
    """
    gone = 0
    with commanding(address, owners=True) as link:
        while some := _delete(link, age_s, named):
            gone += some
            progress(gone)
        for table, column in _NOTES.items():
            link.rows(
                f"DELETE FROM {{schema}}.{table} WHERE "
                f"{column} < clock_timestamp() - make_interval(secs => %s)",
                (age_s,),
            )
    return gone


def _delete(link: CommandLink, age_s: float, named: Collection[str]) -> int:
    ((some,),) = link.rows(
        "WITH gone AS (DELETE FROM {schema}.replies WHERE key IN "
        f"(SELECT r.key {_OLD} ORDER BY r.key LIMIT {_AT_ONCE}) RETURNING 1) "
        "SELECT count(*) FROM gone",
        _values(age_s, named),
    )
    return int(some)


def _values(age_s: float, named: Collection[str]) -> tuple[float, list[bytes]]:
    return age_s, [bytes.fromhex(key) for key in named]
