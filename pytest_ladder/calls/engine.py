"""The engine: every reply is looked up, and called for only when it is not stored.

The way of a call: look-up → in-flight de-duplication → admitted (claim, budget, limits)
→ lane → store → settled. A reply is on disk before anyone sees it.

Threads: any thread but the engine's own may call an `Engine`; tests do so from the main
thread, rehearsals from theirs, and coroutines by `ask_async`. The look-up happens in
the calling thread (the store has locks of its own). All the rest happens on one asyncio
loop in one thread of the process, the engine's, which `in_flight.py` starts with the
first call. `_lock` guards only that start against `close`.

The main thread waits in steps of 0.1 s, so that Ctrl-C, which Python raises between two
steps, ends the wait: the call is then no longer waited for, and `KeyboardInterrupt`
goes on to pytest, whose end of session calls `end`. Other threads wait without steps,
and get `CancelledError` from `end`, or from `let_threads_go`. `_asked` and
`_in_threads` are changed by single steps that Python does not interrupt, so that they
need no lock.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from pytest_ladder import clock
from pytest_ladder.calls.contract import EngineSettings, Progress, Request
from pytest_ladder.calls.one_machine.called import CalledKeys
from pytest_ladder.calls.one_machine.failed import FailedCalls
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.row import LostCalls
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import Abandoned, LadderError, MissingReply

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_ladder.calls.coordinator import Coordinator, Spending
    from pytest_ladder.calls.in_flight import CallsInFlight
    from pytest_ladder.calls.lanes.scripted import ScriptedModel

T = TypeVar("T")
Waiting = Callable[[], AbstractContextManager[None]]
"""Makes a context that lasts while a thread waits for a reply."""

# Seconds between two looks of a waiting main thread at progress and Ctrl-C.
_WAIT_STEP_S = 0.1
# So long a loop rests that will not be at work again at once.
_REST_S = 0.002


class _Want(NamedTuple):
    """What a test waits for."""

    request: Request
    archive: Archive


class Watcher(Protocol):
    """What is told that the main thread waits: the status line of the session."""

    def waiting(self) -> AbstractContextManager[None]:
        """Return a context that lasts while it waits."""

    def show(self) -> None:
        """Called again and again while it waits."""

    def ending(self, calls: int, most_s: float) -> None:
        """Called once if the end of a run waits for calls, so many seconds at most."""


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
        shared = settings.folder if settings.is_shared else None
        self.called = CalledKeys(shared and shared / "called")
        self.failed = FailedCalls(shared and shared / "failed")
        self._tests_turn_until = 0.0
        """Until then (`clock.monotonic()`) the main thread gives way no more."""
        self._asked: dict[Future[Reply], _Want] = {}
        """What tests asked for, and have not got."""
        self._in_threads: set[Future[Reply]] = set()
        """Those of them that threads of tests wait for."""
        self._in_flight: CallsInFlight | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def budget(self) -> Spending | None:
        """The budget of the run, None if there is none."""
        return (self._in_flight or self.calls).coordinator.spending

    @property
    def scripted(self) -> dict[str, ScriptedModel]:
        """Scripted models by name; fixtures put them here."""
        return self.calls.caller.sender.scripted

    def most_at_once(self, model: Model) -> int:
        """Return how many calls of a model may be under way."""
        return self.calls.caller.most_at_once(model)

    @property
    def calls(self) -> CallsInFlight:
        """What calls models, made with the first call: a replay never loads it.

        Raises `Abandoned` after `close`.
        """
        with self._lock:
            if self._closed:
                raise Abandoned
            if self._in_flight is None:
                from pytest_ladder.calls.in_flight import CallsInFlight

                self._in_flight = CallsInFlight(
                    *(self.settings, self.progress, self.called, self.failed),
                    self._find,
                    self._coordinator(),
                )
            return self._in_flight

    def _coordinator(self) -> Coordinator:
        if self.settings.machines is None:
            from pytest_ladder.calls.one_machine.room import Room

            return Room(self.settings, self._outcome)
        from pytest_ladder.calls.shared.machines import Machines

        machines = self.settings.machines
        return Machines(self.settings, machines, self._outcome, self.progress)

    def ask(
        self, request: Request, archive: Archive, *, ahead: Waiting | None = None
    ) -> Reply:
        """Return the reply to a request; safe from any thread but the engine's.

        Who asks ahead of a test waits in the context that `ahead` makes, and a failure
        is kept for the test. Raises `MissingReply` when the reply is not stored and
        calls are not allowed, `BudgetReached` when the budget does not allow the call,
        and `CallError` when it failed for good.
        """
        __tracebackhide__ = True
        try:
            reply = self.look_up(request, archive)
            if reply is None:
                calls = self.calls
                future = calls.submit(request, archive, ahead=ahead is not None)
                with self._noted(future, request, archive, by_test=ahead is None):
                    reply = self._wait(future, ahead or contextlib.nullcontext)
            return reply
        except LadderError as error:
            failure = error
        # Without the frames of the engine, and of earlier raises of the same error: a
        # failed call is shared by all that asked for it.
        raise failure.with_traceback(None)

    async def ask_async(
        self, request: Request, archive: Archive, *, ahead: bool = False
    ) -> Reply:
        """Do what `ask` does, from any event loop."""
        __tracebackhide__ = True
        try:
            reply = self.look_up(request, archive)
            if reply is None:
                import asyncio

                future = self.calls.submit(request, archive, ahead=ahead)
                with self._noted(future, request, archive, by_test=not ahead):
                    reply = await asyncio.wrap_future(future)
            return reply
        except LadderError as error:
            failure = error
        raise failure.with_traceback(None)

    def on_loop(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the engine's loop, which starts if need be.

        For what serves beside calls; safe from any thread but the loop's own, if that
        waits for the result. Raises `Abandoned` after `close`.
        """
        try:
            calls = self.calls
        except Abandoned:
            work.close()
            raise
        return calls.run(work)

    def look_up(self, request: Request, archive: Archive) -> Reply | None:
        """Return a stored reply; None when the model has to be called.

        Raises `MissingReply` when it may not be called.
        """
        if request.model.is_scripted:
            return None
        key = archive.key(request)
        if self._in_flight is not None:
            arrived = self._in_flight.take_arrived(archive, key)
            if arrived is not None:
                return arrived
        reply = self._find(request, archive, key)
        if reply is None and not self.settings.live:
            missing = MissingReply(f"No reply of {request.model.name} is stored.")
            missing.request = request
            raise missing
        return reply

    def lost_before(self, archive: Archive, reply: Reply) -> LostCalls | None:
        """Return the attempts of this run before a reply that may have been billed."""
        if reply.replayed or not reply.key:
            return None
        return self.failed.lost_before((archive.folder, reply.key))

    def ahead(self, jobs: Iterable[tuple[Request, Archive]]) -> Callable[[], None]:
        """Call for replies before they are asked for, in order, hundreds at a time.

        Replies that are stored, or claimed by another process, are skipped; a failure
        is kept for the test that asks. Returns a function that stops it. Raises
        `Abandoned` after `close`.
        """
        return self.calls.feed(jobs)

    def begin(self, archive: Archive, requests: Iterable[Request]) -> None:
        """Call for what a test asks for next, where calls are allowed."""
        if self.settings.live:
            self.ahead((request, archive) for request in requests)

    def give_way(self, most_s: float) -> None:
        """Wait, so long at most, until the engine's loop has nothing to do for a while.

        Python runs one thread at a time. A test that runs while replies come in would
        hold up the sending of the next calls, and change places with the engine at each
        of its system calls: thousands of times, a tenth of the computing of a run of
        short calls. A loop that is at work all the time, as with hundreds of streams,
        and the tests have turns of the same length.
        """
        if self._in_flight is None or clock.monotonic() < self._tests_turn_until:
            return
        if not self._in_flight.idleness.wait(_REST_S, most_s):
            self._tests_turn_until = clock.monotonic() + most_s

    def let_threads_go(self) -> None:
        """End the waits of all threads that a test has started, by `CancelledError`.

        Called on the main thread, also in a signal's handler, when the test is to end:
        what joins them, such as asyncio's end, would wait for their replies. The calls
        go on.
        """
        for future in list(self._in_threads):
            future.cancel()

    def forget_test(self) -> tuple[str, ...]:
        """Return the keys that the test which has ended asked for, and did not get."""
        left, self._asked = self._asked, {}
        keys = (each.archive.key(each.request) for each in left.values())
        return tuple(dict.fromkeys(keys))

    def end(self, *, patience_s: float = 0.0) -> None:
        """Cancel what is under way, close connections, and end the thread.

        Replies that have arrived are still written, and calls that were sent get
        `patience_s` seconds to end: they are paid for, and another worker may wait for
        them; the watcher is told after a second, and Ctrl-C ends that wait. Threads
        that wait for any other reply get `CancelledError`; calls of the engine after
        this raise `Abandoned`. What was sent in vain is in `failed`.
        """
        with self._lock:
            self._closed = True
        if self._in_flight is not None:
            self._in_flight.end(patience_s=patience_s, waits=self._watcher.ending)

    def close(self, *, patience_s: float = 0.0) -> None:
        """Do what `end` does, if need be, and give back what the run holds."""
        self.end(patience_s=patience_s)
        if self._in_flight is not None:
            self._in_flight.coordinator.close()

    def _find(self, request: Request, archive: Archive, key: str) -> Reply | None:
        """Look a reply up; one that this run called for counts as live."""
        settings = self.settings
        own = self._own(archive, key)
        kept = own or archive.find(key)
        if kept is None:
            return None
        # Between the two it may have come and been stored: it is noted before that.
        own = own or self._own(archive, key)
        live = own is not None
        kept = own or kept
        if (settings.refresh or (request.fresh and settings.live)) and not live:
            return None
        if live:
            # Another worker may have called for it: `lost_before` is to know of that.
            self.failed.read()
        return kept.reply_to(request, key, replayed=not live)

    def _outcome(
        self, request: Request, archive: Archive, key: str
    ) -> Reply | LadderError | None:
        """Tell what became of a call: its reply, or why it failed in this run."""
        reply = self._find(request, archive, key)
        return reply or self.failed.take((archive.folder, key))

    def _own(self, archive: Archive, key: str) -> StoredReply | None:
        """Return a stored reply that this run called for."""
        since = self.called.since(key) if self.settings.live else None
        return None if since is None else archive.store.get(key, since=since)

    @contextlib.contextmanager
    def _noted(
        self,
        future: Future[Reply],
        request: Request,
        archive: Archive,
        *,
        by_test: bool,
    ) -> Iterator[None]:
        """Note what a test asks for, until it has it or knows why there is none."""
        if by_test:
            self._asked[future] = _Want(request, archive)
        try:
            yield
        except LadderError:
            self._asked.pop(future, None)
            raise
        self._asked.pop(future, None)

    def _wait(self, future: Future[Reply], waiting: Waiting) -> Reply:
        """Wait for a reply; the main thread shows progress meanwhile."""
        if threading.current_thread() is not threading.main_thread():
            if future in self._asked:
                self._in_threads.add(future)
            try:
                with waiting():
                    return future.result()
            finally:
                self._in_threads.discard(future)
        from concurrent.futures import wait

        begun = clock.monotonic()
        try:
            with self._watcher.waiting():
                while not future.done():
                    wait([future], timeout=_WAIT_STEP_S)
                    if not future.done():
                        self._watcher.show()
        except KeyboardInterrupt:
            future.cancel()
            raise
        finally:
            self.waited_s += clock.monotonic() - begun
        return future.result()
