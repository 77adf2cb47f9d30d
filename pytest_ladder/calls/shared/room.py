"""The shared room: who may call for what, on which money, over all machines.

`open` joins a run; then `admit` lets an attempt in, `settle` closes it, `pause` stops a
place for everybody, `known` fetches replies, and `reply_of_other` waits for one that
somebody else pays for. Nothing here decides: the functions of `functions.sql` do, each
in one transaction, by the database's clock.

Used on the engine's loop only; all state is plain. Three connections: admitting and
settling do not wait for each other, and heartbeats wait for neither. Background tasks
beat and reap until `close`. A process that stood still may have been taken for dead:
`still_holds` says so by this machine's monotonic clock, which counts on in a stopped
process, and an attempt whose claim may be lost must not be sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

from pytest_ladder import clock
from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.grouping import Groups
from pytest_ladder.calls.shared.link import ANSWER_S, PATIENCE_S, DatabaseLink
from pytest_ladder.calls.shared.releases import CLIENT, check_release
from pytest_ladder.calls.shared.statements import (
    ADMIT,
    KEEP,
    SETTLE,
    Closing,
    Entering,
    admit_values,
    admitted,
    columns_of,
    in_order,
    settle_values,
    store_row_of,
    time_of,
)
from pytest_ladder.calls.shared.waiting import Waited, WaitedKeys
from pytest_ladder.calls.shared.words import (
    Admission,
    CallToAdmit,
    JoinedRun,
    LedgerSums,
    Outcome,
    SharedPermit,
)
from pytest_ladder.calls.store.stored_reply import StoreRow
from pytest_ladder.errors import ConfigError, LadderError

KEYS_AT_ONCE = 5_000
"""How many keys one look-up takes."""
_REAP_S = 15.0
_LONGEST_SLEEP_S = 1.0


class SharedRoom:
    """One process's door to what machines share; used on the engine's loop only."""

    def __init__(
        self,
        address: SharedAddress,
        run: str,
        *,
        ledgers: Sequence[str] = (),
        patience_s: float = PATIENCE_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        """`run` is the same in all processes of a run, `ledgers` all it draws on."""
        self.address = address
        self.paid_twice = 0
        """Replies of this process that lost the race."""
        self.stood_still_s = 0.0
        """The longest time without a sign of life, in seconds."""
        self._run = run
        self._ledgers = list(ledgers)
        self._member = uuid.uuid4()
        self._cap_nano: int | None = None
        self._places: dict[str, tuple[Any, ...]] = {}
        self._paused: dict[str, float] = {}
        """Until when a place is paused (`clock.monotonic()`), as far as known here."""
        self._seen = clock.monotonic()
        """When the last sign of life was sent that arrived (`clock.monotonic()`)."""
        self._beat_s = self._dead_after_s = 0.0
        self._pulse: list[asyncio.Task[None]] = []
        """The tasks that beat and reap."""
        self._returning: set[asyncio.Task[Any]] = set()
        """Tasks that give back what nobody wants any more."""
        self._closing: set[asyncio.Task[Outcome]] = set()
        """Tasks that settle."""

        def link(rejoin: Callable[[], Awaitable[object]] | None = None) -> Any:
            return DatabaseLink(
                address, patience_s=patience_s, answer_s=answer_s, rejoin=rejoin
            )

        self._admits: DatabaseLink = link(self._join)
        self._settles: DatabaseLink = link()
        self._looks: DatabaseLink = link()
        self._admitting = Groups(self._admit, unwanted=self._give_back)
        self._settling = Groups(self._settle)
        self._waited = WaitedKeys(self._look, self._reap)

    async def open(self, cap_nano: int | None = None) -> JoinedRun:
        """Join the run, with a cap in nano-dollars if it is the first to name one.

        Raises `StoreError` when the database is not there, and `ConfigError` where its
        tables are not those of this release, each in one sentence with what to do.
        """
        self._cap_nano = cap_nano
        self._seen = clock.monotonic()
        try:
            started, cap = await self._join(patiently=False)
            ledgers = await self.standing()
        except BaseException:
            await self._disconnect()
            raise
        reap_s = min(_REAP_S, self._dead_after_s / 3)
        for every_s, work in ((self._beat_s, self._beat), (reap_s, self._reap)):
            self._pulse.append(asyncio.ensure_future(_again(every_s, work)))
        return JoinedRun(started=started, cap_nano=cap, ledgers=ledgers)

    async def open_place(
        self,
        name: str,
        *,
        rpm: float | None = None,
        tpm: float | None = None,
        ceiling: int,
        window_s: float = 60.0,
    ) -> None:
        """Say what a place takes: requests and tokens per `window_s`, calls at once.

        The limits of the latest process hold for all. Raises as `admit` does.
        """
        limits = (rpm, tpm, ceiling, window_s)
        if self._places.get(name) == limits:
            return
        casts = ("text", *("double precision",) * 2, "integer", "double precision")
        await self._looks.rows("open_place", casts, name, *limits)
        self._places[name] = limits

    async def admit(self, call: CallToAdmit) -> Admission:
        """Ask for an attempt to be let in; `go` comes when it may be sent.

        A cancelled one gives back what it got. Raises `StoreError` when the database
        was away for so long that nothing more is let in.
        """
        while True:
            asked = clock.monotonic()
            answer, go_at = await self._admitting.ask(
                Entering(call, secrets.randbits(62))
            )
            permit = answer.permit
            if permit is None:
                return answer
            self._showed_life(asked)
            try:
                await self._until(go_at, call.place)
            except asyncio.CancelledError:
                self._give_back((answer, go_at))
                raise
            if self.still_holds():
                return answer
            # It stood still for so long that another may hold the key by now.
            await self.settle(permit, 0)

    def still_holds(self) -> bool:
        """Tell whether the claims of this process surely hold: ask right before a send.

        False: it showed no life for so long that it may have been taken for dead.
        """
        silent_s = clock.monotonic() - self._seen
        return silent_s < self._dead_after_s - min(1.0, self._dead_after_s / 10)

    async def settle(
        self, permit: SharedPermit, bill_nano: int | None, row: StoreRow | None = None
    ) -> Outcome:
        """Close an attempt: book its bill, and keep its reply, if it brought one.

        A bill of None is unknown, and counts at the worst case. It goes on when its
        caller is cancelled. Raises `StoreError`: then the row belongs in the outbox.
        """
        closing = self._settling.ask(Closing(permit, bill_nano, row))
        task = asyncio.ensure_future(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        outcome = await asyncio.shield(task)
        self.paid_twice += outcome == "twice"
        return outcome

    @property
    def tasks(self) -> set[asyncio.Task[Any]]:
        """The tasks that must not be cancelled: `close` ends them."""
        groups = (self._admitting.task, self._settling.task)
        sending = {task for task in groups if task is not None}
        return {*sending, *self._pulse, *self._returning, *self._closing}

    async def pause(self, place: str, seconds: float) -> None:
        """Let no call of a place go for so many seconds (180 at most), anywhere."""
        until = clock.monotonic() + seconds
        self._paused[place] = max(until, self._paused.get(place, until))
        await self._looks.rows("pause", ("text", "double precision"), place, seconds)

    async def known(self, keys: Iterable[str]) -> dict[str, StoreRow]:
        """Return the stored replies among keys, in groups of `KEYS_AT_ONCE`."""
        asked, found = list(dict.fromkeys(keys)), {}
        for start in range(0, len(asked), KEYS_AT_ONCE):
            group = [bytes.fromhex(key) for key in asked[start : start + KEYS_AT_ONCE]]
            for key, *rest in await self._looks.query(
                "SELECT key, identity, request, reply FROM {schema}.replies "
                "WHERE key = ANY (%s::bytea[])",
                (group,),
            ):
                found[key.hex()] = store_row_of(key.hex(), *rest)
        return found

    async def reply_of_other(
        self, key: str, since: float | None = None
    ) -> StoreRow | None:
        """Wait for the reply that another attempt is paying for.

        None: it came to nothing, or its process died, so the key is free again. Raises
        `StoreError`.
        """
        if not await self._waited.wait((key, since)):
            return None
        return (await self.known([key])).get(key)

    async def keep(self, rows: Sequence[StoreRow]) -> int:
        """Store replies that were paid for elsewhere (an outbox); returns the new ones.

        Of two for one key the first stays. Raises `StoreError`.
        """
        new = 0
        for start in range(0, len(rows), KEYS_AT_ONCE):
            columns = columns_of(rows[start : start + KEYS_AT_ONCE])
            ((count,),) = await self._looks.rows("keep", KEEP, *columns)
            new += count
        return new

    @property
    def waiting_since(self) -> float | None:
        """Since when the database is away (`clock.monotonic()`); None: it is there."""
        links = (self._admits, self._settles, self._looks)
        return min(
            (link.waiting_since for link in links if link.waiting_since is not None),
            default=None,
        )

    async def close(self) -> None:
        """End what is under way, leave the run, and disconnect."""
        self._waited.close()
        await self._admitting.finish()
        await asyncio.gather(*self._returning, return_exceptions=True)
        await self._settling.finish()
        for task in self._pulse:
            task.cancel()
        await asyncio.gather(*self._pulse, return_exceptions=True)
        with contextlib.suppress(LadderError):  # it will be reaped
            await self._looks.rows("leave", ("uuid",), self._member, patiently=False)
        await self._disconnect()

    async def _disconnect(self) -> None:
        for link in (self._admits, self._settles, self._looks):
            await link.close()

    async def _join(self, *, patiently: bool = True) -> tuple[float, int | None]:
        """Enter this process among the members; returns the time and the run's cap."""
        sent = clock.monotonic()
        casts = ("uuid", "text", "text", "integer", "integer", "bigint")
        who = (self._member, self._run, socket.gethostname(), os.getpid())
        ((version, oldest, beat_s, dead_after_s, now, cap),) = await self._looks.rows(
            "join_run", casts, *who, CLIENT, self._cap_nano, patiently=patiently
        )
        check_release(self.address, version, oldest)
        self._beat_s, self._dead_after_s = beat_s, dead_after_s
        self._showed_life(sent)
        return now.timestamp(), cap

    async def standing(self) -> tuple[LedgerSums, ...]:
        """Return the sums of the run's ledgers. Raises `ConfigError` if one lacks."""
        sums = await self._looks.rows(
            "standing", ("text[]", "text"), self._ledgers, self._run
        )
        for name in set(self._ledgers) - {row[0] for row in sums}:
            raise ConfigError(
                f"The shared store {self.address.name} has no ledger {name!r}; its "
                f"owner makes it by `pytest-ladder budget set {name} --usd 500 --per "
                "month`."
            )
        return tuple(LedgerSums(*row) for row in sums)

    async def _admit(self, group: list[Entering]) -> list[tuple[Admission, float]]:
        # One statement has one set of ledgers, which most runs have.
        together: defaultdict[tuple[str, ...], list[Entering]] = defaultdict(list)
        for entering in group:
            ledgers = entering.call.ledgers
            together[tuple(self._ledgers) if ledgers is None else ledgers].append(
                entering
            )
        answers: dict[int, tuple[Admission, float]] = {}
        for ledgers, some in together.items():
            rows = await self._admits.rows(
                "admit", ADMIT, self._member, list(ledgers), *admit_values(some)
            )
            now = clock.monotonic()
            for (call, ticket), said in zip(some, admitted(some, rows), strict=True):
                if said.paused_s:
                    until = now + said.paused_s
                    known = self._paused.get(call.place, until)
                    self._paused[call.place] = max(until, known)
                answers[ticket] = (said.admission, now + said.go_s)
        return [answers[ticket] for _, ticket in group]

    async def _settle(self, group: list[Closing]) -> list[Outcome]:
        values = settle_values(group)
        return in_order(
            await self._settles.rows("settle", SETTLE, self._member, *values)
        )

    async def _until(self, go_at: float, place: str) -> None:
        """Wait for a call's time to go, and for the end of pauses."""
        while True:
            until = max(go_at, self._paused.get(place, go_at))
            left_s = until - clock.monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(min(left_s, _LONGEST_SLEEP_S))

    def _give_back(self, answer: tuple[Admission, float]) -> None:
        """Close an attempt that nobody will make."""
        permit = answer[0].permit
        if permit is not None:
            task = asyncio.ensure_future(self.settle(permit, 0))
            self._returning.add(task)
            task.add_done_callback(self._returned)

    async def _look(self, waited: Sequence[Waited]) -> list[str]:
        keys = [bytes.fromhex(key) for key, _ in waited]
        since = [time_of(since) for _, since in waited]
        return in_order(
            await self._looks.rows("look", ("bytea[]", "timestamptz[]"), keys, since)
        )

    async def _beat(self) -> None:
        sent = clock.monotonic()
        ((is_member,),) = await self._looks.rows("beat", ("uuid",), self._member)
        if not is_member:
            await self._join()
        self._showed_life(sent)

    def _showed_life(self, at: float) -> None:
        self.stood_still_s = max(self.stood_still_s, at - self._seen)
        self._seen = max(self._seen, at)

    async def _reap(self) -> None:
        await self._looks.rows("reap", ())

    def _returned(self, task: asyncio.Task[Outcome]) -> None:
        self._returning.discard(task)
        if not task.cancelled():
            task.exception()  # a database that is lost is told by what needs it


async def _again(every_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do something again and again, until it is cancelled."""
    while True:
        await asyncio.sleep(every_s)
        # Who admits or settles is told of a lost database; it may come back.
        with contextlib.suppress(LadderError):
            await work()
