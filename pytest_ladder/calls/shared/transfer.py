"""Replies in bulk, for commands: from the shared store to this machine, and back.

`pull` reads by COPY. `push` calls the function that keeps replies, with thousands in
each statement: a worker's role may write no table, so it cannot COPY into one. Neither
replaces a reply: of two for one key the one that is there stays.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.command_link import CommandLink, as_sql, commanding
from pytest_ladder.calls.shared.statements import KEEP, columns_of
from pytest_ladder.calls.store.stored_reply import StoreRow

AT_ONCE = 1_000
"""How many replies one statement takes to or from the shared store."""
_AGE = "created >= clock_timestamp() - make_interval(secs => {age_s!r})"


def pull(
    address: SharedAddress,
    *,
    age_s: float | None = None,
    total: Callable[[int], None] = lambda _: None,
) -> Iterator[StoreRow]:
    """Yield the stored replies, or those that are no older than so many seconds.

    By the database's clock. `total` is told how many there are, before the first comes.
    Raises `StoreError` or `ConfigError`.
    """
    with commanding(address) as link:
        which = "true" if age_s is None else _AGE.format(age_s=float(age_s))
        ((found,),) = link.rows(
            f"SELECT count(*) FROM {{schema}}.replies WHERE {which}"
        )
        total(found)
        query = (
            "COPY (SELECT encode(key, 'hex'), identity, request, reply "
            f"FROM {link.schema}.replies WHERE {which}) TO STDOUT (FORMAT BINARY)"
        )
        with link.connection.cursor().copy(as_sql(query)) as copy:
            copy.set_types(["text", "text", "bytea", "bytea"])
            for key, identity, request, reply in copy.rows():
                yield key, identity, request.decode(), reply.decode()


def push(
    address: SharedAddress,
    rows: Iterable[StoreRow],
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Store replies; returns how many were new.

    Only what is not there is sent. `progress` is told how many rows are done. Raises
    `StoreError` or `ConfigError`.
    """
    waiting, new, done = iter(rows), 0, 0
    with commanding(address) as link:
        while group := list(itertools.islice(waiting, AT_ONCE)):
            new += _kept(link, group)
            done += len(group)
            progress(done)
    return new


def _kept(link: CommandLink, group: list[StoreRow]) -> int:
    keys = [bytes.fromhex(key) for key, *_ in group]
    there = {
        key.hex()
        for (key,) in link.rows(
            "SELECT key FROM {schema}.replies WHERE key = ANY (%b::bytea[])", (keys,)
        )
    }
    missing = [row for row in group if row[0] not in there]
    if not missing:
        return 0
    casts = ", ".join(f"%b::{cast}" for cast in KEEP)
    ((new,),) = link.rows(f"SELECT {{schema}}.keep({casts})", columns_of(missing))
    return int(new)
