"""One outcome over all rungs, and one experiment: what they say and may decide."""

from __future__ import annotations

import datetime
import itertools

import msgspec

from pytest_ladder.core.aggregate import Aggregate, Look
from pytest_ladder.decide.real.compare import UserDifference, compare
from pytest_ladder.decide.real.measured import OutcomeValue, is_share, value_text
from pytest_ladder.decide.real.soundness import Freshness, freshness_sentence
from pytest_ladder.text import numbers


class RungOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome of one rung."""

    outcome: str
    rung: str
    value: OutcomeValue | None
    """None: sums are withheld, for too few units."""
    units: int
    deciding: OutcomeValue | None = None
    """With the interval that decides; None: `doubt` says why nothing does."""
    is_stale: bool = False
    """Whether the rung has changed since its users met it."""
    is_unknown: bool = False
    """Whether nobody here can tell."""
    doubt: str = ""
    """Why it decides nothing, to be read after "undecided with"; empty: it may."""

    @property
    def mark(self) -> str:
        """What a table says beside the value of a rung that is not surely the same."""
        return "stale" if self.is_stale else "maybe stale" if self.is_unknown else ""


class ExperimentState(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment, as its outcomes tell of it."""

    name: str
    variants: dict[str, str]
    """Rung of each variant."""
    units: dict[str, int]
    shares: dict[str, float]
    control: str | None
    first: datetime.date | None
    last: datetime.date | None
    chi2: float | None
    """Of the split against its plan; None: there was none."""
    p: float | None
    is_broken: bool
    leaks: dict[str, int]
    several: int
    """Units that met several variants, and are left out."""
    looks: tuple[Look, ...]


class OutcomeState(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome over all rungs, with what stands against deciding by it."""

    name: str
    kind: str
    goal: str
    is_primary: bool
    guardrail: float | None
    """Getting worse by so much blocks a promotion; None: it is none."""
    aggregate: Aggregate
    rungs: tuple[RungOutcome, ...]
    problems: tuple[str, ...]
    """Sentences; empty: it may decide."""
    nps: bool = False
    """Whether its grades of 0 to 10 are those of a net promoter score."""
    comparisons: tuple[UserDifference, ...] = ()
    """Each rung against the control, or each pair where there is none."""

    def of(self, rung: str) -> RungOutcome | None:
        """Return what a rung's users did; None: it met none."""
        return next((one for one in self.rungs if one.rung == rung), None)

    @property
    def freshness(self) -> Freshness:
        """Rungs that changed since users met them, and those that may have."""
        return Freshness(
            tuple(one.rung for one in self.rungs if one.is_stale),
            tuple(one.rung for one in self.rungs if one.is_unknown),
        )

    @property
    def control(self) -> str | None:
        """The rung that others are held against; None: there is no experiment."""
        variants = self.aggregate.variants
        named = (v.rung for v in variants if v.variant == self.aggregate.control)
        return next(named, None)

    def compare(
        self, rung: str, against: str, *, tails: float = 0.05, is_adjusted: bool = True
    ) -> UserDifference | None:
        """Compare two rungs as `compare` does, in the light of what is wrong with them.

        Nothing is established by an experiment that is not sound, nor of a rung that
        has changed.
        """
        found = compare(
            self.aggregate, rung, against, tails=tails, is_adjusted=is_adjusted
        )
        if found is None:
            return None
        fresh = self.freshness.among((rung, against))
        stale = filter(None, [freshness_sentence(self.name, fresh)])
        problems = (*self.problems, *stale, *found.problems)
        better = None if problems else found.better
        return msgspec.structs.replace(found, better=better, problems=problems)

    def with_comparisons(self) -> OutcomeState:
        """Return it with each rung held against the control, or each pair, compared."""
        rungs = [one.rung for one in self.rungs]
        control = self.control
        pairs = (
            itertools.combinations(rungs, 2)
            if control is None
            else [(control, rung) for rung in rungs if rung != control]
        )
        compared = (self.compare(second, first) for first, second in pairs)
        told = tuple(found for found in compared if found is not None)
        return msgspec.structs.replace(self, comparisons=told)

    @property
    def unit(self) -> str:
        """What is counted, in the singular."""
        return "user"

    def fares(self, *, better: bool) -> str:
        """Say that one rung is better or worse than another for those who met it."""
        return f"users fare {'better' if better else 'worse'}"

    @property
    def is_share(self) -> bool:
        """Whether it is read in per cent, as a ratio is that stays below 1."""
        return is_share(self.aggregate)

    def text(self, value: float) -> str:
        """Write a value in the outcome's unit: `11.0 %`, `19.8`."""
        return value_text(self.aggregate, value)

    def amount(self, size: float) -> str:
        """Write the size of a difference: `2.0 points`, `0.4`."""
        return f"{100 * size:.1f} points" if self.is_share else f"{size:,.3g}"

    def difference(self, value: float) -> str:
        """Write a difference with its sign: `+2.0 points`, `-0.4`."""
        return numbers.points(value) if self.is_share else f"{value:+,.3g}"

    def between(self, low: float, high: float) -> str:
        """Write the interval of a difference: `-0.9 to +4.8`."""
        if self.is_share:
            # No interval of few users shows a difference that cannot be.
            return numbers.points_between(max(-1.0, low), min(1.0, high))
        return f"{low:+,.3g} to {high:+,.3g}"
