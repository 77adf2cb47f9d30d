"""Bounds: what can be said of a rung's quality, whatever its errors would have been."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from statistics import NormalDist

from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import ONE_SIDED, Trust
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.evidence import Evidence, once
from pytest_ladder.decide.matrix import RungResult, stopped_interval
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.intervals import (
    MIN_CLUSTERS,
    Interval,
    clopper_pearson,
    exact_lower,
    quality_interval,
)
from pytest_ladder.text import numbers

BOTH_SIDES = 0.9
"""Confidence of an interval each of whose ends is a one-sided 95 % bound."""

FEW = 10
"""With fewer units only an exact bound decides (docs/methods.md §0)."""


def against_bar(
    worst: Sequence[float],
    best: Sequence[float],
    bar: float,
    clusters: Sequence[Hashable] | None = None,
) -> Verdict:
    """Say whether a suite scores the bar or more (docs/methods.md §3.1).

    `worst` and `best` are the scores of all its units with what did not finish taken
    for a miss, and for a pass: the verdict is one that no error could have turned.
    With fewer than 10 units it is undecided unless an exact bound says more than that.
    """
    n = len(worst)
    if not n:
        return "undecided"
    if n < FEW:
        low, high = exact_bounds(worst, best, clusters)
        return "pass" if low >= bar else "fail" if high < bar else "undecided"
    return share_against(worst, best, bar)


def share_against(worst: Sequence[float], best: Sequence[float], bar: float) -> Verdict:
    """Say the same of a share that is asked for, however few units there are."""
    n = len(worst)
    if n and math.fsum(worst) >= bar * n - TINY:
        return "pass"
    return "fail" if math.fsum(best) < bar * n - TINY else "undecided"


@once
def verdict_of(evidence: Evidence, level: Level, rung: str, bar: float) -> Verdict:
    """Say whether the full suite would score the bar or more (docs/methods.md §3.1).

    By what users did at the real level, and else by its quality, corrected by labels
    where it can be.
    """
    if level is Level.REAL:
        by_users = evidence.real_verdict(rung, bar)
        if by_users is not None:
            return by_users
    worst, best = evidence.ends(level, rung)
    if evidence.calibrated(level, rung) is not None:
        ends = ends_of(evidence, level, rung)
        return share_against([ends[0]], [ends[1]], bar) if ends else "undecided"
    clusters = evidence.clusters(level, worst)
    return against_bar([*worst.values()], [*best.values()], bar, clusters)


def ends_of(evidence: Evidence, level: Level, rung: str) -> tuple[float, float] | None:
    """Return the quality with what did not finish taken for a miss, and for a pass.

    None: nothing finished.
    """
    if level is Level.REAL and (by_users := evidence.real_ends(rung)):
        return by_users
    worst, best = evidence.ends(level, rung)
    if not evidence.scores(level, rung):
        return None
    low, high = (math.fsum(of.values()) / len(of) for of in (worst, best))
    corrected = evidence.calibrated(level, rung)
    if corrected is None:
        return low, high
    unfinished = high - low
    low = corrected.value * (1 - unfinished)
    return low, low + unfinished


def mistrust(trust: Trust, bar: float | None) -> str:
    """Say why what a judge found does not decide (docs/methods.md §5.5 and §5.7)."""
    if not trust.why_not and bar is not None and trust.low < bar <= trust.high:
        interval = numbers.interval(trust.low, trust.high)
        return f"labels that leave it on either side of the bar, {interval}"
    return trust.why_not


def exact_bounds(
    worst: Sequence[float],
    best: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """One-sided 95 % bounds of a measured quality that hold for any n above 0.

    Clopper and Pearson's for 0/1 scores; for graded and clustered ones a confidence
    sequence.
    """
    low, high = _exact(worst, clusters).low, _exact(best, clusters).high
    return Interval(low, high)


def cheap_bar_of(evidence: Evidence) -> float | None:
    """Return the share of cheap passes that the tests behind the rows ask for."""
    return cheap_bar(
        (function_of(row.test), row.at_least, row.weight)
        for row in evidence.rows_at(Level.CHEAP)
    )


def cheap_bar(tests: Iterable[tuple[str, float, float]]) -> float | None:
    """Return the mean of `at_least` of cheap tests by weight, those of 1 left out.

    Tests are given by name, `at_least` and weight, as often as one likes. None where
    each asks for all its cases: single misses then fail tests, and no rung.
    """
    asked = {name: (share, weight) for name, share, weight in tests}
    demanding = [pair for pair in asked.values() if pair[0] < 1 and pair[1] > 0]
    if not demanding:
        return None
    weight = math.fsum(weight for _, weight in demanding)
    return math.fsum(share * weight for share, weight in demanding) / weight


def function_of(test: str) -> str:
    """Return the node id of a test without the user's parameters."""
    path, found, name = test.rpartition("::")
    return f"{path}{found}{name.partition('[')[0]}"


def certified_floor(
    result: RungResult, evidence: Evidence, level: Level, competed: int = 1
) -> float | None:
    """One-sided 95 % lower bound of a rung's quality, in [0, 1] (docs/methods.md §1.6).

    The best of `competed` rungs owes some of its score to luck: its bound holds for
    each of them at once (Bonferroni).

    Exact for 0/1 scores; by effective n for graded and clustered ones; of a rung that
    was stopped early by its confidence sequence. What did not finish counts as a miss,
    as it does for the verdict. None: not measured, or too few clusters to tell.
    """
    error = ONE_SIDED / competed
    if not evidence.scores(level, result.id):
        return None
    units = evidence.ends(level, result.id).worst
    scores = list(units.values())
    clusters = evidence.clusters(level, units)
    if clusters is not None and len(set(clusters)) < MIN_CLUSTERS:
        return None
    if result.state == "stopped":
        return stopped_interval(scores, clusters, 1 - 2 * error).low
    if clusters is None and _is_binary(scores):
        return exact_lower(round(sum(scores)), len(scores), 1 - error)
    return quality_interval(scores, clusters, 1 - 2 * error).low


def corrected_floor(trust: Trust, competed: int = 1) -> float:
    """Return the lower end of a quality that labels corrected, for one of `competed`.

    Its own end is one-sided at 97.5 %; beyond that it is taken further as a normal one.
    """
    normal = NormalDist()
    further = normal.inv_cdf(ONE_SIDED / competed) / normal.inv_cdf(ONE_SIDED / 2)
    return max(0.0, trust.value - max(1.0, further) * (trust.value - trust.low))


def _exact(scores: Sequence[float], clusters: Sequence[Hashable] | None) -> Interval:
    if clusters is None and _is_binary(scores):
        return clopper_pearson(round(sum(scores)), len(scores), BOTH_SIDES)
    return stopped_interval(scores, clusters, BOTH_SIDES)


def _is_binary(scores: Sequence[float]) -> bool:
    return all(score in (0, 1) for score in scores)
