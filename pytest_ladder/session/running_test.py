"""The ladder test that runs: what it asks, what that costs, and how it ends.

pytest runs one test after another on the main thread, and fixtures and hooks call
`RunningTest` there. A test may ask for replies from threads and event loops of its own,
too: so `serve`, `serve_async` and the methods that note a reply may run on any thread.
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
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

import msgspec
import pytest

from pytest_ladder.calls.contract import Request, Served
from pytest_ladder.calls.engine import Engine
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.row import UsedReply
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Score, Verdict
from pytest_ladder.decide.funnel import REASON, UNSURE
from pytest_ladder.errors import (
    BudgetReached,
    CallError,
    JudgeError,
    MissingReply,
    StoreError,
)
from pytest_ladder.session.cheap_checks import CheapChecks
from pytest_ladder.session.event_loops import (
    as_plain_function,
    let_others_run_when_idle,
    run_coroutine,
)
from pytest_ladder.session.ladder_test import LadderTest, Record, rung_of
from pytest_ladder.session.llm import Llm, Recorder, request_for, run_task
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.options import Settings
from pytest_ladder.session.status_line import StatusLine
from pytest_ladder.session.turns import Turns

if TYPE_CHECKING:
    from pytest_ladder.judging.jury import Jury
    from pytest_ladder.session.judge import JudgeFixture


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
        self._stored: dict[tuple[Path, str], bool | None] = {}
        """Whether a rung has stored replies; None: its requests are not known."""
        self._served: set[tuple[Path, str]] = set()
        """Rungs that had a reply."""
        self._asking = 0
        """Coroutines of the main thread that wait for a reply."""

    def begin(self, record: Record | None) -> None:
        """Start the row of a ladder test; called before each of its setups.

        `record` is None for any other test.
        """
        if self.is_placeholder:
            pytest.skip("it only lets fixtures of others end")
        self.record = record
        if self.record is None:
            return
        if self.record.test.external and not self._process.settings.live:
            pytest.skip("it calls models by itself (external=True); --ladder-live")
        self._skip_if_not_run(self.record)

    def end(self) -> None:
        """Close the row of the running test; called after its teardown."""
        self.record = None

    def llm(self, rung: Rung) -> Llm:
        """Make the `llm` of a rung, whose calls go into the row of the running test."""
        opened = self._running().test.opened
        asker = _NotingAsker(self, opened, self.note)
        return Llm(rung, opened.prompter, asker, self._sample)

    def reply(self, case: Case) -> Reply:
        """Return the reply of the running test's rung, or task, to a case."""
        __tracebackhide__ = True
        record = self._running()
        test = record.test
        if test.task is None:
            try:
                reply = self.llm(record.rung).ask(case)
                record.retrieved = tuple(part.source for part in reply.retrieved)
                return reply
            except (CallError, StoreError) as error:
                problem = str(error)
            # Not inside the handler: pytest would print the exception twice.
            record.broken = True
            pytest.fail(problem, pytrace=False)
        recorder = Recorder(_Asker(self, test.opened))
        llm = Llm(record.rung, test.opened.prompter, recorder, self._sample)
        served = run_task(
            as_plain_function(test.task, self.waiting), case, llm, recorder
        )
        if test.external:
            unknown = {"cost_usd": None, "usage": None}
            reply = msgspec.structs.replace(served.reply, **unknown)
            served = served._replace(reply=reply)
        self.note(served, tuple(call.key for call in recorder.served))
        record.retrieved = tuple(part.source for part in served.reply.retrieved)
        return served.reply

    def judge(self) -> JudgeFixture:
        """Make the `judge` of tests, whose calls are evaluation cost."""
        from pytest_ladder.session.judge import JudgeFixture

        return JudgeFixture(
            lambda: self.jury_of(self._running().test.opened), self.note_verdict
        )

    def jury_of(self, opened: OpenLadder) -> Jury:
        """Return a ladder's judges, whose answers go into the running test's row."""
        return opened.jury(_NotingAsker(self, opened, self.note_evaluation))

    def verdict(self, reply: Reply, case: Case) -> Verdict:
        """Return the verdict that the running test's marker asks for."""
        __tracebackhide__ = True
        from pytest_ladder.session.judge import verdict_of

        record = self._running()
        judged = record.test.judged
        assert judged is not None
        retrieves = record.rung.strategy.retrieves or record.test.task is not None
        if judged.grades_retrieval and not retrieves:
            pytest.skip(f"{record.rung.id} retrieves nothing that could be judged")
        if record.test.opened.has_funnel:
            missed = self._process.cheap_checks.any_missed(record)
            record.unsure = missed is None
            if missed:
                record.funnelled = True
                pytest.skip(REASON)
        try:
            return verdict_of(self.judge(), judged, reply, case)
        except (CallError, StoreError, JudgeError) as error:
            problem = str(error)
        record.broken = True
        pytest.fail(problem, pytrace=False)

    def note_verdict(self, verdict: Verdict) -> None:
        """Put a verdict on the row of the running test."""
        if self.record is not None:
            self.record.verdict = verdict

    def run_coroutine(self, item: pytest.Function) -> bool | None:
        """Run the body of an `async def` ladder test; None for any other test.

        Plugins that claim a coroutine come first, or hand over a plain function.
        """
        if rung_of(item) is None or not inspect.iscoroutinefunction(item.obj):
            return None
        names = inspect.signature(item.obj).parameters
        arguments = {name: item.funcargs[name] for name in names}
        run_coroutine(item.obj(**arguments), self.waiting)
        return True

    def note(self, served: Served, calls: tuple[str, ...] = ()) -> None:
        """Put a reply, with its cost, on the running test's row; on any thread."""
        record = self.record
        if record is None:
            return
        reply = served.reply
        # A reply that is not stored has no key; it is still one reply of one test.
        run = f"{record.item.nodeid}#{record.case and record.case.id}#{record.sample}"
        key = served.key or f"{run}#{len(record.replies)}"
        record.text = reply.text
        record.replies.append(_bill(served, key, calls))
        self._served.add((record.test.opened.ladder.path, record.rung.id))

    def note_evaluation(self, served: Served) -> None:
        """Put a judge's answer, with its cost, on the running test's row."""
        record = self.record
        if record is not None:
            key = served.key or f"{record.item.nodeid}#judge{len(record.evaluations)}"
            record.evaluations.append(_bill(served, key))

    def note_score(self, score: Score) -> None:
        """Put a score on the row of the running test."""
        record = self._running()
        if score.name is None:
            record.score = score
        else:
            record.scores[score.name] = score

    def serve(self, opened: OpenLadder, request: Request) -> Served:
        """Look a reply up or call for it; ends the test when there is none.

        Called on any thread of the test; waits there.
        """
        __tracebackhide__ = True
        try:
            return self._process.engine.ask(request, opened.archive)
        except (MissingReply, BudgetReached) as error:
            problem = error
        self._end_test(problem)

    async def serve_async(self, opened: OpenLadder, request: Request) -> Served:
        """Do what `serve` does, from any event loop, of any thread."""
        __tracebackhide__ = True
        if threading.current_thread() is threading.main_thread():
            let_others_run_when_idle(self.waiting)
        self._asking += 1
        try:
            return await self._process.engine.ask_async(request, opened.archive)
        except (MissingReply, BudgetReached) as error:
            problem = error
        finally:
            self._asking -= 1
        self._end_test(problem)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Let rehearsals run while an event loop of the main thread waits.

        Called on the main thread by the selector of that loop. Counts the wait if a
        reply is waited for: it is no part of the test's own duration.
        """
        begun = time.monotonic()
        asking = bool(self._asking)
        try:
            with self._process.turns.others_run():
                yield
        finally:
            if asking:
                self.waited_in_loops_s += time.monotonic() - begun
                self._process.status.show()

    def _skip_if_not_run(self, record: Record) -> None:
        """Skip a test of a rung that a plain run has no replies for."""
        needs_none = record.rung.model.is_scripted
        if self._process.settings.live or record.is_current or needs_none:
            return
        rung = (record.test.opened.ladder.path, record.rung.id)
        if rung not in self._stored:
            self._stored[rung] = self._any_stored(record)
        if self._stored[rung] is False:
            self._not_run(record)

    def _any_stored(self, record: Record) -> bool | None:
        """Tell whether any reply of a rung is stored; None: no request is known."""
        any_stored = None
        for test in self._process.tests.values():
            if (
                test.opened is not record.test.opened
                or test.task
                or not test.uses_reply
            ):
                continue
            for case in test.cases:
                any_stored = False
                request = request_for(record.rung, test.opened.prompter, case)
                key = test.opened.archive.key(request)
                if test.opened.archive.find(key) is not None:
                    return True
        return any_stored

    def _end_test(self, error: MissingReply | BudgetReached) -> NoReturn:
        """End the running test for want of a reply: its code is not at fault."""
        __tracebackhide__ = True
        record = self.record
        if record is None:
            raise error
        if isinstance(error, BudgetReached):
            record.over_budget = True
            pytest.skip(str(error))
        rung = (record.test.opened.ladder.path, record.rung.id)
        if self._stored.get(rung, True) is None and rung not in self._served:
            self._not_run(record)
        message = f'{error} Record it: pytest "{record.item.nodeid}" --ladder-live'
        if self._process.settings.mode != "current":
            message += f" --ladder={self._process.settings.mode}"
        if self._process.settings.missing == "skip":
            record.not_run = True
            pytest.skip(message)
        record.broken = True
        if record.unsure:
            # The controller, which gets every check, knows whether this is an error.
            pytest.skip(UNSURE + message)
        pytest.fail(message, pytrace=False)

    def _not_run(self, record: Record) -> NoReturn:
        record.not_run = True
        pytest.skip(f"{record.rung.id} has no stored replies; --ladder-live calls it")

    def _sample(self) -> int:
        return self.record.sample if self.record is not None else 1

    def _running(self) -> Record:
        if self.record is None:
            raise RuntimeError("No ladder test is running.")
        return self.record


class _Asker:
    """Serves the requests of one ladder to the running test."""

    def __init__(self, running: RunningTest, opened: OpenLadder) -> None:
        self._running = running
        self._opened = opened

    def ask(self, request: Request) -> Served:
        __tracebackhide__ = True
        return self._running.serve(self._opened, request)

    def ask_async(self, request: Request) -> Awaitable[Served]:
        return self._running.serve_async(self._opened, request)


class _NotingAsker(_Asker):
    """Serves requests, and puts each reply on the running test's row by `note`."""

    def __init__(
        self, running: RunningTest, opened: OpenLadder, note: Callable[[Served], None]
    ) -> None:
        super().__init__(running, opened)
        self._note = note

    def ask(self, request: Request) -> Served:
        __tracebackhide__ = True
        served = super().ask(request)
        self._note(served)
        return served

    async def ask_async(self, request: Request) -> Served:
        __tracebackhide__ = True
        served = await super().ask_async(request)
        self._note(served)
        return served


def _bill(served: Served, key: str, calls: tuple[str, ...] = ()) -> UsedReply:
    reply = served.reply
    return UsedReply(
        key=key,
        live=served.live,
        cost_usd=reply.cost_usd,
        latency_s=reply.latency_s,
        ttft_s=reply.ttft_s,
        usage=reply.usage,
        calls=calls,
        flag=reply.flag,
    )
