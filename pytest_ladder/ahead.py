"""Running ahead: replies are asked for before the tests that want them have their turn.

What a `reply` needs is known from rung, case and sample. What a free-form body or a
task will ask is not, so it is rehearsed: run once for its replies, its outcome thrown
away. The real run then finds every reply stored.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder import fixtures
from pytest_ladder.calls.archive import Archive
from pytest_ladder.calls.engine import Served
from pytest_ladder.calls.lane import Request
from pytest_ladder.calls.llm import Llm, Recorder, request_for, run_task
from pytest_ladder.errors import Abandoned, LadderError
from pytest_ladder.ladder_tests import SAMPLE, Record
from pytest_ladder.opened import OpenLadder
from pytest_ladder.session import LadderSession
from pytest_ladder.stage import Rehearsal, run_off_stage
from pytest_ladder.words.case import Case
from pytest_ladder.xdist import Batch, is_worker

_MOST_REHEARSALS = 128
_SKIPPING_MARKS = ("skip", "skipif", "xfail")
_USER_HOOKS = (
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_pyfunc_call",
)


class Ahead:
    """What runs ahead of the tests of one process."""

    def __init__(self, session: LadderSession, items: list[pytest.Item]) -> None:
        self._session = session
        self._stage = session.stage
        self._records = [session.record_of(item) for item in items]
        self._places = {item.nodeid: place for place, item in enumerate(items)}
        self._place = -1
        self._bounded = _stops_early(session.config)
        self._asked_up_to = 0
        self._stop_feeding: list[Callable[[], None]] = []
        self._to_rehearse = self._in_order()
        # A worker of xdist rehearses only what was handed to it.
        config = session.config
        self._batch = Batch(config) if is_worker(config) else None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Ask for what is known, and begin to rehearse."""
        if not self._bounded:
            self._feed(self._records)
            self._start_threads()

    def step(self, item: pytest.Item) -> None:
        """Note that a test has its turn; called before each."""
        self._place = self._places.get(item.nodeid, self._place)
        if self._bounded:
            begin = max(self._asked_up_to, self._place)
            self._asked_up_to = self._place + self._most_at_once
            self._feed(self._records[begin : self._asked_up_to])
            return
        if self._batch is not None:
            self._start_threads()
        self._stage.take_turns()

    def stop(self) -> list[str]:
        """End everything; returns the tests whose rehearsal is stuck elsewhere."""
        for stop in self._stop_feeding:
            stop()
        self._stage.close()
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _feed(self, records: list[Record | None]) -> None:
        """Ask for the replies that are known, fair between models."""
        by_model: dict[tuple[Path, str], list[Record]] = defaultdict(list)
        for record in records:
            if record is not None and _asks_plainly(record):
                place = record.test.opened.ladder.path, record.rung.model.name
                by_model[place].append(record)
        for wanted in by_model.values():
            jobs = ((_request(record), record.test.opened.archive) for record in wanted)
            self._stop_feeding.append(self._session.engine.ahead(jobs))

    def _in_order(self) -> Iterator[Record]:
        """Yield what to rehearse; what had its turn is left out."""
        for place, record in enumerate(self._records):
            if place > self._place and record and _is_rehearsable(record):
                yield record

    def _next(self) -> Record | None:
        """Return the next test to rehearse, None if there is none for now."""
        if self._batch is None:
            return next(self._to_rehearse, None)
        for place in self._batch:
            record = self._records[place]
            if place != self._place and record and _is_rehearsable(record):
                return record
        return None

    def _start_threads(self) -> None:
        """Start as many threads as calls may be under way, while there is work."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < min(self._most_at_once, _MOST_REHEARSALS):
            record = self._next()
            if record is None:
                return
            # Context variables are as the main thread has them.
            run = contextvars.copy_context().run
            thread = threading.Thread(
                target=run, args=(self._rehearse_all, record), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _rehearse_all(self, record: Record | None) -> None:
        """Rehearse one test after another."""
        rehearsal = Rehearsal(self._stage)
        try:
            while record is not None:
                threading.current_thread().name = record.item.nodeid
                with rehearsal:
                    _rehearse(self._session, record, rehearsal)
                    record = self._next()
        except Abandoned:
            pass

    @cached_property
    def _most_at_once(self) -> int:
        """Count the calls that all models of the run may have under way."""
        models = {
            (record.test.opened.ladder.path, record.rung.model.name): record.rung.model
            for record in self._records
            if record is not None
        }
        engine = self._session.engine
        return sum(engine.most_at_once(model) for model in models.values())


def start(session: LadderSession, items: list[pytest.Item]) -> None:
    """Let the tests of a live run be run ahead; called before the first one.

    Not where a conftest steps between pytest and a test: it may skip tests, and a
    skipped test must not be paid for.
    """
    if session.settings.plan:
        items.clear()
    elif session.settings.live and not _are_stepped_between(session.config):
        session.ahead = Ahead(session, items)
        session.ahead.start()


def _are_stepped_between(config: pytest.Config) -> bool:
    """Tell whether a conftest has hooks that run, or skip, tests."""
    hooks = config.hook
    implementations = (
        implementation
        for name in _USER_HOOKS
        for implementation in getattr(hooks, name).get_hookimpls()
    )
    return any(
        Path(inspect.getsourcefile(implementation.function) or "").name == "conftest.py"
        for implementation in implementations
    )


def _stops_early(config: pytest.Config) -> bool:
    """Tell whether a run may end, or stop to talk, before its last test."""
    option = config.option
    return bool(
        getattr(option, "maxfail", 0)
        or getattr(option, "usepdb", False)
        or getattr(option, "trace", False)
        or getattr(option, "capture", None) == "no"
        or getattr(option, "stepwise", False)
    )


def _asks_plainly(record: Record) -> bool:
    """Tell whether the test's reply depends on rung, case and sample alone."""
    test = record.test
    plain = test.asks and test.task is None and record.case is not None
    return plain and test.ahead and not _may_be_skipped(record)


def _is_rehearsable(record: Record) -> bool:
    """Tell whether running the body, or the task, twice is possible and of use."""
    test, item = record.test, record.item
    function = item.obj
    calls = test.task is not None or "llm" in item.fixturenames
    return (
        calls
        and test.ahead
        and not test.external
        and not _may_be_skipped(record)
        and not hasattr(function, "hypothesis")
        and type(item) is pytest.Function
        and not any(item.iter_markers("anyio"))
        and item.cls is None
        and all(_is_known(item, name) for name in item.fixturenames)
    )


def _may_be_skipped(record: Record) -> bool:
    return any(any(record.item.iter_markers(mark)) for mark in _SKIPPING_MARKS)


def _is_known(item: pytest.Function, name: str) -> bool:
    """Tell whether an argument is ours, a parameter, or an installed plugin's.

    Fixtures of the user may have effects that must not come twice.
    """
    asked_for = name in inspect.signature(item.obj).parameters
    if name in item.callspec.params or name == "request":
        return not (name == "request" and asked_for)
    definitions = item._fixtureinfo.name2fixturedefs.get(name, ())
    if not definitions:
        return False
    function = definitions[-1].func
    if function.__module__ == fixtures.__name__:
        return True
    # An autouse fixture of an installed plugin; a user's stands in the project.
    file = Path(inspect.getsourcefile(function) or "")
    installed = not file.is_relative_to(item.config.rootpath) or "site-packages" in str(
        file
    )
    return installed and not asked_for


def _request(record: Record) -> Request:
    assert record.case is not None
    prompter = record.test.opened.prompter
    return request_for(record.rung, prompter, record.case, record.sample)


def _rehearse(session: LadderSession, record: Record, rehearsal: Rehearsal) -> None:
    """Run a body once for its replies; whatever comes of it is thrown away."""
    asker = _RehearsalAsker(session, record.test.opened, rehearsal)
    try:
        arguments = _arguments(record, asker)
        function = record.item.obj
        if not inspect.iscoroutinefunction(function):
            function(**arguments)
            return
        run_off_stage(function(**arguments), rehearsal.off)
    except Abandoned:
        raise
    except BaseException:  # noqa: BLE001 - the real run will tell
        return


def _arguments(record: Record, asker: _RehearsalAsker) -> dict[str, Any]:
    """Make what the body is called with."""
    test = record.test
    llm = Llm(record.rung, test.opened.prompter, asker, lambda: record.sample)
    made: dict[str, Callable[[], Any]] = {
        "rung": lambda: record.rung,
        "case": lambda: record.case,
        "llm": lambda: llm,
        "score": lambda: _ignore,
        "reply": lambda: _reply(record, llm, asker),
    }
    names = inspect.signature(record.item.obj).parameters
    if test.task is not None and "llm" not in names:
        # The task calls, not the body.
        _reply(record, llm, asker)
        raise LadderError("rehearsed")
    params = record.item.callspec.params
    return {
        name: made[name]() if name in made else params[name]
        for name in names
        if name != SAMPLE
    }


def _reply(record: Record, llm: Llm, asker: _RehearsalAsker) -> Any:
    case = record.case
    assert isinstance(case, Case)
    if record.test.task is None:
        return llm.ask(case)
    recorder = Recorder(asker)
    inner = Llm(record.rung, record.test.opened.prompter, recorder, llm.sample)
    return run_task(record.test.task, case, inner, recorder).reply


def _ignore(*_: Any, **__: Any) -> None:
    """Take a score that nobody wants."""


class _RehearsalAsker:
    """Asks for replies, and is off stage while it waits."""

    def __init__(
        self, session: LadderSession, opened: OpenLadder, rehearsal: Rehearsal
    ) -> None:
        self._engine = session.engine
        self._archive: Archive = opened.archive
        self._rehearsal = rehearsal

    def ask(self, request: Request) -> Served:
        found = self._engine.look_up(request, self._archive)
        if found is not None:
            return found
        future = self._engine.submit(request, self._archive, ahead=True)
        with self._rehearsal.off():
            return future.result()

    async def ask_async(self, request: Request) -> Served:
        found = self._engine.look_up(request, self._archive)
        if found is not None:
            return found
        return await asyncio.wrap_future(
            self._engine.submit(request, self._archive, ahead=True)
        )
