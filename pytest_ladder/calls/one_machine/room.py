"""The room: the coordinator of the processes of one machine, in files.

Claims lie beside each store, for all runs; budget and limits in the folder of the run.
An attempt is admitted in steps, and what earlier steps took is given back when a later
one says no: the claim, then money, then a place, then the minute. Who waits for money
holds no place and who waits for the minute holds neither, so nobody waits for one who
waits. Money is asked for by one call at a time, under `_reserving`: the others would be
refused just as it is.

A reply is on disk first; then what its attempts cost is settled, its place is given
back and the claim on it is released (`_end`), for all replies that were written
together. All on the engine's loop, so that no lock against threads is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ladder.calls.contract import EngineSettings
from pytest_ladder.calls.coordinator import (
    CallPlace,
    Go,
    Held,
    Known,
    LookUp,
    Over,
    Wait,
    WantedCall,
)
from pytest_ladder.calls.one_machine.budget import SharedBudget
from pytest_ladder.calls.one_machine.claims import RENEW_S, Claims
from pytest_ladder.calls.one_machine.limits import Minute, SharedMinute, Slots
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import StoreRow
from pytest_ladder.calls.store.writer import Writer
from pytest_ladder.core.rung import Model
from pytest_ladder.disk.sqlite import usable
from pytest_ladder.errors import BudgetReached, StoreError

if TYPE_CHECKING:
    from filelock import FileLock

# How often a process looks whether another one has let go of a reply.
_POLL_S = 0.02
# How long a call waits for others to settle before it looks at the budget again.
_SETTLING_S = 0.02
# How often a call that waits for its minute asks whether it still has the money.
_LONGEST_WAIT_S = 1.0


_Group = list[tuple[str, asyncio.Future[bool]]]
"""Keys that are claimed together, at the end of one round of the loop."""


class _Gate(NamedTuple):
    """The limits of one place."""

    minute: Minute | SharedMinute
    slots: Slots | None
    """None: the run is this process alone, and its window is limit enough."""


class _Taken(NamedTuple):
    """What an attempt holds besides its claim."""

    reservation: int | None = None
    slot: FileLock | None = None


class Room:
    """Coordinates by SQLite files and file locks; see `Coordinator`."""

    def __init__(self, settings: EngineSettings, look_up: LookUp) -> None:
        cap, folder = settings.budget_usd, settings.folder
        self.spending = (
            None if cap is None else SharedBudget(folder / "budget.sqlite", cap)
        )
        self._settings = settings
        self._look_up = look_up
        self._claims: dict[Path, Claims] = {}
        self._claiming: defaultdict[Path, _Group] = defaultdict(list)
        self._writers: dict[Path, Writer[tuple[Go, float | None]]] = {}
        self._gates: dict[str, _Gate] = {}
        self._renewing: set[asyncio.Task[None]] = set()
        self._reserving = asyncio.Lock()
        self._settled = asyncio.Event()

    @property
    def writing(self) -> Collection[asyncio.Task[Any]]:
        """See `Coordinator`."""
        return {writer.task for writer in self._writers.values() if writer.task}

    def has_cap(self, model: Model) -> bool:
        """See `Coordinator`."""
        return self.spending is not None and not model.is_scripted

    async def known(self, archive: Archive, keys: Sequence[str]) -> Collection[str]:
        """See `Coordinator`."""
        return archive.known(keys)

    async def admit(self, wanted: WantedCall) -> Known | Held | Wait | Over | Go:
        """See `Coordinator`."""
        ended = await self._claim(wanted) if wanted.key else None
        if ended is not None:
            return ended
        try:
            reservation = await self._reserve(wanted)
        except BudgetReached as error:
            return Over(error)
        taken, wait_s = _Taken(reservation), None
        try:
            gate = self._gate(wanted.place)
            if gate.slots is not None:
                taken = _Taken(reservation, await gate.slots.take())
            # While it waited, another call may have been billed more than expected.
            fits = (
                self.spending is None
                or reservation is None
                or self.spending.still_fits(reservation)
            )
            wait_s = gate.minute.admit(wanted.tokens) if fits else _SETTLING_S
        finally:
            if wait_s != 0:
                self._give_back(wanted, taken, 0.0)
        return Wait(min(wait_s, _LONGEST_WAIT_S)) if wait_s else Go(wanted, taken)

    async def settle(
        self, go: Go, usd: float | None, row: StoreRow | None = None
    ) -> None:
        """See `Coordinator`."""
        if row is None:
            self._give_back(*go, usd)
            return
        archive = go.wanted.archive
        if archive.folder not in self._writers:
            self._writers[archive.folder] = Writer(archive.store, self._end)
        await self._writers[archive.folder].put(row, (go, usd))

    async def give_up(self, wanted: WantedCall) -> None:
        """See `Coordinator`."""
        claims = self._claims.get(wanted.archive.folder)
        if claims is not None and claims.holds(wanted.key):
            # A claim that cannot be released ends with its process.
            with contextlib.suppress(StoreError):
                claims.release([wanted.key])

    async def released(self, wanted: WantedCall) -> None:
        """See `Coordinator`."""
        claims = self._claims_of(wanted.archive)
        while not claims.is_free(wanted.key):
            await asyncio.sleep(_POLL_S)

    async def pause(self, place: CallPlace, seconds: float) -> None:
        """See `Coordinator`."""
        self._gate(place).minute.pause(seconds)

    async def finish(self) -> None:
        """See `Coordinator`."""
        for writer in self._writers.values():
            await writer.finish()

    def close(self) -> None:
        """See `Coordinator`."""
        for claims in self._claims.values():
            claims.close()
        self._claims.clear()
        if self.spending is not None:
            self.spending.close()

    async def _claim(self, wanted: WantedCall) -> Known | Held | None:
        """Claim a reply; None: it is claimed, and to be called for."""
        claims, key = self._claims_of(wanted.archive), wanted.key
        if claims.holds(key):
            return None  # an attempt before this one has failed
        group = self._claiming[wanted.archive.folder]
        loop = asyncio.get_running_loop()
        if not group:
            loop.call_soon(_claim_all, claims, group)
        is_claimed: asyncio.Future[bool] = loop.create_future()
        group.append((key, is_claimed))
        if not await is_claimed:
            return Held()
        looked_up_at = wanted.looked_up_at
        if looked_up_at is not None and claims.alone_since(looked_up_at):
            return None
        # Its last holder may have stored it since the look-up, or have failed.
        outcome = self._look_up(wanted.request, wanted.archive, key)
        if outcome is None:
            return None
        claims.release([key])
        return Known(outcome)

    def _claims_of(self, archive: Archive) -> Claims:
        """Return the claims beside a store, which are kept alive from now on."""
        if archive.folder not in self._claims:
            path = archive.store.path.with_name("claims.sqlite")
            with usable(path):
                archive.store.make_folder()
            claims = self._claims[archive.folder] = Claims(path)
            self._renewing.add(asyncio.ensure_future(_renew(claims)))
        return self._claims[archive.folder]

    async def _reserve(self, wanted: WantedCall) -> int | None:
        """Set the worst case of an attempt aside; None: nothing has to be."""
        if self.spending is None or wanted.worst_usd is None:
            return None
        async with self._reserving:
            while True:
                reservation = self.spending.reserve(
                    wanted.key, wanted.worst_usd, wanted.bill
                )
                if reservation is not None:
                    return reservation
                # Calls under way hold more than they will cost: let them settle.
                self._settled.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._settled.wait(), _SETTLING_S)

    def _gate(self, place: CallPlace) -> _Gate:
        if place.name not in self._gates:
            workers, folder = self._settings.workers, self._settings.folder / "limits"
            if workers == 1:
                gate = _Gate(Minute(place.rpm, place.tpm), None)
            else:
                minute = folder / f"{place.name}.sqlite"
                gate = _Gate(
                    SharedMinute(minute, place.rpm, place.tpm),
                    Slots(folder / place.name, place.at_once, workers),
                )
            self._gates[place.name] = gate
        return self._gates[place.name]

    def _end(self, settled: Sequence[tuple[Go, float | None]]) -> None:
        """Free what was held for replies that are on disk, or cannot be put there."""
        for go, usd in settled:
            self._give_back(*go, usd)
        archive = settled[0][0].wanted.archive
        # A claim that cannot be released ends with its process.
        with contextlib.suppress(StoreError):
            claims = self._claims_of(archive)
            claims.release([go.wanted.key for go, _ in settled])

    def _give_back(self, wanted: WantedCall, taken: _Taken, usd: float | None) -> None:
        """Settle the money of an attempt, and free its place."""
        if self.spending is not None and taken.reservation is not None:
            # On a full disk it stays reserved; the reply is more important.
            with contextlib.suppress(StoreError):
                self.spending.settle(taken.reservation, usd)
            self._settled.set()
        slots = self._gate(wanted.place).slots
        if slots is not None and taken.slot is not None:
            slots.give_back(taken.slot)


def _claim_all(claims: Claims, group: _Group) -> None:
    """Claim what was asked for in one round of the loop, in one transaction."""
    asked = [(key, done) for key, done in group if not done.done()]
    group.clear()
    try:
        taken = claims.take(*(key for key, _ in asked))
    except StoreError as error:
        for _, done in asked:
            done.set_exception(error)
        return
    for key, done in asked:
        done.set_result(key in taken)


async def _renew(claims: Claims) -> None:
    """Renew the claims of this process in one file, until it is cancelled."""
    while True:
        await asyncio.sleep(RENEW_S)
        # A disk that is full now may have room again before the lease runs out.
        with contextlib.suppress(StoreError):
            claims.renew()
