"""The row that a finished ladder test leaves, and its outcome: pass, miss or error.

Made in the process that ran the test, on the main thread, and put on the test's report
as a `Payload`; xdist carries that to the controller, where `results` takes it.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.case import Case, WrittenCase, written_case
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.score import Level, Score
from pytest_ladder.core.why import Why, why_of
from pytest_ladder.errors import LadderError
from pytest_ladder.session.ladder_test import LadderItem, Record
from pytest_ladder.session.llm import logged, thumb_of
from pytest_ladder.session.pytest_internals import id_parts
from pytest_ladder.session.session import LadderSession
from pytest_ladder.stats.sums import total
from pytest_ladder.text.untrusted import without_middle

_REASON_LENGTH = 600
"""Enough for a provider's words, and for what to do about them."""
_CASE_LENGTH = 1000
"""Of what is shown of a case; its file has all of it."""
_PASSED, _MISSED = Score(value=1.0), Score(value=0.0)


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What rides on a test's report from the process that ran it to the controller."""

    config: str
    """The configuration file of the test's ladder."""
    rung: str
    current: bool
    """Whether the rung is the one that is shipped."""
    rows: tuple[Row, ...]
    """One, or those of a packed test; none: the test was skipped."""
    cases: tuple[WrittenCase, ...] = ()
    """Those of the rows that this process has not told yet; none where texts are
    kept out of reports."""
    packed: bool = False
    missed: bool = False
    """The row is a miss that fails nothing."""
    why: Why | None = None
    """Why the test, or one of a packed one, ended for want of something."""
    refused_key: str = ""
    """The key that the test has no reply for, as `CallError` names it; or empty."""
    extra: bool = False
    """It is a sample that only the gate asked for."""
    test: str
    """Node id of the test function."""
    expected: int
    """Rows of this test on one rung, before anything was deselected."""
    expected_of: dict[str, int] = {}
    """Those of them whose case has a tag that the test asks a share of, by tag."""
    left: tuple[str, ...] = ()
    """Keys of replies that the test asked for, and had not got when it ended."""
    skipped: int = 0
    """Rows that it has none of, for the test itself was to skip them."""
    module: str = ""
    """The test's file, relative to the ladder, without suffix."""
    module_items: int = 0
    """Items of the file on one rung; 0: it was not collected whole."""

    def expected_by(self, tag: str | None) -> int:
        """Return how many rows of a tag are expected; None: of all."""
        return self.expected if tag is None else self.expected_of.get(tag, 0)


def complete_report(
    session: LadderSession, record: Record, call: pytest.CallInfo[Any], report: Any
) -> None:
    """Turn the report of a ladder test's phase into its outcome, and add its row.

    Called for every phase; only the one that decides leaves a row: the call, or a
    setup that did not get that far.
    """
    report.duration = max(0.0, report.duration - session.waited_s())
    silence(record, report)
    if report.when == "teardown" or (report.when == "setup" and report.passed):
        return
    problem = call.excinfo.value if call.excinfo else None
    _forgive_strict_xpass(record, problem, report)
    rows = record.rows
    if rows is None:
        skipped = (
            isinstance(problem, pytest.skip.Exception)
            and not record.leaves_row_if_skipped
        )
        if skipped and record.item.test.level is Level.CHEAP:
            # A judged test of the case need not wait for this check.
            name = test_id_of(session, record.item)
            session.cheap_checks.note(record.item, name, missed=False, text=None)
        if skipped and record.why is None:
            record.skipped = sum(1 for _ in record.item.parts())
        rows = [] if skipped else [row_of(session, record, problem, report.when)]
    _add_properties(record.item.function, report, rows)
    if report.when == "setup" and _needs_no_traceback(problem):
        # pytest would add that every frame is hidden.
        report.longrepr = str(problem)
    missed = record.rows is None and any(
        is_tolerated(record, row.outcome, report) for row in rows
    )
    if missed:
        report.outcome = "skipped"
        # Shown behind the word MISSED, and in JUnit's XML.
        report.wasxfail = rows[0].reason
    payload = _payload(session, record, rows, missed=missed)
    # As text: pytest keeps all reports, and small objects cost every collection of
    # garbage.
    text = msgspec.json.encode(payload).decode()
    report.ladder = {"missed": missed, "payload": text}


def silence(record: Record, report: Any) -> None:
    """Mark the report of a test whose ladder keeps texts out of written files."""
    if not record.item.test.opened.ladder.report.texts:
        report.ladder_silent = True


def _needs_no_traceback(problem: BaseException | None) -> bool:
    """Tell a problem whose message says it all from one with a traceback of use."""
    if isinstance(problem, pytest.fail.Exception):
        return not problem.pytrace
    return isinstance(problem, LadderError)


def is_tolerated(record: Record, outcome: Outcome, report: Any) -> bool:
    """Tell a miss that is counted, and fails nothing, from one that fails its test."""
    if record.why is Why.FUNNEL:
        return False
    if outcome is not Outcome.MISSED or hasattr(report, "wasxfail"):
        return False
    if record.item.is_extra:
        # These are for the gate to judge.
        return True
    return not record.item.is_current or record.item.counts_misses


def _forgive_strict_xpass(
    record: Record, problem: BaseException | None, report: Any
) -> None:
    """Let a pass that a strict xfail mark forbids fail nothing where misses do not.

    pytest fails such a test although it raised nothing.
    """
    if problem is not None or not report.failed:
        return
    if record.item.is_extra or not record.item.is_current:
        report.outcome = "passed"
        report.wasxfail = str(report.longrepr)
        report.longrepr = None


def row_of(
    session: LadderSession, record: Record, problem: BaseException | None, phase: str
) -> Row:
    """Make the row of one case; `problem` is what its body, or setup, raised."""
    item = record.item
    test, case = item.test, item.case
    test_id = test_id_of(session, item)
    outcome = outcome_of(record, problem, phase)
    score = _score(record, outcome)
    if test.level is Level.CHEAP:
        text = None if score is None else record.whole_text
        missed = outcome is Outcome.MISSED
        session.cheap_checks.note(item, test_id, missed=missed, text=text)
    return Row(
        test=test_id,
        rung=item.rung.id,
        level=test.level,
        source=case.source if case else test_id,
        case=case.id if case else "",
        case_hash=case.content_hash if case else "",
        former_hash=case.former_hash if case else "",
        sample=item.sample,
        outcome=outcome,
        score=None if score is None else score.value,
        scores=_scores(record),
        why=_why(record, problem, outcome),
        reason=problem_line(problem) or _given_reason(record, score),
        weight=0.0 if record.is_timed else test.weight,
        at_least=test.at_least,
        shares=item.shares,
        cluster=case.cluster if case else None,
        tags=case.tags if case else (),
        # What was said long ago is no call, and nobody knows what it cost.
        replies=() if test.task is logged else tuple(record.replies),
        evaluations=(*record.evaluations, *_unknown_bill(item, test_id)),
        lost=tuple(record.lost),
        verdict=record.verdict,
        text=record.text,
        said=record.said,
        **_asked(case if outcome is Outcome.MISSED else None),
        thumb=thumb_of(case) if case else None,
        retrieved=record.retrieved,
    )


def _scores(record: Record) -> dict[str, float]:
    """Return what is reported beside the score; an agreement is no part of that."""
    agreed = record.agreement
    if agreed is None and not record.scores:
        return {}
    figures = {} if agreed is None else {"agreement": agreed}
    named = {name: score.value for name, score in record.scores.items()}
    return dict(sorted({**figures, **named}.items()))


def _asked(case: Case | None) -> dict[str, str]:
    """Return what readers of a miss want to see of its case."""
    if case is None:
        return {}
    expected = case.expected
    if expected is None or isinstance(expected, str):
        text = expected or ""
    else:
        try:
            text = json.dumps(expected, ensure_ascii=False, default=repr)
        except (TypeError, ValueError, RecursionError):
            # Of any type; its own `repr` is the user's code.
            text = ""
    return {
        "input": without_middle(case.text, _CASE_LENGTH),
        "expected": text[:_CASE_LENGTH],
    }


def _unknown_bill(item: LadderItem, test_id: str) -> Iterator[UsedReply]:
    """Put a call of unknown cost on the row of a test whose metric calls by itself."""
    if item.test.external and item.test.task is None:
        run = f"{test_id}#{item.rung.id}#{item.case and item.case.id}#{item.sample}"
        yield UsedReply(key=f"{run}#external", live=True)


def outcome_of(record: Record, problem: BaseException | None, phase: str) -> Outcome:
    """Say what a test, or a part of one, comes to by what it raised."""
    if problem is None:
        return Outcome.PASSED
    if record.why is Why.FUNNEL:
        return Outcome.MISSED
    if record.why not in (None, Why.NOT_RUN):
        return Outcome.ERROR
    if isinstance(problem, pytest.xfail.Exception):
        return Outcome.MISSED
    if phase == "call" and _is_miss(problem, record.item.test.miss):
        return Outcome.MISSED
    return Outcome.ERROR


def _is_miss(problem: BaseException, declared: tuple[type[BaseException], ...]) -> bool:
    """Tell a reply that is not good enough from something broken."""
    if isinstance(problem, BaseExceptionGroup):
        return all(_is_miss(inner, declared) for inner in problem.exceptions)
    if isinstance(problem, pytest.fail.Exception):
        return not _is_timeout(problem)
    return isinstance(problem, (AssertionError, *declared))


def _is_timeout(problem: BaseException) -> bool:
    """Tell whether pytest-timeout ended the test, which it does by `pytest.fail`.

    By the module that called it: what a test fails with may read the same.
    """
    if isinstance(problem, BaseExceptionGroup):
        return any(map(_is_timeout, problem.exceptions))
    frames = (frame for frame, _ in traceback.walk_tb(problem.__traceback__))
    modules = [frame.f_globals.get("__name__") for frame in frames]
    callers = [module for module in modules if module != pytest.fail.__module__]
    return callers[-1:] == ["pytest_timeout"]


def _why(record: Record, problem: BaseException | None, outcome: Outcome) -> Why | None:
    """Return why the row has no score, or one that is not its test's."""
    if outcome is Outcome.ERROR and problem is not None:
        noted = record.why or (Why.TIMEOUT if _is_timeout(problem) else None)
        return noted or why_of(problem)
    if outcome is Outcome.MISSED and record.why is Why.FUNNEL:
        return Why.FUNNEL
    return Why.GATE_SAMPLE if record.item.is_extra else None


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
    return _PASSED if outcome is Outcome.PASSED else _MISSED


def _given_reason(record: Record, score: Score | None) -> str:
    """Return the reason that came with a score, or else with a verdict."""
    reason = score.reason if score is not None else ""
    return reason or (record.verdict.reason if record.verdict is not None else "")


def problem_line(problem: BaseException | None) -> str:
    """Return the first line of what went wrong, in readable length."""
    if problem is None:
        return ""
    lines = str(problem).strip().splitlines()
    return (lines[0] if lines else type(problem).__name__)[:_REASON_LENGTH]


def test_id_of(session: LadderSession, item: LadderItem) -> str:
    """Name the test without rung, case and sample, but with the user's parameters."""
    shape = session.shapes[item.test.nodeid]
    if "other" not in shape.parameters:
        return item.test.nodeid
    parts = zip(shape.parameters, id_parts(item.function), strict=False)
    others = "-".join(str(part) for kind, part in parts if kind == "other")
    return f"{item.test.nodeid}[{others}]" if others else item.test.nodeid


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
        ("ladder.cost_usd", total([bill.cost_usd for bill in bills])),
        ("ladder.latency_s", total([bill.latency_s for bill in bills])),
    ]
    for owner in (item, report):
        others = [p for p in owner.user_properties if not p[0].startswith("ladder.")]
        owner.user_properties[:] = [*others, *properties]


def _untold_cases(
    session: LadderSession, item: LadderItem, rows: Sequence[Row]
) -> Iterator[WrittenCase]:
    """Yield the cases of some rows, each once a process, for many rows share one."""
    opened = item.test.opened
    if not opened.ladder.report.texts or not rows:
        return
    for case, _ in item.cases_and_samples:
        unit = str(opened.ladder.path), case.source, case.id
        if unit not in session.told_cases:
            session.told_cases.add(unit)
            yield written_case(case)


def _payload(
    session: LadderSession, record: Record, rows: Sequence[Row], *, missed: bool
) -> Payload:
    item, test = record.item, record.item.test
    shape = session.shapes[test.nodeid]
    failed = any(
        row.why in (Why.FAILED_CALL, Why.STORE, Why.CONFIGURATION) for row in rows
    )
    refused_key = record.refused_key if failed and record.rows is None else ""
    return Payload(
        config=str(test.opened.ladder.path),
        rung=item.rung.id,
        current=item.is_current,
        rows=tuple(rows),
        cases=tuple(_untold_cases(session, item, rows)),
        packed=record.rows is not None,
        missed=missed,
        why=record.why,
        refused_key=refused_key,
        extra=item.is_extra,
        test=test.nodeid,
        expected=shape.rows,
        expected_of={tag: shape.rows_of_tags.get(tag, 0) for tag in test.shares},
        left=session.engine.forget_test() if session.settings.live else (),
        skipped=record.skipped,
        module=test.module,
        module_items=session.module_items(test.path),
    )
