"""The funnel in the rows: what failed a cheap check counts as a miss when judged."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.core.why import Why

HELD_BACK = "funnel: a cheap check of the case missed, so it is not judged"
"""What people are told of it."""

_Sample = tuple[str, str, str, int]
_Said = tuple[str, str, str, str]
"""Rung, file of the case, case, and the text of the reply."""


def funnelled(rows: list[Row]) -> list[Row]:
    """Turn judged rows into misses whose case missed a cheap check on the rung.

    In the same sample. A check that did not finish in it, for it takes fewer samples,
    missed if it missed the same reply in another one.

    Whether a judge was asked all the same, as may happen where tests run in several
    processes at once, and whether it failed, then makes no difference; what it was
    paid stays on the row.
    """
    finished = defaultdict[_Sample, set[str]](set)
    missed = defaultdict[_Sample | _Said, set[str]](set)
    for row in rows:
        if row.level is Level.CHEAP and row.case and row.score is not None:
            finished[_sample_of(row)].add(row.test)
            if row.outcome is Outcome.MISSED:
                missed[_sample_of(row)].add(row.test)
                missed[_said_of(row)].add(row.test)

    def is_missed(row: Row) -> bool:
        sample = _sample_of(row)
        elsewhere = missed[_said_of(row)] if row.replies or row.whole_text else set()
        return bool(missed[sample]) or not elsewhere <= finished[sample]

    return [
        _missed(row) if row.level is Level.JUDGED and is_missed(row) else row
        for row in rows
    ]


def is_held_back(row: Row) -> bool:
    """Tell whether a row was left unjudged by the funnel."""
    return row.why is Why.FUNNEL


def is_unsure(row: Row) -> bool:
    """Tell whether a row lacks a verdict that only a passed cheap check calls for."""
    return row.why is Why.UNSURE


def _sample_of(row: Row) -> _Sample:
    return row.rung, row.source, row.case, row.sample


def _said_of(row: Row) -> _Said:
    return row.rung, row.source, row.case, row.whole_text


def _missed(row: Row) -> Row:
    return msgspec.structs.replace(
        row,
        outcome=Outcome.MISSED,
        score=0.0,
        scores={},
        why=Why.FUNNEL,
        reason=HELD_BACK,
        verdict=None,
    )
