"""What the users of one rung did, and by how much those of two differ.

Sums become values with intervals here; whether an outcome is sound is not asked.
"""

from __future__ import annotations

import math

import msgspec

from pytest_ladder.core.aggregate import Aggregate, VariantSums
from pytest_ladder.stats.distributions import student
from pytest_ladder.stats.experiments import (
    LEAST_UNITS,
    BeforeAfter,
    Moments,
    adjusted,
    always_valid,
    difference,
    lift,
    moments,
    ratio_moments,
    two_proportions,
)
from pytest_ladder.stats.intervals import Interval, wilson
from pytest_ladder.text import numbers


class OutcomeValue(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome of one rung, in the outcome's own unit."""

    value: float
    low: float
    """Lower end of its 95 % interval."""
    high: float
    n: int
    """Units, such as users."""
    quality: float | None = None
    """The value as a share from worst (0) to best (1); None: neither is known."""
    quality_low: float | None = None
    quality_high: float | None = None


def moments_of(aggregate: Aggregate, variant: VariantSums) -> Moments | None:
    """Return mean and variance of a unit; None where sums are withheld or missing.

    Where all units are alike, say no one of 150 escalated, the variance is that of one
    more unit at the other end: of so few nobody knows that the next one is no
    exception. Raises ValueError for sums that no units have.
    """
    own = _moments(aggregate, variant)
    if own is None or own.variance > 0:
        return own
    ends = _ends(aggregate)
    width = abs(ends[1] - ends[0]) if ends else abs(own.mean)
    per = (variant.per_sum or own.n) / own.n
    share = 1 / (own.n + 1)
    variance = (width / per) ** 2 * share * (1 - share)
    return msgspec.structs.replace(own, variance=variance)


def _moments(aggregate: Aggregate, variant: VariantSums) -> Moments | None:
    total, squares, n = variant.sum, variant.sum_squares, variant.units
    if total is None or n < 1:
        return None
    if aggregate.kind == "rate":
        if not 0 <= total <= n:
            raise ValueError(f"{total:g} successes of {n} units.")
        share = total / n
        return Moments(n, share, share * (1 - share))
    if squares is None:
        return None
    per, per_squares, cross = variant.per_sum, variant.per_sum_squares, variant.cross
    if per is None or per_squares is None or cross is None:
        return moments(n, total, squares)
    return ratio_moments(n, total, squares, per, per_squares, cross)


def before_and_after(variant: VariantSums) -> BeforeAfter | None:
    """Return the sums that CUPED needs; None where the time before is not known."""
    before, squares = variant.before_sum, variant.before_sum_squares
    cross = variant.before_cross
    if before is None or squares is None or cross is None:
        return None
    if variant.sum is None or variant.sum_squares is None:
        return None
    return variant.units, variant.sum, variant.sum_squares, before, squares, cross


def value_of(aggregate: Aggregate, variant: VariantSums) -> OutcomeValue | None:
    """Return what a rung's users did, with a 95 % interval of one look.

    Wilson for rates, Wilson at the effective number of votes for thumbs, t for the
    rest (docs/methods.md §6.6). None where nothing is known.
    """
    own = moments_of(aggregate, variant)
    if own is None:
        return None
    low, high = _interval(aggregate, variant, own)
    return _with_quality(aggregate, own, low, high)


def deciding_value(aggregate: Aggregate, variant: VariantSums) -> OutcomeValue | None:
    """Return the same with the interval that decides; None: nothing is decided yet.

    While an experiment runs it is one that holds at every look; a fixed analysis looks
    once, when all its units are there.
    """
    own = moments_of(aggregate, variant)
    if own is None or too_few(aggregate, own.n):
        return None
    if aggregate.analysis == "fixed":
        return value_of(aggregate, variant)
    low, high, _ = always_valid(own.mean, own.se, own.n)
    return _with_quality(aggregate, own, low, high)


def too_few(aggregate: Aggregate, units: int) -> str:
    """Say that so many units of a rung decide nothing yet; empty: they may.

    To be read after "undecided with". An always-valid interval assumes a normal mean.
    """
    if aggregate.analysis == "fixed":
        planned = aggregate.planned_units or 0
        waits = f"{units:,} of the {planned:,} users a rung that it waits for"
        return waits if units < planned else ""
    return f"fewer than {LEAST_UNITS} users a rung" if units < LEAST_UNITS else ""


def _interval(aggregate: Aggregate, variant: VariantSums, own: Moments) -> Interval:
    if aggregate.kind == "rate":
        return wilson(variant.sum or 0, own.n)
    if aggregate.kind == "thumbs":
        votes = variant.per_sum or 0.0
        spread = own.mean * (1 - own.mean)
        # Votes of one user are alike: as many independent ones would err as much.
        effective = spread / own.se**2 if own.se and spread else votes
        return wilson(own.mean * effective, effective)
    half = (student(own.n - 1, 0.05) if own.n > 1 else math.inf) * own.se
    return Interval(own.mean - half, own.mean + half)


def _with_quality(
    aggregate: Aggregate, own: Moments, low: float, high: float
) -> OutcomeValue:
    ends = _ends(aggregate)
    if ends is None:
        return OutcomeValue(value=own.mean, low=low, high=high, n=own.n)
    worst, best = ends
    shares = [
        min(1.0, max(0.0, (x - worst) / (best - worst))) for x in (own.mean, low, high)
    ]
    return OutcomeValue(
        value=own.mean,
        low=low,
        high=high,
        n=own.n,
        quality=shares[0],
        quality_low=min(shares[1:]),
        quality_high=max(shares[1:]),
    )


def is_share(aggregate: Aggregate) -> bool:
    """Whether it is read in per cent, as a ratio is that stays below 1."""
    if aggregate.kind == "ratio" and aggregate.range is None:
        sums = ((variant.sum, variant.per_sum) for variant in aggregate.variants)
        return all(above is None or not per or above <= per for above, per in sums)
    return aggregate.kind in ("rate", "thumbs")


def value_text(aggregate: Aggregate, value: float) -> str:
    """Write a value in the outcome's unit: `11.0 %`, `19.8`."""
    if is_share(aggregate):
        return numbers.percent(min(1.0, max(0.0, value)))
    return f"{value:,.3g}" if abs(value) < 1_000 else f"{value:,.0f}"


def quality_per_unit(aggregate: Aggregate) -> float | None:
    """Return what one more of an outcome is in quality, below 0 where less is better.

    None where its worst and best are not known.
    """
    ends = _ends(aggregate)
    return None if ends is None else 1 / (ends[1] - ends[0])


def _ends(aggregate: Aggregate) -> tuple[float, float] | None:
    """Return the worst and the best possible value."""
    numbers = [step for step in aggregate.scale if not isinstance(step, str)]
    if aggregate.range is not None:
        low, high = aggregate.range
    elif len(numbers) == 2:
        low, high = numbers
    elif aggregate.scale:
        # Words are grades from 1.
        low, high = 1, len(aggregate.scale)
    elif aggregate.kind == "mean":
        return None
    else:
        low, high = 0, 1
    return (high, low) if aggregate.goal == "down" else (low, high)


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
        low, high, p = always_valid(apart, se, a.n + b.n, tails / rivals)
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
        return adjusted(before[0], before[1])[1:]
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
