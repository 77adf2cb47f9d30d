"""Feasibility: whether the most capable rung can do it at all, given the context."""

from __future__ import annotations

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.bounds import exact_bounds
from pytest_ladder.decide.candidates import nothing_finished
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Cell, Matrix
from pytest_ladder.stats.intervals import Interval
from pytest_ladder.text import numbers

_ANSWERS: dict[Verdict, str] = {
    "pass": "Feasible",
    "fail": "Not feasible",
    "undecided": "Feasible or not is undecided",
}


class Feasibility(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a litmus run."""

    rung: str | None
    """The rung that was tried; None: there are no rows."""
    verdict: Verdict
    """`pass`: feasible, `fail`: not feasible."""
    sentence: str
    low: float | None = None
    """One-sided 95 % bounds of its quality, exact for 0/1 scores."""
    high: float | None = None


def feasibility(
    matrix: Matrix, evidence: Evidence, objective: Objective
) -> Feasibility:
    """Hold a small sample of the most capable rung against the bar.

    Each case came with its own context, so what it misses no retrieval will mend; that
    it is feasible says nothing of cheaper rungs. Of several rungs the best counts.
    Undecided without a bar, and where rows that failed for good could turn it.
    """
    level = objective.level
    tried = [
        (rung, rung.levels[level]) for rung in matrix.rungs if level in rung.levels
    ]
    scored = [(rung, cell) for rung, cell in tried if cell.quality is not None]
    if not scored:
        whys = [f"{nothing_finished(cell)} on {rung.id}" for rung, cell in tried]
        sentence = f"No test of level {level} ran."
        if whys:
            sentence = f"{_ANSWERS['undecided']}: {numbers.few(whys)}."
        return Feasibility(rung=None, verdict="undecided", sentence=sentence)
    rung, cell = max(scored, key=lambda pair: pair[1].quality or 0.0)
    if cell.outcome:
        sentence = f"{_ANSWERS['undecided']}: users decide level {level}."
        return Feasibility(rung=rung.id, verdict="undecided", sentence=sentence)
    worst, best = evidence.ends(level, rung.id)
    clusters = evidence.clusters(level, worst)
    bounds = exact_bounds([*worst.values()], [*best.values()], clusters)
    verdict, against = _held(cell, bounds, objective)
    low, high = numbers.percent(bounds.low), numbers.percent(bounds.high)
    return Feasibility(
        rung=rung.id,
        verdict=verdict,
        sentence=(
            f"{_ANSWERS[verdict]}: {rung.id} scores {numbers.percent(cell.quality)} "
            f"with the right context at hand (at least {low} and at most {high}, each "
            f"95 % sure, n={cell.n:,}){against}."
        ),
        low=bounds.low,
        high=bounds.high,
    )


def _held(cell: Cell, bounds: Interval, objective: Objective) -> tuple[Verdict, str]:
    if objective.quality is None:
        return "undecided", "; set `quality` in [objective] to hold it against a bar"
    against = f" against {numbers.bar(objective.quality)}"
    if bounds.low >= objective.quality:
        return "pass", against
    if bounds.high < objective.quality:
        return "fail", against
    if cell.errors:
        against += f"; coverage {numbers.percent(cell.coverage)}"
    return "undecided", against
