"""Feasibility: whether the most capable rung can do it at all, given the context."""

from __future__ import annotations

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.candidates import exact_bounds
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import LEAST_COVERAGE, Cell, Matrix
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
    Undecided without a bar and with rows that failed for good.
    """
    level = objective.level
    tried = [
        (rung, rung.levels[level]) for rung in matrix.rungs if level in rung.levels
    ]
    scored = [(rung, cell) for rung, cell in tried if cell.quality is not None]
    if not scored:
        sentence = f"Nothing was measured at the {level} level."
        return Feasibility(rung=None, verdict="undecided", sentence=sentence)
    rung, cell = max(scored, key=lambda pair: pair[1].quality or 0.0)
    bounds = exact_bounds(evidence, level, rung.id)
    verdict, against = _held(cell, bounds, objective)
    return Feasibility(
        rung=rung.id,
        verdict=verdict,
        sentence=f"{_ANSWERS[verdict]}: {rung.id} {_said(cell, bounds)}{against}.",
        low=bounds.low,
        high=bounds.high,
    )


def _held(cell: Cell, bounds: Interval, objective: Objective) -> tuple[Verdict, str]:
    if objective.quality is None:
        return "undecided", "; set `quality` in [objective] to hold it against a bar"
    against = f" against {numbers.bar(objective.quality)}"
    if cell.coverage < LEAST_COVERAGE:
        return "undecided", f"{against}; coverage {numbers.percent(cell.coverage)}"
    if bounds.low >= objective.quality:
        return "pass", against
    return "fail" if bounds.high < objective.quality else "undecided", against


def _said(cell: Cell, bounds: Interval) -> str:
    low, high = numbers.percent(bounds.low), numbers.percent(bounds.high)
    return (
        f"scores {numbers.percent(cell.quality)} with the right context at hand "
        f"(at least {low} and at most {high}, each 95 % sure, n={cell.n:,})"
    )
