"""The row that a finished ladder test leaves, and its outcome: pass, miss or error.

Made in the process that ran the test, on the main thread, and put on the test's report
as a `Payload`; xdist carries that to the controller, where `results` takes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.score import Level, Score
from pytest_ladder.decide.gate.result import ESCALATED
from pytest_ladder.errors import LadderError
from pytest_ladder.session.ladder_test import Record
from pytest_ladder.session.pytest_internals import id_parts
from pytest_ladder.session.session import LadderSession

_REASON_LENGTH = 300


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What rides on a test's report from the process that ran it to the controller."""

    config: str
    """The configuration file of the test's ladder."""
    rung: str
    current: bool
    """Whether the rung is the one that is shipped."""
    rows: tuple[Row, ...]
    """One, or those of a packed test; none: the test was skipped."""
    packed: bool = False
    missed: bool = False
    """The row is a miss that fails nothing."""
    not_run: bool = False
    """The rung has no stored replies."""
    over_budget: bool = False
    """The budget did not allow a call of the test."""
    extra: bool = False
    """It is a sample that only the gate asked for."""
    at_least: float = 1.0
    test: str
    """Node id of the test function."""
    expected: int
    """Items of this test on one rung, before anything was deselected."""
    module: str = ""
    """The test's file, relative to the ladder, without suffix."""
    module_items: int = 0
    """Items of the file on one rung; 0: it was not collected whole."""


def complete_report(
    session: LadderSession, record: Record, call: pytest.CallInfo[Any], report: Any
) -> None:
    """Turn the report of a ladder test's phase into its outcome, and add its row.

    Called for every phase; only the one that decides leaves a row: the call, or a
    setup that did not get that far.
    """
    report.duration = max(0.0, report.duration - session.waited_s())
    if report.when == "teardown" or (report.when == "setup" and report.passed):
        return
    problem = call.excinfo.value if call.excinfo else None
    rows = record.rows
    if rows is None:
        skipped = (
            isinstance(problem, pytest.skip.Exception)
            and not record.leaves_row_if_skipped
        )
        if skipped and record.test.level is Level.CHEAP:
            # A judged test of the case need not wait for this check.
            session.cheap_checks.note(record, missed=False)
        rows = [] if skipped else [row_of(session, record, problem, report.when)]
    _add_properties(record.item, report, rows)
    if report.when == "setup" and _needs_no_traceback(problem):
        # pytest would add that every frame is hidden.
        report.longrepr = str(problem)
    missed = record.rows is None and any(
        _is_tolerated(record, row, report) for row in rows
    )
    if missed:
        report.outcome = "skipped"
        report.wasxfail = f"missed: {rows[0].reason}"
    payload = _payload(session, record, rows, missed=missed)
    # As text: pytest keeps all reports, and small objects cost every collection of
    # garbage.
    text = msgspec.json.encode(payload).decode()
    report.ladder = {"missed": missed, "payload": text}


def _needs_no_traceback(problem: BaseException | None) -> bool:
    """Tell a problem whose message says it all from one with a traceback of use."""
    if isinstance(problem, pytest.fail.Exception):
        return not problem.pytrace
    return isinstance(problem, LadderError)


def _is_tolerated(record: Record, row: Row, report: Any) -> bool:
    """Tell a miss that is counted, and fails nothing, from one that fails its test."""
    if record.funnelled:
        return False
    if row.outcome is not Outcome.MISSED or hasattr(report, "wasxfail"):
        return False
    if record.is_extra:
        # These are for the gate to judge.
        return True
    return not record.is_current or record.test.at_least < 1


def row_of(
    session: LadderSession, record: Record, problem: BaseException | None, phase: str
) -> Row:
    """Make the row of one case; `problem` is what its body, or setup, raised."""
    test, case = record.test, record.case
    test_id = test_id_of(session, record)
    outcome = _outcome(record, problem, phase)
    score = _score(record, outcome)
    if test.level is Level.CHEAP:
        session.cheap_checks.note(record, missed=outcome is Outcome.MISSED)
    return Row(
        test=test_id,
        rung=record.rung.id,
        level=test.level,
        source=case.source if case else test_id,
        case=case.id if case else "",
        case_hash=case.content_hash if case else "",
        sample=record.sample,
        outcome=outcome,
        score=None if score is None else score.value,
        scores={name: score.value for name, score in sorted(record.scores.items())},
        reason=_problem_line(problem) or _given_reason(record, score),
        weight=test.weight,
        at_least=test.at_least,
        cluster=case.cluster if case else None,
        tags=case.tags if case else (),
        replies=tuple(record.replies),
        evaluations=(*record.evaluations, *_unknown_bill(record, test_id)),
        verdict=record.verdict,
        text=record.text,
        retrieved=record.retrieved,
    )


def _unknown_bill(record: Record, test_id: str) -> Iterator[UsedReply]:
    """Put a call of unknown cost on the row of a test whose metric calls by itself."""
    test, case = record.test, record.case
    if test.external and test.task is None:
        run = f"{test_id}#{record.rung.id}#{case and case.id}#{record.sample}"
        yield UsedReply(key=f"{run}#external", live=True)


def _outcome(record: Record, problem: BaseException | None, phase: str) -> Outcome:
    if problem is None:
        return Outcome.PASSED
    if record.funnelled:
        return Outcome.MISSED
    if record.broken or record.over_budget:
        return Outcome.ERROR
    if isinstance(problem, pytest.xfail.Exception):
        return Outcome.MISSED
    if phase == "call" and _is_miss(problem, record.test.miss):
        return Outcome.MISSED
    return Outcome.ERROR


def _is_miss(problem: BaseException, declared: tuple[type[BaseException], ...]) -> bool:
    """Tell a reply that is not good enough from something broken."""
    if isinstance(problem, BaseExceptionGroup):
        return all(_is_miss(inner, declared) for inner in problem.exceptions)
    if isinstance(problem, pytest.fail.Exception):
        # pytest-timeout ends a test by the same exception as pytest.fail().
        return not str(problem).startswith(("Timeout (>", "Timeout >"))
    return isinstance(problem, (AssertionError, *declared))


def _score(record: Record, outcome: Outcome) -> Score | None:
    """Return the row's score.

    The unnamed one, else the mean of the named, else a judge's grade, else 0 or 1.
    """
    if outcome is Outcome.ERROR:
        return None
    if record.score is not None:
        return record.score
    named = list(record.scores.values())
    if named:
        mean = sum(score.value for score in named) / len(named)
        return Score(value=mean, reason="; ".join(s.reason for s in named if s.reason))
    if record.verdict is not None and record.verdict.graded:
        return Score(value=record.verdict.score, reason=record.verdict.reason)
    return Score(value=1.0 if outcome is Outcome.PASSED else 0.0)


def _given_reason(record: Record, score: Score | None) -> str:
    """Return the reason that came with a score, or else with a verdict."""
    reason = score.reason if score else ""
    return reason or (record.verdict.reason if record.verdict else "")


def _problem_line(problem: BaseException | None) -> str:
    """Return the first line of what went wrong, in readable length."""
    if problem is None:
        return ""
    lines = str(problem).strip().splitlines()
    return (lines[0] if lines else type(problem).__name__)[:_REASON_LENGTH]


def test_id_of(session: LadderSession, record: Record) -> str:
    """Name the test without rung, case and sample, but with the user's parameters."""
    shape = session.shapes[record.test.nodeid]
    parts = zip(shape.parameters, id_parts(record.item), strict=False)
    others = "-".join(str(part) for kind, part in parts if kind == "other")
    return f"{record.test.nodeid}[{others}]" if others else record.test.nodeid


def _add_properties(item: pytest.Item, report: Any, rows: Sequence[Row]) -> None:
    """Put the figures on the report, where JUnit files and other tools look."""
    if not rows:
        return
    bills = [bill for row in rows for bill in row.replies]
    scores = [row.score for row in rows if row.score is not None]
    properties = [
        ("ladder.rung", rows[0].rung),
        ("ladder.level", str(rows[0].level)),
        ("ladder.score", sum(scores) / len(scores) if scores else None),
        ("ladder.cost_usd", _total([bill.cost_usd for bill in bills])),
        ("ladder.latency_s", _total([bill.latency_s for bill in bills])),
    ]
    for owner in (item, report):
        others = [p for p in owner.user_properties if not p[0].startswith("ladder.")]
        owner.user_properties[:] = [*others, *properties]


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _expected(session: LadderSession, record: Record) -> int:
    """Count the items of a test on one rung, with what the gate asked for."""
    items = session.shapes[record.test.nodeid].items
    return items * ESCALATED // record.test.samples if record.is_extra else items


def _payload(
    session: LadderSession, record: Record, rows: Sequence[Row], *, missed: bool
) -> Payload:
    test = record.test
    return Payload(
        config=str(test.opened.ladder.path),
        rung=record.rung.id,
        current=record.is_current,
        rows=tuple(rows),
        packed=record.rows is not None,
        missed=missed,
        not_run=record.not_run,
        over_budget=record.over_budget,
        extra=record.is_extra,
        at_least=test.at_least,
        test=test.nodeid,
        expected=_expected(session, record),
        module=test.module,
        module_items=session.module_items(test.path),
    )
