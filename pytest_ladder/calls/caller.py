"""The caller: calls a model until it works, and sees that it is paid for and kept.

The way of one attempt: door → window → admitted → sent → settled. What several
processes share is asked of the `Coordinator`: the claim on the reply, money, limits.

`CallsInFlight` calls it, on the engine's loop and thread only, so that its tables need
no lock against threads.

Ctrl-C never arrives here: it is raised in the main thread, and the end of the run then
cancels the tasks (`CallsInFlight.end`). A cancelled attempt gives back what it holds;
if it was sent, its worst case stays spent and is told of at the end of the run, for it
may be billed. Only the tasks in `Coordinator.writing` are not cancelled.
"""

from __future__ import annotations

import asyncio
import functools
import zlib
from collections import defaultdict
from typing import Any, NamedTuple

from pytest_ladder import clock
from pytest_ladder.calls import retries
from pytest_ladder.calls.bills import Bills, reply_of
from pytest_ladder.calls.bounds import worst_usd
from pytest_ladder.calls.contract import (
    EngineSettings,
    Progress,
    Request,
)
from pytest_ladder.calls.coordinator import (
    CallPlace,
    Coordinator,
    Go,
    Held,
    Known,
    Over,
    Wait,
    WantedCall,
)
from pytest_ladder.calls.lanes.address import lane_of
from pytest_ladder.calls.one_machine.called import CalledKeys
from pytest_ladder.calls.one_machine.failed import FailedCalls
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.calls.sender import Sender
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import Attempt, StoreRow
from pytest_ladder.calls.window import Window
from pytest_ladder.calls.wrong_keys import FAR_AWAY_S, NEAR_BY_S, Door
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.row import LostCalls
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import CallError, LadderError

_Quota = str
"""Name of a model, which tells it apart from others of that name."""

# A model without a declared limit: adaptive concurrency finds out how much it takes.
_DEFAULT_CONCURRENCY = 32
# A local server has one slot, and all of them have one machine: a second call would
# only slow the first, and its waiting would be reported as latency and cost.
_LOCAL_CONCURRENCY = 1
_THIS_MACHINE = "local models"
# Why an attempt that was sent has no reply, where nobody waited for it any longer.
_ENDED = "The run ended."


class _Way(NamedTuple):
    """What all calls of one model pass."""

    quota: _Quota
    place: CallPlace
    window: Window
    door: Door


class Caller:
    """Calls models; used on the engine's loop only."""

    def __init__(
        self,
        settings: EngineSettings,
        progress: Progress,
        coordinator: Coordinator,
        called: CalledKeys,
        failed: FailedCalls,
    ) -> None:
        self.sender = Sender(settings, progress)
        self.stopping = False
        """Set at the end of the run: nothing is sent any more."""
        self.halted: BaseException | None = None
        """Why nothing may be spent any more; None: calls are allowed."""
        self.sent: set[asyncio.Task[Any]] = set()
        """The tasks whose call was sent and is not yet kept."""
        self._concurrency = settings.concurrency
        self._progress = progress
        self._coordinator = coordinator
        self._called = called
        self._failed = failed
        self._prices = PriceTable()
        self._bills = Bills(self._prices)
        self._ways: dict[_Quota, _Way] = {}
        self._windows: dict[str, Window] = {}
        self._lost: defaultdict[_Quota, int] = defaultdict(int)
        """Calls of a model that were given up, one after the other."""

    def most_at_once(self, model: Model) -> int:
        """Return how many calls of a model may be under way."""
        default = _LOCAL_CONCURRENCY if model.is_local else _DEFAULT_CONCURRENCY
        return self._declared(model) or default

    def wanted(
        self,
        request: Request,
        archive: Archive,
        key: str,
        looked_up_at: float | None = None,
    ) -> WantedCall:
        """Return a call as it is asked for; raises `BudgetReached` without a bound."""
        way = self._way(request.model)
        counts = self._coordinator.has_cap(request.model)
        worst = worst_usd(request, self._prices) if counts else None
        tokens = retries.expected_tokens(request)
        return WantedCall(
            *(request, archive, key, way.place, tokens, worst, way.quota, looked_up_at)
        )

    async def call(self, wanted: WantedCall) -> Reply | LadderError | Held:
        """Call until it works, or until trying again is no use; the reply is kept.

        Returns what became of the call elsewhere where no attempt had to be made.
        Raises `CallError`, `BudgetReached` or `StoreError`, with all attempts in
        `lost`, when other processes are told of them.
        """
        failed: list[Attempt] = []
        try:
            outcome = await self._tried(wanted, failed)
            if not isinstance(outcome, Reply) and failed:
                # Between two attempts another process has taken the call over.
                self._note_lost(wanted, failed)
        except asyncio.CancelledError:
            self._note_lost(wanted, failed)
            raise
        except LadderError as error:
            final = error if isinstance(error, CallError) else None
            error.lost = self._note_lost(wanted, failed, final)
            raise
        finally:
            await self._coordinator.give_up(wanted)
        return outcome.outcome if isinstance(outcome, Known) else outcome

    async def _tried(
        self, wanted: WantedCall, failed: list[Attempt]
    ) -> Reply | Known | Held:
        """Try until it works; attempts that failed are added to `failed`."""
        asked, paused_s = clock.monotonic(), 0.0
        way = self._way(wanted.request.model)
        while True:
            try:
                return await self._attempt(wanted, way, asked, failed)
            except CallError as error:
                tried_s = paused_s + sum(attempt.took_s for attempt in failed)
                pause_s = retries.pause_s(error, len(failed), tried_s)
                if self.stopping:
                    raise
                if pause_s is None or self._lost[way.quota] >= retries.LOST_CALLS:
                    self._lost[way.quota] += error.transient
                    raise retries.final(error, failed) from None
            await asyncio.sleep(pause_s)
            paused_s += pause_s

    async def _attempt(
        self, wanted: WantedCall, way: _Way, asked: float, failed: list[Attempt]
    ) -> Reply | Known | Held:
        """Call once in its turn; a failure is added to those before it.

        Its place in the window is held until the reply is on disk: a run that is killed
        loses no more replies than calls may be under way.
        """
        await way.door.enter(again=bool(failed))
        try:
            await way.window.enter(again=bool(failed))
            try:
                admitted = await self._admitted(wanted)
                if isinstance(admitted, Go):
                    return await self._paid(admitted, way, asked, failed)
                return admitted
            finally:
                way.window.leave()
        finally:
            way.door.leave()

    async def _admitted(self, wanted: WantedCall) -> Known | Held | Go:
        """Ask for an attempt until the answer is final."""
        while True:
            if self.halted is not None:
                raise self.halted
            admitted = await self._coordinator.admit(wanted)
            if isinstance(admitted, Over):
                raise admitted.error
            if not isinstance(admitted, Wait):
                return admitted
            await asyncio.sleep(admitted.seconds)

    async def _paid(
        self, go: Go, way: _Way, asked: float, failed: list[Attempt]
    ) -> Reply:
        """Send an attempt that was admitted, keep its reply, and settle its bill."""
        request, archive, key = go.wanted[:3]
        usd: float | None = 0.0
        row: StoreRow | None = None
        task = asyncio.current_task()
        assert task is not None
        try:
            # Hundreds may have waited here when the disk turned out to be full.
            if self.halted is not None:
                raise self.halted
            if self.stopping:
                raise asyncio.CancelledError
            way.door.check()
            self.sent.add(task)
            # Unknown from here on, until there is a bill.
            usd, sent = None, clock.monotonic()
            try:
                answer, timing = await self.sender.send(
                    request, archive.folder, asked, way.door, way.quota
                )
            except asyncio.CancelledError:
                took_s = clock.monotonic() - sent
                failed.append(Attempt(problem=_ENDED, took_s=took_s, cost_usd=None))
                raise
            except CallError as error:
                took_s = clock.monotonic() - sent
                attempt = self._bills.failure(request, error, took_s)
                usd = attempt.cost_usd
                failed.append(attempt)
                await self._slow_down(error, way, sent)
                raise way.door.turned_away(error) from None
            way.window.succeeded()
            way.door.let_in()
            price = self._bills.price(request, answer, timing)
            usd, _ = price
            reply = reply_of(answer, timing, price, tuple(failed))
            if key:
                kept, reply = archive.row(key, request, reply)
                self._tell_unbilled(go.wanted, failed)
                self._called.note(key, reply.cost_usd)
                row = kept
        finally:
            try:
                await self._coordinator.settle(go, usd, row)
            finally:
                self.sent.discard(task)
        self._lost[way.quota] = 0
        self._progress.end(request, reply.cost_usd or 0.0)
        return reply.reply_to(request, key, replayed=False)

    async def _slow_down(self, error: CallError, way: _Way, sent: float) -> None:
        """Send less to a provider that gets too many calls."""
        if retries.is_overload(error):
            pause_s = way.window.overloaded(sent, error.retry_after_s)
            if pause_s > 0:
                await self._coordinator.pause(way.place, pause_s)

    def _note_lost(
        self, wanted: WantedCall, failed: list[Attempt], final: CallError | None = None
    ) -> LostCalls | None:
        """Tell of attempts that brought no reply, and of what ended the call."""
        lost = self._bills.lost_calls(wanted.request, wanted.key, failed)
        if lost is not None:
            self._progress.spent_usd += lost.usd or 0.0
        if wanted.key:
            self._failed.tell((wanted.archive.folder, wanted.key), lost, final)
        return lost

    def _tell_unbilled(self, wanted: WantedCall, failed: list[Attempt]) -> None:
        """Tell of the attempts before a reply that are in no bill, before it is found.

        They are told of once: if the reply cannot be kept, only the others are lost.
        """
        unbilled = [attempt for attempt in failed if attempt.cost_usd is None]
        lost = self._bills.lost_calls(wanted.request, wanted.key, unbilled)
        if lost is not None:
            self._failed.tell((wanted.archive.folder, wanted.key), lost)
            failed[:] = [attempt for attempt in failed if attempt not in unbilled]

    def _declared(self, model: Model) -> int | None:
        """Return how many calls at once the user allows; None: they do not say."""
        return self._concurrency or model.limits.concurrency

    def _way(self, model: Model) -> _Way:
        quota = _quota(model)
        if quota not in self._ways:
            declared, limits = self._declared(model) is not None, model.limits
            name = quota if declared or not model.is_local else _THIS_MACHINE
            place = CallPlace(name, self.most_at_once(model), limits.rpm, limits.tpm)
            if name not in self._windows:
                self._windows[name] = Window(place.at_once, declared=declared)
            # Without a key of its own it is hardly a service on the network.
            is_near = model.api_key_env is None and model.api_base is not None
            is_near = is_near and lane_of(model) == "direct"
            door = Door(model, NEAR_BY_S if is_near else FAR_AWAY_S)
            self._ways[quota] = _Way(quota, place, self._windows[name], door)
        return self._ways[quota]


@functools.lru_cache(maxsize=64)
def _quota(model: Model) -> _Quota:
    """Return a model's name with a checksum of what it calls.

    Models of two ladders may have the same name. The address only goes into the
    checksum: it may hold a key, which must not be among what a traceback shows.
    """
    target = repr((model.name, model.id, model.api_base))
    return f"{model.name}-{zlib.crc32(target.encode()):08x}"
