"""Several machines, as processes: one bill, one cap, one reply for each key."""

from __future__ import annotations

import collections
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.calls.shared.billing_provider import cost_of
from tests.calls.shared.calls_made import key_of
from tests.calls.shared.paying_process import WORST
from tests.postgres_server import Database

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
Bills = dict[int, tuple[str, int]]


@contextmanager
def provider(latency_s: float) -> Iterator[int]:
    command = [sys.executable, str(HERE / "billing_provider.py"), str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def bills_of(port: int) -> Bills:
    with socket.create_connection(("127.0.0.1", port)) as asking:
        asking.sendall(b"{}\n")
        said = json.loads(asking.makefile().readline())
    return {int(fence): (key, cost) for fence, (key, cost) in said.items()}


def machine(
    database: Database, cap: int, port: int, keys: int
) -> subprocess.Popen[str]:
    numbers = [str(number) for number in (cap, port, keys)]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.calls.shared.paying_process",
            "one run",
            *numbers,
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "STORE_URL": database.worker_url},
    )


def came_of(process: subprocess.Popen[str]) -> dict[str, int]:
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    came: dict[str, int] = json.loads(said.splitlines()[-1])
    return came


def ledger(database: Database) -> tuple[object, ...]:
    (sums,) = database.rows("SELECT settled, reserved, excess FROM ledgers")
    return sums


def test_eight_processes_pay_once_for_each_key_and_never_above_the_cap(
    database: Database,
) -> None:
    keys = 1_000
    everything = sum(cost_of(key_of(n)) for n in range(keys))
    cap = everything * 7 // 10
    with provider(0.02) as port:
        machines = [machine(database, cap, port, keys) for _ in range(8)]
        came: collections.Counter[str] = collections.Counter()
        for process in machines:
            came.update(came_of(process))
        bills = bills_of(port)
    bill = sum(cost for _, cost in bills.values())
    paid_for = [key for key, _ in bills.values()]
    assert len(paid_for) == len(set(paid_for)), "a reply was paid twice"
    assert ledger(database) == (bill, 0, 0)
    assert cap - WORST < bill <= cap
    assert came["settled"] == len(bills)
    assert came["over"] == 8 * (keys - len(bills))
    stored = {key.hex() for (key,) in database.rows("SELECT key FROM replies")}
    assert stored == set(paid_for)
    assert database.rows("SELECT count(*) FROM calls") == [(0,)]
    assert database.rows("SELECT count(*) FROM members") == [(0,)]


def stop_in_a_call(process: subprocess.Popen[str], database: Database) -> None:
    """Stop a process while it has calls under way that no other can see the end of."""
    calls = (
        "SELECT count(*) FROM calls JOIN members ON members.id = calls.member "
        f"WHERE members.pid = {process.pid}"
    )
    for _ in range(500):
        process.send_signal(signal.SIGSTOP)
        # What it had said to the database before is done by then.
        time.sleep(0.1)
        if database.rows(calls) != [(0,)]:
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.02)
    raise AssertionError("no call was ever under way")


def test_a_killed_and_a_stopped_process_cost_no_reply_and_stay_on_the_bill(
    database: Database,
) -> None:
    """The lease is 6 s here; one process is stopped for longer, and goes on then."""
    database.rows("UPDATE meta SET beat_s = 1, dead_after_s = 6")
    keys, cap = 400, 400 * 3 * WORST
    with provider(1.0) as port:
        machines = [machine(database, cap, port, keys) for _ in range(4)]
        for process in machines:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
        killed, stopped, *living = machines
        for process in (killed, stopped):
            stop_in_a_call(process, database)
        killed.kill()
        for process in living:
            came_of(process)
        stopped.send_signal(signal.SIGCONT)
        came_of(stopped)
        killed.communicate()
        bills = bills_of(port)
    unknown = dict(database.rows("SELECT fence, worst FROM reaped"))
    settled = sum(cost for fence, (_, cost) in bills.items() if fence not in unknown)
    assert unknown, "the killed process had calls under way"
    assert ledger(database) == (settled + sum(unknown.values()), 0, 0)
    assert database.rows("SELECT count(*) FROM replies") == [(keys,)]
    assert database.rows("SELECT count(*) FROM calls") == [(0,)]
    twice = len(bills) - keys
    wasted = database.rows("SELECT count(*) FROM waste")
    # Paid twice: what the killed one had sent, and what the stopped one had.
    assert wasted == [(twice - len(unknown.keys() & bills.keys()),)]
    assert twice <= 100
