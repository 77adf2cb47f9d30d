"""Rooms in processes of their own, of each side that there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.calls.coordinator.room_process import MACHINES, ONE, RoomProcess
from tests.postgres_fixtures import database, postgres  # noqa: F401

Opens = Callable[..., RoomProcess]
_PACE = "UPDATE meta SET beat_s = 0.2, dead_after_s = 3"


@pytest.fixture(params=[ONE, pytest.param(MACHINES, marks=pytest.mark.postgres)])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opens]:
    """Opens one more process of the same place, with what the engine is set to."""
    opened: list[RoomProcess] = []
    url = ""
    if request.param == MACHINES:
        shared = request.getfixturevalue("database")
        shared.rows(_PACE)
        url = shared.worker_url

    def opens(**settings: Any) -> RoomProcess:
        opened.append(RoomProcess(request.param, tmp_path, settings, url))
        return opened[-1]

    yield opens
    for one in opened:
        one.end()
