"""The funnel in the rows: what failed a cheap check counts as a miss when judged."""

from __future__ import annotations

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.core.why import Why

HELD_BACK = "funnel: a cheap check of the case missed, so it is not judged"
"""What people are told of it."""


def funnelled(rows: list[Row]) -> list[Row]:
    """Turn judged rows into misses whose case missed a cheap check on the rung.

    Whether a judge was asked all the same, as may happen where tests run in several
    processes at once, and whether it failed, then makes no difference; what it was
    paid stays on the row.
    """
    missed = {
        _sample_of(row)
        for row in rows
        if row.level is Level.CHEAP and row.outcome is Outcome.MISSED and row.case
    }
    return [
        _missed(row) if row.level is Level.JUDGED and _sample_of(row) in missed else row
        for row in rows
    ]


def is_held_back(row: Row) -> bool:
    """Tell whether a row was left unjudged by the funnel."""
    return row.why is Why.FUNNEL


def is_unsure(row: Row) -> bool:
    """Tell whether a row lacks a verdict that only a passed cheap check calls for."""
    return row.why is Why.UNSURE


def _sample_of(row: Row) -> tuple[str, str, str, int]:
    return row.rung, row.source, row.case, row.sample


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
