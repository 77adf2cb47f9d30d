"""One outcome over all rungs, and one experiment: what they say, and may decide.

An outcome may decide if users were split as planned, at random, and met what is
configured now.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Container, Iterator, Mapping, Sequence

import msgspec

from pytest_ladder.core.aggregate import UNKNOWN, Aggregate, Look
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.decide.real.measured import (
    OutcomeValue,
    UserDifference,
    compare,
    deciding_value,
    is_share,
    value_text,
)
from pytest_ladder.stats.experiments import SPLIT_ALPHA, sample_ratio
from pytest_ladder.text import numbers

MOST_SEVERAL = 0.01
"""Share of units that met several variants, above which nothing is decided."""


Problem = tuple[str, str]
"""Why an outcome decides nothing: to be read after "undecided with", and a sentence."""


def split_of(aggregate: Aggregate) -> tuple[float, float] | None:
    """Return chi-square and p of an experiment's split; None: there was no plan."""
    shares = [variant.share for variant in aggregate.variants]
    if aggregate.assigned != "random" or len(shares) < 2 or not aggregate.units:
        return None
    planned = [share for share in shares if share is not None]
    if len(planned) != len(shares):
        return None
    total = sum(planned)
    if total <= 0 or min(planned) < 0:
        return None
    return sample_ratio(
        [variant.assigned for variant in aggregate.variants],
        [share / total for share in planned],
    )


def _planned(shares: Sequence[float]) -> str:
    """Write planned shares: `80:20`, `16.7:33.3:50`, or that they are equal."""
    if len({round(share, 6) for share in shares}) == 1:
        return "an equal share each" if len(shares) > 2 else "50:50"
    return ":".join(f"{round(100 * share, 1):g}" for share in shares)


def experiment_problems(aggregate: Aggregate) -> Iterator[Problem]:
    """Say why nothing is decided by an experiment; none: it is sound."""
    head = aggregate.experiment or aggregate.name
    split = split_of(aggregate)
    if split is not None and split[1] < SPLIT_ALPHA:
        units = " and ".join(f"{v.assigned:,}" for v in aggregate.variants)
        planned = _planned([v.share or 0.0 for v in aggregate.variants])
        yield (
            "a broken split",
            f"{head}: the split is broken: {units} units where {planned} was planned "
            f"(p {numbers.p_value(split[1])}); nothing is decided by it. Usual causes: "
            "bots, redirects, exposures that are logged for one variant later than for "
            "the other, users that one variant loses.",
        )
    several = aggregate.several
    met = several + sum(variant.assigned for variant in aggregate.variants)
    share = several / met if several else 0.0
    if share > MOST_SEVERAL:
        yield (
            "users that met several variants",
            f"{head}: {several:,} of {met:,} units "
            f"({numbers.percent(share)}) met several variants and are left out; above "
            f"{numbers.percent(MOST_SEVERAL)} nothing is decided.",
        )
    for variant, leaked in aggregate.leaks.items():
        yield (
            "users in a variant that should have none",
            f'{head}: {leaked:,} units are in "{variant}", whose share is 0; nothing '
            "is decided until it is known why.",
        )


def age_problems(
    aggregate: Aggregate, today: datetime.date, most_days: int | None
) -> Iterator[Problem]:
    """Say that an outcome is too old to decide; none: it is not."""
    if most_days is None or aggregate.last is None:
        return
    days = (today - aggregate.last).days
    if days > most_days:
        yield (
            f"an outcome of {days} days ago",
            f"{aggregate.name} is of {aggregate.last}, {days} days ago; after "
            f"{most_days} days it decides nothing ([gate] real_days).",
        )


def assignment_problems(aggregate: Aggregate, *, accepted: bool) -> Iterator[Problem]:
    """Say that nobody assigned users at random; none: somebody did, or it is accepted.

    Who met which rung may then explain the difference (confounding).
    """
    if aggregate.assigned != "random" and not accepted:
        yield (
            "use that was only observed",
            f"{aggregate.name} was observed, not assigned at random; set observed = "
            "true to decide by it all the same.",
        )


class Freshness(msgspec.Struct, frozen=True):
    """Which rungs are not, or may not be, what their users met."""

    changed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """Files of them, such as weights, are not on this machine."""

    @property
    def unsure(self) -> tuple[str, ...]:
        """Rungs of which nothing is decided."""
        return self.changed + self.unknown

    def among(self, rungs: Container[str]) -> Freshness:
        """Return the same of these rungs only."""
        kept = (
            tuple(rung for rung in of if rung in rungs)
            for of in (self.changed, self.unknown)
        )
        return Freshness(*kept)


def freshness_of(aggregate: Aggregate, today: Mapping[str, str]) -> Freshness:
    """Say which rungs changed since their users met them, and of which nobody knows.

    `today` holds the fingerprint of each rung as it is configured now; a rung that is
    not there any more has changed as well.
    """
    changed, unknown = [], []
    for variant in aggregate.variants:
        now = today.get(variant.rung)
        if not variant.rung or not variant.fingerprint:
            continue
        if now is not None and UNKNOWN in (now, variant.fingerprint):
            unknown.append(variant.rung)
        elif now != variant.fingerprint:
            changed.append(variant.rung)
    return Freshness(tuple(changed), tuple(unknown))


def freshness_sentence(name: str, fresh: Freshness) -> str:
    """Say that users met another version of rungs, or may have; empty: of none."""
    said = []
    if fresh.changed:
        theirs = "it; its outcome is"
        if len(fresh.changed) > 1:
            theirs = "them; their outcomes are"
        said.append(
            f"{name}: {numbers.few(fresh.changed)} changed since users met {theirs} "
            "stale, shown and never deciding."
        )
    if fresh.unknown:
        said.append(
            f"{name}: whether users met {numbers.few(fresh.unknown)} as it is now is "
            "unknown, for files such as weights are not on this machine, or were not "
            "at the import; shown and not deciding here. Fetch them and import again, "
            'or say ignore = ["model"] in the [[experiment]].'
        )
    return " ".join(said)


def missing_sentence(*outcomes: RealOutcome) -> str:
    """Say that nothing is known of outcomes that are declared, and what brings it.

    They are all preferences, or none of them is.
    """
    names = [one.name for one in outcomes]
    head = ", ".join(names)
    if outcomes[0].kind == "preference":
        return (
            f"{head}: nobody has compared replies of these rungs; run pytest-ladder "
            "review --ask pairs."
        )
    return (
        f"{head}: nothing is imported yet; run pytest-ladder outcomes import "
        f"{' '.join(names)}."
    )


class RungOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome of one rung."""

    outcome: str
    rung: str
    value: OutcomeValue | None
    """None: sums are withheld, for too few units."""
    units: int
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

    def deciding(self, rung: str) -> OutcomeValue | None:
        """Return a rung's value with the interval that decides; None: nothing does."""
        one, variant = self.of(rung), self.aggregate.of_rung(rung)
        if one is None or one.doubt or variant is None:
            return None
        return deciding_value(self.aggregate, variant)

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
