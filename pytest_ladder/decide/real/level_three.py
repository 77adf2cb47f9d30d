"""Level 3 joins the matrix: what users did, beside what checks and judges said.

As evidence it stands where real tests' rows would.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import ONE_SIDED, Comparison, Trust
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.evidence import Ends, Evidence, once
from pytest_ladder.decide.matrix import Cell, Matrix, Unit
from pytest_ladder.decide.objective import decide
from pytest_ladder.decide.real.measured import interval_of, quality_per_unit
from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.decide.real.users import Declared, Users, users_of
from pytest_ladder.stats.intervals import Interval
from pytest_ladder.text import numbers

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


def with_users(matrix: Matrix, users: Users) -> Matrix:
    """Return the matrix with the primary outcome as its level `real`.

    Rows of real tests are in no quality then: they check outcomes, and are none.
    """
    rungs = []
    for rung in matrix.rungs:
        levels: dict[Level, Cell] = {**rung.levels}
        levels.pop(Level.REAL, None)
        cell = _cell(users.primary, rung.id)
        if cell is not None:
            levels[Level.REAL] = cell
        rungs.append(msgspec.structs.replace(rung, levels=levels))
    return msgspec.structs.replace(matrix, rungs=tuple(rungs))


def evidence_of(
    rows: Sequence[Row], trust: Mapping[str, Trust] | None, users: Users | None
) -> Evidence:
    """Return the evidence of rows, with users where anything is known of them."""
    if users is None:
        return Evidence(rows, trust)
    return EvidenceWithUsers(rows, trust, users)


class EvidenceWithUsers(Evidence):
    """Evidence of rows, and at level `real` of users: unpaired, in quality."""

    def __init__(
        self, rows: Sequence[Row], trust: Mapping[str, Trust] | None, users: Users
    ) -> None:
        """Take the rows as `Evidence` does; `users` are of the same ladder."""
        super().__init__(rows, trust)
        self._state = users.primary
        self._nothing = nothing_of(users)

    def scores(self, level: Level, rung: str) -> Mapping[Unit, float]:
        """Return no score of single users: nobody keeps them."""
        return {} if level is Level.REAL else super().scores(level, rung)

    def ends(self, level: Level, rung: str) -> Ends:
        """Return the same for real use, of which nothing is unfinished."""
        return Ends({}, {}) if level is Level.REAL else super().ends(level, rung)

    def clusters(self, level: Level, units: Iterable[Unit]) -> list[Hashable] | None:
        """Return no clusters of users: the unit of assignment is the unit."""
        return None if level is Level.REAL else super().clusters(level, units)

    def means(self, level: Level, rungs: Sequence[str]) -> tuple[list[float], int]:
        """Quality of each rung on its own users, of whom none are in common."""
        if level is not Level.REAL:
            return super().means(level, rungs)
        return [self.quality(level, rung) for rung in rungs], 0

    def quality(self, level: Level, rung: str) -> float:
        """Quality of a rung that users have met."""
        if level is not Level.REAL:
            return super().quality(level, rung)
        own = self._state.of(rung) if self._state else None
        if own is None or own.value is None or own.value.quality is None:
            raise ValueError(f"No user has met {rung}.")
        return own.value.quality

    def real_ends(self, rung: str) -> Interval | None:
        """Return the interval of a rung's quality that decides; None: nothing does."""
        value = self._state.deciding(rung) if self._state else None
        if value is None or value.quality_low is None or value.quality_high is None:
            return None
        return Interval(value.quality_low, value.quality_high)

    def real_verdict(self, rung: str, bar: float) -> Verdict:
        """Hold a rung against the bar, by the interval that decides."""
        ends = self.real_ends(rung)
        if ends is None:
            return "undecided"
        if ends.low >= bar:
            return "pass"
        return "fail" if ends.high < bar else "undecided"

    def real_doubt(self, rung: str) -> str:
        """Say by what interval users of a rung leave a bar open; empty: by none."""
        ends = self.real_ends(rung)
        if ends is None or self._state is None:
            return ""
        sure = interval_of(self._state.aggregate)
        return f"an {sure} of {numbers.interval(*ends)}".replace("an 95", "a 95")

    def nothing_at(self, level: Level) -> str:
        """Say why no rung is measured at a level."""
        if level is not Level.REAL:
            return super().nothing_at(level)
        return self._nothing

    def gain(self, level: Level, rung: str, rival: str) -> float | None:
        """Return the `mean` of `compare`."""
        if level is not Level.REAL:
            return super().gain(level, rung, rival)
        found = self.compare(level, rung, rival)
        return None if found is None else found.mean

    @once
    def compare(
        self, level: Level, rung: str, rival: str, of: int = 1
    ) -> Comparison | None:
        """Compare the users of two rungs; None where one of them met none."""
        if level is not Level.REAL:
            return super().compare(level, rung, rival, of)
        state = self._state
        if state is None:
            return None
        # Of all that are held against one the arms of the experiment are the least.
        of = max(of, len(state.rungs) - 1)
        found, one_sided = (
            state.compare(rung, rival, tails=tails / of, is_adjusted=False)
            for tails in (ONE_SIDED, 2 * ONE_SIDED)
        )
        per_unit = quality_per_unit(state.aggregate)
        if found is None or one_sided is None or per_unit is None:
            return None
        low, high = sorted((per_unit * found.low, per_unit * found.high))
        least = min(per_unit * one_sided.low, per_unit * one_sided.high)
        return Comparison(
            n=found.n,
            mean=per_unit * found.difference,
            low=low,
            high=high,
            sure=found.sure,
            established=found.better is not None,
            at_least=not found.problems and least >= 0,
        )


def nothing_of(users: Users) -> str:
    """Say why no rung has a quality at level real; a part of a sentence."""
    if users.level is None:
        return "no [[outcome]] is primary, so nobody knows which one is level real"
    if users.primary is None:
        kinds = {one.name: one.kind for one in users.missing}
        if kinds.get(users.level) == "preference":
            return f"{users.level} lacks reviews (pytest-ladder review --ask pairs)"
        return f"{users.level} is not imported (pytest-ladder outcomes import)"
    return f"{users.level} tells of no rung that ran"


def _cell(state: OutcomeState | None, rung: str) -> Cell | None:
    own = state.of(rung) if state else None
    if own is None or own.value is None or own.value.quality is None:
        return None
    return Cell(
        quality=own.value.quality,
        low=own.value.quality_low,
        high=own.value.quality_high,
        n=own.value.n,
        missed=0,
        errors=0,
        coverage=1.0,
        outcome=own.outcome,
        doubt=own.doubt,
        unit=state.unit if state else "user",
    )
