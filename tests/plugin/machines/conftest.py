from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugin.machines.machine import Machine, costs
from tests.postgres_fixtures import database, postgres  # noqa: F401
from tests.postgres_server import Database
from tests.scripted_server import ScriptedServer

Machines = Callable[..., Machine]


@pytest.fixture
def machine(
    tmp_path: Path,
    server: ScriptedServer,
    database: Database,  # noqa: F811
) -> Machines:
    """Makes one more machine, whose role is a worker's."""
    server.reply = costs
    names: list[str] = []

    def made(cases: int = 40, url: str = database.worker_url) -> Machine:
        names.append(f"machine {len(names)}")
        return Machine(tmp_path / names[-1], server, url, cases)

    return made
