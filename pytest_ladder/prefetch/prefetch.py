"""Prefetch: replies are asked for before the tests that need them run.

What a `reply` needs is known from rung, case and sample, so it is asked for at once.
What a free-form body or a task will ask is not known, so the body is rehearsed: it runs
once for the replies it asks for, and what comes of it is dropped. The real run then
finds every reply stored.

Threads. The main thread makes the one `Prefetch` of a process and calls all its public
methods. It starts threads, named after the test they rehearse, which take tests from
`_next` until none is left: `_choosing` guards what is left. Of all these threads and
the main thread one runs code of the user at a time (see `session/turns`). The replies
that are known are asked for by the engine's thread, which pulls them from
`_known_requests`.

Ctrl-C ends the run, and `stop` is called: the engine is fed no more, and every
rehearsal gets `Abandoned` where it waits or with its next request. The threads are
daemons, so one that waits for something else does not keep the process alive; its test
is named at the end of the run.
"""

from __future__ import annotations

import contextvars
import functools
import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_ladder import clock
from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.prefetch.rehearsal import EarlyChoice, rehearse
from pytest_ladder.session.ladder_test import LadderItem
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.xdist import Batch, is_worker, share_to_begin_with

_MOST_REHEARSALS = 128
# An event loop of its own, which an `async def` body needs, takes three open files.
_FILES_PER_REHEARSAL = 8
# How long rehearsals have to end after the last test, all together.
_ENDING_S = 0.3


class Prefetch:
    """Asks for the replies of the tests of one process, ahead of them.

    Tests are named by their indices: first what was collected, then extra samples.
    """

    def __init__(self, session: LadderSession, items: list[pytest.Item]) -> None:
        self._session = session
        self._choice = EarlyChoice(session.config)
        all_items = [*items, *session.extra_samples]
        self._items = [session.item_of(item) for item in all_items]
        self._index_of = {item.nodeid: index for index, item in enumerate(all_items)}
        self._end = len(items)
        """Nothing is asked for from here on: extra samples, until one of them runs."""
        self._current = 0
        """The test that runs."""
        self._steps = 0
        """Tests and placeholders that were begun, in a run in stages."""
        self._begun: set[int] = set()
        """Tests that have run, or run now."""
        self._may_end_early = _run_may_end_early(session.config)
        """Whether only a few tests are asked for at a time, and none is rehearsed."""
        self._asked_to = 0
        """Replies of the tests before this one are asked for, if only a few are."""
        self._stop_feeding: list[Callable[[], None]] = []
        config = session.config
        self._batch = Batch(config) if is_worker(config) else None
        """What was handed to this worker of xdist: it rehearses nothing else."""
        self._released: deque[int] = deque()
        """Tests that may be rehearsed next; a worker has its batch besides."""
        self._later: dict[tuple[str, str], list[int]] = defaultdict(list)
        """Tests whose fixtures are not set up yet, by test and rung."""
        self._climbs = session.settings.mode == "climb"
        self._in_stages = session.settings.is_scheduled
        self._cases: Iterator[LadderItem] = iter(())
        """What is left of the cases of a packed test that is rehearsed."""
        self._choosing = threading.Lock()
        self._context = contextvars.copy_context()
        """Context variables of the main thread, as rehearsed bodies see them."""
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Ask for what is known, and begin to rehearse; a climb waits for `release`."""
        if not self._may_end_early and not self._climbs:
            self._begin(range(self._end))

    def release(self, indices: list[int]) -> None:
        """Ask for the replies of these tests, the next stage of a climb or of a gate.

        Does nothing for collected tests without a climb: all are asked for from the
        start. Samples of a gate fail nothing, so nothing of them ends early.
        """
        is_of_gate = not self._climbs
        if is_of_gate:
            indices = [index for index in indices if index >= self._end]
        if indices and (is_of_gate or not self._may_end_early):
            self._feed([self._items[index] for index in indices])
            self._released.extend(() if self._may_end_early else indices)
            self._start_threads()

    def step(self, item: pytest.Item) -> None:
        """Note that a test begins, and let rehearsals run; called before each."""
        self._current = self._index_of[item.nodeid]
        number, self._steps = self._steps, self._steps + 1
        placeholder = (
            self._in_stages and self._batch and self._batch.is_placeholder(number)
        )
        if not placeholder:
            self._begun.add(self._current)
            if self._batch is not None and self._current >= self._end:
                self.release(list(self._batch))
        self._context = contextvars.copy_context()
        if self._may_end_early and not self._climbs:
            begin = max(self._asked_to, self._current)
            self._asked_to = min(self._current + self._most_at_once, self._end)
            self._feed(self._items[begin : self._asked_to])
        elif not self._session.turns.closed:
            self._release_set_up(self._items[self._current])
            if self._batch is not None and self._climbs:
                self.release(list(self._batch))
            elif self._batch is not None:
                self._start_threads()
            self._session.turns.let_others_run_once()

    def stop(self) -> None:
        """Ask for nothing more, and end all rehearsals."""
        for stop in self._stop_feeding:
            stop()
        self._session.turns.close()

    def stuck_rehearsals(self) -> list[str]:
        """Name the tests whose rehearsal waits for something else than a reply.

        Called after `stop`; waits 0.3 s for them at most.
        """
        until = clock.monotonic() + _ENDING_S
        for thread in self._threads:
            thread.join(max(0.0, until - clock.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _release_set_up(self, running: LadderItem | None) -> None:
        """Let tests run ahead that waited for fixtures of the one that runs."""
        waiting = running and (running.test.nodeid, running.rung.id)
        if running is None or waiting not in self._later:
            return
        if self._choice.is_set_up(running, running):
            with self._choosing:
                self._released.extend(self._later.pop(waiting, ()))
            self._start_threads()

    def _begin(self, indices: range) -> None:
        """Ask for what is known of these tests, and begin to rehearse the others."""
        # Each worker of xdist begins with another part, and passes over what others
        # have asked for by the time it gets there.
        share = share_to_begin_with(self._session.config)
        items = [self._items[index] for index in indices]
        first = int(len(items) * share)
        self._feed([*items[first:], *items[:first]])
        self._released.extend(indices)
        self._start_threads()

    def _feed(self, items: list[LadderItem | None]) -> None:
        """Ask for the replies whose requests are known, a queue for each model.

        So a slow model keeps no other waiting.
        """
        by_model: dict[tuple[Path, str], list[LadderItem]] = defaultdict(list)
        for item in items:
            if item is not None and self._choice.has_known_request(item):
                model = item.test.opened.ladder.path, item.rung.model.name
                by_model[model].append(item)
        for wanted in by_model.values():
            self._stop_feeding.append(
                self._session.engine.ahead(_known_requests(wanted))
            )

    def _next(self) -> LadderItem | None:
        """Return what to rehearse next, None if there is nothing for now.

        Called by the main thread and by those that rehearse.
        """
        with self._choosing:
            item = next(self._cases, None)
            if item is None:
                for packed in self._wanted():
                    self._cases = packed.parts()
                    return next(self._cases, None)
        return item

    def _wanted(self) -> Iterator[LadderItem]:
        """Yield the tests that are left to rehearse; called under `_choosing`."""
        for index in self._indices_to_rehearse():
            item = self._items[index]
            if item is None or not self._choice.is_rehearsable(item):
                continue
            if not self._choice.is_set_up(item, self._items[self._current]):
                self._later[item.test.nodeid, item.rung.id].append(index)
                continue
            # While a packed test runs, its later cases may still be rehearsed.
            too_late = index in self._begun
            if not too_late or (item.test.pack and index == self._current):
                yield item

    def _indices_to_rehearse(self) -> Iterator[int]:
        if self._batch is not None and not self._climbs:
            yield from self._batch
        while self._released:
            yield self._released.popleft()

    def _start_threads(self) -> None:
        """Start as many threads as calls may be under way, while tests are left."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < min(self._most_at_once, _most_rehearsals()):
            item = self._next()
            if item is None:
                return
            thread = threading.Thread(
                target=self._rehearse_all, args=(item,), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _rehearse_all(self, item: LadderItem | None) -> None:
        """Rehearse one test after another; the body of each thread."""
        session = self._session
        while item is not None and not session.turns.closed:
            threading.current_thread().name = item.nodeid
            # A copy: what a body sets in it is dropped.
            self._context.copy().run(rehearse, session, item)
            item = self._next()

    @functools.cached_property
    def _most_at_once(self) -> int:
        """Count the calls that all models of the run may have under way."""
        models = {
            (item.test.opened.ladder.path, item.rung.model.name): item.rung.model
            for item in self._items
            if item is not None
        }
        ladders = {id(i.test.opened): i.test.opened for i in self._items if i}
        judges = [judge for opened in ladders.values() for judge in opened.judges]
        engine = self._session.engine
        return sum(engine.most_at_once(model) for model in (*models.values(), *judges))


def start(ladder: LadderSession, session: pytest.Session) -> None:
    """Begin to ask for the replies of a live run; called before the first test.

    With `--ladder-plan` it runs nothing at all.
    """
    option = session.config.option
    if ladder.settings.plan:
        session.items.clear()
    if option.collectonly or not ladder.settings.live:
        return
    if session.testsfailed and not option.continue_on_collection_errors:
        # pytest will not run anything.
        return
    ladder.prefetch = Prefetch(ladder, session.items)
    ladder.prefetch.start()


def _known_requests(items: list[LadderItem]) -> Iterator[tuple[Request, Archive]]:
    """Yield the requests of tests, and where replies are kept; on the engine's thread.

    It takes one after another when it has room for more calls.
    """
    for item in itertools.chain.from_iterable(each.parts() for each in items):
        opened, case = item.test.opened, item.case
        assert case is not None
        try:
            requests = opened.strategies.known_requests(item.rung, case, item.sample)
        except Exception:  # noqa: BLE001 - of any kind: the test itself shows it
            continue
        for request in requests:
            yield request, opened.archive


@functools.cache
def _most_rehearsals() -> int:
    """Count the rehearsals for which this process may open enough files."""
    try:
        import resource
    except ImportError:
        return _MOST_REHEARSALS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return _MOST_REHEARSALS
    return max(1, min(_MOST_REHEARSALS, files // _FILES_PER_REHEARSAL))


def _run_may_end_early(config: pytest.Config) -> bool:
    """Tell whether a run may end, or stop in a debugger, before its last test."""
    option = config.option
    return bool(
        getattr(option, "maxfail", 0)
        or getattr(option, "usepdb", False)
        or getattr(option, "trace", False)
        or getattr(option, "capture", None) == "no"
        or getattr(option, "stepwise", False)
    )
