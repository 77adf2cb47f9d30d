"""The engine: every call goes through one asyncio loop in one thread a process.

The way of a call: look-up → in-flight de-duplication → concurrency → lane → price →
store. A reply is stored before anyone sees it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from pytest_ladder.calls import direct, local, prices
from pytest_ladder.calls.archive import Archive
from pytest_ladder.calls.lane import Answer, Lane, Request
from pytest_ladder.calls.scripted import ScriptedLane, ScriptedModel
from pytest_ladder.calls.store import StoredReply
from pytest_ladder.errors import MissingReply
from pytest_ladder.words.reply import Reply, Timing
from pytest_ladder.words.rung import Model

_DEFAULT_CONCURRENCY = 8
# A local server has one slot: a second call would only wait inside it, and its
# waiting would be reported as latency.
_LOCAL_CONCURRENCY = 1
# How often a waiting main thread looks up to show progress and to notice Ctrl-C.
_WAIT_STEP_S = 0.1


class Served(NamedTuple):
    """A reply, its key, and whether a model was called for it now."""

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
    """Calls at once for each model; None: `limits.concurrency`, else 8."""
    servers: Path
    """Folder of the session's local servers."""
    owner_pid: int
    """The process whose end ends the local servers."""
    started: float
    """Unix time at which the session started."""


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


class Watcher(Protocol):
    """Someone to tell that the main thread waits."""

    def show(self) -> None:
        """Called again and again while it waits."""

    def hide(self) -> None:
        """Called when it goes on."""


class Engine:
    """Looks replies up, or calls models for them."""

    def __init__(
        self, settings: EngineSettings, progress: Progress, watcher: Watcher
    ) -> None:
        self.settings = settings
        self.progress = progress
        self.scripted: dict[str, ScriptedModel] = {}
        self._watcher = watcher
        self._servers = local.Servers(settings.servers, settings.owner_pid)
        self._prices = prices.PriceTable()
        self._lanes: dict[str, Lane] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._under_way: dict[tuple[Path, str], asyncio.Task[Served]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def ask(self, request: Request, archive: Archive) -> Served:
        """Return the reply to a request; safe from any thread but the engine's.

        Raises `MissingReply` when it is not stored and calls are not allowed, and
        `CallError` when the call failed for good.
        """
        return self.look_up(request, archive) or self._wait(
            self.submit(request, archive)
        )

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
        if _is_scripted(request.model):
            return None
        key = archive.key(request)
        since = self.settings.started if self.settings.refresh else None
        reply = archive.find(key, request, since=since)
        if reply is not None:
            return Served(reply, key, live=False)
        if not self.settings.live:
            raise MissingReply(f"No reply of {request.model.name} is stored.")
        return None

    def submit(
        self, request: Request, archive: Archive
    ) -> concurrent.futures.Future[Served]:
        """Call the model for a reply, unless the same call is under way."""
        return self._run(self._join(request, archive))

    def close(self) -> None:
        """Cancel what is under way, close connections, and end the thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._shut_down(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _run(
        self, work: Coroutine[Any, Any, Served]
    ) -> concurrent.futures.Future[Served]:
        with self._lock:
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
        try:
            while not future.done():
                concurrent.futures.wait([future], timeout=_WAIT_STEP_S)
                if not future.done():
                    self._watcher.show()
        except KeyboardInterrupt:
            future.cancel()
            raise
        finally:
            self._watcher.hide()
        return future.result()

    async def _join(self, request: Request, archive: Archive) -> Served:
        """Share one call among all that want the same reply."""
        if _is_scripted(request.model):
            return await self._call(request, archive, key="")
        key = await asyncio.to_thread(archive.key, request)
        place = (archive.folder, key)
        task = self._under_way.get(place)
        if task is None:
            task = asyncio.ensure_future(self._call(request, archive, key))
            self._under_way[place] = task
            task.add_done_callback(lambda _: self._under_way.pop(place, None))
        return await asyncio.shield(task)

    async def _call(self, request: Request, archive: Archive, key: str) -> Served:
        asked = time.monotonic()
        async with self._slot(request.model):
            self.progress.in_flight += 1
            in_flight = self.progress.in_flight
            try:
                address = await self._address(request.model, archive.folder)
                lane = self._lane(request.model)
                sent = time.monotonic()
                answer = await lane.send(request, address)
                done = time.monotonic()
            finally:
                self.progress.in_flight -= 1
        first = answer.first_token_at
        timing = Timing(
            sent_s=sent - asked,
            first_token_s=None if first is None else first - asked,
            done_s=done - asked,
            in_flight=in_flight,
            server_s=answer.server_s,
        )
        reply = self._priced(request.model, answer, timing)
        self.progress.done += 1
        self.progress.spent_usd += reply.cost_usd or 0.0
        if not _is_scripted(request.model):
            await asyncio.to_thread(archive.keep, key, request, reply)
        return Served(reply.reply_to(request, replayed=False), key, live=True)

    def _priced(self, model: Model, answer: Answer, timing: Timing) -> StoredReply:
        busy_s = answer.server_s or timing.done_s - timing.sent_s
        cost, source = prices.cost_of(model, answer.usage, busy_s, self._prices)
        return StoredReply(
            text=answer.text,
            model=answer.model,
            finish_reason=answer.finish_reason,
            tool_calls=answer.tool_calls,
            usage=answer.usage,
            cost_usd=cost,
            price_source=source,
            timing=timing,
        )

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

    def _slot(self, model: Model) -> asyncio.Semaphore:
        if model.name not in self._slots:
            default = (
                _LOCAL_CONCURRENCY
                if model.id.startswith("local/")
                else _DEFAULT_CONCURRENCY
            )
            wanted = self.settings.concurrency or model.limits.concurrency or default
            self._slots[model.name] = asyncio.Semaphore(wanted)
        return self._slots[model.name]

    def _lane(self, model: Model) -> Lane:
        """Return the lane of a model; litellm is imported for its own lane only."""
        if _is_scripted(model):
            return self._lanes.setdefault("scripted", ScriptedLane(self.scripted))
        if direct.speaks_directly(model):
            return self._lanes.setdefault("direct", direct.DirectLane())
        from pytest_ladder.calls.litellm_lane import LitellmLane

        return self._lanes.setdefault("litellm", LitellmLane())

    async def _shut_down(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in self._lanes.values():
            await lane.close()
        self._lanes.clear()


def _is_scripted(model: Model) -> bool:
    """Scripted replies cost nothing and need no store."""
    return model.id.startswith("scripted/")
