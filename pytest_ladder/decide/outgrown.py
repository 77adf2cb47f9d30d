"""Outgrown levels: those whose cases hardly tell rungs apart any more.

All rungs are so good there that none could be better than another by as much as counts:
the evaluation must grow before the next decision (docs/deciding.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.bounds import FEW
from pytest_ladder.decide.decision import MARGIN, Part
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import (
    LEAST_COVERAGE,
    Matrix,
    outcome_at,
)
from pytest_ladder.stats.checks import TINY

MOST_NAMED = 5
"""Hard cases that are named, as examples of what to add more of."""


class Outgrown(msgspec.Struct, frozen=True, kw_only=True):
    """A level on which all rungs tie near the top, or all sit there for sure."""

    level: Level
    rungs: int
    why: Literal["ceiling", "tie"]
    """`ceiling`: the lower bound of each rung is at `near` or above; `tie`: the best
    rung is there, and no other can be told from it."""
    near: float
    """Quality in [0, 1] from which on what is missing does not count: 1 less the
    tolerance of the objective."""
    best: float
    """Quality of the best rung, in [0, 1]."""
    cases: int
    """Cases that all rungs finished."""
    telling: int
    """Those of them on which rungs differ."""
    hardest: tuple[str, ...]
    """Ids of the cases with the lowest scores, the worst first; none that all pass."""


def outgrown(
    matrix: Matrix, evidence: Evidence, objective: Objective | None, part: Part | None
) -> tuple[Outgrown, ...]:
    """Name the levels that can hardly tell rungs apart; never of a part of the suite.

    It takes two rungs or more, all of them run to the end, on ten cases or more.
    """
    if part is not None:
        return ()
    near = 1 - (MARGIN if objective is None else objective.tolerance)
    return tuple(
        found
        for level in matrix.levels
        # What users make of rungs is no suite that could grow.
        if not outcome_at(matrix, level)
        if (found := _outgrown(matrix, evidence, level, near)) is not None
    )


def _outgrown(
    matrix: Matrix, evidence: Evidence, level: Level, near: float
) -> Outgrown | None:
    graded = [rung for rung in matrix.rungs if level in rung.levels]
    cells = [(rung, rung.levels[level]) for rung in graded]
    whole = [
        rung
        for rung, cell in cells
        if rung.state == "run" and cell.quality is not None
        if cell.coverage >= LEAST_COVERAGE and cell.n >= FEW
    ]
    if len(cells) < 2 or len(whole) < len(cells):
        return None
    rungs = [rung.id for rung in graded]
    if not all(evidence.scores(level, rung) for rung in rungs):
        # What users did has no cases that could be harder.
        return None
    qualities = [evidence.quality(level, rung) for rung in rungs]
    best = max(qualities)
    lows = [(evidence.calibrated(level, rung.id) or cell).low for rung, cell in cells]
    sure = all(low is not None and low >= near - TINY for low in lows)
    if not sure and (
        best < near - TINY
        or _is_told(evidence, level, rungs[qualities.index(best)], rungs)
    ):
        return None
    means, telling = _by_case(evidence, level, rungs)
    hard = sorted((mean, name) for name, mean in means if mean < 1 - TINY)
    return Outgrown(
        level=level,
        rungs=len(rungs),
        why="ceiling" if sure else "tie",
        near=near,
        best=best,
        cases=len(means),
        telling=telling,
        hardest=tuple(name for _, name in hard[:MOST_NAMED]),
    )


def _is_told(evidence: Evidence, level: Level, best: str, rungs: Sequence[str]) -> bool:
    """Whether the best is better than some rung for sure, or nobody can say.

    Cases may be others, or of too few clusters for an interval.
    """
    rivals = [rung for rung in rungs if rung != best]
    compared = (evidence.compare(level, best, rung, len(rivals)) for rung in rivals)
    return any(
        gain is None or gain.low is None or gain.established for gain in compared
    )


def _by_case(
    evidence: Evidence, level: Level, rungs: Sequence[str]
) -> tuple[list[tuple[str, float]], int]:
    """Return the mean score of each common case, by its id, and how many tell."""
    scores = [evidence.scores(level, rung) for rung in rungs]
    common = [unit for unit in scores[0] if all(unit in of for of in scores)]
    means, telling = [], 0
    for unit in common:
        row = [of[unit] for of in scores]
        source, case = unit
        means.append((case or source, math.fsum(row) / len(row)))
        telling += max(row) - min(row) > TINY
    return means, telling
