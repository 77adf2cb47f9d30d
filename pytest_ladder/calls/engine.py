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
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from pytest_ladder.calls import direct, local, retries
from pytest_ladder.calls.archive import Archive
from pytest_ladder.calls.budget import Budget, worst_usd
from pytest_ladder.calls.claims import RENEW_S
from pytest_ladder.calls.lane import Answer, Lane, Request
from pytest_ladder.calls.limits import Limiter, Slots
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.calls.scripted import ScriptedLane, ScriptedModel
from pytest_ladder.calls.store import Attempt, StoredReply
from pytest_ladder.calls.writer import Writer
from pytest_ladder.errors import (
    Abandoned,
    CallError,
    LadderError,
    MissingReply,
    StoreError,
)
from pytest_ladder.words.reply import Reply, Timing
from pytest_ladder.words.rung import Model

T = TypeVar("T")
_Place = tuple[str, str, str | None]

# A model without a declared limit: adaptive concurrency finds out how much it takes.
_DEFAULT_CONCURRENCY = 32
# A local server has one slot: a second call would only wait inside it, and its
# waiting would be reported as latency.
_LOCAL_CONCURRENCY = 1
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


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a process may call models."""

    live: bool = False
    """Whether models may be called for what is not stored."""
    refresh: bool = False
    """Whether to call again for what is stored."""
    concurrency: int | None = None
    """Calls at once for each model; None: `limits.concurrency`, else adaptive."""
    budget_usd: float | None = None
    """Hard cap of the run; None: no cap."""
    folder: Path
    """What the processes of the run share: local servers, slots, the budget."""
    owner_pid: int
    """The process whose end ends the local servers."""
    workers: int = 1
    """Processes that share the limits."""
    started: float
    """Unix time at which the run started."""


class Progress:
    """What the engine did so far, for a status line; read from any thread."""

    def __init__(self) -> None:
        self.done = 0
        self.expected = 0
        """Calls that are known to be needed, done ones included; 0: not known."""
        self.in_flight = 0
        self.spent_usd = 0.0
        self.note = ""
        """What the engine waits for besides replies, such as a download."""


class _Bill:
    """What an attempt that is under way will have cost."""

    def __init__(self) -> None:
        self.usd: float | None = 0.0
        """0 until it is sent; None: unknown, the worst case is kept."""


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
        self.scripted: dict[str, ScriptedModel] = {}
        self.budget = _budget(settings)
        self.waited_s = 0.0
        """Seconds that the main thread waited so far."""
        self._watcher = watcher
        self._servers = local.Servers(settings.folder / "servers", settings.owner_pid)
        self._prices = PriceTable()
        self._lanes: dict[str, Lane] = {}
        self._limiters: dict[_Place, Limiter] = {}
        self._lost: defaultdict[_Place, int] = defaultdict(int)
        """Calls of a model given up in a row."""
        self._writers: dict[Path, Writer] = {}
        self._archives: dict[Path, Archive] = {}
        self._under_way: dict[tuple[Path, str], asyncio.Task[Served | None]] = {}
        self._failed: dict[tuple[Path, str], LadderError] = {}
        self._halted: BaseException | None = None
        """Why nothing may be spent any more."""
        self._reserving = asyncio.Lock()
        self._settled = asyncio.Event()
        self._background: set[asyncio.Task[Any]] = set()
        self._sent: set[asyncio.Task[Any] | None] = set()
        """Those of them whose call was sent and is not yet kept."""
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def ask(self, request: Request, archive: Archive) -> Served:
        """Return the reply to a request; safe from any thread but the engine's.

        Raises `MissingReply` when it is not stored and calls are not allowed,
        `BudgetReached` when the budget does not allow the call, and `CallError` when
        it failed for good.
        """
        found = self.look_up(request, archive)
        return found or self._wait(self.submit(request, archive))

    async def ask_async(self, request: Request, archive: Archive) -> Served:
        """Do what `ask` does, from any event loop."""
        found = self.look_up(request, archive)
        if found is not None:
            return found
        return await asyncio.wrap_future(self.submit(request, archive))

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

    def most_at_once(self, model: Model) -> int:
        """Return how many calls of a model may be under way."""
        default = _DEFAULT_CONCURRENCY
        if model.id.startswith("local/"):
            default = _LOCAL_CONCURRENCY
        return self.settings.concurrency or model.limits.concurrency or default

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
            self._closed = True
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
            reply = await self._attempts(request, archive, key="")
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
            self._halted = task.exception()

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
            reply = await self._attempts(request, archive, key)
        finally:
            with contextlib.suppress(StoreError):
                archive.claims.release([key])
        return Served(reply.reply_to(request, replayed=False), key, live=True)

    async def _attempts(
        self, request: Request, archive: Archive, key: str
    ) -> StoredReply:
        """Call until it works, or until trying again is no use."""
        failed: list[Attempt] = []
        asked, paused_s = time.monotonic(), 0.0
        place = _place(request.model)
        while True:
            try:
                reply = await self._attempt(request, archive, key, asked, failed)
            except CallError as error:
                tried_s = paused_s + sum(attempt.took_s for attempt in failed)
                pause_s = retries.pause_s(error, len(failed), tried_s)
                if self._closed:
                    raise
                if pause_s is None or self._lost[place] >= retries.LOST_CALLS:
                    self._lost[place] += error.transient
                    raise retries.final(error, failed) from None
            else:
                self._lost[place] = 0
                self.progress.done += 1
                self.progress.spent_usd += reply.cost_usd or 0.0
                return reply
            finally:
                self._sent.discard(asyncio.current_task())
            await asyncio.sleep(pause_s)
            paused_s += pause_s

    async def _attempt(
        self,
        request: Request,
        archive: Archive,
        key: str,
        asked: float,
        failed: list[Attempt],
    ) -> StoredReply:
        """Call once, and keep the reply; a failure is added to those before it.

        The place is held until the reply is on disk: a run that is killed loses no
        more replies than calls may be under way.
        """
        limiter = self._limiter(request.model)
        place = limiter.slot(retries.expected_tokens(request), again=bool(failed))
        async with self._reserved(request, key) as bill, place as sent:
            # Hundreds may have waited here when the disk turned out to be full.
            if self._halted is not None:
                raise self._halted
            if self._closed:
                raise asyncio.CancelledError
            self._sent.add(asyncio.current_task())
            bill.usd = None
            try:
                answer, timing = await self._send(request, archive.folder, asked)
            except CallError as error:
                if not retries.may_be_billed(error):
                    bill.usd = 0.0
                if retries.is_overload(error):
                    limiter.overloaded(sent, error.retry_after_s)
                took_s = time.monotonic() - sent
                failed.append(
                    Attempt(problem=str(error), status=error.status, took_s=took_s)
                )
                raise
            limiter.succeeded()
            reply = self._priced(request.model, answer, timing, tuple(failed))
            bill.usd = reply.cost_usd
            if key:
                await self._writer(archive).put(archive.entry(key, request, reply))
        return reply

    async def _send(
        self, request: Request, folder: Path, asked: float
    ) -> tuple[Answer, Timing]:
        self.progress.in_flight += 1
        in_flight = self.progress.in_flight
        try:
            address = await self._address(request.model, folder)
            lane = self._lane(request.model)
            await lane.open()
            sent = time.monotonic()
            answer = await lane.send(request, address)
            done = time.monotonic()
        finally:
            self.progress.in_flight -= 1
        first = answer.first_token_at
        return answer, Timing(
            sent_s=sent - asked,
            first_token_s=None if first is None else first - asked,
            done_s=done - asked,
            in_flight=in_flight,
            server_s=answer.server_s,
        )

    def _priced(
        self, model: Model, answer: Answer, timing: Timing, failed: tuple[Attempt, ...]
    ) -> StoredReply:
        busy_s = answer.server_s or timing.done_s - timing.sent_s
        cost, source = cost_of(model, answer.usage, busy_s, self._prices)
        return StoredReply(
            text=answer.text,
            model=answer.model,
            finish_reason=answer.finish_reason,
            tool_calls=answer.tool_calls,
            usage=answer.usage,
            cost_usd=cost,
            price_source=source,
            timing=msgspec.structs.replace(timing, attempts=len(failed) + 1),
            failed=failed,
        )

    async def _reserve(self, request: Request, key: str) -> int | None:
        """Set the worst case of a call aside; None: the run has no budget."""
        if self.budget is None or is_scripted(request.model):
            return None
        worst = worst_usd(request, self._prices)
        # One at a time: all others would ask in vain, again and again.
        async with self._reserving:
            while True:
                reservation = self.budget.reserve(key, worst)
                if reservation is not None:
                    return reservation
                # Calls under way hold more than they will cost: let them settle.
                self._settled.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._settled.wait(), _POLL_S)

    @contextlib.asynccontextmanager
    async def _reserved(self, request: Request, key: str) -> AsyncIterator[_Bill]:
        """Hold the worst case of an attempt back until its bill is known."""
        reservation = await self._reserve(request, key)
        bill = _Bill()
        try:
            yield bill
        finally:
            if self.budget is not None and reservation is not None:
                # On a full disk it stays reserved; the reply is worth more.
                with contextlib.suppress(StoreError):
                    self.budget.settle(reservation, bill.usd)
                self._settled.set()

    async def _address(self, model: Model, folder: Path) -> str | None:
        """Return where a local model listens; None for everyone else's."""
        if not model.id.startswith("local/"):
            return None
        weights = await asyncio.to_thread(
            local.weights_path, model.id, folder, self._note
        )
        self._note("")
        adapter = None if model.adapter is None else folder / model.adapter
        return await asyncio.to_thread(self._servers.address, weights, adapter)

    def _note(self, text: str) -> None:
        self.progress.note = text

    def _limiter(self, model: Model) -> Limiter:
        place = _place(model)
        if place not in self._limiters:
            limits, workers = model.limits, self.settings.workers
            ceiling = self.most_at_once(model)
            # Models of two ladders may have the same name.
            shared = f"{model.name}-{zlib.crc32(repr(place).encode()):08x}"
            slots = self.settings.folder / "slots" / shared
            self._limiters[place] = Limiter(
                ceiling,
                rpm=None if limits.rpm is None else limits.rpm / workers,
                tpm=None if limits.tpm is None else limits.tpm / workers,
                slots=Slots(slots, ceiling) if workers > 1 else None,
            )
        return self._limiters[place]

    def _writer(self, archive: Archive) -> Writer:
        return self._writers.setdefault(archive.folder, Writer(archive.store))

    def _renew_claims_of(self, archive: Archive) -> None:
        """Keep the claims on an archive alive, from its first call on."""
        if archive.folder not in self._archives:
            self._archives[archive.folder] = archive
            task = asyncio.ensure_future(_renew(archive))
            self._background.add(task)

    def _lane(self, model: Model) -> Lane:
        """Return the lane of a model; litellm is imported for its own lane only."""
        if is_scripted(model):
            return self._lanes.setdefault("scripted", ScriptedLane(self.scripted))
        if direct.speaks_directly(model):
            return self._lanes.setdefault("direct", direct.DirectLane())
        from pytest_ladder.calls.litellm_lane import LitellmLane

        return self._lanes.setdefault("litellm", LitellmLane())

    async def _shut_down(self, patience_s: float) -> None:
        """Cancel all but the writing of paid replies."""
        kept = {asyncio.current_task(), *(w.task for w in self._writers.values())}
        sent = {task for task in self._sent if task is not None}
        if patience_s and sent:
            await _cancel({*self._under_way.values()} - sent)
            await asyncio.wait(sent, timeout=patience_s)
            # One may have begun to write since.
            kept |= {writer.task for writer in self._writers.values()}
        await _cancel(asyncio.all_tasks() - kept)
        for writer in self._writers.values():
            await writer.finish()
        for lane in self._lanes.values():
            await lane.close()
        self._lanes.clear()


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


def _budget(settings: EngineSettings) -> Budget | None:
    if settings.budget_usd is None:
        return None
    return Budget(settings.folder / "budget.sqlite", settings.budget_usd)


def _place(model: Model) -> _Place:
    """Return what tells apart two models that have limits of their own."""
    return model.name, model.id, model.api_base


def is_scripted(model: Model) -> bool:
    """Scripted replies cost nothing and need no store."""
    return model.id.startswith("scripted/")
