"""Error bars: intervals for pass rates and means, and what a number of cases can show.

The formulas of this package, and how well they cover, are in docs/methods.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from pytest_ladder.stats.checks import (
    TINY,
    check_inside,
    check_paired,
    check_passes,
    check_range,
    check_size,
)
from pytest_ladder.stats.clusters import (
    cluster_sums,
    clustered_se,
    degrees_of_freedom,
)
from pytest_ladder.stats.distributions import student

MIN_CLUSTERS = 6
"""With fewer clusters than this no interval is given (docs/methods.md §1.2)."""

_FEW_COSTS, _MOST_SKEWED = 5, 4.0
"""Values of which a tail can be told, and the largest variance of their logarithms that
is taken for one of a lognormal distribution: beyond that some are all but 0."""


class Interval(NamedTuple):
    """A lower and an upper bound, in the unit of the quantity they bound."""

    low: float
    high: float


class ClusteredMean(NamedTuple):
    """The mean of clustered scores, with its standard error and effective n.

    `df` are the degrees of freedom of `se`; infinite where nothing varies.
    """

    mean: float
    se: float
    n_eff: float
    df: float


class ResampledMean(NamedTuple):
    """The mean over cases of several samples each, and where its variance comes from.

    `within` is the variance between samples of a case, `between` the variance of the
    true case means; both are None if no case has two samples.
    """

    mean: float
    se: float
    within: float | None
    between: float | None


class QualityInterval(NamedTuple):
    """A quality in [0, 1] with its interval; bounds are None with too few clusters."""

    mean: float
    low: float | None
    high: float | None
    n_eff: float


def wilson(passes: float, n: float, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a pass rate (Wilson 1927; docs/methods.md §1.4).

    `passes` and `n` may be fractional, for effective sample sizes. No cases give
    (0, 1). The lower bound at `confidence=0.9` is the one-sided 95 % bound. Raises
    ValueError unless 0 <= passes <= n and 0 < confidence < 1.
    """
    check_passes(passes, n)
    check_inside("Confidence", confidence)
    if n == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return _score_bounds(passes / n, n, z)


def clopper_pearson(passes: int, n: int, confidence: float = 0.95) -> Interval:
    """Exact interval of a pass rate (Clopper and Pearson 1934; docs/methods.md §1.4).

    Never covers less than `confidence`. No cases give (0, 1). Raises ValueError unless
    0 <= passes <= n and 0 < confidence < 1.
    """
    check_inside("Confidence", confidence)
    one_sided = (1 + confidence) / 2
    low = exact_lower(passes, n, one_sided)
    return Interval(low, 1 - exact_lower(n - passes, n, one_sided))


def jeffreys(passes: int, n: int, confidence: float = 0.95) -> Interval:
    """Jeffreys interval of a pass rate.

    See docs/methods.md §1.4 (Brown, Cai and DasGupta 2001). The lower bound is 0
    without a pass and the upper bound 1 without a miss. Raises ValueError unless 0 <=
    passes <= n and 0 < confidence < 1.
    """
    import scipy.special

    check_passes(passes, n)
    check_inside("Confidence", confidence)
    shape = passes + 0.5, n - passes + 0.5
    tail = (1 - confidence) / 2
    low = 0.0 if passes == 0 else float(scipy.special.betaincinv(*shape, tail))
    high = 1.0 if passes == n else float(scipy.special.betaincinv(*shape, 1 - tail))
    return Interval(low, high)


def exact_lower(passes: int, n: int, confidence: float = 0.95) -> float:
    """One-sided exact lower bound of a pass rate (Clopper and Pearson 1934).

    The bound that decides (docs/methods.md §0): it never claims too much. 0 without a
    pass. Raises ValueError unless 0 <= passes <= n and 0 < confidence < 1.
    """
    import scipy.special

    check_passes(passes, n)
    check_inside("Confidence", confidence)
    if passes == 0:
        return 0.0
    return float(scipy.special.betaincinv(passes, n - passes + 1, 1 - confidence))


def effective_wilson(
    mean: float, n_eff: float, confidence: float = 0.95, df: float = math.inf
) -> Interval:
    """Wilson interval of a mean in [0, 1] that is worth `n_eff` cases.

    See docs/methods.md §1.4. `df` are the degrees of freedom of the variance that
    `n_eff` rests on: with few of them Student's t takes the place of z. Raises
    ValueError unless 0 <= mean <= 1, n_eff >= 0, df >= 1 and 0 < confidence < 1.
    """
    check_range("The mean", [mean])
    if df == math.inf or n_eff == 0:
        return wilson(min(mean * n_eff, n_eff), n_eff, confidence)
    check_passes(0, n_eff)
    check_inside("Confidence", confidence)
    if not df >= 1:
        raise ValueError(f"Degrees of freedom must be 1 or more, got {df}.")
    return _score_bounds(mean, n_eff, student(df, 1 - confidence))


def _score_bounds(rate: float, n: float, quantile: float) -> Interval:
    """Wilson's bounds: all rates p with (rate - p)² <= quantile² p (1 - p) / n."""
    square = quantile * quantile / n
    centre = (rate + square / 2) / (1 + square)
    half = math.sqrt(square * rate * (1 - rate) + square * square / 4) / (1 + square)
    low = 0.0 if rate == 0 else max(0.0, centre - half)
    high = 1.0 if rate == 1 else min(1.0, centre + half)
    return Interval(low, high)


def clustered_mean(
    scores: Sequence[float], clusters: Sequence[Hashable]
) -> ClusteredMean:
    """Mean of scores in [0, 1] whose cases share sources.

    See docs/methods.md §1.2 (Miller 2024). `clusters` names the cluster of each score;
    a case without a cluster needs a name of its own. `se` is `clustered_se`;
    `n_eff` is how many independent 0/1 cases would be as precise (docs/methods.md
    §1.4), at most as many as if the cases shared nothing. Raises ValueError for scores
    outside [0, 1], unequal lengths or fewer than two clusters.
    """
    check_size("Scores", scores, 1)
    check_range("Scores", scores)
    mean, se = math.fsum(scores) / len(scores), clustered_se(scores, clusters)
    freedom = degrees_of_freedom(clusters)
    n_eff, df = _effective(mean, se, len(set(clusters)), freedom)
    alone = clustered_se(scores, range(len(scores)))
    apart, _ = _effective(mean, alone, len(scores), freedom)
    return ClusteredMean(mean, se, min(n_eff, apart), df)


def resampled_mean(samples: Sequence[Sequence[float]]) -> ResampledMean:
    """Mean over cases with several samples each (Miller 2024; docs/methods.md §1.3).

    `samples` holds one list of scores per case. More samples per case pay only while
    `within / k` is above `between`; `sqrt(between / n)` is the standard error that
    endless samples would leave. With unequal k, 1/k is averaged over cases. Raises
    ValueError for fewer than two cases, an empty case or a score outside [0, 1].
    """
    check_size("Cases for a standard error", samples, 2)
    for case in samples:
        check_size("Samples of a case", case, 1)
        check_range("Scores", case)
    means = [math.fsum(case) / len(case) for case in samples]
    total = _variance(means)
    mean, se = math.fsum(means) / len(means), math.sqrt(total / len(means))
    spreads = [_variance(case) for case in samples if len(case) > 1]
    if not spreads:
        return ResampledMean(mean, se, None, None)
    within = math.fsum(spreads) / len(spreads)
    share = math.fsum(1 / len(case) for case in samples) / len(samples)
    return ResampledMean(mean, se, within, max(0.0, total - within * share))


def quality_interval(
    scores: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> QualityInterval:
    """Mean of case scores in [0, 1] with the interval to display.

    See docs/methods.md §1.4. Plain Wilson for unclustered 0/1 scores, Wilson on the
    effective n with Student's t otherwise: grades that lie close together are worth
    more than as many passes and misses. With fewer than 6 clusters the bounds are None
    and `n_eff` counts the clusters. Raises ValueError without scores, for a score
    outside [0, 1] or unequal lengths.
    """
    check_size("Scores", scores, 1)
    check_range("Scores", scores)
    n, mean, df = len(scores), math.fsum(scores) / len(scores), math.inf
    if clusters is not None:
        check_paired("Scores and clusters", scores, clusters)
        groups = len(set(clusters))
        if groups < MIN_CLUSTERS:
            return QualityInterval(mean, None, None, float(groups))
        _, _, n_eff, df = clustered_mean(scores, clusters)
    elif n == 1 or all(score in (0, 1) for score in scores):
        n_eff = float(n)
    else:
        se = math.sqrt(_variance(scores) / n)
        n_eff, df = _effective(mean, se, n, n - 1)
    bounds = effective_wilson(mean, n_eff, confidence, df)
    return QualityInterval(mean, *bounds, n_eff)


def skewed_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
) -> Interval | None:
    """Interval of the mean of skewed values of 0 or more, such as costs.

    See docs/methods.md §4.1. In the unit of `values`; None with fewer
    than 5 clusters. The hull of two: Student's t for the logarithm of the mean, and
    Cox's for a lognormal distribution (Land 1972; Olsson 2005), which knows that a long
    tail was not seen yet. Raises ValueError for unequal lengths, no values or negative
    ones.
    """
    check_size("Values", values, 1)
    check_paired("Values and clusters", values, clusters)
    check_inside("Confidence", confidence)
    if min(values) < 0:
        raise ValueError(f"Skewed values must be 0 or more, got {min(values)}.")
    mean = math.fsum(values) / len(values)
    sizes = Counter(clusters)
    if len(sizes) < _FEW_COSTS:
        return None
    if mean == 0:
        return Interval(0.0, 0.0)
    df = degrees_of_freedom(clusters)
    t = student(df, 1 - confidence)
    reach = t * clustered_se(values, clusters) / mean
    ends = [-reach, reach]
    if min(values) > 0:
        # Of cluster means, in units of their mean: their logarithms are about normal.
        sums = cluster_sums(values, clusters)
        means = [part / size for part, size in zip(sums, sizes.values(), strict=True)]
        middle = math.fsum(means) / len(means)
        logs = [math.log(part / middle) for part in means]
        variance = min(_MOST_SKEWED, _variance(logs))
        centre = math.fsum(logs) / len(logs) + variance / 2
        spread = variance / len(logs) + variance**2 / (2 * (len(logs) - 1))
        further = t * math.sqrt(spread)
        ends += [centre - further, centre + further]
    return Interval(mean * math.exp(min(ends)), mean * math.exp(max(ends)))


def certified_floor(n: int, bar: float, confidence: float = 0.95) -> float:
    """Quality that "n cases score at least `bar`" guarantees (docs/methods.md §1.6).

    A normal approximation, 0 at least; at bar 1, where that has no spread, the exact
    bound for n passes of n. `exact_lower` is the bound for an observed score. Raises
    ValueError unless n >= 1, 0 <= bar <= 1 and 0 < confidence < 1.
    """
    check_inside("Confidence", confidence)
    check_range("The bar", [bar])
    if n < 1:
        raise ValueError(f"A certified floor needs 1 or more cases, got {n}.")
    if bar == 1:
        return float((1 - confidence) ** (1 / n))
    z = NormalDist().inv_cdf(confidence)
    return max(0.0, bar - z * math.sqrt(bar * (1 - bar) / n))


def _effective(mean: float, se: float, units: float, df: float) -> tuple[float, float]:
    """Cases worth the same, and the degrees of freedom of the variance behind that.

    Without a variance to go by, as many as there are `units`, and no such limit.
    """
    if mean in (0, 1) or se < TINY:
        return float(units), math.inf
    return mean * (1 - mean) / (se * se), df


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
