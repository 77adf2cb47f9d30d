"""The ladder test that runs: what it asks, what that costs, and how it ends.

pytest runs one test after another on the main thread, and fixtures and hooks call
`RunningTest` there. A test may ask for replies from threads and event loops of its own,
too: so `_serve`, `_serve_async` and the methods that note a reply run on any thread.
They share one `Record` without a lock, for appending to a list and setting an attribute
are safe between threads; but all threads of a test must end before the test does, or
what they note goes to the row of the next one.

`waiting` is the way by which rehearsals get their turn while a coroutine of the main
thread waits (see `turns`); a plain test that waits does the same in
`StatusLine.waiting`. After Ctrl-C the `KeyboardInterrupt` leaves through the wait and
the body to pytest, as if the body had raised it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol

import pytest

from pytest_ladder import clock
from pytest_ladder.calls.asker import Asker, Note
from pytest_ladder.calls.contract import VECTORS, Request
from pytest_ladder.calls.engine import Engine
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.row import LostCalls
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Level, Score, Verdict
from pytest_ladder.core.why import Why, why_of
from pytest_ladder.decide.funnel import HELD_BACK
from pytest_ladder.errors import (
    BudgetReached,
    CallError,
    JudgeError,
    LadderError,
    MissingReply,
    StoreError,
)
from pytest_ladder.session.apps import Apps
from pytest_ladder.session.cheap_checks import CheapChecks
from pytest_ladder.session.event_loops import (
    as_plain_function,
    let_others_run_when_idle,
    run_coroutine,
)
from pytest_ladder.session.ladder_test import (
    LadderItem,
    LadderTest,
    Record,
    any_stored,
    bill_of,
)
from pytest_ladder.session.llm import Llm, run_task
from pytest_ladder.session.missing import how_to_record
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.settings import Settings
from pytest_ladder.session.status_line import StatusLine
from pytest_ladder.session.turns import Turns

if TYPE_CHECKING:
    from pytest_ladder.judging.jury import Jury


class Process(Protocol):
    """What the running test uses of its pytest process; `LadderSession` is it."""

    settings: Settings
    tests: dict[str, LadderTest]
    """The ladder tests that were collected, by node id of the function."""
    turns: Turns

    @property
    def engine(self) -> Engine:
        """Looks replies up, or calls models for them."""

    @property
    def cheap_checks(self) -> CheapChecks:
        """Which cheap checks are over, and missed."""

    @property
    def status(self) -> StatusLine:
        """What is shown while the main thread waits."""

    @property
    def apps(self) -> Apps:
        """Who asks for the running test over HTTP."""


class RunningTest:
    """The ladder test that runs in a process, if one does.

    Its methods are called on the main thread, by fixtures and hooks, save those that
    serve and note replies.
    """

    def __init__(self, process: Process) -> None:
        self.record: Record | None = None
        """What it has used so far; None: no ladder test runs."""
        self.is_placeholder = False
        """Whether the test is begun only so that fixtures of others end."""
        self.waited_in_loops_s = 0.0
        """Seconds that coroutines of the main thread waited for replies so far."""
        self._process = process
        self._stored: dict[tuple[OpenLadder, str], bool | None] = {}
        """Whether a rung has stored replies; None: its requests are not known."""
        self._served: set[tuple[OpenLadder, str]] = set()
        """Rungs that had a reply."""
        self._asking = 0
        """Coroutines of the main thread that wait for a reply."""

    def begin(self, item: LadderItem | None) -> None:
        """Start the row of a ladder test; called before each of its setups.

        `item` is None for any other test.
        """
        if self.is_placeholder:
            pytest.skip("it only lets fixtures of others end")
        self.record = None if item is None else Record(item=item)
        if item is None or self.record is None:
            return
        if item.test.external and not self._process.settings.live:
            pytest.skip("it calls models by itself (external=True); --ladder-live")
        self._skip_if_not_run(self.record)

    def end(self) -> None:
        """Close the row of the running test; called after its teardown."""
        self.record = None
        self._process.apps.end_test()

    def llm(self, rung: Rung) -> Llm:
        """Make the `llm` of a rung, whose calls go into the row of the running test."""
        opened = self._running().item.test.opened
        return Llm(
            rung, opened.strategies, self.asker(), self.sample, self._process.apps
        )

    def asker(self) -> Asker:
        """Return what asks for the running test, and puts replies on its row."""
        return self._asker(self._running().item.test.opened, self.note)

    def reply(self, case: Case) -> Reply:
        """Return the reply of the running test's rung, or task, to a case."""
        __tracebackhide__ = True
        record = self._running()
        test, llm = record.item.test, self.llm(record.item.rung)
        if test.task is not None:
            task = as_plain_function(test.task, self.waiting)
            with self._process.apps.heard(of_body=False):
                reply = run_task(task, case, llm, external=test.external)
        else:
            reply = self._reply_of_strategy(record, llm, case)
        record.retrieved = tuple(part.source for part in reply.retrieved)
        return reply

    def ladder_and_rung(self) -> tuple[OpenLadder, str]:
        """Return the ladder and the id of the rung of the test that runs."""
        item = self._running().item
        return item.test.opened, item.rung.id

    def judge(self) -> Jury:
        """Make the `judge` of a test: the judges of its ladder."""
        return self.jury_of(self._running().item.test.opened)

    def jury_of(self, opened: OpenLadder) -> Jury:
        """Return a ladder's judges, who put answers and verdicts on the test's row."""
        asker = self._asker(opened, self.note_evaluation)
        return opened.jury(asker, self.note_verdict, self.note_unusable)

    def verdict(self, reply: Reply, case: Case) -> Verdict:
        """Return the verdict that the running test's marker asks for."""
        __tracebackhide__ = True
        record = self._running()
        rung, test = record.item.rung, record.item.test
        judged = test.judged
        assert judged is not None
        retrieves = rung.strategy.retrieves or test.task is not None
        if judged.grades_retrieval and not retrieves:
            pytest.skip(f"{rung.id} retrieves nothing that could be judged")
        if test.opened.has_funnel:
            missed = self._process.cheap_checks.any_missed(record.item, reply)
            record.unsure = missed is None
            if missed:
                record.why = Why.FUNNEL
                pytest.skip(HELD_BACK)
        try:
            return judged.verdict(self.judge(), reply, case)
        except (CallError, StoreError, JudgeError) as error:
            problem, record.why = str(error), why_of(error)
        pytest.fail(problem, pytrace=False)

    def note_verdict(self, verdict: Verdict) -> None:
        """Put a verdict on the row of the running test."""
        if self.record is not None:
            self.record.verdict = verdict

    def run_coroutine(self, item: pytest.Function) -> bool | None:
        """Run the body of the running test if it is `async def`; else return None.

        Plugins that claim a coroutine come first, or hand over a plain function.
        """
        if not inspect.iscoroutinefunction(item.obj):
            return None
        names = inspect.signature(item.obj).parameters
        arguments = {name: item.funcargs[name] for name in names}
        run_coroutine(item.obj(**arguments), self.waiting)
        return True

    def note(self, reply: Reply, request: Request | None) -> None:
        """Put a reply, with its cost, on the running test's row; on any thread."""
        record = self.record
        if record is None:
            return
        item, key = record.item, reply.key
        if not key:
            # A reply that is not stored has no key; it is still one reply of one test.
            run = f"{item.nodeid}#{item.case and item.case.id}#{item.sample}"
            key = f"{run}#{len(record.replies)}"
        if reply.agreement is not None:
            record.agreement = reply.agreement
        if reply.finish_reason != VECTORS:
            record.text, said = reply.text, reply.whole_text
            record.said = said if said != reply.text else ""
        record.replies.append(bill_of(reply, request, key))
        self._served.add((item.test.opened, item.rung.id))

    def note_evaluation(self, reply: Reply, request: Request | None) -> None:
        """Put a judge's answer, with its cost, on the running test's row."""
        record = self.record
        if record is not None:
            key = reply.key or f"{record.item.nodeid}#judge{len(record.evaluations)}"
            record.evaluations.append(bill_of(reply, request, key))

    def note_unusable(self, answers: Sequence[Reply]) -> None:
        """Mark a judge's answers that gave no verdict: they are not recorded."""
        if self.record is not None:
            keys = {answer.key for answer in answers}
            self.record.mark_unusable(keys, asked_again=self._process.settings.live)

    def note_score(self, score: Score) -> None:
        """Put a score on the row of the running test."""
        record = self._running()
        if score.name is None:
            record.score = score
        else:
            record.scores[score.name] = score

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Let rehearsals run while an event loop of the main thread waits.

        Called on the main thread by the selector of that loop. Counts the wait if a
        reply is waited for: it is no part of the test's own duration.
        """
        begun = clock.monotonic()
        asking = bool(self._asking)
        try:
            with self._process.turns.others_run():
                yield
        finally:
            if asking:
                self.waited_in_loops_s += clock.monotonic() - begun
                self._process.status.show()

    def _asker(self, opened: OpenLadder, note: Note) -> Asker:
        """Return what asks for replies of a ladder, and puts them on the row."""
        return Asker(
            functools.partial(self._serve, opened.archive),
            functools.partial(self._serve_async, opened.archive),
            note,
            lambda requests: self._process.engine.begin(opened.archive, requests),
        )

    def _serve(self, archive: Archive, request: Request) -> Reply:
        """Look a reply up or call for it; ends the test when there is none.

        Called on any thread of the test; waits there.
        """
        __tracebackhide__ = True
        try:
            reply = self._process.engine.ask(request, archive)
            self.note_lost(self._process.engine.lost_before(archive, reply))
            return reply
        except LadderError as error:
            self.note_failure(error)
            if not isinstance(error, MissingReply | BudgetReached):
                raise
            problem = error
        self._end_test(problem)

    async def _serve_async(self, archive: Archive, request: Request) -> Reply:
        """Do the same from any event loop, of any thread."""
        __tracebackhide__ = True
        if threading.current_thread() is threading.main_thread():
            let_others_run_when_idle(self.waiting)
        self._asking += 1
        try:
            reply = await self._process.engine.ask_async(request, archive)
            self.note_lost(self._process.engine.lost_before(archive, reply))
            return reply
        except LadderError as error:
            self.note_failure(error)
            if not isinstance(error, MissingReply | BudgetReached):
                raise
            problem = error
        finally:
            self._asking -= 1
        self._end_test(problem)

    def note_failure(self, error: LadderError) -> None:
        """Put what a failed call cost on the running test's row, and a wrong key."""
        self.note_lost(error.lost)
        if self.record is not None:
            self.record.refused_key = error.refused_key

    def note_lost(self, lost: LostCalls | None) -> None:
        """Put calls that brought no reply on the running test's row."""
        if self.record is not None and lost is not None:
            self.record.lost.append(lost)

    def _reply_of_strategy(self, record: Record, llm: Llm, case: Case) -> Reply:
        __tracebackhide__ = True
        try:
            return llm.ask(case)
        except (CallError, StoreError) as error:
            problem, record.why = str(error), why_of(error)
        # Not inside the handler: pytest would print the exception twice.
        pytest.fail(problem, pytrace=False)

    def _skip_if_not_run(self, record: Record) -> None:
        """Skip a test of a rung that a plain run has no replies for."""
        item = record.item
        if self._process.settings.live or item.is_current:
            return
        # What users did is known of rungs whose replies nobody kept.
        calls = item.test.uses_reply or item.makes_unknown_requests
        is_of_users = item.test.level is Level.REAL and not calls
        if item.rung.model.is_scripted or is_of_users:
            return
        rung = (item.test.opened, item.rung.id)
        if rung not in self._stored:
            tests = self._process.tests.values()
            self._stored[rung] = any_stored(tests, item)
        if self._stored[rung] is False:
            self._not_run(record)

    def end_for(self, problem: LadderError) -> NoReturn:
        """End the running test for a call of an app of it that failed."""
        __tracebackhide__ = True
        if isinstance(problem, MissingReply | BudgetReached):
            self._end_test(problem)
        if self.record is not None:
            self.record.why = why_of(problem)
        pytest.fail(str(problem), pytrace=False)

    def _end_test(self, error: MissingReply | BudgetReached) -> NoReturn:
        """End the running test for want of a reply: its code is not at fault."""
        __tracebackhide__ = True
        record = self.record
        if record is None:
            raise error
        if isinstance(error, BudgetReached):
            record.why = Why.BUDGET
            pytest.skip(f"not run: budget: {error}")
        rung = (record.item.test.opened, record.item.rung.id)
        if self._stored.get(rung, True) is None and rung not in self._served:
            self._not_run(record)
        message = how_to_record(error, record, self._process.settings)
        if self._process.settings.missing == "skip":
            record.why = Why.NOT_RUN
            pytest.skip(message)
        if record.unsure:
            record.why = Why.UNSURE
            # The controller, which gets every check, knows whether this is an error.
            passed = "funnel: the case passed its cheap checks, and has no verdict"
            pytest.skip(f"{passed}: {message}")
        record.why = Why.NO_REPLY
        pytest.fail(message, pytrace=False)

    def _not_run(self, record: Record) -> NoReturn:
        record.why = Why.NOT_RUN
        rung = record.item.rung.id
        pytest.skip(f"{rung} has no stored replies; --ladder-live calls it")

    def sample(self) -> int:
        """Return which sample of its case the running test asks for, from 1."""
        record = self.record
        return 1 if record is None else record.fresh_sample or record.item.sample

    def _running(self) -> Record:
        if self.record is None:
            raise RuntimeError("No ladder test is running.")
        return self.record
