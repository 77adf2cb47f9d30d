"""A database, or a machine, that is lost in the middle of a live run."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator

import pytest

from pytest_ladder.calls.shared.machines import WAITING
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
pty = pytest.importorskip("pty", reason="a terminal to run in")
STATUS = re.compile(r"\d+(?:/\d+)? calls, \$[\d.]+, \d+\.\d/s")
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


def test_what_a_machine_that_stood_still_pays_twice_is_on_the_bill_and_told(
    machine: Machines, server: ScriptedServer, database: Database
) -> None:
    database.rows("UPDATE meta SET beat_s = 0.3, dead_after_s = 3")
    server.latency_s = 1.0
    still, other = machine(), machine()
    run = still.start(*LIVE)
    wait_until(lambda: server.count >= 4)
    os.killpg(run.pid, signal.SIGSTOP)
    server.latency_s = 0.0
    try:
        assert other.run(*LIVE).counts() == {"passed": 40}
    finally:
        os.killpg(run.pid, signal.SIGCONT)
    over = ended(run)
    assert over.counts() == {"passed": 40}, over.said
    # Only what was under way is paid twice: 4 of 40.
    assert server.count == 44
    told = re.search(
        r"4 replies were paid twice \(a process stood still for (\d+) s\)", over.said
    )
    assert told is not None, over.said
    assert int(told[1]) >= 3
    ((settled, reserved),) = database.rows(
        "SELECT sum(settled)::bigint, sum(reserved)::bigint FROM ledgers"
    )
    assert (settled, reserved) == (nano(44 * REPLY_USD), 0)
    ((twice, wasted),) = database.rows("SELECT count(*), sum(nano)::bigint FROM waste")
    assert (twice, wasted) == (4, nano(4 * REPLY_USD))


def test_a_terminal_says_that_a_run_waits_for_the_store(
    machine: Machines, server: ScriptedServer, own_database: Database
) -> None:
    server.latency_s = 0.2
    one = machine(url=own_database.worker_url)
    controller, terminal = pty.openpty()
    # It is quiet where CI reads.
    one.output = terminal
    run = one.start(*LIVE, CI="", TERM="xterm")
    os.close(terminal)
    said: list[str] = []

    def listen() -> None:
        # The end of a terminal is an error.
        with contextlib.suppress(OSError):
            while data := os.read(controller, 65_536):
                said.append(data.decode())

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        wait_until(lambda: server.count >= 8)
        own_database.server.crash()
        wait_until(lambda: WAITING in "".join(said))
        before = len(said)
        own_database.server.start()
        assert run.wait(timeout=60) == 0
    finally:
        run.kill()
        listening.join(timeout=10)
        os.close(controller)
    # It goes on, and says how far it is again.
    assert STATUS.search("".join(said[before:]))
    assert "40 passed" in "".join(said[-2:])
    assert server.count == 40


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
