"""Runs of a baseline: whether one of them is unlike all others.

A run on a bad day of the provider makes a baseline easy to keep, and a lucky one makes
every change look worse. Each run is left out in turn and held against the rest as if
it were a change, for the worse and for the better (docs/methods.md §2.6).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.gate.pairs import Pairs, pair, scores_of
from pytest_ladder.decide.gate.result import OddRun
from pytest_ladder.decide.gate.within import LEAST_RUNS, apply_test
from pytest_ladder.decide.matrix import score_of
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.paired import holm

ODD_AT = 0.05
"""P-value at which a run is unlike the others, adjusted for all that may be."""


def odd_runs(rows: Sequence[Row], least: float) -> tuple[OddRun, ...]:
    """Return the runs of one rung that differ from the others by `least` or more.

    The surest first. Of fewer than three runs nobody can tell which is the odd one.
    """
    runs = sorted({row.run for row in rows})
    if len(runs) < LEAST_RUNS:
        return ()
    held = [each for run in runs for each in _held(run, rows)]
    found = (
        msgspec.structs.replace(one, p=p)
        for one, p in zip(held, holm([one.p for one in held]), strict=True)
    )
    odd = (
        one
        for one in found
        if one.p <= ODD_AT and abs(one.quality - one.others) >= max(least, TINY) - TINY
    )
    return tuple(sorted(odd, key=lambda one: one.p))


def _held(run: str, rows: Sequence[Row]) -> Iterator[OddRun]:
    """Hold a run against the others at each level."""
    others = [row for row in rows if row.run != run]
    pairs = pair(others, [row for row in rows if row.run == run])
    for level in Level:
        part = pairs.at(level)
        if not part.before:
            continue
        scores = scores_of(part)
        n = len(scores.before)
        upside = _upside_down(part)
        worse = apply_test(part, scores).p
        better = apply_test(upside, scores_of(upside)).p
        yield OddRun(
            run=run,
            level=level,
            quality=math.fsum(scores.after) / n,
            others=math.fsum(scores.before) / n,
            runs=len({row.run for rows in part.before.values() for row in rows}),
            p=min(1.0, 2 * min(worse, better)),
        )


def _upside_down(pairs: Pairs) -> Pairs:
    """Return pairs in which what was better is worse."""

    def turned(rows: Sequence[Row]) -> list[Row]:
        return [msgspec.structs.replace(r, score=1 - score_of(r)) for r in rows]

    return Pairs(
        {key: turned(rows) for key, rows in pairs.before.items()},
        {key: turned(rows) for key, rows in pairs.after.items()},
        pairs.unpaired,
    )
