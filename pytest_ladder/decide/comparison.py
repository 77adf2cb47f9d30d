"""Comparison: by how much one rung is better than another, by cases or by labels."""

from __future__ import annotations

import math
from statistics import NormalDist

import msgspec

from pytest_ladder.stats.checks import TINY

ONE_SIDED = 0.05
"""Chance that a one-sided bound, or what is established by it, is wrong."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of a rung less that of another, on the cases that both finished."""

    n: int
    """Cases that both finished."""
    mean: float
    """In [-1, 1]."""
    low: float | None
    """Paired 95 % interval of `mean`; None: too few cases or clusters for one."""
    high: float | None
    established: bool
    """Whether the difference is one: the interval leaves 0 out."""
    at_least: bool
    """Whether it is established, one-sided at 95 %, that it is not below 0."""
    sure: str = "paired 95 % interval"
    """What its interval is called."""


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """How far what a model said of a rung's replies may decide anything."""

    why_not: str = ""
    """Why it may not, to be read after "undecided with"; empty: it may."""
    value: float = 0.0
    """Quality corrected by labels, in [0, 1], with its 95 % interval."""
    low: float = 0.0
    high: float = 1.0


def corrected_comparison(
    first: Trust, second: Trust, n: int, of: int = 1
) -> Comparison:
    """Compare two qualities that labels corrected, by their intervals.

    Square and add (Newcombe 1998; Zou and Donner 2008): as if the labels of the one
    said nothing of the other, so rather too wide.
    """
    mean = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    wider = _normal(ONE_SIDED / of / 2) / _normal(ONE_SIDED / 2)
    low, high = mean - wider * below, mean + wider * above
    one_sided = _normal(ONE_SIDED / of) / _normal(ONE_SIDED / 2)
    return Comparison(
        n=n,
        mean=mean,
        low=max(low, -1.0),
        high=min(high, 1.0),
        established=low > TINY or high < -TINY,
        at_least=mean - one_sided * below >= -TINY,
    )


def _normal(tail: float) -> float:
    return NormalDist().inv_cdf(1 - tail)
