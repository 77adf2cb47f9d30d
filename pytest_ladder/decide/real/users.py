"""All that is known of users at the end of a run, and what is declared of them."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from pytest_ladder.core.aggregate import Aggregate, VariantSums
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.real.measured import (
    UserDifference,
    too_few,
    value_of,
)
from pytest_ladder.decide.real.states import (
    ExperimentState,
    Freshness,
    OutcomeState,
    Problem,
    RungOutcome,
    age_problems,
    assignment_problems,
    experiment_problems,
    freshness_of,
    split_of,
)
from pytest_ladder.stats.experiments import SPLIT_ALPHA
from pytest_ladder.text import numbers

if TYPE_CHECKING:
    from pytest_ladder.decide.people.sums import People
    from pytest_ladder.decide.real.proxies import Proxy
    from pytest_ladder.decide.real.replies import RatedReplies

_ONE_SIDED = 0.1
"""Error of an interval each of whose ends is a one-sided 95 % bound."""


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """Level 3 of a report."""

    outcomes: tuple[OutcomeState, ...] = ()
    experiments: tuple[ExperimentState, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    """Whether the levels of the suite predict them."""
    missing: tuple[RealOutcome, ...] = ()
    """Outcomes that are declared and not imported yet."""
    replies: tuple[RatedReplies, ...] = ()
    """Whether the levels of the suite tell liked replies from disliked ones."""
    level: str | None = None
    """Name of the outcome that is level `real`; None: none of them is."""
    notes: tuple[str, ...] = ()
    """Sentences on files that have changed since they were imported."""

    @property
    def primary(self) -> OutcomeState | None:
        """The outcome that is level `real`."""
        return next((one for one in self.outcomes if one.is_primary), None)


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says of outcomes, with the files and the day it is."""

    outcomes: tuple[RealOutcome, ...]
    primary: str | None
    aggregates: dict[str, Aggregate]
    """All that are committed, past ones too, by name."""
    prints: dict[str, dict[str, str]]
    """Fingerprint of each rung as it is now, by outcome."""
    today: datetime.date
    most_days: int | None = None
    """Age beyond which an outcome decides nothing."""
    notes: tuple[str, ...] = ()
    """Sentences on files that have changed since they were imported."""


def users_of(declared: Declared, people: People | None = None) -> Users:
    """Say what is known of users; whether anything predicts it is not asked yet.

    `people` are the reviews of a report, which preferences come from.
    """
    broken = _broken(declared.aggregates.values())
    states, missing = list[OutcomeState](), []
    for outcome in declared.outcomes:
        if outcome.kind == "preference":
            # Most ladders that know of users know of no reviewers.
            from pytest_ladder.decide.real.preferred import preferred

            is_primary = outcome.name == declared.primary
            state = preferred(outcome, people, is_primary=is_primary)
            (missing.append(outcome) if state is None else states.append(state))
            continue
        aggregate = declared.aggregates.get(outcome.name)
        if aggregate is None:
            missing.append(outcome)
        else:
            wrong = broken.get(aggregate.experiment or aggregate.name, {})
            states.append(_state(outcome, aggregate, declared, wrong.items()))
    return Users(
        outcomes=tuple(states),
        experiments=tuple(_experiments(states)),
        missing=tuple(missing),
        level=declared.primary,
        notes=declared.notes,
    )


def _broken(aggregates: Iterable[Aggregate]) -> dict[str, dict[str, str]]:
    """Return what is wrong with each experiment, whichever of its outcomes shows it."""
    broken: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for aggregate in aggregates:
        for doubt, sentence in experiment_problems(aggregate):
            name = aggregate.experiment or aggregate.name
            broken[name].setdefault(doubt, sentence)
    return broken


def _state(
    outcome: RealOutcome,
    aggregate: Aggregate,
    declared: Declared,
    broken: Iterable[Problem],
) -> OutcomeState:
    fresh = freshness_of(aggregate, declared.prints.get(outcome.name, {}))
    problems = [
        *broken,
        *assignment_problems(aggregate, accepted=outcome.observed),
        *age_problems(aggregate, declared.today, declared.most_days),
    ]
    doubt = problems[0][0] if problems else ""
    state = OutcomeState(
        name=outcome.name,
        kind=outcome.kind,
        goal=outcome.goal,
        is_primary=outcome.name == declared.primary,
        guardrail=outcome.guardrail,
        nps=outcome.nps,
        aggregate=aggregate,
        rungs=tuple(
            _rung(aggregate, variant, doubt, fresh) for variant in aggregate.variants
        ),
        problems=tuple(sentence for _, sentence in problems),
    )
    return state.with_comparisons()


def _rung(
    aggregate: Aggregate, variant: VariantSums, doubt: str, fresh: Freshness
) -> RungOutcome:
    is_stale = variant.rung in fresh.changed
    is_unknown = variant.rung in fresh.unknown
    if is_stale:
        doubt = doubt or "a change of the rung since users met it"
    if is_unknown:
        doubt = doubt or "files of the rung that are not on this machine"
    doubt = doubt or too_few(aggregate, variant.units)
    return RungOutcome(
        outcome=aggregate.name,
        rung=variant.rung,
        value=value_of(aggregate, variant),
        units=variant.units,
        is_stale=is_stale,
        is_unknown=is_unknown,
        doubt=doubt,
    )


def _experiments(states: Sequence[OutcomeState]) -> list[ExperimentState]:
    """Tell of each experiment by the first outcome that knows its split, if any."""
    told: dict[str, ExperimentState] = {}
    for state in states:
        name = state.aggregate.experiment
        if name is not None and (name not in told or told[name].p is None):
            found = _experiment(name, state.aggregate)
            if name not in told or found.p is not None:
                told[name] = found
    return [*told.values()]


def _experiment(name: str, aggregate: Aggregate) -> ExperimentState:
    chi2, p = split_of(aggregate) or (None, None)
    return ExperimentState(
        name=name,
        variants={v.variant: v.rung for v in aggregate.variants},
        units={v.variant: v.units for v in aggregate.variants},
        shares={v.variant: v.share or 0.0 for v in aggregate.variants},
        control=aggregate.control,
        first=aggregate.first,
        last=aggregate.last,
        chi2=chi2,
        p=p,
        is_broken=p is not None and p < SPLIT_ALPHA,
        leaks=aggregate.leaks,
        several=aggregate.several,
        looks=aggregate.looks,
    )


class Guarded(msgspec.Struct, frozen=True):
    """What a guardrail says of a change."""

    verdict: Verdict
    sentence: str
    clause: str = ""
    """The same behind a comparison of the two rungs; empty: there is none."""


def guarded(state: OutcomeState, shipped: str, candidate: str) -> Guarded:
    """Say whether an outcome that must not get worse does (one-sided, unadjusted)."""
    found = state.compare(candidate, shipped, tails=_ONE_SIDED, is_adjusted=False)
    margin = state.guardrail or 0.0
    if found is None:
        return Guarded("undecided", apart(state, shipped, candidate))
    if found.problems:
        return Guarded("undecided", found.problems[0])
    gain, low, high = gain_of(state, found)
    harm, least, most = -gain, -high, -low
    verdict: Verdict = "undecided"
    so = "undecided"
    if least > 0 and harm >= margin:
        verdict, so = "fail", "harm is established"
    elif most < margin:
        verdict, so = "pass", "more harm than that is ruled out"
    by = f"{state.amount(abs(harm))} {'worse' if harm > 0 else 'better'}"
    held = f"margin {state.amount(margin)}: {so}"
    return Guarded(
        verdict,
        f"{state.name}: {candidate} is {by} than {shipped} "
        f"({numbers.count(found.n, state.unit)}), {held}.",
        f"{state.name} {by}, {held}",
    )


def gain_of(state: OutcomeState, found: UserDifference) -> tuple[float, float, float]:
    """Return the difference with its ends, above 0 where users fare better."""
    if state.goal == "up":
        return found.difference, found.low, found.high
    return -found.difference, -found.high, -found.low


def apart(state: OutcomeState, shipped: str, candidate: str) -> str:
    """Say why users of two rungs are not compared."""
    if state.kind == "preference":
        return f"{state.name}: too few people compared {candidate} with {shipped}."
    met = [one.rung for one in state.rungs if one.rung in (shipped, candidate)]
    if len(met) == 2:
        return f"{state.name}: {shipped} or {candidate} met too few users to compare."
    return (
        f"{state.name}: no experiment holds both {shipped} and {candidate}, so nobody "
        "knows what users make of the change."
    )
