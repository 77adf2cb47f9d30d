"""What rows tell of judges: what was judged, and what the funnel held back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.judging.calibrate import Calibration, calibrate_all
from pytest_ladder.judging.labels import Judged, Label


class HeldBack(msgspec.Struct, frozen=True, kw_only=True):
    """What the funnel spared the judges."""

    replies: int
    """Replies that nobody judged, because a cheap check of their case missed."""
    saved_usd: float | None
    """What judging them would have cost, as the others did on average; None: unknown.

    At the price when they were judged, also where their verdicts were replayed.
    """


def judged_of(rows: Iterable[Row]) -> list[Judged]:
    """Return the replies with a verdict on them; errors have none that counts."""
    return [
        Judged(
            test=row.test,
            source=row.source,
            case=row.case,
            rung=row.rung,
            text=row.text,
            verdict=row.verdict,
        )
        for row in rows
        if row.level is Level.JUDGED
        and row.verdict is not None
        and row.outcome is not Outcome.ERROR
    ]


def calibrations_of(
    rows: Iterable[Row], labels: Sequence[Label], rungs: Sequence[str]
) -> tuple[Calibration, ...]:
    """Calibrate the judges of a run, with or without labels.

    Tests come sorted, and each has its rungs in the order of `rungs`. Functions that
    judge need no labels: they count only where labels name their test.
    """
    named = {label.test for label in labels}
    place = {rung: index for index, rung in enumerate(rungs)}
    ordered = sorted(
        rows,
        key=lambda row: (row.test, place[row.rung], row.source, row.case, row.sample),
    )
    return calibrate_all(
        [one for one in judged_of(ordered) if one.verdict.rubric or one.test in named],
        labels,
    )


def held_back(rows: Sequence[Row]) -> HeldBack:
    """Count what the funnel left unjudged, and what that saved."""
    left = sum(is_held_back(row) and not row.evaluations for row in rows)
    costs = [
        [bill.cost_usd for bill in row.evaluations]
        for row in rows
        if row.level is Level.JUDGED and row.evaluations
    ]
    known = [
        math.fsum(usd for usd in row if usd is not None)
        for row in costs
        if None not in row
    ]
    mean = math.fsum(known) / len(known) if known else None
    return HeldBack(replies=left, saved_usd=None if mean is None else left * mean)
