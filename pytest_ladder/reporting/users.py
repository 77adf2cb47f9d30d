"""What users did, as data and as sentences.

A terminal has a handful of sentences after a run: what stands against deciding, how
users of the rung that ships fare beside those of others, with the guardrails, and
whether the level that decides predicts them. The rest is in the report.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.decide.real.measured import UserDifference
from pytest_ladder.decide.real.states import (
    Freshness,
    OutcomeState,
    RungOutcome,
    freshness_sentence,
    missing_sentence,
)
from pytest_ladder.decide.real.users import Guarded, Users, guarded
from pytest_ladder.reporting.report import Report
from pytest_ladder.text import numbers
from pytest_ladder.text.untrusted import csv_cell

_MOST = 2
"""Comparisons of users that are told."""

MORE = "More on users: -v, or the report."

CSV_COLUMNS = (
    *("outcome", "kind", "goal", "experiment", "rung", "variant"),
    *("value", "low", "high", "n", "quality", "stale", "problems"),
)


def users_json(users: Users) -> dict[str, Any]:
    """Return the keys of `matrix.json` that tell of users."""
    return {
        "experiments": [
            {
                "name": one.name,
                "variants": one.variants,
                "units": one.units,
                "shares": one.shares,
                "control": one.control,
                "sample_ratio": {
                    "chi2": one.chi2,
                    "p": one.p,
                    "verdict": "broken" if one.is_broken else "sound",
                },
                "leaks": one.leaks,
                "several": one.several,
                "looks": msgspec.to_builtins(one.looks),
                "from": str(one.first) if one.first else None,
                "to": str(one.last) if one.last else None,
            }
            for one in users.experiments
        ],
        "comparisons": [
            {
                "outcome": state.name,
                **msgspec.to_builtins(found),
                "established": found.better is not None,
                "superiority": _superiority(state, found),
            }
            for state in users.outcomes
            for found in state.comparisons
        ],
        "proxies": [
            {**msgspec.to_builtins(proxy), "sentence": proxy.sentence}
            for proxy in users.proxies
        ],
        "replies": [
            {**msgspec.to_builtins(one), "sentence": one.sentence}
            for one in users.replies
        ],
    }


def outcomes_json(users: Users, rung: str) -> dict[str, Any]:
    """Return what the users of a rung did, by outcome."""
    return {
        state.name: _as_json(state, one)
        for state in users.outcomes
        if (one := state.of(rung)) is not None
    }


def outcomes_csv(users: Users) -> str:
    """Write one line for each outcome and rung."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for state in users.outcomes:
        for one in state.rungs:
            own, variant = one.value, state.aggregate.of_rung(one.rung)
            writer.writerow(
                [
                    *(state.name, state.kind, state.goal, state.aggregate.experiment),
                    *(csv_cell(one.rung), csv_cell(variant.variant if variant else "")),
                    *map(_csv, (own.value, own.low, own.high) if own else [None] * 3),
                    one.units,
                    _csv(own.quality) if own else "",
                    str(one.is_stale).lower(),
                    csv_cell(" ".join(state.problems)),
                ]
            )
    return text.getvalue()


def user_sentences(users: Users) -> Iterator[str]:
    """Say what users of the rungs did, what that decides, and what predicts it."""
    for outcome in users.missing:
        yield missing_sentence(outcome)
    yield from users.notes
    told: set[str] = set()
    for state in users.outcomes:
        stale = freshness_sentence(state.name, state.freshness)
        for problem in filter(None, (*state.problems, stale)):
            if problem not in told:
                told.add(problem)
                yield problem
        yield from response_sentences(state)
        for found in state.comparisons:
            yield difference_sentence(state, found)
    if users.proxies or users.replies:
        yield "Do the checks predict users?"
        yield from (f"{proxy.outcome}: {proxy.sentence}" for proxy in users.proxies)
        yield from (one.sentence for one in users.replies)


def sentences_of(report: Report, *, whole: bool) -> Iterator[str]:
    """Say what is known of users: the `whole` of it, or a handful of sentences."""
    if report.users is None:
        return
    if whole:
        yield from user_sentences(report.users)
        return
    level = report.objective.level if report.objective else None
    yield from brief_sentences(report.users, report.info.current, level)


def brief_sentences(
    users: Users, current: str | None, level: Level | None
) -> Iterator[str]:
    """Say what is missing or stale, what decides, and whether `level` predicts it.

    `current` is the rung that ships; `level` that of the objective, None: the first.
    """
    if not (users.outcomes or users.missing):
        return
    for is_preference in (False, True):
        missing = [
            one for one in users.missing if (one.kind == "preference") == is_preference
        ]
        if missing:
            yield missing_sentence(*missing)
    yield from _few(users.notes)
    yield from _few(_doubts(users))
    primary = users.primary
    if primary is not None and not primary.problems:
        told = [
            found
            for found in primary.comparisons
            if current in (found.rung, found.against)
        ]
        for found in _worth_telling(users, told or primary.comparisons):
            yield _with_guardrails(users, primary, found.rung, found.against)
        yield from _predicted(users, primary, level)
    if users.outcomes:
        yield MORE


def _doubts(users: Users) -> list[str]:
    """Say why users decide nothing; once what many share."""
    deciding = [
        state
        for state in users.outcomes
        if state.is_primary or state.guardrail is not None
    ]
    sentences = {problem: None for state in deciding for problem in state.problems}
    names: defaultdict[Freshness, list[str]] = defaultdict(list)
    for state in users.outcomes:
        names[state.freshness].append(state.name)
    return [
        *sentences,
        *filter(
            None,
            (freshness_sentence(", ".join(of), rungs) for rungs, of in names.items()),
        ),
    ]


def _few(sentences: tuple[str, ...] | list[str]) -> Iterator[str]:
    yield from sentences[:_MOST]
    if len(sentences) > _MOST:
        more = numbers.count(len(sentences) - _MOST, "more sentence")
        yield f"{more} of this kind with -v."


def _worth_telling(
    users: Users, told: Sequence[UserDifference]
) -> list[UserDifference]:
    """Return the few that say most, in their order: established harm, then surest."""

    def unsure(found: UserDifference) -> tuple[bool, float]:
        guards = _guards(users, found.rung, found.against)
        return all(one.verdict != "fail" for one in guards), found.p

    most = sorted(told, key=unsure)[:_MOST] if len(told) > _MOST else told
    return [found for found in told if found in most]


def _guards(users: Users, rung: str, against: str) -> list[Guarded]:
    """Return what must not get worse by a change to a rung says of it."""
    return [
        guarded(state, against, rung)
        for state in users.outcomes
        if state.guardrail is not None and not state.is_primary
    ]


def _with_guardrails(
    users: Users, primary: OutcomeState, rung: str, against: str
) -> str:
    """Say how users of two rungs fare, with what must not get worse."""
    found = primary.compare(rung, against)
    assert found is not None
    clauses = [one.clause for one in _guards(users, rung, against)]
    said = difference_sentence(primary, found).removesuffix(".")
    return "; ".join([said, *filter(None, clauses)]) + "."


def _predicted(
    users: Users, primary: OutcomeState, level: Level | None
) -> Iterator[str]:
    """Say whether a level predicts users, where it scored two rungs or more."""
    proxies = [one for one in users.proxies if one.outcome == primary.name]
    asked = [one for one in proxies if one.level is level] or proxies[:1]
    for proxy in asked:
        if len(proxy.rungs) > 1:
            yield f"Do the checks predict users? {proxy.sentence}"


def difference_sentence(state: OutcomeState, found: UserDifference) -> str:
    """Say by how much users of one rung fare better or worse than those of another."""
    if state.kind == "preference":
        return _preference_sentence(state, found)
    where = f" ({state.aggregate.experiment})" if state.aggregate.experiment else ""
    said = (
        f"{state.name}{where}: {found.rung} {state.difference(found.difference)} "
        f"against {found.against}, {found.sure} "
        f"{state.between(found.low, found.high)}, {found.n:,} users"
    )
    if found.problems:
        few = found.problems[-1].removeprefix(f"{state.name}: ")
        why = f", for {few}" if few.startswith("there are") else "."
        return f"{said}: nothing is decided{why}"
    if found.better is None:
        return f"{said}: undecided."
    return f"{said}: users fare {'better' if found.better else 'worse'}."


def _preference_sentence(state: OutcomeState, found: UserDifference) -> str:
    ends = numbers.interval((1 + found.low) / 2, (1 + found.high) / 2)
    said = (
        f"{state.name}: people prefer {found.rung} to {found.against} with a chance of "
        f"{numbers.percent((1 + found.difference) / 2)} ({ends}, "
        f"{numbers.count(found.n, state.unit)})"
    )
    if found.problems:
        return f"{said}; nothing is decided by it."
    return f"{said}{': undecided' if found.better is None else ''}."


def response_sentences(state: OutcomeState) -> Iterator[str]:
    """Say what was answered, and how many of those who could have said something did.

    Who answers is not drawn by chance, and fewer answers of one rung can be a bias.
    """
    if state.kind == "rating":
        # Few outcomes are ratings, here and below.
        from pytest_ladder.reporting.ratings import rating_sentences

        yield from rating_sentences(state)
    of_asked, of_replies = [], []
    for variant in state.aggregate.variants:
        if variant.asked and variant.asked > variant.units:
            share = numbers.percent(variant.units / variant.asked)
            of_asked.append(f"{share} of {variant.asked:,} ({variant.rung})")
        if variant.replies and variant.per_sum:
            share = numbers.percent(min(1.0, variant.per_sum / variant.replies))
            of_replies.append(f"{share} of {variant.replies:,} ({variant.rung})")
    if of_asked and state.kind != "rating":
        what = "gave a thumb" if state.kind == "thumbs" else "have a value"
        yield f"{state.name}: of those who were exposed {', '.join(of_asked)} {what}."
    if of_replies:
        yield f"{state.name}: of the replies {', '.join(of_replies)} got a thumb."


def interval_text(state: OutcomeState, one: RungOutcome) -> str:
    """Write a rung's interval in the outcome's unit: `9.8-12.3`, or `3.1-3.9`."""
    own = one.value
    if own is None:
        return numbers.NOT_AVAILABLE
    if state.is_share:
        return numbers.interval(max(0.0, own.low), min(1.0, own.high))
    dash = " to " if own.low < 0 else "-"
    return f"{state.text(own.low)}{dash}{state.text(own.high)}"


def _as_json(state: OutcomeState, one: RungOutcome) -> dict[str, Any]:
    own = one.value
    return {
        "value": own.value if own else None,
        "low": own.low if own else None,
        "high": own.high if own else None,
        "n": one.units,
        "quality": own.quality if own else None,
        "experiment": state.aggregate.experiment,
        "stale": one.is_stale,
        "problems": list(state.problems),
    }


def _superiority(state: OutcomeState, found: UserDifference) -> dict[str, float] | None:
    if state.kind != "rating":
        return None
    from pytest_ladder.reporting.ratings import superiority

    better = superiority(state, found)
    return None if better is None else better._asdict()


def _csv(value: float | None) -> float | str:
    return "" if value is None else float(f"{value:.6g}")
