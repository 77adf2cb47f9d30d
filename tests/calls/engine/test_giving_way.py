"""Tests let calls under way go first, and wait for nothing else."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from tests.calls.engine.engine_under_test import Desk
from tests.scripted_server import ScriptedServer


@pytest.mark.skipif(sys.platform == "win32", reason="nobody gives way there")
def test_an_engine_is_idle_unless_its_loop_has_something_to_do(
    desk: Desk, server: ScriptedServer
) -> None:
    calls = desk.engine.calls
    assert calls.idle.is_set(), "before its first call"
    assert not desk.ask().replayed
    assert calls.idle.wait(10), "while it waits for the next"
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(10)

    assert calls._loop is not None
    calls._loop.call_soon_threadsafe(work)
    assert begun.wait(10)
    assert not calls.idle.is_set(), "while its loop works"
    go_on.set()
    assert calls.idle.wait(10)
    desk.engine.close()
    assert calls.idle.is_set(), "when it is closed"


def test_the_loop_is_of_the_kind_that_the_user_has_chosen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Chosen(asyncio.SelectorEventLoop):
        """As uvloop's, it may not work with another selector."""

    monkeypatch.setattr(asyncio, "new_event_loop", Chosen)
    assert not desk.ask().replayed
    calls = desk.engine.calls
    assert isinstance(calls._loop, Chosen)
    assert calls.idle.is_set(), "nobody gives way to it"
