"""Calls under way: one for each reply, on one asyncio loop in one thread.

The way of a call: in-flight de-duplication → the caller.

Threads: `submit`, `feed`, `run` and `end` are called from any thread, and hand
coroutines to the loop; all other methods and `_tasks` are used on the loop's thread
only, and need no lock. From the table `_arrived` any thread may take, by
`take_arrived`, in one step that Python does not interrupt. `_lock` guards the start and
the end of the loop: `_loop`, `_thread`, and `caller.stopping` for those who start
something.

Ctrl-C is raised in the main thread and never here. It leads to `end`, which cancels
all tasks but those that write paid replies, waits for these at most a second, and stops
the loop; the thread then cancels what is left, so that no task is dropped unfinished.
During the patient `end` of a run that ended by itself it ends the patience, and nothing
else. The thread is a daemon: a further Ctrl-C can end the process without it, and then
a reply that was not yet written is lost.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from pytest_ladder import clock
from pytest_ladder.calls.caller import Caller
from pytest_ladder.calls.contract import EngineSettings, Progress, Request
from pytest_ladder.calls.coordinator import Coordinator
from pytest_ladder.calls.idleness import Idleness, new_loop
from pytest_ladder.calls.one_machine.called import CalledKeys
from pytest_ladder.calls.one_machine.failed import Call, FailedCalls
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import Abandoned, LadderError, StoreError

T = TypeVar("T")
Find = Callable[[Request, Archive, str], Reply | None]
"""Looks up the reply to a request by its key."""
Waits = Callable[[int, float], None]
"""Is told how many calls that were sent the end waits for, and how many seconds."""

# Calls of one model that wait for their turn ahead of the tests that want them.
_AHEAD_WINDOW = 500
# How many of them are looked up at once: more would hold up the calls under way.
_AT_ONCE = 16
# Replies that are kept in memory for the tests that they were called for.
_MOST_ARRIVED = 1000
# How long the end of a run waits for paid replies to be on disk, and for the thread.
_CLOSING_S = 1.0


class CallsInFlight:
    """Calls models, and shares each call among all that want the same reply."""

    def __init__(
        self,
        settings: EngineSettings,
        progress: Progress,
        called: CalledKeys,
        failed: FailedCalls,
        find: Find,
        coordinator: Coordinator,
    ) -> None:
        self.coordinator = coordinator
        self.caller = Caller(settings, progress, coordinator, called, failed)
        self.idleness = Idleness()
        self._progress = progress
        self._find = find
        self._tasks: dict[Call, asyncio.Task[Reply | None]] = {}
        self._failed = failed
        self._arrived: dict[Call, Reply] = {}
        """Replies that came ahead of their tests; the first to ask takes each."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(
        self, request: Request, archive: Archive, *, ahead: bool
    ) -> concurrent.futures.Future[Reply]:
        """Call the model for a reply, unless the same call is under way.

        A call made `ahead` is one that no test waits for yet: its failure is kept for
        the test that asks. Raises `Abandoned` after the end.
        """
        return self.run(self._answer(request, archive, ahead=ahead))

    def take_arrived(self, archive: Archive, key: str) -> Reply | None:
        """Return a reply that came ahead, once: else it is looked up in the store."""
        return self._arrived.pop((archive.folder, key), None)

    def feed(self, jobs: Iterable[tuple[Request, Archive]]) -> Callable[[], None]:
        """Do what `Engine.ahead` does. Raises `Abandoned` after the end."""
        stopped = threading.Event()
        self.run(self._feed(jobs, stopped))
        return stopped.set

    def run(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop; raises `Abandoned` after the end."""
        with self._lock:
            if self.caller.stopping:
                work.close()
                raise Abandoned
            if self._loop is None:
                self._loop = new_loop(self.idleness)
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="ladder-engine", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def end(self, *, patience_s: float, waits: Waits) -> None:
        """Do what `Engine.end` does; `waits` is called once, if it takes long."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            self.caller.stopping = True
        if loop is not None and thread is not None:
            try:
                self._end(loop, patience_s, waits)
            except KeyboardInterrupt:
                if not patience_s:
                    raise
                # Who has lost patience is not to lose the summary of the run as well.
                self._end(loop, 0.0, waits)
            loop.call_soon_threadsafe(loop.stop)
            # It takes a second at most for what is left, unless user code holds it up.
            thread.join(2 * _CLOSING_S)
            self.idleness.begin()

    def _end(
        self, loop: asyncio.AbstractEventLoop, patience_s: float, waits: Waits
    ) -> None:
        """Wait until all tasks are over, so long at most and a second besides."""
        ending = self._shut_down(patience_s)
        closing = asyncio.run_coroutine_threadsafe(ending, loop)
        concurrent.futures.wait([closing], _CLOSING_S)
        sent = len(self.caller.sent)
        if patience_s and sent and not closing.done():
            waits(sent, patience_s)
        with contextlib.suppress(TimeoutError):
            closing.result(patience_s)

    async def _answer(
        self, request: Request, archive: Archive, *, ahead: bool
    ) -> Reply:
        """Share one call among all that want the same reply."""
        if request.model.is_scripted:
            outcome = await self.caller.call(self.caller.wanted(request, archive, ""))
            assert isinstance(outcome, Reply)
            return outcome
        key = archive.key(request)
        call = (archive.folder, key)
        failure = self._failed.get(call) if ahead else self._failed.take(call)
        if failure is not None:
            raise failure
        held = False
        while True:
            task = self._tasks.get(call)
            task = task or self._start(request, archive, key, held=held)
            if ahead:
                task.add_done_callback(functools.partial(self._note_failure, call))
            try:
                reply = await asyncio.shield(task)
            except LadderError:
                if not ahead:
                    self._failed.take(call)
                raise
            if reply is not None:
                self._arrived.pop(call, None)
                return reply
            # The task was started ahead, and found that another process makes the call.
            # Awaiting a task that is done does not let the loop run, so that its
            # callback, which takes it off the list, may still be due.
            self._forget(call, task)
            held = True

    def _start(
        self, request: Request, archive: Archive, key: str, **how: Any
    ) -> asyncio.Task[Reply | None]:
        """Start the one task that makes a call; its result is None if another does."""
        call = (archive.folder, key)
        task = asyncio.ensure_future(self._made(request, archive, key, **how))
        self._tasks[call] = task
        task.add_done_callback(functools.partial(self._finish, call))
        return task

    def _finish(self, call: Call, task: asyncio.Task[Reply | None]) -> None:
        """Take a call off the list; stop all calls when the disk takes no replies."""
        self._forget(call, task)
        if not task.cancelled() and isinstance(task.exception(), StoreError):
            self.caller.halted = task.exception()

    def _forget(self, call: Call, task: asyncio.Task[Reply | None]) -> None:
        if self._tasks.get(call) is task:
            del self._tasks[call]

    async def _feed(
        self, jobs: Iterable[tuple[Request, Archive]], stopped: threading.Event
    ) -> None:
        """Start calls in order, `_AHEAD_WINDOW` at once at most, until `stopped`."""
        self._progress.feeds += 1
        try:
            await self._feed_all(jobs, stopped)
        finally:
            self._progress.feeds -= 1

    async def _feed_all(
        self, jobs: Iterable[tuple[Request, Archive]], stopped: threading.Event
    ) -> None:
        window = asyncio.Semaphore(_AHEAD_WINDOW)
        left = iter(jobs)
        while some := list(itertools.islice(left, _AT_ONCE)):
            for _ in some:
                await window.acquire()
            # To look up hundreds in one go would hold up the calls under way.
            await asyncio.sleep(0)
            if stopped.is_set():
                return
            looked_up_at = clock.monotonic()
            missing = await self._missing(some)
            for request, archive, key in missing:
                self._progress.expect(request)
                task = self._start(
                    *(request, archive, key), ahead=True, looked_up_at=looked_up_at
                )
                call = (archive.folder, key)
                task.add_done_callback(functools.partial(self._keep, call))
                task.add_done_callback(lambda _: window.release())
            for _ in range(len(some) - len(missing)):
                window.release()

    async def _missing(
        self, jobs: Sequence[tuple[Request, Archive]]
    ) -> list[tuple[Request, Archive, str]]:
        """Return what is to be called for, with its keys: nothing else has it."""
        keyed: dict[Archive, dict[str, Request]] = {}
        for request, archive in jobs:
            # Replies of a script are not kept: it is called when its test asks.
            if not request.model.is_scripted:
                keyed.setdefault(archive, {})[archive.key(request)] = request
        missing = []
        for archive, requests in keyed.items():
            known = await self.coordinator.known(archive, list(requests))
            for key, request in requests.items():
                call = (archive.folder, key)
                if key in known and self._find(request, archive, key) is not None:
                    continue
                if call not in self._tasks and self._failed.get(call) is None:
                    missing.append((request, archive, key))
        return missing

    def _keep(self, call: Call, task: asyncio.Task[Reply | None]) -> None:
        """Keep what came of a call made ahead: its reply, or why it failed."""
        self._note_failure(call, task)
        if task.cancelled() or task.exception() is not None:
            return
        reply = task.result()
        if reply is not None and len(self._arrived) < _MOST_ARRIVED:
            self._arrived[call] = reply

    def _note_failure(self, call: Call, task: asyncio.Task[Reply | None]) -> None:
        """Keep a failure for the test that will ask; it must not be paid for again."""
        if not task.cancelled() and isinstance(task.exception(), LadderError):
            error = task.exception()
            assert isinstance(error, LadderError)
            self._failed.keep(call, error)

    async def _made(
        self,
        request: Request,
        archive: Archive,
        key: str,
        *,
        ahead: bool = False,
        held: bool = False,
        looked_up_at: float | None = None,
    ) -> Reply | None:
        """Make a call, or wait for another process that makes it.

        `held`: one was found to make it. None: one does, and nobody here waits yet.
        """
        wanted = self.caller.wanted(request, archive, key, looked_up_at)
        while True:
            if held:
                await self.coordinator.released(wanted)
                reply = self._find(request, archive, key)
                if reply is not None:
                    return reply
            outcome = await self.caller.call(wanted)
            if isinstance(outcome, Reply):
                return outcome
            if isinstance(outcome, LadderError):
                raise outcome
            if ahead:
                return None
            held, wanted = True, wanted._replace(looked_up_at=None)

    async def _shut_down(self, patience_s: float) -> None:
        """Cancel all tasks of the loop but those that write paid replies.

        Calls that were sent get `patience_s` seconds first.
        """
        writes, sent = self.coordinator, {*self.caller.sent}
        spared = {asyncio.current_task(), *writes.writing}
        if patience_s and sent:
            await _cancel({*self._tasks.values()} - sent)
            await asyncio.wait(sent, timeout=patience_s)
            # A task may have begun to write since.
            spared |= {*writes.writing}
        await _cancel(asyncio.all_tasks() - spared)
        try:
            await writes.finish()
        finally:
            await self.caller.sender.close()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped; what did not end in time is cancelled then."""
    loop.run_forever()
    if left := asyncio.all_tasks(loop):
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left, timeout=_CLOSING_S))
    loop.close()


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
