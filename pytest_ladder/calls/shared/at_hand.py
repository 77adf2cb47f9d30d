"""What a session does with the shared store before its calls, and after them.

All of it on the main thread, each with a connection of its own: it looks whether the
store is there, fetches the replies that others have paid for, and sends those of the
outbox. Both go in groups of `KEYS_AT_ONCE`. The session itself only ever looks up what
is at hand, in the local store, so that a test waits for no network.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.command_link import commanding
from pytest_ladder.calls.shared.room import KEYS_AT_ONCE
from pytest_ladder.calls.shared.statements import store_row_of
from pytest_ladder.calls.shared.transfer import push
from pytest_ladder.calls.shared.words import LedgerSums
from pytest_ladder.calls.store.store import Store
from pytest_ladder.errors import ConfigError


def standing(
    address: SharedAddress, ledgers: Sequence[str], *, run: str = ""
) -> tuple[LedgerSums, ...]:
    """Return how it stands with ledgers, and with that of a run.

    Raises `StoreError` where the store cannot be reached, and `ConfigError` where it
    has no tables, or no ledger of that name.
    """
    with commanding(address) as link:
        rows = link.rows(
            "SELECT * FROM {schema}.standing(%s::text[], %s::text)",
            (list(ledgers), run),
        )
    sums = tuple(LedgerSums(*row) for row in rows)
    for name in set(ledgers) - {each.name for each in sums}:
        raise ConfigError(
            f"The shared store {address.name} has no ledger {name!r}; its owner makes "
            f"it by `pytest-ladder budget set {name} --usd 500 --per month`."
        )
    return sums


def seeds(
    address: SharedAddress,
    question: str,
    known: Sequence[int],
    wanted: int | None,
    *,
    new: bool,
    run: str,
) -> list[int]:
    """Note one more climb over a suite; returns all seeds, the one to use at the end.

    Raises `StoreError` or `ConfigError`.
    """
    with commanding(address) as link:
        rows = link.rows(
            "SELECT * FROM {schema}.climb"
            "(%s::text, %s::bigint[], %s::bigint, %s::boolean, %s::text)",
            (question, list(known), wanted, new, run),
        )
    return [seed for (seed,) in rows]


def fetch(address: SharedAddress, store: Store, keys: Iterable[str]) -> int:
    """Put replies of others into the local store; returns how many there were.

    While one group is written to the disk, the next one is on its way: a thread writes
    them, one after another, and has at most one group before it. Raises `StoreError`.
    """
    asked, fetched = iter(dict.fromkeys(keys)), 0
    writing: Future[None] | None = None
    with commanding(address) as link, ThreadPoolExecutor(1) as writer:
        while some := list(itertools.islice(asked, KEYS_AT_ONCE)):
            rows = link.rows(
                "SELECT encode(key, 'hex'), identity, request, reply "
                "FROM {schema}.replies WHERE key = ANY (%b::bytea[])",
                ([bytes.fromhex(key) for key in some],),
            )
            if writing is not None:
                writing.result()
            writing = writer.submit(_put, store, rows) if rows else None
            fetched += len(rows)
        if writing is not None:
            writing.result()
    return fetched


def _put(store: Store, rows: Sequence[tuple[Any, ...]]) -> None:
    store.put([store_row_of(*row) for row in rows], from_others=True)


def send_outbox(address: SharedAddress, store: Store) -> int:
    """Send what only this machine has; returns how many replies were new to others.

    Raises `StoreError`: what was not sent stays in the outbox.
    """
    new = 0
    while rows := store.outbox(KEYS_AT_ONCE):
        new += push(address, rows)
        store.sent([key for key, *_ in rows])
    return new
