"""Workers of xdist on other machines, which share a store and nothing else.

Another machine is a socket server of execnet here, with a checkout, a temporary folder
and a local store of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import execnet.script
import pytest

from pytest_ladder.calls.shared.install import set_cap
from pytest_ladder.calls.shared.words import nano
from tests.plugin.machines.conftest import Machines
from tests.plugin.machines.machine import REPLY_USD, ROOT, STORE, VARIABLE, Machine
from tests.plugin.machines.test_shared_runs import prompts, settled
from tests.postgres_server import Database
from tests.scripted_server import ScriptedServer

LIVE = "--ladder-live"
SERVER = Path(execnet.script.__path__[0]) / "socketserver.py"
BOUNDED = (
    "import runpy, signal, sys; signal.alarm(120); sys.argv.pop(0); "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
Reached = Callable[[Machine], str]


@pytest.fixture
def reached() -> Iterator[Reached]:
    """Serves a machine to workers, and returns the address by which it is reached."""
    serving: list[subprocess.Popen[str]] = []

    def served(machine: Machine) -> str:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", BOUNDED, str(SERVER), "127.0.0.1:0"],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
                "TMPDIR": str(machine.temporary),
                VARIABLE: machine.store_url,
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        serving.append(process)
        assert process.stdout is not None
        port = process.stdout.readline().rpartition(", ")[2].strip(" )\n")
        return f"socket=127.0.0.1:{port}"

    yield served
    for process in serving:
        process.terminate()
        process.communicate(timeout=10)


def test_workers_of_two_machines_are_one_run(
    machine: Machines, reached: Reached, server: ScriptedServer, database: Database
) -> None:
    server.latency_s = 0.05
    here, *elsewhere = machine(), machine(), machine()
    workers = [f"--tx={reached(one)}//chdir={one.folder}" for one in elsewhere]
    run = here.run("-d", *workers, LIVE, "--ladder-budget=1")
    assert run.counts() == {"passed": 40}, run.said
    assert max(prompts(server).values()) == 1
    assert server.count == 40
    spent = nano(40 * REPLY_USD), 0
    assert database.rows("SELECT settled, reserved FROM ledgers") == [spent]
    assert f"store: {database.worker.name}" in run.said
    hosts = database.rows("SELECT count(DISTINCT paid_by) FROM replies")
    assert hosts == [(2,)], "both have paid"


def test_workers_behind_proxies_of_two_machines_keep_to_one_cap(
    machine: Machines, reached: Reached, server: ScriptedServer, database: Database
) -> None:
    set_cap(database.owner, "team", nano(30 * REPLY_USD))
    server.latency_s = 0.05
    here, *elsewhere = machine(80), machine(80), machine(80)
    for one in (here, *elsewhere):
        one.ladder(STORE + 'ledger = "team"\n')
    workers = [
        typed
        for name, one in zip(("far", "farther"), elsewhere, strict=True)
        for typed in (
            f"--px=id={name}//{reached(one)}",
            f"--tx=popen//via={name}//chdir={one.folder}",
        )
    ]
    run = here.run("-d", *workers, LIVE)
    assert run.code == 1
    assert 20 <= server.count <= 30
    assert run.counts()["passed"] == server.count, run.said
    assert "of ledger 'team' is spent" in run.said
    assert settled(database, "team") == (nano(server.count * REPLY_USD), 0)


@pytest.mark.parametrize("theirs", ["no variable", "no table", "no database"])
def test_a_worker_that_does_not_see_the_store_makes_no_call(
    machine: Machines, reached: Reached, server: ScriptedServer, theirs: str
) -> None:
    here, lonely = machine(), machine()
    why = f"the variable {VARIABLE} is not set there"
    if theirs == "no variable":
        lonely.store_url = ""
    elif theirs == "no table":
        lonely.ladder("")
        why = "it has no [store]"
    else:
        lonely.store_url = here.store_url.replace("/test_", "/no_")
        why = "cannot be reached"
    run = here.run("-d", f"--tx={reached(lonely)}//chdir={lonely.folder}", LIVE)
    assert run.code == 1, run.said
    assert server.count == 0
    (line,) = [line for line in run.said.splitlines() if line.startswith("ERROR ")]
    assert why in line
