"""What a test is given of an outcome: `outcomes["resolved"]` on the rung under test."""

from __future__ import annotations

from typing import Literal

import msgspec

from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.real.measured import OutcomeValue, UserDifference
from pytest_ladder.decide.real.states import (
    OutcomeState,
    freshness_sentence,
)
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import did_you_mean, listed


class RungDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of this rung minus that of another, in the outcome's unit."""

    difference: float
    """This rung's value less the other's."""
    low: float
    """Lower end of the interval that the experiment decides by."""
    high: float
    """Upper end of it."""
    lift: float | None = None
    """The difference as a share of the other's value; None: that is about 0."""
    n: int
    """Units of both rungs."""
    better: bool | None = None
    """Whether users fare better; None: not established either way."""
    worse: bool | None = None
    """Whether users fare worse; None: not established either way."""
    problems: tuple[str, ...] = ()
    """Why nothing is decided by it; empty: it may decide."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome of the rung under test, with a 95 % interval."""

    name: str
    """The outcome's name."""
    rung: str
    """The id of the rung under test."""
    kind: str
    """What is measured of a user: `rate`, `mean`, `ratio`, `rating`, `thumbs`."""
    goal: Literal["up", "down"]
    """Whether more is better."""
    value: float
    """In the outcome's own unit."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of it."""
    n: int
    """Users."""
    quality: float | None = None
    """From worst (0) to best (1); None where these are not known."""
    bar: float | None = None
    """What is good enough, in the outcome's unit; None: nobody said."""
    verdict: Verdict | None = None
    """Against the bar; None without one."""
    stale: bool = False
    """Whether the rung has changed since its users met it."""
    problems: tuple[str, ...] = ()
    """Sentences on why nothing is decided by it; empty: it is sound."""
    counts: tuple[int, ...] = ()
    """Answers for each grade, from the lowest; of ratings only."""
    control_rung: str | None = None
    """The rung of the experiment's control; None: there is no experiment."""
    differences: dict[str, RungDifference] = {}
    """This rung against each other one that users of the outcome met."""

    def __repr__(self) -> str:
        return (
            f"{self.name} of {self.rung}: {self.value:.4g} "
            f"({self.low:.4g} to {self.high:.4g}, {self.n:,} users)"
        )

    @property
    def control(self) -> RungDifference:
        """This rung against the experiment's control; `ConfigError` without one."""
        if self.control_rung is None:
            raise ConfigError(
                f"[[outcome]] {self.name} has no control; name its `experiment`, or "
                'compare with a rung: .against("model/strategy").'
            )
        return self.against(self.control_rung)

    def against(self, rung: str) -> RungDifference:
        """Compare with another rung; `ConfigError` for one that met too few users."""
        if rung == self.rung:
            return RungDifference(
                difference=0.0, low=0.0, high=0.0, n=self.n, problems=self.problems
            )
        if rung not in self.differences:
            known = [*self.differences]
            near = did_you_mean(rung, known, f"those that did are {listed(known)}.")
            raise ConfigError(
                f"{self.name}: `{rung}` met no users, or too few to compare; {near}"
            )
        return self.differences[rung]


def measured_of(
    outcome: RealOutcome, state: OutcomeState, rung: str
) -> Measured | None:
    """Return what a rung's users did; None: it met none, or too few to tell."""
    own = state.of(rung)
    if own is None or own.value is None or not own.units:
        return None
    variant = state.aggregate.of_rung(rung)
    changed = freshness_sentence(state.name, state.freshness.among((rung,)))
    compared = {
        other.rung: state.compare(rung, other.rung)
        for other in state.rungs
        if other.rung != rung
    }
    return Measured(
        name=outcome.name,
        rung=rung,
        kind=outcome.kind,
        goal=outcome.goal,
        value=own.value.value,
        low=own.value.low,
        high=own.value.high,
        n=own.value.n,
        quality=own.value.quality,
        bar=outcome.bar,
        verdict=_verdict(outcome, state.deciding(rung)),
        stale=own.is_stale,
        problems=tuple(filter(None, (*state.problems, changed))),
        counts=variant.counts if variant else (),
        control_rung=state.control,
        differences={
            other: _told(found)
            for other, found in compared.items()
            if found is not None
        },
    )


def _verdict(outcome: RealOutcome, deciding: OutcomeValue | None) -> Verdict | None:
    """Hold a rung against the bar, by the interval that decides."""
    if outcome.bar is None:
        return None
    if deciding is None:
        return "undecided"
    ends = (deciding.low - outcome.bar, deciding.high - outcome.bar)
    low, high = ends if outcome.goal == "up" else (-ends[1], -ends[0])
    return "pass" if low >= 0 else "fail" if high < 0 else "undecided"


def _told(found: UserDifference) -> RungDifference:
    return RungDifference(
        difference=found.difference,
        low=found.low,
        high=found.high,
        lift=found.lift,
        n=found.n,
        better=found.better,
        worse=found.worse,
        problems=found.problems,
    )
