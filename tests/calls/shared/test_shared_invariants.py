"""A state machine: whatever fails, ledger, claims and replies are what they must be.

A model of the ledger in the test says after each step what the database must hold. The
faults are real: a proxy that resets connections or swallows answers (so that statements
run twice), a server that is killed and recovers, members that die or stand still.
`LADDER_HISTORIES=1000` makes it a long run, of so many histories.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pytest_ladder import clock
from pytest_ladder.calls.shared import install
from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.link import DatabaseLink
from pytest_ladder.calls.shared.room import SharedRoom
from pytest_ladder.calls.shared.words import SharedPermit
from tests.calls.shared.calls_made import PLACE, call, key_of, row
from tests.calls.shared.proxy import Proxy
from tests.postgres_server import (
    Database,
    GivenServer,
    PostgresServer,
    copy_of_template,
    make_template,
)

HISTORIES = int(os.environ.get("LADDER_HISTORIES", "15"))
CAP, TEAM_CAP, CEILING = 2_000, 3_000, 6
# Shrinking takes minutes, as each step asks a real server: by hand, for a failure.
PHASES = set(Phase) if "LADDER_SHRINK" in os.environ else {Phase.generate}
ROOMS = st.integers(0, 2)
KEYS = st.integers(0, 7)
COUNTED = {"histories": 0, "steps": 0, "faults": 0}


@dataclass
class Attempt:
    """One attempt that was let in, as the model sees it."""

    permit: SharedPermit
    number: int
    room: int
    member: object
    asked: int
    state: str = "open"
    """`open`, `reaped` (booked at its worst case), or `closed`."""


class Machine(RuleBasedStateMachine):
    database: Database
    offset = 0.0
    """Seconds that the clock of the clients is off."""

    def __init__(self) -> None:
        super().__init__()
        COUNTED["histories"] += 1
        self.runner = asyncio.Runner()
        self.owner = self._connected()
        self.owner.execute(
            "TRUNCATE replies, replaced, members, calls, reaped, caps, ledgers, places,"
            " spend, waste"
        )
        install.set_cap(self.database.owner, "team", TEAM_CAP, per="ever")
        self.attempts: list[Attempt] = []
        self.stored: dict[int, str] = {}
        self.lapsed: set[object] = set()
        self.settled = self.excess = 0
        self.dearest, self.ratio = 0, 1.0
        self.bills: dict[int, int] = {}
        """What the provider bills for each attempt; unknown: its worst case."""
        self.said = 0
        self.crashes = 0
        self.unheard: set[int] = set()
        """Rooms whose next settlement gets no answer."""
        self.cut: set[int] = set()
        """Rooms that would settle over a connection that is gone, and do not know."""
        self.run(self._open_all())

    # What the world does.

    @rule(
        at=ROOMS,
        numbers=st.lists(KEYS, min_size=1, max_size=5, unique=True),
        worst=st.sampled_from([1, 100, 250, 700]),
    )
    def admit(self, at: int, numbers: list[int], worst: int) -> None:
        room = self.rooms[at]

        async def ask() -> list[Any]:
            calls = (room.admit(call(n, worst_nano=worst)) for n in numbers)
            return await asyncio.gather(*calls)

        answers = self.run(ask())
        self.lapsed.discard(self.member(at))
        for number, answer in zip(numbers, answers, strict=True):
            reserved = worst
            if self.dearest:
                reserved = max(worst, self.dearest, math.ceil(worst * self.ratio))
            assert answer.verdict == self.expected(number, reserved), number
            if answer.permit is not None:
                assert answer.permit.reserved_nano == reserved
                fences = [attempt.permit.fence for attempt in self.attempts]
                assert answer.permit.fence not in fences
                self.attempts.append(
                    Attempt(answer.permit, number, at, self.member(at), worst)
                )
            if answer.verdict == "stored":
                assert answer.reply == row(number, self.stored[number])

    @precondition(lambda self: self.under_way())
    @rule(
        which=st.integers(0, 1_000),
        bill=st.sampled_from(["nothing", "half", "all", "more", "unknown"]),
        replied=st.booleans(),
        times=st.sampled_from([1, 1, 1, 2]),
    )
    def settle(self, which: int, bill: str, replied: bool, times: int) -> None:
        living = self.under_way()
        attempt = living[which % len(living)]
        reserved = attempt.permit.reserved_nano
        cost = {
            "nothing": 0,
            "half": reserved // 2,
            "all": reserved,
            "more": reserved + 30,
            "unknown": None,
        }[bill]
        self.said += 1
        text = f"said {self.said}"
        reply = row(attempt.number, text) if replied else None
        room = self.rooms[attempt.room]
        for _ in range(times):
            outcome = self.run(room.settle(attempt.permit, cost, reply))
            self.cut.discard(attempt.room)
            expected = self.settled_as(attempt, cost, text if replied else None)
            if attempt.room in self.unheard:
                # It was done, nobody heard of it, and it was asked again.
                self.unheard.discard(attempt.room)
                expected = "known"
            assert outcome == expected
            COUNTED[outcome] = COUNTED.get(outcome, 0) + 1

    @rule(at=ROOMS)
    def reap(self, at: int) -> None:
        self.run(self.rooms[at]._reap())
        self._bury()

    @rule(at=ROOMS, is_noticed=st.booleans())
    def stand_still(self, at: int, is_noticed: bool) -> None:
        """Time passes in which a process shows no life; another may notice it."""
        COUNTED["faults"] += 1
        member = self.member(at)
        self.owner.execute(
            "UPDATE members SET seen = seen - interval '1 day' WHERE id = %s", (member,)
        )
        self.lapsed.add(member)
        if is_noticed:
            self.reap((at + 1) % 3)

    @precondition(lambda self: self.under_way("open"))
    @rule(which=st.integers(0, 1_000))
    def stand_still_and_settle(self, which: int) -> None:
        """A process is taken for dead in the middle of a call, and goes on after it."""
        still = self.under_way("open")
        attempt = still[which % len(still)]
        self.stand_still(attempt.room, is_noticed=True)
        self.settle(self.under_way().index(attempt), "half", replied=True, times=1)

    @rule(at=ROOMS)
    def die(self, at: int) -> None:
        """A process is killed; another one comes."""
        self.stand_still(at, is_noticed=False)
        self.run(self._replace(at))
        self.unheard.discard(at)
        self.cut.discard(at)

    @rule(at=ROOMS)
    def beat(self, at: int) -> None:
        self.run(self.rooms[at]._beat())
        self.lapsed.discard(self.member(at))

    @rule(at=ROOMS)
    def lose_connections(self, at: int) -> None:
        COUNTED["faults"] += 1
        self.proxies[at].reset()
        self.unheard.discard(at)
        self.cut.add(at)

    @rule(at=ROOMS)
    def lose_answers(self, at: int) -> None:
        """What is asked next is done, and nobody hears of it."""
        COUNTED["faults"] += 1
        self.proxies[at].mute()
        if self.settles[at]._connection is not None and at not in self.cut:
            self.unheard.add(at)

    @rule(seconds=st.floats(-1e5, 1e5))
    def set_clock(self, seconds: float) -> None:
        type(self).offset = seconds

    @precondition(
        lambda self: self.crashes < 1 and not isinstance(self.server, GivenServer)
    )
    @rule(chance=st.integers(0, 4))
    def crash(self, chance: int) -> None:
        if chance:
            return
        COUNTED["faults"] += 1
        self.crashes += 1
        self.unheard.clear()
        self.cut.update(range(3))
        self.server.crash()
        self.server.start()
        self.owner.close()
        self.owner = self._connected()

    # What must hold.

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        COUNTED["steps"] += 1
        open_now = {a.permit.fence: a for a in self.attempts if a.state == "open"}
        reserved = sum(a.permit.reserved_nano for a in open_now.values())
        sums = (self.settled, reserved, self.excess)
        found = self.ask("SELECT name, settled, reserved, excess FROM ledgers")
        for name in ("run:a run", "team") if self.attempts or found else ():
            ledger = next((rest for n, *rest in found if n == name), [0, 0, 0])
            assert tuple(ledger) == sums, name
        assert self.settled + reserved - self.excess <= CAP
        calls = self.ask("SELECT key, fence, member FROM calls")
        assert {fence for _, fence, _ in calls} == set(open_now)
        assert len({key for key, _, _ in calls}) == len(calls)
        for key, fence, member in calls:
            assert key.hex() == open_now[fence].permit.key
            assert member == open_now[fence].member
        replies = dict(self.ask("SELECT key, reply FROM replies"))
        assert replies == {
            bytes.fromhex(key_of(number)): row(number, text)[3].encode()
            for number, text in self.stored.items()
        }
        ((inflight,),) = self.ask("SELECT inflight FROM places")
        assert inflight == len(open_now)
        spent = dict(self.ask("SELECT ledger, sum(nano)::bigint FROM spend GROUP BY 1"))
        assert spent.get("team", 0) == spent.get("run:a run", 0) == self.settled
        assert sum(self.bills.values()) == self.settled

    def teardown(self) -> None:
        type(self).offset = 0.0
        self.run(self._close_all())
        self.runner.close()
        self.owner.close()

    # The model.

    def expected(self, number: int, reserved: int) -> str:
        if number in self.stored:
            return "stored"
        open_now = [a for a in self.attempts if a.state == "open"]
        if any(attempt.number == number for attempt in open_now):
            return "held"
        if self.settled + reserved > CAP:
            return "over"
        held = sum(attempt.permit.reserved_nano for attempt in open_now)
        if self.settled + held + reserved > CAP or len(open_now) >= CEILING:
            return "wait"
        return "go"

    def settled_as(self, attempt: Attempt, cost: int | None, text: str | None) -> str:
        """Book a settlement in the model, and return what the database must say."""
        reserved, before = attempt.permit.reserved_nano, attempt.state
        attempt.state = "closed"
        if before != "closed":
            bill = reserved if cost is None else cost
            self.settled += bill - (reserved if before == "reaped" else 0)
            self.bills[attempt.permit.fence] = bill
            if bill > reserved:
                self.excess += bill - reserved
                self.dearest = max(self.dearest, bill)
                self.ratio = max(self.ratio, bill / attempt.asked)
        is_first = text is not None and attempt.number not in self.stored
        if text is not None and is_first:
            self.stored[attempt.number] = text
        if before == "closed":
            return "known"
        if text is not None and not is_first:
            return "twice"
        return "late" if before == "reaped" else "settled"

    def under_way(self, *states: str) -> list[Attempt]:
        """Return the attempts of living processes, of all states or of some."""
        return [
            attempt
            for attempt in self.attempts
            if attempt.member == self.member(attempt.room)
            and (not states or attempt.state in states)
        ]

    def _bury(self) -> None:
        for attempt in self.attempts:
            if attempt.state == "open" and attempt.member in self.lapsed:
                attempt.state = "reaped"
                self.settled += attempt.permit.reserved_nano
                self.bills[attempt.permit.fence] = attempt.permit.reserved_nano
        self.lapsed.clear()

    # The parts.

    @property
    def server(self) -> PostgresServer:
        return self.database.server

    @property
    def settles(self) -> list[DatabaseLink]:
        return [room._settles for room in self.rooms]

    def member(self, at: int) -> object:
        return self.rooms[at]._member

    def run(self, work: Any) -> Any:
        async def awaited() -> Any:
            return await asyncio.wait_for(work, 60)

        return self.runner.run(awaited())

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self.owner.execute(query).fetchall()

    def _connected(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self.database.owner_url, autocommit=True)
        connection.execute("SET search_path = ladder")
        return connection

    async def _open_all(self) -> None:
        self.proxies = [Proxy(self.server.port) for _ in range(3)]
        self.rooms = []
        for proxy in self.proxies:
            await proxy.open()
            self.rooms.append(await self._opened(proxy))

    async def _opened(self, proxy: Proxy) -> SharedRoom:
        url = urlsplit(self.database.worker_url)
        netloc = f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"
        address = SharedAddress(
            urlunsplit(url._replace(netloc=netloc)), "ladder", variable="STORE_URL"
        )
        room = SharedRoom(address, "a run", ledgers=["team"], answer_s=0.4)
        await room.open(CAP)
        # Nobody beats or reaps by himself: the machine says what happens.
        await _still(room)
        await room.open_place(PLACE, ceiling=CEILING)
        return room

    async def _replace(self, at: int) -> None:
        await self._kill(self.rooms[at])
        self.rooms[at] = await self._opened(self.proxies[at])

    async def _kill(self, room: SharedRoom) -> None:
        """End a room as a killed process does: it says nothing to the database."""
        await _still(room)
        for link in (room._admits, room._settles, room._looks):
            await link.close()

    async def _close_all(self) -> None:
        for room in self.rooms:
            await self._kill(room)
        for proxy in self.proxies:
            await proxy.close()


async def _still(room: SharedRoom) -> None:
    for task in room._pulse:
        task.cancel()
    await asyncio.gather(*room._pulse, return_exceptions=True)


@pytest.fixture
def fragile(postgres: PostgresServer) -> Iterator[Database]:
    """A database in a server of its own, which may be killed."""
    if isinstance(postgres, GivenServer):
        database = copy_of_template(postgres)
        yield database
        database.drop()
        return
    server = PostgresServer.make()
    try:
        make_template(server, beat_s=86_400, dead_after_s=43_200)
        yield copy_of_template(server)
    finally:
        server.remove()


def what_chance_may_leave_out() -> None:
    """Go through one short history, whatever the others are."""
    machine = Machine()
    try:
        machine.admit(at=0, numbers=[0, 1], worst=100)
        machine.stand_still_and_settle(0)
        machine.everything_is_as_the_model_says()
        machine.lose_connections(at=0)
        machine.lose_answers(at=0)
        machine.settle(1, "all", replied=True, times=2)
        machine.everything_is_as_the_model_says()
    finally:
        machine.teardown()


def test_the_ledger_is_exact_whatever_fails(
    fragile: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = clock.monotonic
    monkeypatch.setattr(clock, "monotonic", lambda: right() + Machine.offset)
    monkeypatch.setattr(Machine, "database", fragile, raising=False)
    what_chance_may_leave_out()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=HISTORIES,
            phases=PHASES,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert COUNTED["histories"] >= min(HISTORIES, 10)
    assert COUNTED["faults"] > 0
    assert COUNTED["late"] > 0, "no process that stood still has settled late"
    print(COUNTED)  # noqa: T201 - for the long run: `pytest -s`
