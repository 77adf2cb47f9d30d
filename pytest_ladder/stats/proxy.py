"""Agreement of test scores with real outcomes: ranks, and two-sample comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from pytest_ladder.stats.checks import (
    check_finite,
    check_inside,
    check_paired,
    check_passes,
    check_size,
)
from pytest_ladder.stats.intervals import wilson


class Kendall(NamedTuple):
    """Rank correlation in [-1, 1] and its two-sided p; None if a side is constant."""

    tau: float | None
    p: float | None


class TwoProportions(NamedTuple):
    """Pooled z, two-sided p, and an interval for the first rate minus the second."""

    z: float
    p: float
    low: float
    high: float


class MannWhitney(NamedTuple):
    """P(first > second) + P(tie) / 2, in [0, 1], and its two-sided p."""

    superiority: float
    p: float


def kendall(proxy: Sequence[float], outcome: Sequence[float]) -> Kendall:
    """Kendall's tau-b of the rungs' proxy scores and real outcomes.

    See docs/methods.md §6.1. p is two-sided, exact without ties; below 4 rungs even
    perfect agreement proves nothing. Raises ValueError for unequal lengths, fewer than
    two rungs or a value that is not finite.
    """
    import scipy.stats

    check_paired("Proxy and outcome", proxy, outcome)
    check_size("Rungs", proxy, 2)
    check_finite("Scores", [*proxy, *outcome])
    if len(set(proxy)) == 1 or len(set(outcome)) == 1:
        return Kendall(None, None)
    result = scipy.stats.kendalltau(proxy, outcome)
    return Kendall(float(result.statistic), float(result.pvalue))


def two_proportions(
    x1: int, n1: int, x2: int, n2: int, confidence: float = 0.95
) -> TwoProportions:
    """Compare two rates, x1 of n1 and x2 of n2 (docs/methods.md §6.4).

    Score test (the pooled z) with Newcombe's interval (Newcombe 1998). z is 0 if all or
    none succeeded. Raises ValueError unless 0 <= x <= n and n >= 1 on both sides.
    """
    check_passes(x1, n1)
    check_passes(x2, n2)
    check_inside("Confidence", confidence)
    if n1 < 1 or n2 < 1:
        raise ValueError(f"Both arms need 1 or more users, got {n1} and {n2}.")
    rate1, rate2, pooled = x1 / n1, x2 / n2, (x1 + x2) / (n1 + n2)
    se = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    z = (rate1 - rate2) / se if se else 0.0
    first, second = wilson(x1, n1, confidence), wilson(x2, n2, confidence)
    return TwoProportions(
        z,
        2 * NormalDist().cdf(-abs(z)),
        rate1 - rate2 - math.hypot(rate1 - first.low, second.high - rate2),
        rate1 - rate2 + math.hypot(first.high - rate1, rate2 - second.low),
    )


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> MannWhitney:
    """Compare two groups of ratings: does one of `a` beat one of `b`.

    See docs/methods.md §6.5. Raises ValueError for an empty group or a value that is
    not finite.
    """
    import scipy.stats

    check_size("Ratings of a group", a, 1)
    check_size("Ratings of a group", b, 1)
    check_finite("Ratings", [*a, *b])
    result = scipy.stats.mannwhitneyu(a, b)
    return MannWhitney(
        float(result.statistic) / (len(a) * len(b)), float(result.pvalue)
    )
