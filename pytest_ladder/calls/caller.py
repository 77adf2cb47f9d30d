"""The caller: calls a model until it works, within limits and budget, and keeps it.

The way of one attempt: budget reservation → limits → lane → store → settle.

`CallsInFlight` calls it, on the engine's loop and thread only, so that its tables need
no lock against threads. Two waits need care: `_reserving`, an asyncio lock, lets
one call at a time ask the budget. What processes share (budget, limits, local servers)
guards itself with SQLite transactions and file locks.

Ctrl-C never arrives here: it is raised in the main thread, and the end of the run then
cancels the tasks (`CallsInFlight.close`). A cancelled attempt gives its reservation and
its place in the limits back; if it was sent, its worst case stays spent, for it may be
billed. Only the tasks in `writing` are not cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pytest_ladder import clock
from pytest_ladder.calls import retries
from pytest_ladder.calls.bills import Bills, reply_of
from pytest_ladder.calls.contract import Answer, EngineSettings, Lane, Progress, Request
from pytest_ladder.calls.lanes import faults
from pytest_ladder.calls.lanes.address import lane_of
from pytest_ladder.calls.lanes.scripted import ScriptedModel
from pytest_ladder.calls.lanes.table import LANES, LaneNeeds
from pytest_ladder.calls.local import servers
from pytest_ladder.calls.one_machine.budget import SharedBudget, worst_usd
from pytest_ladder.calls.one_machine.called import CalledKeys
from pytest_ladder.calls.one_machine.limits import Limiter, SharedMinute, Slots
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.calls.response_formats import ResponseFormats
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import Attempt, StoredReply
from pytest_ladder.calls.store.writer import Writer
from pytest_ladder.calls.wrong_keys import FAR_AWAY_S, NEAR_BY_S, Door
from pytest_ladder.core.reply import Timing
from pytest_ladder.core.row import LostCalls
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import CallError, LadderError, StoreError

_Quota = str
"""Name of what has limits of its own: a model, or all local models together."""

# A model without a declared limit: adaptive concurrency finds out how much it takes.
_DEFAULT_CONCURRENCY = 32
# A local server has one slot, and all of them have one machine: a second call would
# only slow the first, and its waiting would be reported as latency and cost.
_LOCAL_CONCURRENCY = 1
_THIS_MACHINE = "local models"
# How long a call waits for others to settle before it looks at the budget again.
_SETTLING_S = 0.02


class _Bill:
    """What an attempt costs, as far as it is known while it is under way."""

    def __init__(self, reservation: int | None) -> None:
        self.reservation = reservation
        """None: nothing was set aside, as the run has no budget."""
        self.usd: float | None = 0.0
        """USD: 0 until it is sent; None: unknown, the worst case counts as spent."""


class Caller:
    """Calls models; used on the engine's loop only."""

    def __init__(
        self, settings: EngineSettings, progress: Progress, called: CalledKeys
    ) -> None:
        self.scripted: dict[str, ScriptedModel] = {}
        cap, folder = settings.budget_usd, settings.folder
        self.budget = (
            None if cap is None else SharedBudget(folder / "budget.sqlite", cap)
        )
        self.stopping = False
        """Set at the end of the run: nothing is sent any more."""
        self.halted: BaseException | None = None
        """Why nothing may be spent any more; None: calls are allowed."""
        self._settings = settings
        self._progress = progress
        self._called = called
        self._servers = servers.Servers(settings.folder / "servers", settings.owner_pid)
        self._prices = PriceTable()
        self._formats = ResponseFormats(settings.folder)
        self._bills = Bills(self._prices)
        self._lanes: dict[str, Lane] = {}
        self._limiters: dict[_Quota, Limiter] = {}
        self._doors: dict[_Quota, Door] = {}
        self._lost: defaultdict[_Quota, int] = defaultdict(int)
        """Calls of a model that were given up, one after the other."""
        self._writers: dict[Path, Writer] = {}
        self._reserving = asyncio.Lock()
        self._settled = asyncio.Event()
        self._sent: set[asyncio.Task[Any] | None] = set()

    def most_at_once(self, model: Model) -> int:
        """Return how many calls of a model may be under way."""
        default = _DEFAULT_CONCURRENCY
        if model.is_local:
            default = _LOCAL_CONCURRENCY
        return self._declared(model) or default

    @property
    def sent(self) -> set[asyncio.Task[Any]]:
        """The tasks whose call was sent and is not yet kept."""
        return {task for task in self._sent if task is not None}

    @property
    def writing(self) -> set[asyncio.Task[None] | None]:
        """The tasks that write paid replies; they must not be cancelled."""
        return {writer.task for writer in self._writers.values()}

    async def finish(self) -> None:
        """Write what has arrived, and close all connections."""
        for writer in self._writers.values():
            await writer.finish()
        for lane in self._lanes.values():
            await lane.close()
        self._lanes.clear()

    async def call(
        self, request: Request, archive: Archive, key: str
    ) -> tuple[StoredReply, LostCalls | None]:
        """Call until it works, or until trying again is no use; the reply is kept.

        With it come the attempts before it that are in no bill. Raises `CallError`,
        `BudgetReached` or `StoreError`, with all attempts in `lost`.
        """
        failed: list[Attempt] = []
        try:
            reply = await self._tried(request, archive, key, failed)
        except LadderError as error:
            error.lost = self._bills.lost_calls(request, key, failed)
            if error.lost is not None:
                self._progress.spent_usd += error.lost.usd or 0.0
            raise
        unbilled = [attempt for attempt in failed if attempt.cost_usd is None]
        return reply, self._bills.lost_calls(request, key, unbilled)

    async def _tried(
        self, request: Request, archive: Archive, key: str, failed: list[Attempt]
    ) -> StoredReply:
        """Try until it works; attempts that failed are added to `failed`."""
        asked, paused_s = clock.monotonic(), 0.0
        quota = _quota(request.model)
        while True:
            try:
                reply = await self._attempt(request, archive, key, asked, failed)
            except CallError as error:
                tried_s = paused_s + sum(attempt.took_s for attempt in failed)
                pause_s = retries.pause_s(error, len(failed), tried_s)
                if self.stopping:
                    raise
                if pause_s is None or self._lost[quota] >= retries.LOST_CALLS:
                    self._lost[quota] += error.transient
                    raise retries.final(error, failed) from None
            else:
                self._lost[quota] = 0
                self._progress.done += 1
                self._progress.spent_usd += reply.cost_usd or 0.0
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

        Its place in the limits is held until the reply is on disk: a run that is killed
        loses no more replies than calls may be under way.
        """
        limiter, door = self._limiter(request.model), self._door(request.model)
        again = bool(failed)
        async with (
            door.passing(),
            self._turn(request, key, limiter, again=again) as turn,
        ):
            bill, sent = turn
            # Hundreds may have waited here when the disk turned out to be full.
            if self.halted is not None:
                raise self.halted
            if self.stopping:
                raise asyncio.CancelledError
            door.check()
            self._sent.add(asyncio.current_task())
            bill.usd = None
            try:
                answer, timing = await self._send(request, archive.folder, asked)
            except CallError as error:
                took_s = clock.monotonic() - sent
                attempt = self._bills.failure(request, error, took_s)
                bill.usd = attempt.cost_usd
                failed.append(attempt)
                told = door.turned_away(error)
                if retries.is_overload(error):
                    limiter.overloaded(sent, error.retry_after_s)
                raise told from None
            limiter.succeeded()
            door.let_in()
            price = self._bills.price(request, answer, timing)
            bill.usd, _ = price
            reply = reply_of(answer, timing, price, tuple(failed))
            if key:
                row, reply = archive.row(key, request, reply)
                self._called.note(key, reply.cost_usd)
                fresh = Writer(archive.store)
                await self._writers.setdefault(archive.folder, fresh).put(row)
        return reply

    async def _send(
        self, request: Request, folder: Path, asked: float
    ) -> tuple[Answer, Timing]:
        """Send a request by the lane of its model, and take its times.

        Raises errors of this package only, unless the model is scripted.
        """
        self._progress.in_flight += 1
        in_flight, fault = self._progress.in_flight, None
        try:
            address = await self._address(request.model, folder)
            lane = self._lane(request.model)
            await lane.open()
            quota = _quota(request.model)
            await self._formats.wait_for_first(request, quota)
            sent = clock.monotonic()
            self._door(request.model).sends()
            answer = await self._formats.send(lane, request, address, quota)
            done = clock.monotonic()
        except Exception as error:  # of any kind: its frames may hold a key
            if request.model.is_scripted:
                raise  # the user's own code, which has no key
            fault = faults.bare(request.model.name, error)
        finally:
            self._progress.in_flight -= 1
        if fault is not None:
            raise fault
        first = answer.first_token_at
        return answer, Timing(
            sent_s=sent - asked,
            first_token_s=None if first is None else first - asked,
            done_s=done - asked,
            in_flight=in_flight,
            server_s=answer.server_s,
        )

    async def _reserve(self, request: Request, key: str) -> int | None:
        """Set the worst case of a call aside; None: the run has no budget."""
        if self.budget is None or request.model.is_scripted:
            return None
        worst, quota = worst_usd(request, self._prices), _quota(request.model)
        # One call at a time asks; the others would be refused just as it is.
        async with self._reserving:
            while True:
                reservation = self.budget.reserve(key, worst, quota)
                if reservation is not None:
                    return reservation
                # Calls under way hold more than they will cost: let them settle.
                self._settled.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._settled.wait(), _SETTLING_S)

    @contextlib.asynccontextmanager
    async def _reserved(self, request: Request, key: str) -> AsyncIterator[_Bill]:
        """Set the worst case of an attempt aside until its bill is known."""
        bill = _Bill(await self._reserve(request, key))
        try:
            yield bill
        finally:
            if self.budget is not None and bill.reservation is not None:
                # On a full disk it stays reserved; the reply is more important.
                with contextlib.suppress(StoreError):
                    self.budget.settle(bill.reservation, bill.usd)
                self._settled.set()

    @contextlib.asynccontextmanager
    async def _turn(
        self, request: Request, key: str, limiter: Limiter, *, again: bool
    ) -> AsyncIterator[tuple[_Bill, float]]:
        """Hold what an attempt needs: money set aside, then a place in the limits.

        Yields its bill and when the place was granted (`clock.monotonic()`). While it
        waited for the place, another call of the model may have been billed more than
        was set aside for it, so that this one needs more, too. If that is not to be had
        at once, money and place are given back and asked for again, because an attempt
        that holds a place must not wait for the budget.
        """
        tokens = retries.expected_tokens(request)
        while True:
            async with self._reserved(request, key) as bill:
                fits = functools.partial(self._still_fits, bill)
                slot = limiter.slot(tokens, again=again, still_wanted=fits)
                async with slot as granted_at:
                    if fits():
                        yield bill, granted_at
                        return

    def _still_fits(self, bill: _Bill) -> bool:
        if self.budget is None or bill.reservation is None:
            return True
        return self.budget.still_fits(bill.reservation)

    async def _address(self, model: Model, folder: Path) -> str | None:
        """Return the address of a local model's server; None: it is no local model.

        Downloading weights and starting a server block, so a thread does both.
        """
        if not model.is_local:
            return None
        weights = await asyncio.to_thread(
            servers.weights_path, model.id, folder, self._note
        )
        self._note("")
        adapter = None if model.adapter is None else folder / model.adapter
        return await asyncio.to_thread(self._servers.address, weights, adapter)

    def _note(self, text: str) -> None:
        self._progress.note = text

    def _declared(self, model: Model) -> int | None:
        """Return how many calls at once the user allows; None: they do not say."""
        return self._settings.concurrency or model.limits.concurrency

    def _limiter(self, model: Model) -> Limiter:
        quota = _quota(model)
        if model.is_local and self._declared(model) is None:
            quota = _THIS_MACHINE
        if quota not in self._limiters:
            self._limiters[quota] = self._new_limiter(model, quota)
        return self._limiters[quota]

    def _new_limiter(self, model: Model, quota: _Quota) -> Limiter:
        ceiling, declared = self.most_at_once(model), self._declared(model) is not None
        limits, workers = model.limits, self._settings.workers
        if workers == 1:
            return Limiter(ceiling, declared=declared, rpm=limits.rpm, tpm=limits.tpm)
        folder = self._settings.folder / "limits"
        return Limiter(
            ceiling,
            declared=declared,
            minute=SharedMinute(folder / f"{quota}.sqlite", limits.rpm, limits.tpm),
            slots=Slots(folder / quota, ceiling, workers),
        )

    def _door(self, model: Model) -> Door:
        quota = _quota(model)
        if quota not in self._doors:
            # Without a key of its own it is hardly a service on the network.
            is_near = model.api_key_env is None and model.api_base is not None
            is_near = is_near and lane_of(model) == "direct"
            usual_s = NEAR_BY_S if is_near else FAR_AWAY_S
            self._doors[quota] = Door(model, usual_s)
        return self._doors[quota]

    def _lane(self, model: Model) -> Lane:
        """Return the lane of a model; a lane is made with its first call."""
        name = lane_of(model)
        if name not in self._lanes:
            needs = LaneNeeds(self.scripted, self._settings.workers)
            self._lanes[name] = LANES[name](needs)
        return self._lanes[name]


@functools.lru_cache(maxsize=64)
def _quota(model: Model) -> _Quota:
    """Return a model's name with a checksum of what it calls.

    Models of two ladders may have the same name. The address only goes into the
    checksum: it may hold a key, which must not be among what a traceback shows.
    """
    target = repr((model.name, model.id, model.api_base))
    return f"{model.name}-{zlib.crc32(target.encode()):08x}"
