"""A replay that has all its replies, and nothing to send, leaves the store alone."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from pytest_ladder.calls.shared.install import set_cap
from pytest_ladder.calls.shared.words import nano
from tests.plugin.machines.conftest import Machines
from tests.plugin.machines.machine import STORE, Machine
from tests.plugin.slope import OBJECTIVE
from tests.postgres_server import Database
from tests.scripted_server import ScriptedServer

LIVE = "--ladder-live"
NOT_ASKED = "not asked, as all replies known of are at hand"
DOWN = "postgresql://evals:hunter2@127.0.0.1:9/evals"
MODULES = """
import sys


def pytest_unconfigure():
    with open("loaded", "a") as loaded:
        print("psycopg" in sys.modules, file=loaded)
"""


def psycopg_was_loaded(one: Machine) -> list[str]:
    """Return what each process since the last time said of it."""
    loaded = one.folder / "loaded"
    said = loaded.read_text().split()
    loaded.unlink()
    return said


@pytest.fixture
def payer(machine: Machines, database: Database) -> Machine:
    """A machine that draws on a ledger, and tells what its processes loaded."""
    set_cap(database.owner, "team", nano(1))
    one = machine()
    one.ladder(STORE + 'ledger = "team"\n')
    one.write("conftest.py", MODULES)
    return one


def test_it_neither_loads_psycopg_nor_needs_the_database(payer: Machine) -> None:
    live = payer.run(LIVE)
    assert live.counts() == {"passed": 40}
    assert psycopg_was_loaded(payer) == ["True"]
    assert "ledger team: $" in live.said
    payer.store_url = DOWN
    for workers, processes in (((), 1), (("-n", "2"), 3)):
        replayed = payer.run(*workers)
        assert replayed.counts() == {"passed": 40}, replayed.said
        assert psycopg_was_loaded(payer) == ["False"] * processes
        told = f"store: evals@127.0.0.1:9, ledger team: {NOT_ASKED}\n"
        assert replayed.said.count(told) == 1
    assert payer.matrix()["run"]["store"] == "evals@127.0.0.1:9, ledger team"


def test_one_reply_that_is_missing_is_fetched(
    payer: Machine, machine: Machines, server: ScriptedServer
) -> None:
    payer.run(LIVE)
    other = machine()
    other.run("-k", "c1 or c2")
    assert NOT_ASKED not in other.run().said
    assert NOT_ASKED in other.run().said
    assert server.count == 40


def test_replies_that_only_this_machine_has_are_sent(
    payer: Machine, database: Database
) -> None:
    payer.run(LIVE)
    store = sqlite3.connect(payer.folder / ".ladder" / "store.sqlite")
    with contextlib.closing(store), store:
        store.execute("INSERT INTO outbox SELECT key FROM replies LIMIT 3")
    database.rows("DELETE FROM replies")
    assert NOT_ASKED not in payer.run().said
    assert database.rows("SELECT count(*) FROM replies") == [(3,)]
    assert NOT_ASKED in payer.run().said


def test_a_plan_and_a_live_run_tell_how_it_stands_with_the_ledger(
    payer: Machine,
) -> None:
    payer.run(LIVE)
    for arguments in (["--ladder-plan"], [LIVE]):
        said = payer.run(*arguments).said
        assert "ledger team: $0.0032 of $1.00" in said, said
        assert NOT_ASKED not in said


def test_a_climb_asks_for_the_seeds_of_all_machines(
    payer: Machine, machine: Machines
) -> None:
    payer.ladder(OBJECTIVE + STORE)
    other = machine()
    other.ladder(OBJECTIVE + STORE)
    climb = ("--ladder=climb", "--ladder-report=climb")
    assert payer.run(*climb, LIVE).code == 0
    assert other.run(*climb, LIVE, "--ladder-seed=new").code == 0
    assert payer.run("--ladder=matrix", LIVE).code == 0
    again = payer.run(*climb)
    assert again.code == 0, again.said
    assert NOT_ASKED not in again.said
    assert payer.matrix("climb")["run"]["attempts"] == ["0", "1"]
    payer.store_url = DOWN
    alone = payer.run(*climb)
    assert alone.code == 0, alone.said
    assert "evals@127.0.0.1:9 cannot be reached" in alone.said
