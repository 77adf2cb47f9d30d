"""Experiments with users: two arms compared by their sums, at any time, soundly.

An arm is known by sums over its units (users, sessions); no unit is needed, so that
nothing personal is kept. A difference is the first arm minus the second. Formulas and
vectors: docs/methods.md §6.4 to §6.9.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import msgspec

from pytest_ladder.stats.checks import (
    check_counts,
    check_finite,
    check_inside,
    check_paired,
    check_passes,
    check_size,
)
from pytest_ladder.stats.distributions import chi_square_tail, student, student_tails
from pytest_ladder.stats.intervals import wilson

LEAST_UNITS = 100
"""Units of an arm before an always-valid interval decides: it assumes a normal mean."""

SPLIT_ALPHA = 0.001
"""Below this p the sample ratio is broken (as Eppo does): looks at it are many."""

TUNED_FOR = 5000
"""Units of both arms at which always-valid intervals are narrowest, by default."""

_Z95 = NormalDist().inv_cdf(0.975)


class Moments(msgspec.Struct, frozen=True):
    """What an arm's mean rests on; the variance is that of a unit, not of the mean."""

    n: int
    mean: float
    variance: float

    @property
    def se(self) -> float:
        """Standard error of the mean."""
        return math.sqrt(self.variance / self.n)


BeforeAfter = tuple[int, float, float, float, float, float]
"""Units of an arm, and sums over them of y, y², x, x² and xy: y is a measure, and x the
same before exposure."""


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


class Lift(msgspec.Struct, frozen=True):
    """A difference as a share of the control's mean, with a 95 % interval."""

    lift: float
    se: float
    low: float
    high: float


def moments(n: int, total: float, squares: float) -> Moments:
    """Return mean and variance from a sum and a sum of squares over `n` units.

    The variance has n - 1 below (0 for one unit). Raises ValueError for no unit, for
    a sum that is not finite, and for squares that are below total² / n: no values
    have such sums.
    """
    _check_sums(n, total, squares)
    # Rounding takes a variance of 0 a little below it.
    return Moments(n, total / n, max(0.0, _spread(n, total, total, squares)))


def ratio_moments(
    n: int, num: float, num_sq: float, den: float, den_sq: float, cross: float
) -> Moments:
    """Return the ratio of two sums over units, linearised (the delta method).

    `cross` is the sum of numerator times denominator. The variance is that of
    (N - R D) / mean(D), so that what follows takes it as that of a mean (Deng,
    Knoblich and Lu 2018). Raises ValueError for sums that no units have, and for a
    denominator of 0.
    """
    _check_sums(n, num, num_sq)
    _check_sums(n, den, den_sq)
    _check_cross(num_sq, den_sq, cross)
    if den == 0:
        raise ValueError("The denominator is 0; the ratio is undefined.")
    ratio = num / den
    spread = (
        _spread(n, num, num, num_sq)
        - 2 * ratio * _spread(n, num, den, cross)
        + ratio**2 * _spread(n, den, den, den_sq)
    )
    return Moments(n, ratio, max(0.0, spread) / (den / n) ** 2)


def adjusted(
    treated: BeforeAfter, control: BeforeAfter
) -> tuple[float, Moments, Moments]:
    """Take out of a mean what the units did before exposure (CUPED).

    Returns theta, the change of y per unit of x, and both arms without what it
    explains. One theta for both, cov(Y, X) / var(X) over all units together (Deng, Xu,
    Kohavi and Walker 2013). It is 0 where X does not vary. Raises ValueError for sums
    that no units have.
    """
    for n, y, yy, x, xx, xy in (treated, control):
        _check_sums(n, y, yy)
        _check_sums(n, x, xx)
        _check_cross(yy, xx, xy)
    all_n = treated[0] + control[0]
    all_y, _, all_x, all_xx, all_xy = map(
        sum, zip(treated[1:], control[1:], strict=True)
    )
    varies = _spread(all_n, all_x, all_x, all_xx)
    theta = _spread(all_n, all_y, all_x, all_xy) / varies if varies else 0.0
    first, second = (
        Moments(
            n,
            y / n - theta * (x / n - all_x / all_n),
            max(
                0.0,
                _spread(n, y, y, yy)
                + theta**2 * _spread(n, x, x, xx)
                - 2 * theta * _spread(n, y, x, xy),
            ),
        )
        for n, y, yy, x, xx, xy in (treated, control)
    )
    return theta, first, second


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


def lift(treated: Moments, control: Moments) -> Lift | None:
    """Return the difference as a share of the control's mean (delta method, normal).

    None where the control's mean is within two standard errors of 0: such a share may
    be anything.
    """
    if abs(control.mean) <= 2 * control.se:
        return None
    share = (treated.mean - control.mean) / control.mean
    se = math.sqrt(
        treated.variance / (treated.n * control.mean**2)
        + control.variance * treated.mean**2 / (control.n * control.mean**4)
    )
    return Lift(share, se, share - _Z95 * se, share + _Z95 * se)


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> tuple[float, float]:
    """Test whether units were split as planned; returns chi-square, and its p.

    `shares` add up to 1; an arm whose share is 0 may have no unit. Raises ValueError
    for shares that do not, unequal lengths, fewer than two arms, or no unit at all.
    """
    check_paired("Counts and shares", counts, shares)
    check_size("Arms", counts, 2)
    check_counts("Units", counts)
    check_counts("Shares", shares)
    if not math.isclose(sum(shares), 1, abs_tol=1e-9):
        raise ValueError(f"Shares must add up to 1, got {sum(shares):g}.")
    n = sum(counts)
    if not n:
        raise ValueError("No arm has a unit.")
    planned = [(count, n * share) for count, share in zip(counts, shares, strict=True)]
    if any(count and not expected for count, expected in planned):
        return math.inf, 0.0
    apart = [(count - plan) ** 2 / plan for count, plan in planned if plan]
    chi2 = math.fsum(apart)
    return chi2, chi_square_tail(chi2, len(apart) - 1)


def always_valid(
    difference: float,
    se: float,
    n: int,
    alpha: float = 0.05,
    tuned_for: int = TUNED_FOR,
) -> tuple[float, float, float]:
    """Widen an interval so that it holds at every look of a running experiment.

    Returns its ends, and a two-sided p that holds as often. An asymptotic confidence
    sequence (Waudby-Smith et al. 2021, eq. 9 and 161), the same as the mixture
    sequential test of Johari et al. 2017. `n` counts the units of all arms compared;
    `tuned_for` is where it is narrowest, and is fixed before the first look. The normal
    approximation asks for `LEAST_UNITS` an arm. Raises ValueError for no unit or a
    negative error.
    """
    check_finite("A difference and its error", [difference, se])
    if se < 0:
        raise ValueError(f"The standard error must be 0 or more, got {se}.")
    half = se * half_width(n, alpha, tuned_for)
    if se == 0:
        return difference, difference, float(difference == 0)
    grown = 1 + n * _mixing(alpha, tuned_for) ** 2
    z = difference / se
    p = math.sqrt(grown) * math.exp(-(z**2) / 2 * (grown - 1) / grown)
    return difference - half, difference + half, min(1.0, p)


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


def half_width(n: int, alpha: float, tuned_for: int = TUNED_FOR) -> float:
    """Return the half-width of an always-valid interval, in standard errors.

    Arguments and errors are those of `always_valid`.
    """
    check_inside("Alpha", alpha)
    if n < 1 or tuned_for < 1:
        raise ValueError(f"Units must be 1 or more, got {n} and {tuned_for}.")
    mixed = n * _mixing(alpha, tuned_for) ** 2
    return math.sqrt(2 * (mixed + 1) / mixed * math.log(math.sqrt(mixed + 1) / alpha))


def _mixing(alpha: float, tuned_for: int) -> float:
    """Return the scale of the mixture that is narrowest at `tuned_for` units."""
    twice = -2 * math.log(alpha)
    return math.sqrt((twice + math.log(1 + twice)) / tuned_for)


def _spread(n: int, first: float, second: float, cross: float) -> float:
    """Return the covariance of two measures from their sums (n - 1 below)."""
    return (cross - first * second / n) / (n - 1) if n > 1 else 0.0


def _check_sums(n: int, total: float, squares: float) -> None:
    if n < 1:
        raise ValueError(f"An arm needs 1 or more units, got {n}.")
    check_finite("Sums", [total, squares])
    least = total**2 / n
    if squares < least - 1e-9 * max(1.0, least):
        raise ValueError(
            f"The sum of squares {squares:g} is below sum²/n {least:g}; these are not "
            "of the same units."
        )


def _check_cross(squares: float, other_squares: float, cross: float) -> None:
    check_finite("Sums", [cross])
    most = squares * other_squares
    if cross**2 > most + 1e-9 * max(1.0, most):
        raise ValueError(
            f"The cross product {cross:g} is larger than its squares allow "
            f"({math.sqrt(most):g}); these are not of the same units."
        )
