"""Running ahead: replies are asked for before the tests that want them have their turn.

What a `reply` needs is known from rung, case and sample. What a free-form body or a
task will ask is not, so it is rehearsed: run once for its replies, its outcome thrown
away. The real run then finds every reply stored.
"""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.errors import LadderError
from pytest_ladder.prefetch.rehearsal import Choice, rehearse
from pytest_ladder.session.ladder_test import Record
from pytest_ladder.session.llm import request_for
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.xdist import Batch, is_worker, place_among_workers

_MOST_REHEARSALS = 128
# An event loop of its own, which an `async def` body needs, takes three open files.
_FILES_PER_REHEARSAL = 8
# How long rehearsals have to end after the last test, all together.
_ENDING_S = 0.3


class Ahead:
    """What runs ahead of the tests of one process."""

    def __init__(self, session: LadderSession, items: list[pytest.Item]) -> None:
        self._session = session
        self._choice = Choice(session.config)
        every = [*items, *session.held_back]
        self._records = [session.record_of(item) for item in every]
        self._places = {item.nodeid: place for place, item in enumerate(every)}
        self._open_up_to = len(items)
        """What lies behind is held back, and not asked for before one of it runs."""
        self._place = 0
        self._steps = 0
        self._had_their_turn: set[int] = set()
        self._bounded = _stops_early(session.config)
        self._asked_up_to = 0
        self._stop_feeding: list[Callable[[], None]] = []
        # A worker of xdist rehearses only what was handed to it.
        config = session.config
        self._batch = Batch(config) if is_worker(config) else None
        self._released: deque[int] = deque()
        """What may be rehearsed next, if not all that was handed to a worker."""
        self._climbs = session.settings.mode == "climb"
        self._staged = session.settings.is_scheduled
        self._cases: Iterator[Record] = iter(())
        """What is left of a packed test that is rehearsed."""
        self._choosing = threading.Lock()
        self._context = contextvars.copy_context()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Ask for what is known, and begin to rehearse; a climb does so by and by."""
        if not self._bounded and not self._climbs:
            self._begin(range(self._open_up_to))

    def release(self, places: list[int]) -> None:
        """Run these tests ahead, and nothing beyond them, if they are of a climb."""
        if self._climbs and not self._bounded:
            self._feed([self._records[place] for place in places])
            self._released.extend(places)
            self._start_threads()

    def step(self, item: pytest.Item) -> None:
        """Note that a test has its turn; called before each."""
        self._place = self._places[item.nodeid]
        number, self._steps = self._steps, self._steps + 1
        stopgap = self._staged and self._batch and self._batch.is_stopgap(number)
        if not stopgap:
            self._had_their_turn.add(self._place)
            self._open_for(self._place)
        # Bodies see context variables as the main thread has them.
        self._context = contextvars.copy_context()
        if self._bounded and not self._climbs:
            begin = max(self._asked_up_to, self._place)
            self._asked_up_to = min(self._place + self._most_at_once, self._open_up_to)
            self._feed(self._records[begin : self._asked_up_to])
        elif not self._session.stage.closed:
            if self._batch is not None and self._climbs:
                self.release(list(self._batch))
            elif self._batch is not None:
                self._start_threads()
            self._session.stage.take_turns()

    def stop(self) -> None:
        """Ask for nothing more, and send all rehearsals home."""
        for stop in self._stop_feeding:
            stop()
        self._session.stage.close()

    def left_behind(self) -> list[str]:
        """Name the tests whose rehearsal waits for something else than a reply."""
        until = time.monotonic() + _ENDING_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _open_for(self, place: int) -> None:
        """Let all that was held back be run ahead when the first of it runs."""
        begin = self._open_up_to
        if place >= begin:
            self._open_up_to = len(self._records)
            if not self._bounded:
                self._begin(range(begin, self._open_up_to))

    def _begin(self, places: range) -> None:
        """Ask for what is known of these tests, and begin to rehearse the others."""
        # Each worker of xdist begins with another part, and passes over what others
        # have asked for by the time it gets there.
        share = place_among_workers(self._session.config)
        records = [self._records[place] for place in places]
        first = int(len(records) * share)
        self._feed([*records[first:], *records[:first]])
        self._released.extend(places)
        self._start_threads()

    def _feed(self, records: list[Record | None]) -> None:
        """Ask for the replies that are known, fair between models."""
        by_model: dict[tuple[Path, str], list[Record]] = defaultdict(list)
        for record in records:
            if record is not None and self._choice.asks_plainly(record):
                place = record.test.opened.ladder.path, record.rung.model.name
                by_model[place].append(record)
        for wanted in by_model.values():
            self._stop_feeding.append(self._session.engine.ahead(_jobs(wanted)))

    def _next(self) -> Record | None:
        """Return what to rehearse next, None if there is nothing for now."""
        with self._choosing:
            record = next(self._cases, None)
            if record is None:
                for packed in self._wanted():
                    self._cases = _unpacked(packed)
                    return next(self._cases, None)
        return record

    def _wanted(self) -> Iterator[Record]:
        """Yield the tests that are left to rehearse."""
        for place in self._places_to_rehearse():
            record = self._records[place]
            if record is None or not self._choice.is_rehearsable(record):
                continue
            # A packed test that has its turn has it for all its cases.
            late = place in self._had_their_turn
            if not late or (record.test.pack and place == self._place):
                yield record

    def _places_to_rehearse(self) -> Iterator[int]:
        if self._batch is not None and not self._climbs:
            yield from self._batch
        while self._released:
            yield self._released.popleft()

    def _start_threads(self) -> None:
        """Start as many threads as calls may be under way, while there is work."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < min(self._most_at_once, _most_rehearsals()):
            record = self._next()
            if record is None:
                return
            thread = threading.Thread(
                target=self._rehearse_all, args=(record,), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _rehearse_all(self, record: Record | None) -> None:
        """Rehearse one test after another."""
        session = self._session
        while record is not None and not session.stage.closed:
            threading.current_thread().name = record.item.nodeid
            # A copy: what a body sets is gone with it.
            self._context.copy().run(rehearse, session, record)
            record = self._next()

    @functools.cached_property
    def _most_at_once(self) -> int:
        """Count the calls that all models of the run may have under way."""
        models = {
            (record.test.opened.ladder.path, record.rung.model.name): record.rung.model
            for record in self._records
            if record is not None
        }
        opened = {id(r.test.opened): r.test.opened for r in self._records if r}
        judges = [judge for one in opened.values() for judge in one.judges]
        engine = self._session.engine
        return sum(engine.most_at_once(model) for model in (*models.values(), *judges))


def start(ladder: LadderSession, session: pytest.Session) -> None:
    """Let the tests of a live run be run ahead; called before the first one."""
    option = session.config.option
    if ladder.settings.plan:
        session.items.clear()
    if option.collectonly or not ladder.settings.live:
        return
    if session.testsfailed and not option.continue_on_collection_errors:
        # pytest will not run anything.
        return
    ladder.ahead = Ahead(ladder, session.items)
    ladder.ahead.start()


def _unpacked(record: Record) -> Iterator[Record]:
    """Yield a record for every case of a packed test; the record of any other."""
    if not record.test.pack:
        yield record
        return
    for case, sample in record.cells:
        yield dataclasses.replace(record, sample=sample, one=case)


def _jobs(records: list[Record]) -> Iterator[tuple[Request, Archive]]:
    for record in (each for packed in records for each in _unpacked(packed)):
        opened, case = record.test.opened, record.case
        assert case is not None
        try:
            request = request_for(record.rung, opened.prompter, case, record.sample)
        except LadderError:
            # A case that the strategy cannot use is for its test to tell.
            continue
        yield request, opened.archive


@functools.cache
def _most_rehearsals() -> int:
    """Count the rehearsals that the system has open files for."""
    try:
        import resource
    except ImportError:
        return _MOST_REHEARSALS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return _MOST_REHEARSALS
    return max(1, min(_MOST_REHEARSALS, files // _FILES_PER_REHEARSAL))


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
