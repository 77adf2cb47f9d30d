"""The engine: every call goes through one asyncio loop in one thread a process.

The way of a call: look-up → in-flight de-duplication → claim → budget reservation →
limits → lane → settle → store. A reply is on disk before anyone sees it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from pytest_ladder.calls.archive import Archive
from pytest_ladder.calls.budget import Budget
from pytest_ladder.calls.caller import Caller, EngineSettings, Progress, is_scripted
from pytest_ladder.calls.claims import RENEW_S
from pytest_ladder.calls.lane import Request
from pytest_ladder.calls.scripted import ScriptedModel
from pytest_ladder.errors import Abandoned, LadderError, MissingReply, StoreError
from pytest_ladder.words.reply import Reply
from pytest_ladder.words.rung import Model

T = TypeVar("T")
# How often a waiting main thread looks up to show progress and to notice Ctrl-C.
_WAIT_STEP_S = 0.1
# How long one process lets another one, that is calling for the same reply, be.
_POLL_S = 0.02
# Calls of one model that wait for their turn ahead of the tests that want them.
_AHEAD_WINDOW = 500
# How long the end of a run waits for paid replies to be on disk, and for the thread.
_CLOSING_S = 1.0


class Served(NamedTuple):
    """A reply, its key, and whether a model was called for it in this run."""

    reply: Reply
    key: str
    live: bool


class Watcher(Protocol):
    """Someone to tell that the main thread waits."""

    def waiting(self) -> AbstractContextManager[None]:
        """Return a context that lasts while it waits."""

    def show(self) -> None:
        """Called again and again while it waits."""


class Engine:
    """Looks replies up, or calls models for them."""

    def __init__(
        self, settings: EngineSettings, progress: Progress, watcher: Watcher
    ) -> None:
        self.settings = settings
        self.progress = progress
        self.waited_s = 0.0
        """Seconds that the main thread waited so far."""
        self._watcher = watcher
        self._caller = Caller(settings, progress)
        self._archives: dict[Path, Archive] = {}
        self._under_way: dict[tuple[Path, str], asyncio.Task[Served | None]] = {}
        self._failed: dict[tuple[Path, str], LadderError] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def budget(self) -> Budget | None:
        """The budget of the run, None if there is none."""
        return self._caller.budget

    @property
    def scripted(self) -> dict[str, ScriptedModel]:
        """Scripted models by name; fixtures put them here."""
        return self._caller.scripted

    def most_at_once(self, model: Model) -> int:
        """Return how many calls of a model may be under way."""
        return self._caller.most_at_once(model)

    def ask(self, request: Request, archive: Archive) -> Served:
        """Return the reply to a request; safe from any thread but the engine's.

        Raises `MissingReply` when it is not stored and calls are not allowed,
        `BudgetReached` when the budget does not allow the call, and `CallError` when
        it failed for good.
        """
        __tracebackhide__ = True
        try:
            found = self.look_up(request, archive)
            return found or self._wait(self.submit(request, archive))
        except LadderError as error:
            failed = error
        # Without the frames of the engine, and of all that asked for it before.
        raise failed.with_traceback(None)

    async def ask_async(self, request: Request, archive: Archive) -> Served:
        """Do what `ask` does, from any event loop."""
        __tracebackhide__ = True
        try:
            found = self.look_up(request, archive)
            if found is None:
                found = await asyncio.wrap_future(self.submit(request, archive))
            return found
        except LadderError as error:
            failed = error
        raise failed.with_traceback(None)

    def look_up(self, request: Request, archive: Archive) -> Served | None:
        """Return a stored reply; None when the model has to be called.

        Raises `MissingReply` when it may not be called.
        """
        if is_scripted(request.model):
            return None
        found = self._find(request, archive, archive.key(request))
        if found is None and not self.settings.live:
            raise MissingReply(f"No reply of {request.model.name} is stored.")
        return found

    def submit(
        self, request: Request, archive: Archive, *, ahead: bool = False
    ) -> concurrent.futures.Future[Served]:
        """Call the model for a reply, unless the same call is under way.

        Of a call that is made `ahead` a failure waits for the one who asks.
        """
        return self._run(self._answer(request, archive, ahead=ahead))

    def ahead(
        self,
        jobs: Iterable[tuple[Request, Archive]],
        *,
        window: int = _AHEAD_WINDOW,
    ) -> Callable[[], None]:
        """Call for replies before they are asked for, in order, `window` at a time.

        What is stored, or claimed by another process, is passed over; a failure waits
        for the one who asks. Returns a function that stops it.
        """
        stopped = threading.Event()
        self._run(self._feed(jobs, window, stopped))
        return stopped.set

    def close(self, *, patience_s: float = 0.0) -> None:
        """Cancel what is under way, close connections, and end the thread.

        Replies that have arrived are still written, and calls that were sent get
        `patience_s` to end: they are paid for, and another worker may wait for them.
        Who waits for another reply gets `CancelledError`, and who asks from now on
        `Abandoned`.
        """
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            self._closed = self._caller.stopping = True
        if loop is not None and thread is not None:
            ending = self._shut_down(patience_s)
            closing = asyncio.run_coroutine_threadsafe(ending, loop)
            with contextlib.suppress(TimeoutError):
                closing.result(patience_s + _CLOSING_S)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLOSING_S)
            if not thread.is_alive():
                loop.close()
        if self.budget is not None:
            self.budget.close()

    def _find(self, request: Request, archive: Archive, key: str) -> Served | None:
        """Look a reply up; one stored since the run began counts as live."""
        started = self.settings.started
        found = archive.find(key, since=started if self.settings.refresh else None)
        if found is None:
            return None
        live = found.stored_at >= started
        return Served(found.reply.reply_to(request, replayed=not live), key, live)

    def _run(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._lock:
            if self._closed:
                work.close()
                raise Abandoned
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="ladder-engine", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait(self, future: concurrent.futures.Future[Served]) -> Served:
        """Wait for a reply; the main thread shows progress meanwhile."""
        if threading.current_thread() is not threading.main_thread():
            return future.result()
        begun = time.monotonic()
        try:
            with self._watcher.waiting():
                while not future.done():
                    concurrent.futures.wait([future], timeout=_WAIT_STEP_S)
                    if not future.done():
                        self._watcher.show()
        except KeyboardInterrupt:
            future.cancel()
            raise
        finally:
            self.waited_s += time.monotonic() - begun
        return future.result()

    async def _answer(
        self, request: Request, archive: Archive, *, ahead: bool
    ) -> Served:
        """Share one call among all that want the same reply."""
        if is_scripted(request.model):
            reply = await self._caller.call(request, archive, key="")
            return Served(reply.reply_to(request, replayed=False), "", live=True)
        key = archive.key(request)
        place = (archive.folder, key)
        failure = self._failed.get(place) if ahead else self._failed.pop(place, None)
        if failure is not None:
            raise failure
        while True:
            task = self._under_way.get(place) or self._start(request, archive, key)
            if ahead:
                task.add_done_callback(functools.partial(self._note_failure, place))
            served = await asyncio.shield(task)
            if served is not None:
                return served
            # It was asked for ahead, and another process is at it. A task that is done
            # answers without letting the loop run, so its callback may still be due.
            self._forget(place, task)

    def _start(
        self, request: Request, archive: Archive, key: str, *, ahead: bool = False
    ) -> asyncio.Task[Served | None]:
        place = (archive.folder, key)
        work = self._claimed(request, archive, key, ahead=ahead)
        task = asyncio.ensure_future(work)
        self._under_way[place] = task
        task.add_done_callback(functools.partial(self._finish, place))
        return task

    def _finish(
        self, place: tuple[Path, str], task: asyncio.Task[Served | None]
    ) -> None:
        """Take a call off the list; what cannot be kept must not be paid for."""
        self._forget(place, task)
        if not task.cancelled() and isinstance(task.exception(), StoreError):
            self._caller.halted = task.exception()

    def _forget(
        self, place: tuple[Path, str], task: asyncio.Task[Served | None]
    ) -> None:
        if self._under_way.get(place) is task:
            del self._under_way[place]

    async def _feed(
        self,
        jobs: Iterable[tuple[Request, Archive]],
        window: int,
        stopped: threading.Event,
    ) -> None:
        places = asyncio.Semaphore(window)
        for request, archive in jobs:
            await places.acquire()
            # To look up hundreds in one go would hold up the calls under way.
            await asyncio.sleep(0)
            if stopped.is_set():
                return
            key = archive.key(request)
            place = (archive.folder, key)
            if place in self._under_way or self._find(request, archive, key):
                places.release()
                continue
            self.progress.expected += 1
            task = self._start(request, archive, key, ahead=True)
            task.add_done_callback(functools.partial(self._note_failure, place))
            task.add_done_callback(lambda _: places.release())

    def _note_failure(
        self, place: tuple[Path, str], task: asyncio.Task[Served | None]
    ) -> None:
        """Keep a failure for the test that will ask; it must not be paid for again."""
        if not task.cancelled() and isinstance(task.exception(), LadderError):
            error = task.exception()
            assert isinstance(error, LadderError)
            self._failed[place] = error

    async def _claimed(
        self, request: Request, archive: Archive, key: str, *, ahead: bool
    ) -> Served | None:
        """Call while holding the claim; wait for another process that holds it."""
        while not archive.claims.take(key):
            if ahead:
                return None
            await asyncio.sleep(_POLL_S)
            found = self._find(request, archive, key)
            if found is not None:
                return found
        try:
            self._renew_claims_of(archive)
            # Its last holder may have stored it since the look-up.
            found = self._find(request, archive, key)
            if found is not None:
                return found
            reply = await self._caller.call(request, archive, key)
        finally:
            with contextlib.suppress(StoreError):
                archive.claims.release([key])
        return Served(reply.reply_to(request, replayed=False), key, live=True)

    def _renew_claims_of(self, archive: Archive) -> None:
        """Keep the claims on an archive alive, from its first call on."""
        if archive.folder not in self._archives:
            self._archives[archive.folder] = archive
            task = asyncio.ensure_future(_renew(archive))
            self._background.add(task)

    async def _shut_down(self, patience_s: float) -> None:
        """Cancel all but the writing of paid replies."""
        caller = self._caller
        kept = {asyncio.current_task(), *caller.writing}
        sent = caller.sent
        if patience_s and sent:
            await _cancel({*self._under_way.values()} - sent)
            await asyncio.wait(sent, timeout=patience_s)
            # One may have begun to write since.
            kept |= caller.writing
        await _cancel(asyncio.all_tasks() - kept)
        await caller.finish()


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _renew(archive: Archive) -> None:
    while True:
        await asyncio.sleep(RENEW_S)
        # A disk that is full now may have room again before the lease runs out.
        with contextlib.suppress(StoreError):
            archive.claims.renew()
