"""Limits: calls at once, requests and tokens a minute, in one process and several."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_ladder import clock
from pytest_ladder.calls.contract import EngineSettings, Request
from pytest_ladder.calls.coordinator import CallPlace, Go, Wait, WantedCall
from pytest_ladder.calls.one_machine.limits import SharedMinute, Slots
from pytest_ladder.calls.one_machine.room import Room
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.window import Window
from pytest_ladder.core.rung import Model, Tier
from tests.calls.engine.engine_under_test import Desk, start_process
from tests.scripted_server import ScriptedServer

T = TypeVar("T")


class Clock(selectors.DefaultSelector):
    """A clock, and a loop that moves it to the next thing to do instead of waiting.

    So what waits for a second takes none, and for as long as it should, however busy
    the machine is. It is for what only sleeps: no thread and no socket moves it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self._runner = asyncio.Runner(loop_factory=self._loop)

    def select(self, timeout: float | None = None) -> list[Any]:
        self.now += timeout or 0.0
        return super().select(0)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def end(self) -> None:
        self._runner.close()

    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop(self)
        loop.time = lambda: self.now  # type: ignore[method-assign]
        return loop


@pytest.fixture
def leaping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(clock, "monotonic", lambda: made.now)
    yield made
    made.end()


class Limiter:
    """A window in front of the limits of its place, as the caller has them."""

    def __init__(
        self, ceiling: int, rpm: float | None = None, tpm: float | None = None
    ) -> None:
        nowhere = Path("a run without files")
        settings = EngineSettings(folder=nowhere, owner_pid=os.getpid())
        model = Model(name="bot", tier=Tier.OFF_THE_SHELF, id="openai/bot")
        self.window = Window(ceiling)
        self._room = Room(settings, lambda *_: None)
        place = CallPlace("bot", ceiling, rpm, tpm)
        request = Request(model=model, messages=[])
        self._wanted = WantedCall(request, Archive(nowhere), "", place, 1)

    @contextlib.asynccontextmanager
    async def slot(self, tokens: int) -> AsyncIterator[None]:
        await self.window.enter()
        try:
            wanted = self._wanted._replace(tokens=tokens)
            while isinstance(admitted := await self._room.admit(wanted), Wait):
                await asyncio.sleep(admitted.seconds)
            assert isinstance(admitted, Go)
            yield
            await self._room.settle(admitted, 0.0)
        finally:
            self.window.leave()

    def overloaded(self, retry_after_s: float | None) -> None:
        pause_s = self.window.overloaded(clock.monotonic(), retry_after_s)
        asyncio.run(self._room.pause(self._wanted.place, pause_s))


@contextlib.asynccontextmanager
async def holding(slots: Slots) -> AsyncIterator[None]:
    lock = await slots.take()
    try:
        yield
    finally:
        slots.give_back(lock)


def test_it_starts_modest_and_grows_with_every_success() -> None:
    limiter = Window(100)
    assert limiter.size == 50
    for _ in range(20):
        limiter.succeeded()
    assert limiter.size == 70
    for _ in range(100):
        limiter.succeeded()
    assert limiter.size == 100


@pytest.mark.parametrize(
    ("ceiling", "start"), [(1, 1), (4, 4), (10, 8), (32, 16), (200, 100)]
)
def test_the_start_depends_on_the_ceiling(ceiling: int, start: int) -> None:
    assert Window(ceiling).size == start


def test_it_starts_with_all_that_the_user_says_is_fine() -> None:
    assert Window(100, declared=True).size == 100


def test_processes_share_the_limits_per_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    mine, theirs = (SharedMinute(tmp_path / "m.sqlite", 4, 100) for _ in range(2))
    assert [one.admit(10) for one in (mine, theirs, mine, theirs)] == [0, 0, 0, 0]
    waits = [mine.admit(10), theirs.admit(10)]
    assert all(0 < wait_s <= 60 for wait_s in waits)
    now += 60.1
    assert theirs.admit(90) == 0
    # Tokens, not requests, stand in the way now.
    assert mine.admit(20) > 0
    assert mine.admit(10) == 0


def test_a_pause_holds_for_all_processes(tmp_path: Path) -> None:
    mine, theirs = (SharedMinute(tmp_path / "m.sqlite", None, None) for _ in range(2))
    assert theirs.admit(1) == 0
    mine.pause(5)
    mine.pause(1)
    assert 4 < theirs.admit(1) <= 5


def test_a_round_of_refusals_halves_once() -> None:
    limiter = Window(64)
    sent = time.monotonic()
    for _ in range(10):
        limiter.overloaded(sent, None)
    assert limiter.size == 16
    limiter.overloaded(time.monotonic(), None)
    assert limiter.size == 8


def test_it_never_goes_below_one() -> None:
    limiter = Window(2)
    for _ in range(5):
        limiter.overloaded(time.monotonic(), None)
    assert limiter.size == 1


async def _passes_after_s(limiter: Limiter, tokens: int = 1) -> float:
    begun = clock.monotonic()
    async with limiter.slot(tokens):
        return clock.monotonic() - begun


def test_refused_one_at_a_time_everybody_pauses(leaping: Clock) -> None:
    limiter = Limiter(1)
    waited = []
    for _ in range(3):
        limiter.overloaded(None)
        waited.append(leaping.run(_passes_after_s(limiter)))
    assert waited == pytest.approx([0.5, 1.0, 2.0])
    limiter.window.succeeded()
    assert leaping.run(_passes_after_s(limiter)) == 0
    limiter.overloaded(None)
    assert leaping.run(_passes_after_s(limiter)) == pytest.approx(0.5)


def test_retry_after_holds_everybody_back_but_never_for_an_hour(leaping: Clock) -> None:
    limiter = Limiter(4)
    limiter.overloaded(7.0)
    assert leaping.run(_passes_after_s(limiter)) == pytest.approx(7.0)
    limiter.overloaded(3600.0)
    assert leaping.run(_passes_after_s(limiter)) == 0


@pytest.mark.parametrize(
    ("rpm", "tpm"), [(5, None), (None, 50), (5, 1000), (100, 50)], ids=str
)
def test_no_minute_holds_more_than_its_limit(
    rpm: float | None, tpm: float | None, leaping: Clock
) -> None:
    limiter = Limiter(50, rpm=rpm, tpm=tpm)

    async def call() -> float:
        async with limiter.slot(10):
            return clock.monotonic()

    async def run() -> list[float]:
        return sorted(await asyncio.gather(*(call() for _ in range(15))))

    granted = leaping.run(run())
    for first, sixth in zip(granted, granted[5:], strict=False):
        assert sixth - first >= 60
    # Who waits asks again after a second at most.
    assert granted[-1] - granted[0] <= 122


def test_a_call_above_the_limit_goes_alone(leaping: Clock) -> None:
    limiter = Limiter(4, tpm=10)
    assert leaping.run(_passes_after_s(limiter, tokens=100)) == 0
    assert leaping.run(_passes_after_s(limiter, tokens=100)) == pytest.approx(60)


def test_first_come_first_served() -> None:
    limiter = Limiter(2)
    order: list[int] = []

    async def call(number: int) -> None:
        async with limiter.slot(1):
            order.append(number)
            await asyncio.sleep(0.001)

    async def run() -> None:
        await asyncio.gather(*(call(number) for number in range(20)))

    asyncio.run(run())
    assert order == list(range(20))


def test_who_is_cancelled_while_waiting_keeps_no_place() -> None:
    async def run() -> None:
        limiter = Limiter(1)
        async with limiter.slot(1):
            waiting = [asyncio.create_task(_passes_after_s(limiter)) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
        # This one has just been given the place.
        waiting[1].cancel()
        await asyncio.wait_for(waiting[2], 10)
        assert limiter.window.in_use == 0

    asyncio.run(run())


def test_the_server_never_sees_more_at_once_than_allowed(
    desk: Desk, server: ScriptedServer
) -> None:
    # Longer than a busy machine takes between two calls that it sends.
    server.latency_s = 0.1
    desk.ask_many(60, model={"limits": {"concurrency": 5}})
    assert server.peak == 5
    desk.start_anew(concurrency=3, refresh=True)
    server.peak = 0
    desk.ask_many(30, model={"limits": {"concurrency": 5}})
    assert server.peak == 3


def test_two_models_do_not_wait_for_each_other(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s = 0.2
    slow = {"name": "slow", "id": "openai/slow", "limits": {"concurrency": 1}}
    crowd = [desk.submit(f"question {n}", model=slow) for n in range(40)]
    begun = time.monotonic()
    desk.ask()
    assert time.monotonic() - begun < 7, "the crowd takes 8 s"
    assert sum(future.done() for future in crowd) < 20


def test_models_of_one_name_have_limits_of_their_own(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s = 0.02
    desk.ask("one", model={"limits": {"concurrency": 1}})
    desk.ask_many(20, model={"id": "openai/other", "limits": {"concurrency": 4}})
    assert server.peak == 4


def test_a_slot_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    mine, theirs = Slots(tmp_path, 2), Slots(tmp_path, 2)

    async def run() -> None:
        async with holding(mine), holding(theirs):
            late = asyncio.create_task(_held(mine))
            later = asyncio.create_task(_held(theirs))
            await asyncio.sleep(0.03)
            assert not late.done()
            assert not later.done()
        await asyncio.wait_for(asyncio.gather(late, later), 10)

    asyncio.run(run())


def test_a_process_with_work_keeps_its_share_and_no_more(tmp_path: Path) -> None:
    mine, theirs = (Slots(tmp_path, 4, processes=2) for _ in range(2))

    async def run() -> int:
        async with holding(mine):
            # Two calls come and go beside the one under way: one place of it is kept.
            await asyncio.gather(_held(mine), _held(mine))
            taken = [asyncio.create_task(_stays(theirs)) for _ in range(4)]
            async with asyncio.timeout(10):
                while len(stayed) < 2:
                    await asyncio.sleep(0.01)
            # A third would come in this time.
            await asyncio.sleep(0.05)
            at_work = sum(theirs_task.done() for theirs_task in taken)
        await asyncio.wait_for(asyncio.gather(*taken), 10)
        return at_work

    stayed: list[object] = []

    async def _stays(slots: Slots) -> None:
        stayed.append(await slots.take())

    assert asyncio.run(run()) == 2
    assert len(stayed) == 4


async def _held(slots: Slots) -> None:
    async with holding(slots):
        pass


def test_waiting_for_a_slot_costs_next_to_nothing(tmp_path: Path) -> None:
    mine, theirs = Slots(tmp_path, 32), Slots(tmp_path, 32)

    async def run() -> float:
        held = [await theirs.take() for _ in range(32)]
        waiting = [asyncio.create_task(_held(mine)) for _ in range(32)]
        begun = time.process_time()
        await asyncio.sleep(0.5)
        spent = time.process_time() - begun
        for lock in held:
            theirs.give_back(lock)
        await asyncio.wait_for(asyncio.gather(*waiting), 10)
        return spent

    assert asyncio.run(run()) < 0.35


@pytest.mark.processes
def test_processes_share_the_slots_of_a_run(
    tmp_path: Path, server: ScriptedServer
) -> None:
    server.latency_s = 0.01
    settings = {"shared": str(tmp_path / "run"), "workers": 2, "concurrency": 1}
    started = [
        start_process(tmp_path / name, server.api_base, 15, **settings)
        for name in ("one", "two")
    ]
    for process in started:
        process.communicate(timeout=30)
    assert [process.returncode for process in started] == [0, 0]
    assert (server.count, server.peak) == (30, 1)
