"""Machines: the coordinator of the processes of several machines, in PostgreSQL.

What is stored, claimed, spent and allowed is decided by the shared room. A reply that
is paid for is on the local disk first, in the outbox, and then settled, which sends it:
so a database that is away loses nothing. What others have paid for is put into the
local store before anyone sees it, where tests look it up.

A local model has its limits by itself on each machine, and all else in common. Ladders
that name no store go by the files of this machine (`Room`).

A call that is let in has its money and its time to go, which no later surprise takes
from it: as many calls as a place has room for may still cost more than was set aside,
as those that are under way do. Used on the engine's loop only.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pytest_ladder import clock
from pytest_ladder.calls.contract import (
    EngineSettings,
    MachinesRun,
    Progress,
    Request,
)
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
from pytest_ladder.calls.one_machine.room import Room
from pytest_ladder.calls.shared.grouping import Groups
from pytest_ladder.calls.shared.room import SharedRoom
from pytest_ladder.calls.shared.spending import RUN, SharedSpending
from pytest_ladder.calls.shared.told import ToldOfStore
from pytest_ladder.calls.shared.words import (
    Admission,
    CallToAdmit,
    SharedPermit,
    nano,
    usd,
)
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import UNREADABLE, StoreRow, read_reply
from pytest_ladder.calls.store.writer import Writer
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import (
    BudgetReached,
    CallError,
    ConfigError,
    LadderError,
    StoreError,
)
from pytest_ladder.text.numbers import dollars

WAITING = "waiting for the store"
"""What the status line says while the database is away."""
# How often the status line learns whether it is.
_WATCH_S = 0.5


class Machines:
    """Coordinates by a database that several machines reach; see `Coordinator`."""

    def __init__(
        self,
        settings: EngineSettings,
        run: MachinesRun,
        look_up: LookUp,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._run = run
        self._look_up = look_up
        self._progress = progress
        self._here = Room(settings, look_up)
        self._room = SharedRoom(run.address, run.name, ledgers=run.ledgers)
        self._told = ToldOfStore(settings.folder / "store")
        budget_usd = settings.budget_usd
        self.spending = (
            SharedSpending(run, budget_usd, self._told)
            if budget_usd is not None or run.has_caps
            else None
        )
        self._opening: asyncio.Task[float] | None = None
        """Joins the run; returns when that began, by the database's clock."""
        self._watching: asyncio.Task[None] | None = None
        self._places: dict[str, str] = {}
        """The names that places have in the database, by their own."""
        self._writers: dict[Path, Writer[None]] = {}
        self._fetched: dict[Path, Groups[StoreRow, None]] = {}
        """Put replies of others into the local stores, many at a time."""
        self._sent: defaultdict[Archive, list[str]] = defaultdict(list)
        """Keys that others have by now, and that are still in the outbox."""
        self._settling: set[asyncio.Task[None]] = set()

    @property
    def writing(self) -> Collection[asyncio.Task[Any]]:
        """See `Coordinator`."""
        writers = [writer.task for writer in self._writers.values()]
        writers += [group.task for group in self._fetched.values()]
        tasks = {task for task in writers if task is not None}
        return {*tasks, *self._here.writing, *self._settling, *self._room.tasks}

    def has_cap(self, model: Model) -> bool:
        """See `Coordinator`."""
        return self.spending is not None and not model.is_scripted

    async def known(self, archive: Archive, keys: Sequence[str]) -> Collection[str]:
        """See `Coordinator`. What others had at the beginning was fetched then."""
        return archive.known(keys)

    async def admit(self, wanted: WantedCall) -> Known | Held | Wait | Over | Go:
        """See `Coordinator`."""
        if not _is_shared(wanted):
            return await self._here.admit(wanted)
        call = await self._call(wanted)
        answer = await self._room.admit(call)
        while answer.verdict == "wait":
            await asyncio.sleep(answer.wait_s)
            answer = await self._room.admit(call)
        if answer.permit is not None:
            return await self._entered(wanted, answer.permit)
        if answer.reply is not None:
            return Known(await self._served(wanted, answer.reply))
        if answer.verdict == "over":
            return Over(await self._over(wanted, answer))
        return Held()

    async def settle(
        self, go: Go, usd: float | None, row: StoreRow | None = None
    ) -> None:
        """See `Coordinator`."""
        if not isinstance(go.token, SharedPermit):
            await self._here.settle(go, usd, row)
            return
        task = asyncio.ensure_future(self._settle(go.wanted, go.token, usd, row))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        await asyncio.shield(task)

    async def give_up(self, wanted: WantedCall) -> None:
        """See `Coordinator`. Over machines nothing is held between two attempts."""
        if not _is_shared(wanted):
            await self._here.give_up(wanted)

    async def released(self, wanted: WantedCall) -> None:
        """See `Coordinator`."""
        if not _is_shared(wanted):
            await self._here.released(wanted)
            return
        since = self._since(wanted.request, await self._opened())
        reply = await self._room.reply_of_other(wanted.key, since)
        if reply is not None:
            await self._keep(wanted.archive, reply)

    async def pause(self, place: CallPlace, seconds: float) -> None:
        """See `Coordinator`."""
        if place.name not in self._places:
            await self._here.pause(place, seconds)
            return
        # Of a database that is away the next call hears.
        with contextlib.suppress(StoreError):
            await self._room.pause(self._places[place.name], seconds)

    async def finish(self) -> None:
        """See `Coordinator`. Leaves the run, if it was ever joined."""
        await self._here.finish()
        if self._settling:
            await asyncio.wait(self._settling)
        if self._opening is None:
            return
        if self._watching is not None:
            self._watching.cancel()
        await self._room.close()
        if self._room.paid_twice:
            self._told.pay_twice(self._room.paid_twice, self._room.stood_still_s)
        for archive, keys in self._sent.items():
            # What stays in the outbox is sent once more, which changes nothing.
            with contextlib.suppress(StoreError):
                await asyncio.to_thread(archive.store.sent, keys)

    def close(self) -> None:
        """See `Coordinator`."""
        self._here.close()

    async def _opened(self) -> float:
        """Join the run, with the first call; returns when it began."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._join())
        return await asyncio.shield(self._opening)

    async def _join(self) -> float:
        budget = self._settings.budget_usd
        cap = None if budget is None else nano(budget)
        joined = await self._room.open(cap)
        if joined.cap_nano != cap:
            first = "no budget" if joined.cap_nano is None else "a budget of "
            if joined.cap_nano is not None:
                first += dollars(usd(joined.cap_nano))
            raise ConfigError(
                f"The run {self._run.name!r} began with {first} in the shared store "
                f"{self._run.address.name}; give all its jobs the same "
                "--ladder-budget, or the run another name."
            )
        self._watching = asyncio.ensure_future(self._watch())
        # Processes join later than their run began: what they share of it counts.
        return joined.started - (clock.unix() - self._run.started)

    async def _watch(self) -> None:
        """Say in the status line when the database is away."""
        while True:
            waiting = self._room.waiting_since is not None
            if waiting or self._progress.note == WAITING:
                self._progress.note = WAITING if waiting else ""
            await asyncio.sleep(_WATCH_S)

    async def _call(self, wanted: WantedCall) -> CallToAdmit:
        """Return a call as the shared room wants it, and its place opened."""
        since = self._since(wanted.request, await self._opened())
        place, model = wanted.place, wanted.request.model
        name = model.name
        shared = f"{place.name} on {socket.gethostname()}"
        self._places[place.name] = shared if model.is_local else place.name
        await self._room.open_place(
            self._places[place.name],
            rpm=place.rpm,
            tpm=place.tpm,
            ceiling=place.at_once,
        )
        return CallToAdmit(
            key=wanted.key,
            worst_nano=nano(wanted.worst_usd or 0.0),
            tokens=wanted.tokens,
            place=self._places[place.name],
            model=name,
            # Judges have names in brackets, which no model of a ladder can have.
            kind="evaluation" if name.startswith("[") else "product",
            ledgers=wanted.archive.store.ledgers,
            since=since,
        )

    def _since(self, request: Request, began: float) -> float | None:
        """Return since when a reply is of use; None: any is."""
        return began if self._settings.refresh or request.fresh else None

    async def _entered(self, wanted: WantedCall, permit: SharedPermit) -> Known | Go:
        """Look once more at this machine: its outbox may hold the reply.

        Or another worker of this run has found that the call fails.
        """
        outcome: Reply | LadderError | None = None
        try:
            outcome = self._look_up(wanted.request, wanted.archive, wanted.key)
        except BaseException:
            await self._room.settle(permit, 0)
            raise
        if outcome is None:
            return Go(wanted, permit)
        await self._room.settle(permit, 0)
        return Known(outcome)

    async def _served(self, wanted: WantedCall, row: StoreRow) -> Reply:
        """Keep what another machine has paid for, and return it."""
        request, archive, key = wanted[:3]
        try:
            kept = read_reply(row[-1])
        except UNREADABLE as error:
            problem = str(error)
        else:
            await self._keep(archive, row)
            own = self._look_up(request, archive, key)
            if isinstance(own, Reply):
                return own
            return kept.reply_to(request, key, replayed=True)
        raise CallError(
            f"The reply of model {request.model.name!r} in the shared store "
            f"{self._run.address.name} cannot be read: {problem}"
        )

    async def _keep(self, archive: Archive, row: StoreRow) -> None:
        async def put(rows: list[StoreRow]) -> list[None]:
            await asyncio.to_thread(archive.store.put, rows, from_others=True)
            return [None] * len(rows)

        if archive.folder not in self._fetched:
            self._fetched[archive.folder] = Groups(put)
        await self._fetched[archive.folder].ask(row)

    async def _over(self, wanted: WantedCall, answer: Admission) -> BudgetReached:
        """Say which ledger has no money for a call, and how it stands with it."""
        worst = wanted.worst_usd or 0.0
        self._told.refuse(wanted.key, worst, answer.ledger)
        sums = {each.name: each for each in await self._room.standing()}
        ledger = sums.get(answer.ledger)
        whose = (
            "--ladder-budget"
            if answer.ledger.startswith(RUN)
            else f"ledger {answer.ledger!r}"
        )
        said = f"{whose} is used up"
        if ledger is not None and ledger.cap is not None:
            spent, cap = usd(ledger.settled + ledger.reserved), usd(ledger.cap)
            said = f"{dollars(spent)} of {dollars(cap)} of {whose} is spent"
        return BudgetReached(f"{said} and this call may cost {dollars(worst)}.")

    async def _settle(
        self,
        wanted: WantedCall,
        permit: SharedPermit,
        bill_usd: float | None,
        row: StoreRow | None,
    ) -> None:
        bill = None if bill_usd is None else nano(bill_usd)
        if bill is not None and bill > permit.reserved_nano and wanted.worst_usd:
            self._told.surprise(wanted.bill, bill_usd or 0.0)
        try:
            if row is not None:
                archive = wanted.archive
                if archive.folder not in self._writers:
                    self._writers[archive.folder] = Writer(
                        archive.store, lambda _: None
                    )
                await self._writers[archive.folder].put(row, None)
        finally:
            # The reply is in the outbox. A reservation that stays is booked at its
            # worst case in time; and the next call hears what is wrong.
            with contextlib.suppress(LadderError):
                await self._room.settle(permit, bill, row)
                if row is not None:
                    self._sent[wanted.archive].append(wanted.key)


def _is_shared(wanted: WantedCall) -> bool:
    """Tell whether machines share a call: its reply is kept in a store of theirs."""
    return bool(wanted.key) and wanted.archive.store.is_shared
