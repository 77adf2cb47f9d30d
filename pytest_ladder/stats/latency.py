"""Latency percentiles with order-statistic intervals (docs/methods.md §7.3).

Any unit goes in and the same comes out. A call that timed out enters as `math.inf`: a
percentile among such calls then reads `math.inf`, "above the limit" (docs/methods.md
§7.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pytest_ladder.stats.checks import check_inside, check_range, check_size


class PercentileInterval(NamedTuple):
    """Bounds of a percentile: `low` is None and `high` infinite if n is too small."""

    low: float | None
    high: float


def percentile(values: Sequence[float], q: float) -> float:
    """Interpolate the q-quantile linearly.

    See docs/methods.md §7.3 (Hyndman and Fan 1996, type 7). In the unit of `values`.
    Raises ValueError without values, for a value that is not a number or q outside
    [0, 1].
    """
    check_range("q", [q])
    ordered = _sorted(values)
    position = q * (len(ordered) - 1)
    below, share = math.floor(position), position % 1
    low = ordered[below]
    if share == 0 or low == ordered[below + 1]:
        return low
    high = ordered[below + 1]
    return min(high, low + share * (high - low))


def percentile_interval(
    values: Sequence[float], q: float, confidence: float = 0.95
) -> PercentileInterval:
    """Distribution-free interval of the q-quantile from two order statistics.

    A finite upper bound at 95 % needs 72 values for q = 0.95 and 368 for q = 0.99; for
    a one-sided bound, `confidence=0.9`, 59 and 299 are enough.
    Raises ValueError without values, for a value that is not a number or unless q and
    confidence are strictly between 0 and 1.
    """
    check_inside("q", q)
    check_inside("Confidence", confidence)
    ordered = _sorted(values)
    lower = _binomial_quantile((1 - confidence) / 2, len(ordered), q)
    upper = _binomial_quantile((1 + confidence) / 2, len(ordered), q) + 1
    return PercentileInterval(
        ordered[lower - 1] if lower else None,
        ordered[upper - 1] if upper <= len(ordered) else math.inf,
    )


def _sorted(values: Sequence[float]) -> list[float]:
    check_size("Values", values, 1)
    if any(map(math.isnan, values)):
        raise ValueError("Values must be numbers, got nan.")
    return sorted(values)


def _binomial_quantile(level: float, n: int, p: float) -> int:
    """Smallest k with P(Bin(n, p) <= k) >= level."""
    reach = 10 * math.sqrt(n * p * (1 - p)) + 10  # what lies further out is below 1e-16
    k = max(0, math.floor(n * p - reach))
    total = _binomial_pmf(k, n, p)
    while total < level and k < n:
        k += 1
        total += _binomial_pmf(k, n, p)
    return k


def _binomial_pmf(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))
