"""Tests let calls under way go first, and wait for nothing else."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from pytest_ladder import clock
from tests.calls.engine.engine_under_test import Desk
from tests.scripted_server import ScriptedServer


@pytest.mark.skipif(sys.platform == "win32", reason="nobody gives way there")
def test_an_engine_is_idle_unless_its_loop_has_something_to_do(
    desk: Desk, server: ScriptedServer
) -> None:
    calls = desk.engine.calls
    assert calls.idleness.rests(), "before its first call"
    assert not desk.ask().replayed
    assert calls.idleness.wait(0.0, 10), "while it waits for the next"
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(10)

    assert calls._loop is not None
    calls._loop.call_soon_threadsafe(work)
    assert begun.wait(10)
    assert not calls.idleness.rests(), "while its loop works"
    go_on.set()
    assert calls.idleness.wait(0.0, 10)
    desk.engine.close()
    assert calls.idleness.rests(), "when it is closed"


@pytest.mark.skipif(sys.platform == "win32", reason="nobody gives way there")
def test_a_loop_that_never_rests_leaves_the_tests_half_of_the_time(desk: Desk) -> None:
    assert not desk.ask().replayed
    begun = clock.monotonic()
    desk.engine.give_way(10)
    assert clock.monotonic() - begun < 5, "it rests now"
    at_work, ended = threading.Event(), threading.Event()

    async def work() -> None:
        at_work.set()
        while not ended.is_set():
            await asyncio.sleep(0)

    working = desk.engine.on_loop(work())
    assert at_work.wait(10)
    try:
        begun = clock.monotonic()
        desk.engine.give_way(0.2)
        waited_s = clock.monotonic() - begun
        desk.engine.give_way(0.2)
        at_once_s = clock.monotonic() - begun - waited_s
    finally:
        ended.set()
    working.result(10)
    assert waited_s >= 0.2
    assert at_once_s < 0.1


def test_the_loop_is_of_the_kind_that_the_user_has_chosen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Chosen(asyncio.SelectorEventLoop):
        """As uvloop's, it may not work with another selector."""

    monkeypatch.setattr(asyncio, "new_event_loop", Chosen)
    assert not desk.ask().replayed
    calls = desk.engine.calls
    assert isinstance(calls._loop, Chosen)
    assert calls.idleness.rests(), "nobody gives way to it"
