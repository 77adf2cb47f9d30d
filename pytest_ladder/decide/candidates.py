"""Verdicts: each rung against the bar and the constraints of an objective."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Roi, Verdict
from pytest_ladder.decide.evidence import Evidence, Trust
from pytest_ladder.decide.frontier import roi
from pytest_ladder.decide.matrix import (
    LEAST_COVERAGE,
    Cell,
    Matrix,
    RungResult,
    stopped_interval,
)
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.intervals import (
    MIN_CLUSTERS,
    Interval,
    clopper_pearson,
    effective_wilson,
    exact_lower,
    quality_interval,
)
from pytest_ladder.text import numbers

MISSING = "not measured"
"""The doubt of a rung that nothing is known about."""
FEW = 10
"""With fewer units only an exact bound decides (docs/methods.md §0)."""
BOTH_SIDES = 0.9
"""Confidence of an interval each of whose ends is a one-sided 95 % bound."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A rung with what stands between it and the recommendation."""

    result: RungResult
    cell: Cell | None
    corrected: Trust | None
    """Its quality corrected by labels; None where it is not, or needs none."""
    mistrust: str
    """Why the judge's word decides nothing, like `doubts`; empty: it does, or no
    judge is in it."""
    verdict: Verdict | None
    """Against the bar alone, by the judge's word where a judge decides; None without
    a bar, and where nothing is measured."""
    limits: tuple[str, ...]
    """Constraints that it does not meet, to be read after "it"."""
    over_budget: str | None
    """Why it does not fit the budget, likewise."""
    doubts: tuple[str, ...]
    """Why nothing can be said yet."""

    @property
    def id(self) -> str:
        """The rung's id."""
        return self.result.id

    @property
    def quality(self) -> float | None:
        """Quality at the level that decides, corrected if it can be; None: unknown."""
        if self.corrected is not None:
            return self.corrected.value
        return self.cell.quality if self.cell else None

    @property
    def usd_per_1k(self) -> float | None:
        """What 1,000 calls cost at the matrix's volume; None: not known."""
        return self.result.cost.usd_per_1k

    @property
    def is_measured(self) -> bool:
        """Whether anything is known of it at the level that decides."""
        return MISSING not in self.doubts

    @property
    def is_whole(self) -> bool:
        """Whether all its cases are measured, so that any bar can be held against it.

        Of a rung that a climb stopped early nothing but its own bar is decided.
        """
        if self.cell is None or self.quality is None or self.result.state != "run":
            return False
        return self.cell.coverage >= LEAST_COVERAGE

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Constraints and budget together."""
        return (*self.limits, self.over_budget) if self.over_budget else self.limits

    @property
    def status(self) -> Verdict:
        """Bar and constraints together."""
        if self.standing == "fail" or self.obstacles:
            return "fail"
        if self.open or self.standing == "undecided":
            return "undecided"
        return "pass"

    @property
    def standing(self) -> Verdict | None:
        """The verdict as far as the judge's word may be taken."""
        return "undecided" if self.mistrust and self.verdict else self.verdict

    @property
    def open(self) -> tuple[str, ...]:
        """Doubts and mistrust together."""
        return (*self.doubts, self.mistrust) if self.mistrust else self.doubts


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The matrix and its evidence, seen with an objective."""

    matrix: Matrix
    evidence: Evidence
    objective: Objective
    candidates: tuple[Candidate, ...]
    """In the order of the matrix: cheapest first, unknown cost last."""

    @property
    def bar(self) -> float:
        """The bar, 0 without one."""
        return self.objective.quality or 0.0

    @property
    def fitting(self) -> tuple[Candidate, ...]:
        """Rungs that meet the constraints, as far as these are known."""
        return tuple(rung for rung in self.candidates if not rung.obstacles)

    @property
    def goal(self) -> str:
        """What a rung has to do, to be read after "no rung"."""
        parts = []
        if self.objective.quality is not None:
            parts.append(f"meets the bar of {numbers.bar(self.objective.quality)}")
        if self.objective.kind == "budget":
            cap = numbers.dollars(self.objective.usd_per_1k)
            parts.append(f"keeps within {cap} per 1,000 calls")
        limits = (self.objective.latency_p95_s, self.objective.build_hours)
        if any(limit is not None for limit in limits):
            parts.append("keeps to the limits")
        return " and ".join(parts) or "can be recommended"

    def find(self, rung: str | None) -> Candidate | None:
        """Return the rung of this id, if it is in the matrix."""
        return next(
            (candidate for candidate in self.candidates if candidate.id == rung), None
        )

    def dearer_than(self, chosen: Candidate) -> tuple[Candidate, ...]:
        """Rungs after `chosen` in the order of cost."""
        ids = [rung.id for rung in self.candidates]
        return self.candidates[ids.index(chosen.id) + 1 :]

    def later_than(self, chosen: Candidate) -> tuple[Candidate, ...]:
        """Rungs after `chosen` in the order of the run."""
        order = self.matrix.run_order
        return self._of(order[order.index(chosen.id) + 1 :])

    def earlier_than(self, chosen: Candidate) -> tuple[Candidate, ...]:
        """Rungs before `chosen` in the order of the run."""
        order = self.matrix.run_order
        return self._of(order[: order.index(chosen.id)])

    def _of(self, rungs: Sequence[str]) -> tuple[Candidate, ...]:
        return tuple(
            candidate for candidate in map(self.find, rungs) if candidate is not None
        )

    def step(self, first: Candidate, second: Candidate) -> Roi | None:
        """Return of going from one rung to the other; None: one is not measured."""
        if first.quality is None or second.quality is None:
            return None
        level = self.objective.level
        return roi(
            first.result, second.result, self.evidence, level, self.matrix.volume
        )


def candidates(
    matrix: Matrix,
    evidence: Evidence,
    objective: Objective,
    settled: Mapping[str, Verdict],
) -> tuple[Candidate, ...]:
    """Hold each rung against the objective, in the order of the matrix."""
    return tuple(
        _candidate(result, evidence, objective, settled.get(result.id))
        for result in matrix.rungs
    )


def by_quality(rung: Candidate) -> float:
    """Return what candidates are sorted by; one without a quality is the lowest."""
    return -1.0 if rung.quality is None else rung.quality


def certified_floor(
    result: RungResult, evidence: Evidence, level: Level
) -> float | None:
    """One-sided 95 % lower bound of a rung's quality, in [0, 1] (docs/methods.md §1.6).

    Exact for 0/1 scores; by effective n for graded and clustered ones; of a rung that
    was stopped early by its confidence sequence. None: not measured, or too few
    clusters to tell.
    """
    units = evidence.scores(level, result.id)
    scores = list(units.values())
    if not scores:
        return None
    clusters = evidence.clusters(level, units)
    if clusters is not None and len(set(clusters)) < MIN_CLUSTERS:
        return None
    if result.state == "stopped":
        return stopped_interval(scores, clusters, BOTH_SIDES).low
    if clusters is None and _is_binary(scores):
        return exact_lower(round(sum(scores)), len(scores))
    mean, _, _, n_eff = quality_interval(scores, clusters)
    return effective_wilson(mean, n_eff, BOTH_SIDES).low


def exact_bounds(evidence: Evidence, level: Level, rung: str) -> Interval:
    """One-sided 95 % bounds of a measured quality that hold for any n.

    Clopper and Pearson's for 0/1 scores; for graded and clustered ones a confidence
    sequence.
    """
    units = evidence.scores(level, rung)
    scores, clusters = list(units.values()), evidence.clusters(level, units)
    if clusters is None and _is_binary(scores):
        return clopper_pearson(round(sum(scores)), len(scores), BOTH_SIDES)
    return stopped_interval(scores, clusters, BOTH_SIDES)


def _candidate(
    result: RungResult,
    evidence: Evidence,
    objective: Objective,
    settled: Verdict | None,
) -> Candidate:
    cell = result.levels.get(objective.level)
    if settled == "pass" and result.state == "run":
        # All its rows are here, and say the same as in a matrix.
        settled = None
    trust = evidence.trust.get(result.id) if objective.level is Level.JUDGED else None
    corrected = trust if trust and not trust.why_not else None
    if corrected is not None:
        # What a climb settled is about the judge's own figures.
        settled = None
    doubts = tuple(_doubts(result, cell, evidence, objective, settled))
    return Candidate(
        result=result,
        cell=cell,
        corrected=corrected,
        mistrust=_mistrust(trust, objective) if trust and MISSING not in doubts else "",
        verdict=settled or _verdict(result, evidence, objective, corrected, doubts),
        limits=tuple(_limits(result, objective)),
        over_budget=_over_budget(result, objective),
        doubts=doubts + tuple(_unknowns(result, objective)),
    )


def _verdict(
    result: RungResult,
    evidence: Evidence,
    objective: Objective,
    corrected: Trust | None,
    undecided: Sequence[str],
) -> Verdict | None:
    """Say whether the full suite would score the bar or more (docs/methods.md §3.1)."""
    scores = list(evidence.scores(objective.level, result.id).values())
    if objective.quality is None or objective.level not in result.levels:
        return None
    if undecided or not scores:
        return "undecided"
    if corrected is not None:
        return "pass" if corrected.value >= objective.quality else "fail"
    reached = math.fsum(scores) >= objective.quality * len(scores) - TINY
    return "pass" if reached else "fail"


def _doubts(
    result: RungResult,
    cell: Cell | None,
    evidence: Evidence,
    objective: Objective,
    settled: Verdict | None,
) -> Iterator[str]:
    """Say why the rows decide nothing; a climb's verdict is one."""
    if settled in ("pass", "fail"):
        return
    if cell is None or cell.quality is None:
        yield MISSING
        return
    if result.state == "stopped":
        yield "stopped early"
    if cell.coverage < LEAST_COVERAGE:
        yield f"coverage {numbers.percent(cell.coverage)}"
    elif settled == "undecided" and result.state == "run":
        yield "tests that were lost"
    least = objective.min_n or 0
    if cell.n < least:
        yield f"n={cell.n:,} of at least {least:,}"
    elif cell.n < FEW and not _is_clear(result.id, evidence, objective):
        yield f"n={cell.n}"


def _mistrust(trust: Trust, objective: Objective) -> str:
    """Say why what a judge found does not decide (docs/methods.md §5.5 and §5.7)."""
    bar = objective.quality
    if not trust.why_not and bar is not None and trust.low < bar <= trust.high:
        interval = numbers.interval(trust.low, trust.high)
        return f"the bar within what labels make of it, {interval}"
    return trust.why_not


def _is_clear(rung: str, evidence: Evidence, objective: Objective) -> bool:
    """Whether even so few cases leave no doubt which side of the bar it is."""
    if objective.quality is None:
        return False
    low, high = exact_bounds(evidence, objective.level, rung)
    return low >= objective.quality or high < objective.quality


def _limits(result: RungResult, objective: Objective) -> Iterator[str]:
    p95, slowest = result.latency.p95_s, objective.latency_p95_s
    if p95 is not None and slowest is not None and p95 > slowest:
        yield (
            f"has a p95 latency of {numbers.seconds(p95)} "
            f"(at most {numbers.seconds(slowest)})"
        )
    hours, longest = result.cost.build_hours, objective.build_hours
    if longest is not None and hours > longest:
        yield f"takes {hours:,g} h to build (at most {longest:,g} h)"
    if objective.kind != "good-enough" and result.state == "stopped":
        yield "was dropped before all cases ran"


def _over_budget(result: RungResult, objective: Objective) -> str | None:
    usd, cap = result.cost.usd_per_1k, objective.usd_per_1k
    if objective.kind != "budget" or cap is None:
        return None
    if usd is None:
        return "has an unknown cost"
    return f"costs {numbers.dollars(usd)} per 1,000 calls" if usd > cap else None


def _unknowns(result: RungResult, objective: Objective) -> Iterator[str]:
    """Say which constraints nothing is known about."""
    if objective.latency_p95_s is not None and result.latency.p95_s is None:
        yield "latency not known"


def _is_binary(scores: Sequence[float]) -> bool:
    return all(score in (0, 1) for score in scores)
