"""A PostgreSQL for a session, and a database for a test."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.postgres_server import (
    VARIABLE,
    Database,
    GivenServer,
    PostgresServer,
    binaries,
    copy_of_template,
    make_template,
)


# Under xdist all workers share one cluster: the first makes it, the last removes it.
@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    given = os.environ.get(VARIABLE)
    if not given and binaries() is None:
        reason = f"no PostgreSQL: apt-get install postgresql, or set {VARIABLE}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    note = shared / "postgres.json"
    with FileLock(f"{note}.lock"):
        server = _joined(note, given)
    yield server
    with FileLock(f"{note}.lock"):
        known = json.loads(note.read_text())
        known["users"] -= 1
        note.write_text(json.dumps(known))
        if known["users"] == 0:
            note.unlink()
            server.remove()


def _joined(note: Path, given: str | None) -> PostgresServer:
    known: dict[str, Any] = {"users": 0, "folder": "", "port": 0}
    if note.exists():
        known = json.loads(note.read_text())
    server = (
        GivenServer(given)
        if given
        else PostgresServer(Path(known["folder"]), known["port"])
    )
    if known["users"] == 0:
        if not given:
            server = PostgresServer.make()
        try:
            make_template(server)
        except BaseException:
            server.remove()
            raise
    users = known["users"] + 1
    note.write_text(
        json.dumps({"users": users, "folder": str(server.folder), "port": server.port})
    )
    return server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    made = copy_of_template(postgres)
    yield made
    made.drop()
