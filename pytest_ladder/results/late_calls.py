"""Calls of a run whose reply no test got: what they cost is told all the same.

A call that was sent goes on when its test has ended, by a timeout say, for it may be
billed. When all calls are over, what came of it goes on the row of its test. What is in
no row then, for it was called for ahead of a test that did not ask, or its test was
interrupted, has sentences of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pytest_ladder.calls.engine import Engine
from pytest_ladder.core.row import LostCalls, Row
from pytest_ladder.reporting.sentences.matrix import (
    late_replies,
    unused_calls,
    unused_failures,
)
from pytest_ladder.results.ladder_result import Arrived, Items

_LATE = "#late"
"""Ends the key of a call whose reply came when its test had ended."""


def put_on_rows(items: dict[str, Arrived], engine: Engine) -> None:
    """Put what came of calls that outlived their test on its row, or its first one.

    Called once, after the end of all calls.
    """
    used = _used_keys(_rows_of(items))
    for nodeid, arrived in items.items():
        payload = arrived.payload
        if not (payload.left and payload.rows):
            continue
        row, *others = payload.rows
        late = [
            LostCalls(key=key + _LATE, calls=1, usd=engine.called.usd(key))
            for key in payload.left
            if key in engine.called and key not in used
        ]
        asked = tuple(f"{key}#" for key in payload.left)
        late += [lost for lost in engine.failed.lost() if lost.key.startswith(asked)]
        lost = {each.key: each for each in (*row.lost, *late)}
        row = msgspec.structs.replace(row, lost=tuple(lost.values()))
        payload = msgspec.structs.replace(payload, rows=(row, *others))
        items[nodeid] = msgspec.structs.replace(arrived, payload=payload)


def unused(items: Items, engine: Engine) -> Iterator[str]:
    """Yield sentences on replies that are in no row, on late ones, and on failures."""
    rows = _rows_of(items)
    told = {lost.key for row in rows for lost in row.lost}
    late = {key.removesuffix(_LATE) for key in told if key.endswith(_LATE)}
    if costs := engine.called.costs_but_of(_used_keys(rows) | late):
        yield unused_calls(costs)
    if late:
        yield late_replies(len(late))
    if failed := [lost for lost in engine.failed.lost() if lost.key not in told]:
        yield unused_failures(failed)


def _rows_of(items: Items) -> list[Row]:
    return [row for item in items.values() for row in item.rows]


def _used_keys(rows: Iterable[Row]) -> set[str]:
    bills = [bill for row in rows for bill in (*row.replies, *row.evaluations)]
    return {key for bill in bills for key in (bill.key, *bill.calls)}
