"""Paired comparisons: has the candidate become worse, and which p-values count.

Every test is one-sided, "the candidate is worse": a difference is candidate minus
baseline on one case, so a drop is negative.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from pytest_ladder.stats.checks import (
    TINY,
    check_counts,
    check_finite,
    check_inside,
    check_passes,
    check_range,
    check_size,
)
from pytest_ladder.stats.clusters import (
    cluster_sums,
    clustered_se,
    degrees_of_freedom,
)
from pytest_ladder.stats.intervals import Interval, wilson

EXACT_FLIPS = 16
"""Up to this many non-zero differences all sign flips are enumerated."""

DRAWS = 10_000
"""Random sign flips where there are too many to enumerate."""

_HALVINGS = 60
"""Of the range of a bound, until it is exact."""


class PairedT(NamedTuple):
    """One-sided p of "worse", and the mean difference with its two-sided interval."""

    p: float
    mean: float
    low: float
    high: float


def mcnemar_midp(broke: int, fixed: int) -> float:
    """Mid-p McNemar p-value of "worse" (Fagerland et al. 2013; docs/methods.md §2.2).

    `broke` cases went from pass to miss, `fixed` from miss to pass. 1 if no case
    changed. Raises ValueError for a negative count.
    """
    check_counts("Changed cases", [broke, fixed])
    changed = broke + fixed
    if changed == 0:
        return 1.0
    ways = math.comb(changed, broke)
    doubled = ways
    for k in range(broke, changed):
        ways = ways * (changed - k) // (k + 1)
        doubled += 2 * ways
    return doubled / (1 << (changed + 1))


def sign_flip(
    differences: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> float:
    """Sign-flip permutation p-value of "worse" (docs/methods.md §2.2).

    Exact up to 16 non-zero differences, else from 10,000 draws that `seed` fixes. With
    `clusters` the signs of whole clusters are flipped. 1 if nothing differs. Raises
    ValueError for unequal lengths or a difference that is not finite.
    """
    check_finite("Differences", differences)
    if clusters is not None:
        differences = cluster_sums(differences, clusters)
    moved = [change for change in differences if abs(change) > TINY]
    observed = math.fsum(moved) + TINY
    if len(moved) > EXACT_FLIPS:
        return _drawn_flips(moved, observed, seed)
    sums = [0.0]
    for change in moved:
        sums = [total + sign for total in sums for sign in (change, -change)]
    return sum(total <= observed for total in sums) / len(sums)


def _drawn_flips(moved: Sequence[float], observed: float, seed: int) -> float:
    import numpy as np

    random = np.random.default_rng(seed)
    sizes = np.asarray(moved)
    as_low = 0
    for _ in range(DRAWS // 1000):  # in blocks, to bound the memory
        signs = random.integers(0, 2, size=(1000, len(moved))) * 2 - 1
        as_low += int(np.count_nonzero(signs @ sizes <= observed))
    return (1 + as_low) / (DRAWS + 1)


def paired_t(
    differences: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> PairedT:
    """Paired t test of "worse" with an interval for the mean difference.

    See docs/methods.md §2.2. Meant for 20 differences or more. With `clusters` the
    standard error and the degrees of freedom are those of `clustered_se`. If nothing
    varies, p is 0 for a drop and else 1. Raises ValueError for fewer than two
    differences or clusters, unequal lengths or a difference that is not finite.
    """
    import scipy.special

    check_size("Differences", differences, 2)
    check_finite("Differences", differences)
    check_inside("Confidence", confidence)
    units: Sequence[Hashable] = range(len(differences))
    if clusters is not None:
        units = clusters
    mean = math.fsum(differences) / len(differences)
    se = clustered_se(differences, units)
    if se < TINY:
        return PairedT(0.0 if mean < -TINY else 1.0, mean, mean, mean)
    df = degrees_of_freedom(units)
    half = float(scipy.special.stdtrit(df, (1 + confidence) / 2)) * se
    p = float(scipy.special.stdtr(df, mean / se))
    return PairedT(p, mean, mean - half, mean + half)


def score_interval(
    better: int, worse: int, n: int, confidence: float = 0.95
) -> Interval:
    """Tango's score interval for the difference of two paired shares (1998).

    Of n cases `better` went from miss to pass and `worse` from pass to miss; the bounds
    are those of (better - worse) / n, in [-1, 1]. It keeps a width where no case
    differs: +-16 points at n = 20 (docs/methods.md §2.2). Raises ValueError for counts
    that do not fit n, or no case.
    """
    check_counts("Changed cases", [better, worse])
    check_passes(better + worse, n)
    check_inside("Confidence", confidence)
    if n < 1:
        raise ValueError(f"A paired interval needs 1 or more cases, got {n}.")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    gain = (better - worse) / n
    high = _score_bound(better, worse, n, z)
    low = -_score_bound(worse, better, n, z)
    return Interval(min(low, gain), max(high, gain))


def _score_bound(better: int, worse: int, n: int, z: float) -> float:
    """Largest difference that the score test does not refuse, by bisection.

    Under a difference d the share of cases that turn worse has the maximum likelihood
    estimate q below (a root of a quadratic), and the variance of the observed
    difference is (2 q + d (1 - d)) / n.
    """
    inside, outside = (better - worse) / n, 1.0
    for _ in range(_HALVINGS):
        d = (inside + outside) / 2
        b = (2 * n - better + worse) * d - better - worse
        c = -worse * d * (1 - d)
        q = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        spread = n * max(0.0, 2 * q + d * (1 - d))
        if n * d - (better - worse) <= z * math.sqrt(spread):
            inside = d
        else:
            outside = d
    return (inside + outside) / 2


def gain_interval(
    gains: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Interval of a mean gain in [-1, 1], from what single cases gained.

    See docs/methods.md §2.2. Tango's where every gain is -1, 0 or 1 and there are no
    clusters; the paired t interval else. Where all gains are the same there is no
    variance to go by: what none of n cases (or clusters) showed may still be the lot of
    z² / (n + z²) of them, by Wilson's upper bound, and those may lose or gain all.
    Raises ValueError for gains outside [-1, 1], fewer than two of them or two clusters,
    or unequal lengths.
    """
    check_size("Gains", gains, 2)
    check_range("Gains as shares of the largest", [abs(gain) for gain in gains])
    if clusters is None and all(gain in (-1, 0, 1) for gain in gains):
        better, worse = gains.count(1), gains.count(-1)
        return score_interval(better, worse, len(gains), confidence)
    _, mean, low, high = paired_t(gains, clusters, confidence)
    if high - low > TINY:
        return Interval(max(-1.0, low), min(1.0, high))
    unseen = wilson(0, len(set(clusters or range(len(gains)))), confidence).high
    return Interval(mean - unseen * (1 + mean), mean + unseen * (1 - mean))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values, in the order given (Holm 1979; docs/methods.md §2.7).

    Comparing them with 0.05 keeps the chance of any false alarm at 0.05: the
    correction for tests that block. Raises ValueError for a p-value outside [0, 1].
    """
    check_range("P-values", p_values)
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(_order(p_values)):
        highest = max(highest, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, highest)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """FDR-adjusted p-values (Benjamini and Hochberg 1995; docs/methods.md §2.7).

    In the order given; for lists to read, never to block. Raises ValueError for a
    p-value outside [0, 1].
    """
    check_range("P-values", p_values)
    adjusted, lowest = [1.0] * len(p_values), 1.0
    for rank, index in reversed([*enumerate(_order(p_values), start=1)]):
        lowest = min(lowest, p_values[index] * (len(p_values) / rank))
        adjusted[index] = lowest
    return adjusted


def _order(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=p_values.__getitem__)


def minimum_detectable(
    discordance: float, n: int, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Drop that a paired one-sided test of n cases sees with `power`.

    See docs/methods.md §2.3. In points of [0, 1]. `discordance` is the share of cases
    that change, or for graded scores the variance of the differences. Raises ValueError
    unless n >= 1, discordance is in [0, 1] and alpha and power are strictly between 0
    and 1.
    """
    check_range("Discordance", [discordance])
    check_inside("Alpha", alpha)
    check_inside("Power", power)
    if n < 1:
        raise ValueError(f"A detectable drop needs 1 or more cases, got {n}.")
    normal = NormalDist()
    z = normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)
    return z * math.sqrt(discordance / n)
