"""Calls under way: one for each reply, on one asyncio loop in one thread.

The way of a call: in-flight de-duplication → claim → look-up → the caller.

Threads: `submit`, `feed`, `run` and `close` are called from any thread, and hand
coroutines to the loop; all other methods and all tables (`_tasks`, `_archives`) are
used on the loop's thread only, and need no lock. From the table `_arrived` any thread
may take, by `take_arrived`, in one step that Python does not interrupt. `_lock` guards
the start and the end of the loop: `_loop`, `_thread`, and `caller.stopping` for those
who start something. `idle` is set by the loop's selector and read by threads that give
way (`Engine.give_way`).

Ctrl-C is raised in the main thread and never here. It leads to `close`, which cancels
all tasks but those that write paid replies, waits for these at most a second, and stops
the loop. The thread is a daemon: a second Ctrl-C during `close` can end the process
without it, and then a reply that was not yet written is lost.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

from pytest_ladder import clock
from pytest_ladder.calls.caller import Caller
from pytest_ladder.calls.contract import EngineSettings, Progress, Request, Served
from pytest_ladder.calls.one_machine.called import CalledKeys
from pytest_ladder.calls.one_machine.claims import RENEW_S
from pytest_ladder.calls.one_machine.failed import Call, FailedCalls
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.core.row import LostCalls
from pytest_ladder.errors import Abandoned, CallError, LadderError, StoreError

T = TypeVar("T")
Find = Callable[[Request, Archive, str], Served | None]
"""Looks up the reply to a request by its key."""

# How often a process looks for a reply that another process is calling for.
_POLL_S = 0.02
# Calls of one model that wait for their turn ahead of the tests that want them.
_AHEAD_WINDOW = 500
# Replies that are kept in memory for the tests that they were called for.
_MOST_ARRIVED = 1000
# How long the end of a run waits for paid replies to be on disk, and for the thread.
_CLOSING_S = 1.0


class _IdleSelector(selectors.DefaultSelector):
    """The selector of an event loop, which tells when that loop has nothing to do.

    A loop calls `select` in each round, in its own thread, with a time-out of 0 where
    it has callbacks to run. That a loop takes a selector is asyncio's public interface.
    """

    def __init__(self, idle: threading.Event) -> None:
        super().__init__()
        self._idle = idle

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events; `idle` is set only while there are none."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            self._idle.clear()
            return ready
        self._idle.set()
        try:
            return super().select(timeout)
        finally:
            self._idle.clear()


class _EngineLoop(asyncio.SelectorEventLoop):
    """A loop whose timers go by a clock that no test can freeze."""

    def time(self) -> float:
        """Return the loop's time; that it may be overridden is asyncio's interface."""
        return clock.monotonic()


class CallsInFlight:
    """Calls models, and shares each call among all that want the same reply."""

    def __init__(
        self,
        settings: EngineSettings,
        progress: Progress,
        called: CalledKeys,
        failed: FailedCalls,
        find: Find,
    ) -> None:
        self.caller = Caller(settings, progress, called)
        self.idle = threading.Event()
        """Set while the loop has nothing to do, or does not run."""
        self.idle.set()
        self._progress = progress
        self._find = find
        self._archives: dict[Path, Archive] = {}
        self._tasks: dict[Call, asyncio.Task[Served | None]] = {}
        self._failed = failed
        self._arrived: dict[Call, Served] = {}
        """Replies that came ahead of their tests; the first to ask takes each."""
        self._background: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(
        self, request: Request, archive: Archive, *, ahead: bool
    ) -> concurrent.futures.Future[Served]:
        """Call the model for a reply, unless the same call is under way.

        A call made `ahead` is one that no test waits for yet: its failure is kept for
        the test that asks. Raises `Abandoned` after the end.
        """
        return self.run(self._answer(request, archive, ahead=ahead))

    def take_arrived(self, archive: Archive, key: str) -> Served | None:
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
                self._loop = _new_loop(self.idle)
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="ladder-engine", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self, *, patience_s: float) -> None:
        """Do what `Engine.close` does."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            self.caller.stopping = True
        if loop is not None and thread is not None:
            ending = self._shut_down(patience_s)
            closing = asyncio.run_coroutine_threadsafe(ending, loop)
            with contextlib.suppress(TimeoutError):
                closing.result(patience_s + _CLOSING_S)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLOSING_S)
            if not thread.is_alive():
                loop.close()
            self.idle.set()
        if self.caller.budget is not None:
            self.caller.budget.close()

    async def _answer(
        self, request: Request, archive: Archive, *, ahead: bool
    ) -> Served:
        """Share one call among all that want the same reply."""
        if request.model.is_scripted:
            reply, _ = await self.caller.call(request, archive, key="")
            return Served(reply.reply_to(request, replayed=False), "", live=True)
        key = archive.key(request)
        call = (archive.folder, key)
        failure = self._failed.get(call) if ahead else self._failed.take(call)
        if failure is not None:
            raise failure
        while True:
            task = self._tasks.get(call) or self._start(request, archive, key)
            if ahead:
                task.add_done_callback(functools.partial(self._note_failure, call))
            try:
                served = await asyncio.shield(task)
            except LadderError:
                if not ahead:
                    self._failed.take(call)
                raise
            if served is not None:
                self._arrived.pop(call, None)
                return served
            # The task was started ahead, and found that another process makes the call.
            # Awaiting a task that is done does not let the loop run, so that its
            # callback, which takes it off the list, may still be due.
            self._forget(call, task)

    def _start(
        self, request: Request, archive: Archive, key: str, *, ahead: bool = False
    ) -> asyncio.Task[Served | None]:
        """Start the one task that makes a call; its result is None if another does."""
        call = (archive.folder, key)
        work = self._claimed(request, archive, key, ahead=ahead)
        task = asyncio.ensure_future(work)
        self._tasks[call] = task
        task.add_done_callback(functools.partial(self._finish, call))
        return task

    def _finish(self, call: Call, task: asyncio.Task[Served | None]) -> None:
        """Take a call off the list; stop all calls when the disk takes no replies."""
        self._forget(call, task)
        if not task.cancelled() and isinstance(task.exception(), StoreError):
            self.caller.halted = task.exception()

    def _forget(self, call: Call, task: asyncio.Task[Served | None]) -> None:
        if self._tasks.get(call) is task:
            del self._tasks[call]

    async def _feed(
        self, jobs: Iterable[tuple[Request, Archive]], stopped: threading.Event
    ) -> None:
        """Start calls in order, `_AHEAD_WINDOW` at once at most, until `stopped`."""
        window = asyncio.Semaphore(_AHEAD_WINDOW)
        for request, archive in jobs:
            await window.acquire()
            # To look up hundreds in one go would hold up the calls under way.
            await asyncio.sleep(0)
            if stopped.is_set():
                return
            if request.model.is_scripted:
                # Its replies are not stored: it is called when its test asks.
                window.release()
                continue
            key = archive.key(request)
            call = (archive.folder, key)
            known = call in self._tasks or self._find(request, archive, key)
            if known or self._failed.get(call):
                window.release()
                continue
            self._progress.expected += 1
            task = self._start(request, archive, key, ahead=True)
            task.add_done_callback(functools.partial(self._keep, call))
            task.add_done_callback(lambda _: window.release())

    def _keep(self, call: Call, task: asyncio.Task[Served | None]) -> None:
        """Keep what came of a call made ahead: its reply, or why it failed."""
        self._note_failure(call, task)
        if task.cancelled() or task.exception() is not None:
            return
        served = task.result()
        if served is not None and len(self._arrived) < _MOST_ARRIVED:
            self._arrived[call] = served

    def _note_failure(self, call: Call, task: asyncio.Task[Served | None]) -> None:
        """Keep a failure for the test that will ask; it must not be paid for again."""
        if not task.cancelled() and isinstance(task.exception(), LadderError):
            error = task.exception()
            assert isinstance(error, LadderError)
            self._failed.keep(call, error)

    async def _claimed(
        self, request: Request, archive: Archive, key: str, *, ahead: bool
    ) -> Served | None:
        """Call while holding the claim; wait for another process that holds it.

        None: another process makes the call, and nobody here waits for it yet.
        """
        call = (archive.folder, key)
        while not archive.claims.take(key):
            if ahead:
                return None
            await asyncio.sleep(_POLL_S)
            served = self._find(request, archive, key)
            if served is not None:
                return served
        try:
            # From its first call on, the claims on an archive are kept alive.
            if archive.folder not in self._archives:
                self._archives[archive.folder] = archive
                self._background.add(asyncio.ensure_future(_renew(archive)))
            # Its last holder may have stored it since the look-up, or have failed.
            served = self._find(request, archive, key)
            if served is not None:
                return served
            failure = self._failed.get(call) if ahead else self._failed.take(call)
            if failure is not None:
                raise failure
            reply, lost = await self._told(call, request, archive)
        finally:
            with contextlib.suppress(StoreError):
                archive.claims.release([key])
        shown = reply.reply_to(request, replayed=False)
        return Served(shown, key, live=True, lost=lost)

    async def _told(
        self, call: Call, request: Request, archive: Archive
    ) -> tuple[StoredReply, LostCalls | None]:
        """Call, and tell the other processes of what brought no reply."""
        try:
            reply, lost = await self.caller.call(request, archive, call[1])
        except LadderError as error:
            final = error if isinstance(error, CallError) else None
            self._failed.tell(call, error.lost, final)
            raise
        if lost is not None:
            self._failed.tell(call, lost)
        return reply, lost

    async def _shut_down(self, patience_s: float) -> None:
        """Cancel all tasks of the loop but those that write paid replies.

        Calls that were sent get `patience_s` seconds first.
        """
        caller = self.caller
        spared = {asyncio.current_task(), *caller.writing}
        sent = caller.sent
        if patience_s and sent:
            await _cancel({*self._tasks.values()} - sent)
            await asyncio.wait(sent, timeout=patience_s)
            # A task may have begun to write since.
            spared |= caller.writing
        await _cancel(asyncio.all_tasks() - spared)
        await caller.finish()


def _new_loop(idle: threading.Event) -> asyncio.AbstractEventLoop:
    """Make an event loop of the kind that the user has chosen, if any."""
    loop = asyncio.new_event_loop()
    if type(loop) is not asyncio.SelectorEventLoop:
        # Windows' own, or uvloop: it takes no selector, so `idle` is always set.
        return loop
    loop.close()
    return _EngineLoop(_IdleSelector(idle))


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _renew(archive: Archive) -> None:
    """Renew the claims of this process on an archive, until it is cancelled."""
    while True:
        await asyncio.sleep(RENEW_S)
        # A disk that is full now may have room again before the lease runs out.
        with contextlib.suppress(StoreError):
            archive.claims.renew()
