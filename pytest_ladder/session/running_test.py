"""The ladder test under way: what it asks, what that cost, and how it ends."""

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
from pytest_ladder.session.cheap_checks import Funnel
from pytest_ladder.session.ladder_test import LadderTest, Record, rung_of
from pytest_ladder.session.llm import Llm, Recorder, request_for, run_task
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.options import Settings
from pytest_ladder.session.status_line import StatusLine
from pytest_ladder.session.turns import (
    Turns,
    on_loop_of_its_own,
    run_off_stage,
    wait_off_stage,
)

if TYPE_CHECKING:
    from pytest_ladder.judging.jury import Jury
    from pytest_ladder.session.judge import JudgeFixture


class Process(Protocol):
    """What the test under way uses of its pytest process."""

    settings: Settings
    tests: dict[str, LadderTest]
    """The ladder tests that were collected, by node id of the function."""
    stage: Turns

    @property
    def engine(self) -> Engine:
        """Looks replies up, or calls models for them."""

    @property
    def funnel(self) -> Funnel:
        """What is known of the cheap checks, for the judged ones."""

    @property
    def status(self) -> StatusLine:
        """What is shown while the main thread waits."""


class RunningTest:
    """The ladder test under way in a process, if one is.

    Its methods are called on the main thread, by fixtures and hooks. Only `serve` and
    `serve_async`, and what notes a reply, may run on a thread or loop of the test's
    own; a test that uses several must not end before they do.
    """

    def __init__(self, process: Process) -> None:
        self.record: Record | None = None
        """What it used and said so far; None: no ladder test runs."""
        self.passing_over = False
        """Whether the test under way is only taken up to be left again."""
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
        if self.passing_over:
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
                record.retrieved = tuple(one.source for one in reply.retrieved)
                return reply
            except (CallError, StoreError) as error:
                problem = str(error)
            # Not inside the handler: pytest would print the exception twice.
            record.broken = True
            pytest.fail(problem, pytrace=False)
        recorder = Recorder(_Asker(self, test.opened))
        llm = Llm(record.rung, test.opened.prompter, recorder, self._sample)
        served = run_task(
            on_loop_of_its_own(test.task, self.waiting), case, llm, recorder
        )
        if test.external:
            unknown = {"cost_usd": None, "usage": None}
            reply = msgspec.structs.replace(served.reply, **unknown)
            served = served._replace(reply=reply)
        self.note(served, tuple(call.key for call in recorder.served))
        record.retrieved = tuple(one.source for one in served.reply.retrieved)
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
            held_back = self._process.funnel.holds_back(record)
            record.unsure = held_back is None
            if held_back:
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
        run_off_stage(item.obj(**arguments), self.waiting)
        return True

    def note(self, served: Served, calls: tuple[str, ...] = ()) -> None:
        """Put a reply on the bill of the running test."""
        record = self.record
        if record is None:
            return
        reply = served.reply
        # A reply that is not stored has no key; it is still one reply of one test.
        of = f"{record.item.nodeid}#{record.case and record.case.id}#{record.sample}"
        key = served.key or f"{of}#{len(record.replies)}"
        record.text = reply.text
        record.replies.append(_bill(served, key, calls))
        self._served.add((record.test.opened.ladder.path, record.rung.id))

    def note_evaluation(self, served: Served) -> None:
        """Put an answer of a judge on the bill of the running test."""
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
        """Look a reply up or call for it; ends the test when there is none."""
        __tracebackhide__ = True
        try:
            return self._process.engine.ask(request, opened.archive)
        except (MissingReply, BudgetReached) as error:
            problem = error
        self._end_test(problem)

    async def serve_async(self, opened: OpenLadder, request: Request) -> Served:
        """Do what `serve` does, from any event loop."""
        __tracebackhide__ = True
        if threading.current_thread() is threading.main_thread():
            wait_off_stage(self.waiting)
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
        """Let others run while an event loop of the main thread waits."""
        begun = time.monotonic()
        asking = bool(self._asking)
        try:
            with self._process.stage.offered():
                yield
        finally:
            if asking:
                self.waited_in_loops_s += time.monotonic() - begun
                self._process.status.show()

    def _skip_if_not_run(self, record: Record) -> None:
        """Skip a test of a rung that a plain run has no replies for."""
        free = record.rung.model.is_scripted
        if self._process.settings.live or record.is_current or free:
            return
        place = (record.test.opened.ladder.path, record.rung.id)
        if place not in self._stored:
            self._stored[place] = self._any_stored(record)
        if self._stored[place] is False:
            self._not_run(record)

    def _any_stored(self, record: Record) -> bool | None:
        """Tell whether any reply of a rung is stored; None: no request is known."""
        known = None
        for test in self._process.tests.values():
            if test.opened is not record.test.opened or test.task or not test.asks:
                continue
            for case in test.cases:
                known = False
                request = request_for(record.rung, test.opened.prompter, case)
                key = test.opened.archive.key(request)
                if test.opened.archive.find(key) is not None:
                    return True
        return known

    def _end_test(self, error: MissingReply | BudgetReached) -> NoReturn:
        """End the running test: nothing is wrong with its code."""
        __tracebackhide__ = True
        record = self.record
        if record is None:
            raise error
        if isinstance(error, BudgetReached):
            record.over_budget = True
            pytest.skip(str(error))
        place = (record.test.opened.ladder.path, record.rung.id)
        if self._stored.get(place, True) is None and place not in self._served:
            self._not_run(record)
        where = f"{record.item.nodeid}"
        message = f'{error} Record it: pytest "{where}" --ladder-live'
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
    """Answers requests of a ladder."""

    def __init__(self, running: RunningTest, opened: OpenLadder) -> None:
        self._running = running
        self._opened = opened

    def ask(self, request: Request) -> Served:
        __tracebackhide__ = True
        return self._running.serve(self._opened, request)

    def ask_async(self, request: Request) -> Awaitable[Served]:
        return self._running.serve_async(self._opened, request)


class _NotingAsker(_Asker):
    """Answers requests, and puts them on a bill of the running test."""

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
