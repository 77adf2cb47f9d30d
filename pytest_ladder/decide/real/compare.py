"""Users of two rungs of one experiment compared: unpaired, sound at any look."""

from __future__ import annotations

import math

import msgspec

from pytest_ladder.core.aggregate import Aggregate, VariantSums
from pytest_ladder.decide.real.measured import (
    before_and_after,
    moments_of,
    too_few,
)
from pytest_ladder.stats.experiments import (
    Moments,
    adjusted,
    always_valid,
    difference,
    lift,
    two_proportions,
)


class UserDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One rung's outcome minus another's, in the outcome's own unit."""

    rung: str
    against: str
    difference: float
    low: float
    """Lower end of the interval at the level that the experiment decides by."""
    high: float
    p: float
    """Two-sided."""
    n: int
    """Units of both rungs."""
    lift: float | None = None
    """The difference as a share of the other's value; None: that is about 0."""
    sure: str = "always-valid 95 % interval"
    """What the interval is called; one of a single look is plain."""
    better: bool | None = None
    """Whether it is established that users fare better; None: neither is."""
    problems: tuple[str, ...] = ()
    """Sentences on why nothing is decided by it; empty: it may decide."""

    @property
    def worse(self) -> bool | None:
        """Whether it is established that users fare worse; None: neither is."""
        return None if self.better is None else not self.better


def compare(
    aggregate: Aggregate,
    rung: str,
    against: str,
    *,
    tails: float = 0.05,
    is_adjusted: bool = True,
) -> UserDifference | None:
    """Compare two rungs of one outcome; None where one of them met (almost) nobody.

    Whether the experiment is sound is not asked here, see `OutcomeState.compare`.
    `tails` is the error, two-sided; where it `is_adjusted` it is shared by all variants
    that are held against the control (K - 1 of them). While an experiment is looked at
    as it runs, the interval is always valid; a fixed one is Newcombe's for rates and
    Welch's for the rest, and decides nothing before all its units are there.
    """
    ours, theirs = aggregate.of_rung(rung), aggregate.of_rung(against)
    if ours is None or theirs is None:
        return None
    a, b = _arms(aggregate, ours, theirs)
    if a is None or b is None or min(a.n, b.n) < 2:
        return None
    rivals = max(1, len(aggregate.variants) - 1) if is_adjusted else 1
    apart, share = a.mean - b.mean, lift(a, b)
    if aggregate.analysis == "sequential":
        se = math.hypot(a.se, b.se)
        wide = always_valid(apart, se, a.n + b.n, tails / rivals)
        low, high, p = wide.low, wide.high, wide.p
    else:
        low, high, p = _one_look(aggregate, ours, theirs, a, b, tails / rivals)
    few = too_few(aggregate, min(a.n, b.n))
    better = None
    if not few and (low > 0 or high < 0):
        better = (low > 0) == (aggregate.goal == "up")
    return UserDifference(
        rung=rung,
        against=against,
        difference=apart,
        low=low,
        high=high,
        p=p,
        n=a.n + b.n,
        lift=None if share is None else share.lift,
        sure=interval_of(aggregate),
        better=better,
        problems=(f"{aggregate.name}: there are {few}.",) if few else (),
    )


def interval_of(aggregate: Aggregate) -> str:
    """Name the interval that an outcome is decided by."""
    running = aggregate.analysis == "sequential"
    return "always-valid 95 % interval" if running else "95 % interval"


def _arms(
    aggregate: Aggregate, ours: VariantSums, theirs: VariantSums
) -> tuple[Moments | None, Moments | None]:
    """Return both arms, without what is explained by the time before exposure."""
    before = before_and_after(ours), before_and_after(theirs)
    if before[0] is not None and before[1] is not None:
        found = adjusted(before[0], before[1])
        return found.treated, found.control
    return moments_of(aggregate, ours), moments_of(aggregate, theirs)


def _one_look(
    aggregate: Aggregate,
    ours: VariantSums,
    theirs: VariantSums,
    a: Moments,
    b: Moments,
    tails: float,
) -> tuple[float, float, float]:
    """Return the interval and p of an analysis that looks once."""
    is_rate = aggregate.kind == "rate" and ours.before_sum is None
    if is_rate and ours.sum is not None and theirs.sum is not None:
        found = two_proportions(
            round(ours.sum), a.n, round(theirs.sum), b.n, confidence=1 - tails
        )
        return found.low, found.high, found.p
    apart = difference(a, b, confidence=1 - tails)
    return apart.low, apart.high, apart.p
