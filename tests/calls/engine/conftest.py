"""A scripted server, and a desk with an engine that calls it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_ladder.calls import retries, window
from tests.calls.engine.engine_under_test import Desk
from tests.scripted_server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, server: ScriptedServer) -> Iterator[Desk]:
    with Desk(tmp_path, server.api_base) as desk:
        yield desk


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds, as many as ever."""
    monkeypatch.setattr(retries, "_FIRST_PAUSE_S", 0.002)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(window, "_PAUSE_S", 0.002)
    monkeypatch.setattr(window, "_LONGEST_PAUSE_S", 0.02)
