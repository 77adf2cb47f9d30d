"""Tails of Student's t and of chi-square on the standard library.

scipy has them, and takes longer to load than a whole report takes to make.
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

_EXACT = 1e-13
"""Relative change at which a continued fraction has converged."""
_MOST_TERMS = 100_000


def student_tails(t: float, df: float) -> float:
    """Return the chance that |T| exceeds |t|; `df` is 1 or more.

    The incomplete beta function of df / (df + t²), by its continued fraction
    (Abramowitz and Stegun 26.7.1 and 26.5.8; evaluated by Lentz's method).
    """
    share = df / (df + t * t)
    # The fraction converges fast on this side only; the other is its complement.
    if share < (df / 2 + 1) / (df / 2 + 2.5):
        return _beta(df / 2, 0.5, share, 1 - share)
    return 1 - _beta(0.5, df / 2, t * t / (df + t * t), share)


@functools.lru_cache(maxsize=256)
def student(df: float, tails: float) -> float:
    """Quantile of Student's t that |t| exceeds with a chance of `tails`; df >= 1."""
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2))
    scale /= math.sqrt(df * math.pi)
    t = NormalDist().inv_cdf(1 - tails / 2)
    # Newton's method on the logarithm of the tails, which is all but straight.
    for _ in range(50):
        left = student_tails(t, df)
        density = scale * (1 + t * t / df) ** (-(df + 1) / 2)
        step = math.log(left / tails) * left / (2 * density)
        t += step
        if abs(step) <= 1e-10 * t:
            break
    return t


def chi_square_tail(x: float, df: int) -> float:
    """Return the chance that chi-square with `df` degrees of freedom exceeds `x`.

    In closed form (Abramowitz and Stegun 26.4.4 and 26.4.5).
    """
    half = x / 2
    if df % 2:
        terms = (
            half ** (i - 0.5) / math.gamma(i + 0.5) for i in range(1, (df + 1) // 2)
        )
        return math.erfc(math.sqrt(half)) + math.exp(-half) * math.fsum(terms)
    terms = (half**i / math.factorial(i) for i in range(df // 2))
    return math.exp(-half) * math.fsum(terms)


def _beta(a: float, b: float, x: float, rest: float) -> float:
    """Return the regularised incomplete beta function; `rest` is 1 - x, all digits."""
    if x <= 0:
        return 0.0
    front = math.exp(
        math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
        + a * math.log(x)
        + b * math.log(rest)
    )
    up, down = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = down
    for m in range(1, _MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            down = 1 / (1 + term * down)
            up = 1 + term / up
            fraction *= up * down
        if abs(up * down - 1) < _EXACT:
            break
    return front * fraction / a
