"""The state of one pytest process: open ladders, the engine, the test under way."""

from __future__ import annotations

import contextlib
import inspect
import os
import shutil
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import msgspec
import pytest

from pytest_ladder import options
from pytest_ladder.calls.chat import Llm, Recorder, request_for, run_task
from pytest_ladder.calls.contract import EngineSettings, Progress, Request, Served
from pytest_ladder.calls.engine import Engine
from pytest_ladder.calls.local.servers import Servers
from pytest_ladder.config.load import find_ladder, load_ladder
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
from pytest_ladder.funnel import Funnel
from pytest_ladder.ladder_tests import SAMPLE, LadderTest, Record, Shape, rung_of
from pytest_ladder.opened import OpenLadder
from pytest_ladder.stage import (
    Stage,
    on_loop_of_its_own,
    run_off_stage,
    wait_off_stage,
)
from pytest_ladder.status import StatusLine
from pytest_ladder.text.phrases import shown
from pytest_ladder.xdist import is_worker, shared_by_processes, workers

if TYPE_CHECKING:
    from pytest_ladder.grading import Judge
    from pytest_ladder.judging.jury import Jury

# How long the end of a run waits for calls that were sent and that no test of this
# process waits for: they are paid for, and another worker may need them.
_PATIENCE_S = 30.0


class RunsAhead(Protocol):
    """What runs ahead of the tests of one process."""

    def release(self, places: list[int]) -> None:
        """Let these tests be run ahead, by their places among the collected."""

    def start(self) -> None:
        """Begin; called before the first test."""

    def step(self, item: pytest.Item) -> None:
        """Go on; called before each test."""

    def stop(self) -> None:
        """End; called after the last test."""

    def left_behind(self) -> list[str]:
        """Name the tests whose rehearsal did not end."""


class LadderSession:
    """Everything pytest-ladder knows in one pytest process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.settings = options.read(config)
        self.tests: dict[str, LadderTest] = {}
        self.shapes: dict[str, Shape] = {}
        """How each test was parametrized."""
        self.record: Record | None = None
        self.stage = Stage()
        self.ahead: RunsAhead | None = None
        """What runs ahead of the tests; None in a replay."""
        self.passing_over = False
        """Whether the test under way is only taken up to be left again."""
        self.held_back: list[pytest.Item] = []
        """Samples that run only if the gate asks for them."""
        self.left_behind: list[str] = []
        """Tests whose rehearsal did not end."""
        self.started: float = shared_by_processes(config)["started"]
        """Unix time."""
        self.problems: list[str] = []
        """Mistakes in configuration found while collecting."""
        self._ladders: dict[Path, OpenLadder] = {}
        self._found: dict[Path, OpenLadder | None] = {}
        self._stored: dict[tuple[Path, str], bool | None] = {}
        """Whether a rung has stored replies; None: its requests are not known."""
        self._module_items: dict[Path, int] = {}
        self._served: set[tuple[Path, str]] = set()
        """Rungs that had a reply."""
        self._waited_before_s = 0.0
        self._asking = 0
        """Coroutines of the main thread that wait for a reply."""
        self._waited_in_loops_s = 0.0

    @cached_property
    def progress(self) -> Progress:
        """What the engine did so far."""
        return Progress()

    @cached_property
    def status(self) -> StatusLine:
        """What is shown of it while the main thread waits."""
        return StatusLine(self.config, self.progress, self.stage)

    @cached_property
    def funnel(self) -> Funnel:
        """What is known of the cheap checks, for the judged ones."""
        folder = Path(shared_by_processes(self.config)["folder"])
        return Funnel(folder / "funnel" if is_worker(self.config) else None)

    @cached_property
    def engine(self) -> Engine:
        """The engine, started when first needed."""
        shared = shared_by_processes(self.config)
        settings = EngineSettings(
            live=self.settings.live,
            refresh=self.settings.refresh,
            concurrency=self.settings.concurrency,
            budget_usd=self.settings.budget,
            folder=Path(shared["folder"]),
            owner_pid=shared["owner_pid"],
            workers=workers(self.config),
            started=shared["started"],
        )
        return Engine(settings, self.progress, self.status)

    def ladder_for(self, folder: Path) -> OpenLadder | None:
        """Return the ladder in reach of tests in a folder; raises `ConfigError`."""
        if folder not in self._found:
            path = self.settings.config or find_ladder(folder)
            self._found[folder] = None if path is None else self.open(path)
        return self._found[folder]

    def open(self, path: Path) -> OpenLadder:
        """Open a ladder by its configuration file, once."""
        if path not in self._ladders:
            ladder = load_ladder(path)
            self._ladders[path] = OpenLadder(ladder, self.settings)
        return self._ladders[path]

    @property
    def opened(self) -> list[OpenLadder]:
        """The ladders of this process."""
        return list(self._ladders.values())

    def module_items(self, path: Path) -> int:
        """Count a file's items on one rung; 0 when it was not collected whole."""
        if path not in self._module_items:
            self._module_items[path] = self._count_items(path)
        return self._module_items[path]

    def _count_items(self, path: Path) -> int:
        picked = any("::" in argument for argument in self.config.args)
        if picked or self.config.getoption("lf", False):
            return 0
        return sum(
            self.shapes[nodeid].items
            for nodeid, test in self.tests.items()
            if test.path == path
        )

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

    def judge(self) -> Judge:
        """Make the `judge` of tests, whose calls are evaluation cost."""
        from pytest_ladder.grading import Judge

        return Judge(
            lambda: self.jury_of(self._running().test.opened), self.note_verdict
        )

    def jury_of(self, opened: OpenLadder) -> Jury:
        """Return a ladder's judges, whose answers go into the running test's row."""
        return opened.jury(_NotingAsker(self, opened, self.note_evaluation))

    def verdict(self, reply: Reply, case: Case) -> Verdict:
        """Return the verdict that the running test's marker asks for."""
        __tracebackhide__ = True
        from pytest_ladder.grading import verdict_of

        record = self._running()
        judged = record.test.judged
        assert judged is not None
        retrieves = record.rung.strategy.retrieves or record.test.task is not None
        if judged.grades_retrieval and not retrieves:
            pytest.skip(f"{record.rung.id} retrieves nothing that could be judged")
        if record.test.opened.has_funnel:
            held_back = self.funnel.holds_back(record)
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

    def begin(self, item: pytest.Item) -> None:
        """Start the row of a ladder test; called before each of its setups."""
        if self.passing_over:
            pytest.skip("it only lets fixtures of others end")
        self.record = self.record_of(item)
        if self.record is None:
            return
        if self.record.test.external and not self.settings.live:
            pytest.skip("it calls models by itself (external=True); --ladder-live")
        self._skip_if_not_run(self.record)

    def record_of(self, item: pytest.Item) -> Record | None:
        """Return an empty record of a ladder test, None for any other test."""
        rung = rung_of(item)
        if rung is None or not isinstance(item, pytest.Function):
            return None
        nodeid = f"{item.parent.nodeid}::{item.originalname}" if item.parent else ""
        sample = cast(int, item.callspec.params.get(SAMPLE, 1))
        return Record(test=self.tests[nodeid], item=item, rung=rung, sample=sample)

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

    def waited_s(self) -> float:
        """Return the seconds spent waiting in a phase; called when it is over."""
        if "engine" not in self.__dict__:
            return 0.0
        self.status.take_back()
        so_far = self.engine.waited_s + self._waited_in_loops_s
        waited = so_far - self._waited_before_s
        self._waited_before_s = so_far
        return waited

    def give_way(self) -> None:
        """Let calls under way go first; called between the phases of tests."""
        if "engine" in self.__dict__:
            self.engine.give_way()

    def step(self, item: pytest.Item) -> None:
        """Let others run before a test; called before each."""
        self.give_way()
        if self.ahead is not None:
            self.ahead.step(item)

    def end(self) -> None:
        """Close the row of the running test; called after its teardown."""
        self.record = None

    def header(self) -> list[str]:
        """Say which rungs are tested, and whether models may be called."""
        if self.config.option.verbose < 0:
            return []
        ids = {id(test.opened) for test in self.tests.values()}
        used = [opened for opened in self.opened if id(opened) in ids]
        return [self.header_of(opened, named=len(used) > 1) for opened in used]

    def header_of(self, opened: OpenLadder, *, named: bool = False) -> str:
        """Say which rungs of a ladder are tested."""
        ladder = f"ladder {shown(opened.ladder.path)}" if named else "ladder"
        names = ", ".join(rung.id for rung in opened.rungs)
        spends = "calls models" if self.settings.live else "replays, never calls"
        line = f"{ladder}: {self.settings.mode}: {names} ({spends})"
        if self.settings.mode == "current" and opened.ladder.current is None:
            line += "; `current` is not set, so this is the cheapest rung"
        return line

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
            return self.engine.ask(request, opened.archive)
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
            return await self.engine.ask_async(request, opened.archive)
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
            with self.stage.offered():
                yield
        finally:
            if asking:
                self._waited_in_loops_s += time.monotonic() - begun
                self.status.show()

    def _skip_if_not_run(self, record: Record) -> None:
        """Skip a test of a rung that a plain run has no replies for."""
        free = record.rung.model.is_scripted
        if self.settings.live or record.is_current or free:
            return
        place = (record.test.opened.ladder.path, record.rung.id)
        if place not in self._stored:
            self._stored[place] = self._any_stored(record)
        if self._stored[place] is False:
            self._not_run(record)

    def close(self, *, interrupted: bool) -> None:
        """Let go of everything; local servers end with the controller."""
        if self.ahead is not None:
            self.ahead.stop()
        if "engine" in self.__dict__:
            self.engine.close(patience_s=0.0 if interrupted else _PATIENCE_S)
        if self.ahead is not None:
            self.left_behind = self.ahead.left_behind()
        if "status" in self.__dict__:
            self.status.close()
        folder = Path(shared_by_processes(self.config)["folder"])
        if not is_worker(self.config) and folder.exists():
            Servers(folder / "servers", os.getpid()).stop_all()
            shutil.rmtree(folder, ignore_errors=True)
        for opened in self._ladders.values():
            opened.archive.close()

    def _any_stored(self, record: Record) -> bool | None:
        """Tell whether any reply of a rung is stored; None: no request is known."""
        known = None
        for test in self.tests.values():
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
        if self.settings.mode != "current":
            message += f" --ladder={self.settings.mode}"
        if self.settings.missing == "skip":
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

    def __init__(self, session: LadderSession, opened: OpenLadder) -> None:
        self._session = session
        self._opened = opened

    def ask(self, request: Request) -> Served:
        __tracebackhide__ = True
        return self._session.serve(self._opened, request)

    def ask_async(self, request: Request) -> Awaitable[Served]:
        return self._session.serve_async(self._opened, request)


class _NotingAsker(_Asker):
    """Answers requests, and puts them on a bill of the running test."""

    def __init__(
        self, session: LadderSession, opened: OpenLadder, note: Callable[[Served], None]
    ) -> None:
        super().__init__(session, opened)
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
