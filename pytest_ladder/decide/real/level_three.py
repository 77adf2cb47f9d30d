"""Level 3 joins the matrix: what users did, beside what checks and judges said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import Trust
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.decide.objective import decide
from pytest_ladder.decide.real.evidence import EvidenceWithUsers, with_users
from pytest_ladder.decide.real.users import Declared, Users, users_of

if TYPE_CHECKING:
    from pytest_ladder.decide.people.sums import People
    from pytest_ladder.decide.real.proxies import Proxy
    from pytest_ladder.decide.real.replies import RatedReplies


def add(
    declared: Declared,
    matrix: Matrix,
    rows: Sequence[Row],
    trust: Mapping[str, Trust] | None,
    objective: Objective | None,
    people: People | None = None,
) -> tuple[Users, Matrix, EvidenceWithUsers]:
    """Return what is known of users, the matrix with their cell, and the evidence."""
    users = users_of(declared, people)
    matrix = with_users(matrix, users)
    evidence = EvidenceWithUsers(rows, trust, users)
    unrated: Evidence = evidence
    if any(row.thumb is not None for row in rows):
        # Replies of the very users whose outcomes they would foretell share the luck of
        # these users: of them only the statement reply by reply is made.
        unrated = Evidence([row for row in rows if row.thumb is None], trust)
        objective = None
    proxies = tuple(_proxies(declared, users, matrix, unrated, objective))
    users = msgspec.structs.replace(users, proxies=proxies, replies=_replies(rows))
    return users, matrix, evidence


def _replies(rows: Sequence[Row]) -> tuple[RatedReplies, ...]:
    if all(row.thumb is None for row in rows):
        return ()
    # Few suites score logged replies.
    from pytest_ladder.decide.real.replies import rated_replies

    return tuple(rated_replies(rows))


def _proxies(
    declared: Declared,
    users: Users,
    matrix: Matrix,
    evidence: Evidence,
    objective: Objective | None,
) -> Iterator[Proxy]:
    """Hold each level that the suite scored against each sound outcome.

    Guardrails are no goal that a score should foretell. What decides nothing tests
    nothing either.
    """
    guardrails = {
        one.name
        for one in declared.outcomes
        if one.guardrail is not None and one.name != declared.primary
    }
    states = [
        one
        for one in users.outcomes
        if one.name not in guardrails and not one.problems
        # Of the same cases as the scores, and so no test of what these foretell.
        if one.kind != "preference"
    ]
    scored = {
        level: {
            rung.id: evidence.quality(level, rung.id)
            for rung in matrix.rungs
            if evidence.scores(level, rung.id)
        }
        for level in (Level.CHEAP, Level.JUDGED)
        if level in matrix.levels
    }
    # One rung alone has no order: a plain run says nothing of it.
    scored = {level: scores for level, scores in scored.items() if len(scores) > 1}
    if not states or not scored:
        return
    from pytest_ladder.decide.real.proxies import proxy_of
    from pytest_ladder.decide.real.record import past_record, winners_of

    winners = winners_of(declared.aggregates.values(), declared.prints, guardrails)
    for level, scores in scored.items():
        past = past_record(winners, scores)
        pick = None
        if objective is not None and objective.level is level:
            chosen = decide(matrix, evidence, objective).recommendation
            pick = chosen.rung if chosen else None
        for state in states:
            yield proxy_of(level, state, scores, pick, past)
