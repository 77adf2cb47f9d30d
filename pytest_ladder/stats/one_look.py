"""Experiments with users that are looked at once, and how many users one takes.

Formulas and vectors: docs/methods.md §6.4 to §6.9.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import msgspec

from pytest_ladder.stats.checks import check_inside, check_passes
from pytest_ladder.stats.distributions import student, student_tails
from pytest_ladder.stats.experiments import Moments, half_width
from pytest_ladder.stats.intervals import wilson


class Difference(msgspec.Struct, frozen=True):
    """A Welch comparison: two-sided p, and an interval of the difference."""

    difference: float
    se: float
    df: float
    """Degrees of freedom; infinite where no arm varies."""
    p: float
    low: float
    high: float


class TwoProportions(msgspec.Struct, frozen=True):
    """Pooled z, two-sided p, and an interval for the first rate minus the second."""

    z: float
    p: float
    low: float
    high: float


def difference(a: Moments, b: Moments, confidence: float = 0.95) -> Difference:
    """Compare two means by Welch's t test: `a` minus `b`.

    Where neither arm varies, the interval is the difference itself and p is 1 or 0.
    Raises ValueError for an arm of fewer than two units.
    """
    check_inside("Confidence", confidence)
    for arm in (a, b):
        if arm.n < 2:
            raise ValueError(f"Both arms need 2 or more units, got {a.n} and {b.n}.")
    apart = a.mean - b.mean
    parts = a.variance / a.n, b.variance / b.n
    se = math.sqrt(sum(parts))
    if se == 0:
        return Difference(apart, 0.0, math.inf, float(apart == 0), apart, apart)
    first, second = (part / sum(parts) for part in parts)
    df = 1 / (first**2 / (a.n - 1) + second**2 / (b.n - 1))
    half = student(df, 1 - confidence) * se
    p = student_tails(apart / se, df)
    return Difference(apart, se, df, p, apart - half, apart + half)


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


def users_needed(
    p1: float, p2: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the users an arm that tell two rates apart, looked at once.

    Pooled variance under "equal", each arm's own under "different" (Fleiss, without
    correction). Raises ValueError for rates outside (0, 1) or equal ones.
    """
    for rate in (p1, p2):
        check_inside("A rate", rate)
    check_inside("Alpha", alpha)
    check_inside("Power", power)
    if p1 == p2:
        raise ValueError(f"The rates must differ, got {p1} twice.")
    mean = (p1 + p2) / 2
    null = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(2 * mean * (1 - mean))
    real = NormalDist().inv_cdf(power) * math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    return ((null + real) / (p1 - p2)) ** 2


def users_needed_always(
    p1: float, p2: float, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Return the users an arm that tell two rates apart at any look, with `power`.

    The least n with half-width + z(power) SE <= effect. Raises as `users_needed`.
    """
    fewest = math.ceil(users_needed(p1, p2, alpha, power))
    unit = math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    z, effect = NormalDist().inv_cdf(power), abs(p1 - p2)

    def tells(n: int) -> bool:
        return unit / math.sqrt(n) * (half_width(2 * n, alpha) + z) <= effect

    most = fewest
    while not tells(most):
        most *= 2
    while fewest < most:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if tells(middle) else (middle + 1, most)
    return most
