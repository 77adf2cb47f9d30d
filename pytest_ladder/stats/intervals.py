"""Error bars: intervals for pass rates and means, and what a number of cases can show.

The formulas of this package, and how well they cover, are in docs/methods.md.
"""

from __future__ import annotations

import math
from collections import defaultdict
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

MIN_CLUSTERS = 6
"""With fewer clusters than this no interval is given (docs/methods.md §1.2)."""


class Interval(NamedTuple):
    """A lower and an upper bound, in the unit of the quantity they bound."""

    low: float
    high: float


class ClusteredMean(NamedTuple):
    """The mean of clustered scores, with its standard error and effective n."""

    mean: float
    se: float
    n_eff: float


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
    rate, shrink = passes / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if passes == 0 else max(0.0, centre - half)
    high = 1.0 if passes == n else min(1.0, centre + half)
    return Interval(low, high)


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


def effective_wilson(mean: float, n_eff: float, confidence: float = 0.95) -> Interval:
    """Wilson interval of a mean in [0, 1] that is worth `n_eff` cases.

    See docs/methods.md §1.4. Raises ValueError unless 0 <= mean <= 1, n_eff >= 0 and 0
    < confidence < 1.
    """
    check_range("The mean", [mean])
    return wilson(min(mean * n_eff, n_eff), n_eff, confidence)


def clustered_mean(
    scores: Sequence[float], clusters: Sequence[Hashable]
) -> ClusteredMean:
    """Mean of scores in [0, 1] whose cases share sources.

    See docs/methods.md §1.2 (Miller 2024). `clusters` names the cluster of each score;
    a case without a cluster needs a name of its own. `se` is the CR1 standard error;
    `n_eff` is how many independent 0/1 cases would be as precise, at most the number of
    scores (docs/methods.md §1.4). Raises ValueError for scores outside [0, 1], unequal
    lengths or fewer than two clusters.
    """
    check_size("Scores", scores, 1)
    check_range("Scores", scores)
    mean = math.fsum(scores) / len(scores)
    se = clustered_se(scores, clusters)
    return ClusteredMean(
        mean, se, _effective_n(mean, se, len(scores), len(set(clusters)))
    )


def clustered_se(values: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """CR1 standard error of the mean of clustered values (docs/methods.md §1.2).

    In the unit of `values`, which may be any finite numbers. Equals the usual standard
    error when every value is its own cluster. Raises ValueError for unequal lengths or
    fewer than two clusters.
    """
    check_size("Values", values, 1)
    sums = cluster_sums(values, clusters, centre=math.fsum(values) / len(values))
    check_size("Clusters for a standard error", sums, 2)
    squares = math.fsum(total * total for total in sums)
    return math.sqrt(squares * len(sums) / (len(sums) - 1)) / len(values)


def cluster_sums(
    values: Sequence[float], clusters: Sequence[Hashable], centre: float = 0.0
) -> list[float]:
    """Sum of the deviations from `centre` in each cluster, in order of appearance.

    Raises ValueError for unequal lengths.
    """
    check_paired("Values and clusters", values, clusters)
    members: defaultdict[Hashable, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        members[cluster].append(value - centre)
    return [math.fsum(parts) for parts in members.values()]


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
    effective n otherwise. With fewer than 6 clusters the bounds are None and `n_eff`
    counts the clusters. Raises ValueError without scores, for a score outside [0, 1] or
    unequal lengths.
    """
    check_size("Scores", scores, 1)
    check_range("Scores", scores)
    n, mean = len(scores), math.fsum(scores) / len(scores)
    if clusters is not None:
        check_paired("Scores and clusters", scores, clusters)
        groups = len(set(clusters))
        if groups < MIN_CLUSTERS:
            return QualityInterval(mean, None, None, float(groups))
        n_eff = clustered_mean(scores, clusters).n_eff
    elif n == 1 or all(score in (0, 1) for score in scores):
        n_eff = float(n)
    else:
        n_eff = _effective_n(mean, math.sqrt(_variance(scores) / n), n, n)
    return QualityInterval(mean, *effective_wilson(mean, n_eff, confidence), n_eff)


def cases_needed(bar: float, confidence: float = 0.95) -> int:
    """How many cases, all passed, show a quality above `bar` (docs/methods.md §1.5).

    Raises ValueError unless bar and confidence are strictly between 0 and 1.
    """
    check_inside("The bar", bar)
    check_inside("Confidence", confidence)
    return math.ceil(math.log(1 - confidence) / math.log(bar) - TINY)


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


def _effective_n(mean: float, se: float, n: int, units: int) -> float:
    if mean in (0, 1) or se < TINY:
        return float(units)
    return min(float(n), mean * (1 - mean) / (se * se))


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
