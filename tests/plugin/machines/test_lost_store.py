"""A database, or a machine, that is lost in the middle of a live run."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest

from pytest_ladder.calls.shared.words import nano
from tests.calls.engine.test_never_twice import wait_until
from tests.plugin.machines.conftest import Machines
from tests.plugin.machines.machine import REPLY_USD, ended
from tests.postgres_server import (
    Database,
    PostgresServer,
    copy_of_template,
    make_template,
)
from tests.scripted_server import ScriptedServer

LIVE = ("--ladder-live", "--ladder-concurrency=4", "--ladder-budget=1")
IMPATIENT = """
from pytest_ladder.calls.shared.room import SharedRoom

# What takes a minute takes two seconds here.
SharedRoom.__init__.__kwdefaults__["patience_s"] = 2.0
"""


@pytest.fixture
def own_database() -> Iterator[Database]:
    """A database in a cluster that no other test uses, so that it may crash."""
    server = PostgresServer.make()
    try:
        make_template(server)
        yield copy_of_template(server)
    finally:
        server.remove()


def test_a_database_that_crashes_and_comes_back_loses_nothing(
    machine: Machines, server: ScriptedServer, own_database: Database
) -> None:
    server.latency_s = 0.1
    one = machine(url=own_database.worker_url)
    run = one.start(*LIVE)
    wait_until(lambda: server.count >= 8)
    own_database.server.crash()
    own_database.server.start()
    over = ended(run)
    assert over.counts() == {"passed": 40}, over.said
    assert own_database.rows("SELECT count(*) FROM replies") == [(40,)]
    assert server.count == 40
    (sums,) = own_database.rows("SELECT settled, reserved FROM ledgers")
    assert sums == (nano(40 * REPLY_USD), 0)


def test_a_database_that_stays_away_ends_the_run_and_the_next_one_sends_the_rest(
    machine: Machines, server: ScriptedServer, own_database: Database
) -> None:
    server.latency_s = 0.1
    # A place that the lost run held is free again in so many seconds.
    own_database.rows("UPDATE meta SET beat_s = 0.5, dead_after_s = 5")
    one = machine(url=own_database.worker_url)
    one.write("conftest.py", IMPATIENT)
    run = one.start(*LIVE)
    wait_until(lambda: server.count >= 8)
    own_database.server.crash()
    lost = ended(run)
    paid = server.count
    assert 8 <= paid < 40
    assert lost.code == 1
    # What was paid for is reported, and the rest is an error.
    assert lost.counts()["passed"] == paid
    assert one.matrix()["rungs"][0]["levels"]["cheap"]["n"] == paid
    assert "cannot be reached" in lost.said
    told = re.search(r"(\d+) paid repl\w+ \w+ only here, in (.+?sqlite):", lost.said)
    assert told is not None, lost.said
    assert 1 <= int(told[1]) <= paid
    assert told[2] == str(one.folder / ".ladder/store.sqlite")

    own_database.server.start()
    again = one.run(*LIVE)
    assert again.counts() == {"passed": 40}, again.said
    assert server.count == 40
    assert "only here" not in again.said
    assert own_database.rows("SELECT count(*) FROM replies") == [(40,)]


def test_what_a_killed_machine_held_is_free_for_the_others(
    machine: Machines, server: ScriptedServer, database: Database
) -> None:
    database.rows("UPDATE meta SET beat_s = 0.3, dead_after_s = 3")
    server.latency_s = 30.0
    killed = machine().start(*LIVE)
    wait_until(lambda: server.count >= 4)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=30)
    server.latency_s = 0.0
    run = machine().run("--ladder-live")
    assert run.counts() == {"passed": 40}, run.said
    assert server.count == 44
    # Their calls may be billed, so their worst cases are spent.
    ((unknown,),) = database.rows("SELECT sum(unknown_calls) FROM spend")
    assert unknown == 4
