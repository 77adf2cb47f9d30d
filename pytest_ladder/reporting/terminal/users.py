"""Users on a terminal: a handful of sentences after a run, and tables of outcomes.

The sentences say what stands against deciding, how users of the rung that ships fare
beside those of others, with the guardrails, and whether the level that decides predicts
them. The rest is in the report.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pytest_ladder.core.score import Level
from pytest_ladder.decide.real.compare import UserDifference
from pytest_ladder.decide.real.guardrails import Guarded, guarded
from pytest_ladder.decide.real.soundness import (
    Freshness,
    freshness_sentence,
    missing_sentence,
)
from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.decide.real.users import Users
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.users import (
    difference_sentence,
    interval_text,
    user_sentences,
)
from pytest_ladder.text import numbers
from pytest_ladder.text.table import Column, rows_of, total_width
from pytest_ladder.text.untrusted import plain

_MOST = 2
"""Comparisons of users that are told."""

MORE = "More on users: -v, or the report."


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


def outcome_tables(
    states: Sequence[OutcomeState], current: str | None, width: int, mark: str
) -> Iterator[str]:
    """Yield rungs by outcomes, as many beside each other as have room.

    `mark` stands before the rung that ships, `current`.
    """
    rungs = [*dict.fromkeys(one.rung for state in states for one in state.rungs)]
    if not rungs:
        return
    names = [f"{mark if rung == current else ' ' * len(mark)} {rung}" for rung in rungs]
    first = Column(header=f"{' ' * len(mark)} rung", cells=names, right=False)
    columns = [first]
    for state in states:
        cells = zip(*(_cells(state, rung) for rung in rungs), strict=True)
        headers = (plain(state.name), "95 % CI", "n")
        own = [
            Column(header=header, cells=[*column])
            for header, column in zip(headers, cells, strict=True)
        ]
        if len(columns) > 1 and total_width([*columns, *own]) > width:
            yield from rows_of(columns)
            columns = [first]
        columns += own
    yield from rows_of(columns)


def _cells(state: OutcomeState, rung: str) -> tuple[str, str, str]:
    one = state.of(rung)
    if one is None:
        return "", "", ""
    users = numbers.count(one.units, "user")
    if one.value is None:
        return "withheld" if one.units else "nobody", "", users
    mark = f" {one.mark}" if one.mark else ""
    return state.text(one.value.value) + mark, interval_text(state, one), users
