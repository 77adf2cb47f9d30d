"""Rooms in processes of their own, of each side that there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.calls.coordinator.room_process import SIDES, RoomProcess

Opens = Callable[..., RoomProcess]


@pytest.fixture(params=sorted(SIDES))
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opens]:
    """Opens one more process of the same place, with what the engine is set to."""
    opened: list[RoomProcess] = []

    def opens(**settings: Any) -> RoomProcess:
        opened.append(RoomProcess(request.param, tmp_path, settings))
        return opened[-1]

    yield opens
    for one in opened:
        one.end()
