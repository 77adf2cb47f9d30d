"""Clusters: the standard error of a mean whose values share sources.

See docs/methods.md §1.2. Values are any finite numbers; a value without a cluster needs
a name of its own.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from pytest_ladder.stats.checks import check_paired, check_size


def clustered_se(values: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """CR2 standard error of the mean of clustered values (docs/methods.md §1.2).

    In the unit of `values`, which may be any finite numbers. Equals the usual standard
    error when every value is its own cluster. Raises ValueError for unequal lengths or
    fewer than two clusters.
    """
    check_size("Values", values, 1)
    sums = cluster_sums(values, clusters, centre=math.fsum(values) / len(values))
    check_size("Clusters for a standard error", sums, 2)
    shares = _cluster_shares(clusters)
    left = _left_of_variance(shares)
    squares = (total * total / part for total, part in zip(sums, left, strict=True))
    return math.sqrt(math.fsum(squares)) / len(values)


def degrees_of_freedom(clusters: Sequence[Hashable]) -> float:
    """Satterthwaite's degrees of freedom of `clustered_se` (docs/methods.md §1.2).

    G - 1 for G clusters of equal size, and fewer where a few large ones carry the mean
    (Bell and McCaffrey 2002). Raises ValueError for fewer than two clusters.
    """
    shares = _cluster_shares(clusters)
    check_size("Clusters for a standard error", shares, 2)
    # The estimate is a quadratic form sum b_c (y_c - mean)² of the cluster means, whose
    # deviations have the covariance matrix O: O_cd = [c = d] - w_c - w_d + W for shares
    # w and W = sum w². Satterthwaite: df = trace(B O)² / trace(B O B O). Written out,
    # the second trace needs no matrix: O has the entries (W - w_c - w_d) off its
    # diagonal, whose weighted squares are sums over c of powers of w_c.
    left, total = _left_of_variance(shares), math.fsum(w * w for w in shares)
    b = [w * w / part for w, part in zip(shares, left, strict=True)]
    trace = math.fsum(w * w for w in shares)
    b0, b1, b2 = (
        math.fsum(weight * w**power for weight, w in zip(b, shares, strict=True))
        for power in (0, 1, 2)
    )
    off = total**2 * b0**2 + 2 * b0 * b2 - 4 * total * b0 * b1 + 2 * b1**2
    off -= math.fsum(
        (weight * (total - 2 * w)) ** 2 for weight, w in zip(b, shares, strict=True)
    )
    # At least 1 by Cauchy and Schwarz; rounding must not take it below.
    return max(1.0, trace**2 / (math.fsum(w**4 for w in shares) + off))


def _cluster_shares(clusters: Sequence[Hashable]) -> list[float]:
    """Share of the cases that is in each cluster, in order of appearance."""
    return [size / len(clusters) for size in Counter(clusters).values()]


def _left_of_variance(shares: Sequence[float]) -> list[float]:
    """Share of a cluster mean's variance that is left around the common mean.

    The mean follows a large cluster, so its own deviation is too small by that.
    """
    total = math.fsum(w * w for w in shares)
    return [1 - 2 * w + total for w in shares]


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
