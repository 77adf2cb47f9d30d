"""Replies in bulk, for commands: from the shared store to this machine, and back.

`pull` reads by COPY. `push` calls the function that keeps replies, with thousands in
each statement: a worker's role may write no table, so it cannot COPY into one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.room import KEYS_AT_ONCE
from pytest_ladder.calls.shared.statements import columns_of
from pytest_ladder.calls.store.stored_reply import StoreRow
from pytest_ladder.errors import StoreError


def pull(address: SharedAddress, *, since: float = 0.0) -> Iterator[StoreRow]:
    """Yield the stored replies, those since a time in Unix seconds only.

    Raises `StoreError`.
    """
    import psycopg
    from psycopg import sql

    query = sql.SQL(
        "COPY (SELECT encode(key, 'hex'), identity, request, reply FROM {}.replies "
        "WHERE created >= to_timestamp({})) TO STDOUT (FORMAT BINARY)"
    ).format(sql.Identifier(address.schema), sql.Literal(since))
    with address.connected() as connection:
        try:
            with connection.cursor().copy(query) as copy:
                copy.set_types(["text", "text", "bytea", "bytea"])
                for key, identity, request, reply in copy.rows():
                    yield key, identity, request.decode(), reply.decode()
        except psycopg.Error as error:
            reason = address.reason(error)
        else:
            return
    raise StoreError(f"The shared store {address.name} answered: {reason}.")


def push(address: SharedAddress, rows: Iterable[StoreRow]) -> int:
    """Store replies, of two for one key the first; returns how many were new.

    Raises `StoreError`.
    """
    import psycopg
    from psycopg import sql

    name = sql.Identifier(address.schema).as_string().replace("%", "%%")
    casts = "%s::bytea[], %s::text[], %s::bytea[], %s::bytea[]"
    statement = f"SELECT {name}.keep({casts})"
    waiting, new = iter(rows), 0
    with address.connected() as connection:
        try:
            while group := list(itertools.islice(waiting, KEYS_AT_ONCE)):
                row = connection.execute(statement, columns_of(group)).fetchone()
                new += row[0] if row else 0
        except psycopg.Error as error:
            reason = address.reason(error)
        else:
            return new
    raise StoreError(f"The shared store {address.name} answered: {reason}.")
