"""Admit and settle 1,000 calls, 100 at once: by PostgreSQL against by SQLite files.

python -m benchmarks.bench_shared [--rounds 3] [--calls 1000] [--keys 100000]

The server is one of this machine, which waits for its disk. Calls take no time, or
0.2 s in lock-step, or 0.2 s on average; then two processes share calls of a second that
one made alone, and replies of others are fetched, against one SELECT of them.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from pytest_ladder.calls.contract import (
    EngineSettings,
    MachinesRun,
    Progress,
    Request,
)
from pytest_ladder.calls.coordinator import (
    CallPlace,
    Coordinator,
    Go,
    Wait,
    WantedCall,
)
from pytest_ladder.calls.one_machine.room import Room
from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.at_hand import fetch
from pytest_ladder.calls.shared.machines import Machines
from pytest_ladder.calls.shared.transfer import push
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.core.rung import Model, Tier
from tests.postgres_server import (
    PostgresServer,
    copy_of_template,
    make_template,
)

AT_ONCE = 100
WORST_USD, BILL_USD = 0.002, 0.001
LATENCIES: dict[str, Callable[[], float]] = {
    "no latency": lambda: 0.0,
    "0.2 s, in lock-step": lambda: 0.2,
    "0.2 s, spread": lambda: random.uniform(0.05, 0.35),
}
MODEL = Model(name="bot", tier=Tier.OFF_THE_SHELF, id="openai/bot")
Latency = Callable[[], float]
Make = Callable[[EngineSettings, Archive], Coordinator]


def wanted_calls(calls: int, archive: Archive) -> list[WantedCall]:
    # Room for two processes: each keeps to its own share.
    place, model = CallPlace("bot", 2 * AT_ONCE), MODEL
    wanted = []
    for _ in range(calls):
        messages = [{"role": "user", "content": f"{random.random()} " * 40}]
        request = Request(model=model, messages=messages)
        key = archive.key(request)
        wanted.append(WantedCall(request, archive, key, place, 100, WORST_USD, "bot"))
    return wanted


async def paid(side: Coordinator, wanted: WantedCall, latency_s: float) -> None:
    """Make a call as the caller does, with a sleep for the model."""
    while not isinstance(answer := await side.admit(wanted), Go):
        assert isinstance(answer, Wait)
        await asyncio.sleep(answer.seconds)
    await asyncio.sleep(latency_s)
    reply = StoredReply(text="a reply of some length " * 20, cost_usd=BILL_USD)
    row, _ = wanted.archive.row(wanted.key, wanted.request, reply)
    await side.settle(answer, BILL_USD, row)


async def timed(
    make: Make, calls: int, latency: Latency, starts_at: float = 0.0
) -> float:
    """Return the seconds of all calls; the first, which opens the files, is apart."""
    with tempfile.TemporaryDirectory() as name:
        archive = Archive(Path(name))
        settings = EngineSettings(
            live=True, budget_usd=1_000.0, folder=Path(name) / "run", owner_pid=0
        )
        side = make(settings, archive)
        first, *wanted = wanted_calls(calls + 1, archive)
        await paid(side, first, 0.0)
        places = asyncio.Semaphore(AT_ONCE)

        async def one(call: WantedCall) -> None:
            async with places:
                await paid(side, call, latency())

        await asyncio.sleep(max(0.0, starts_at - time.time()))
        started = time.perf_counter()
        await asyncio.gather(*(one(call) for call in wanted))
        seconds = time.perf_counter() - started
        await side.finish()
        side.close()
        archive.close()
    return seconds


def by_files(settings: EngineSettings, archive: Archive) -> Coordinator:
    del archive
    return Room(settings, lambda *_: None)


def by_server(
    address: SharedAddress, settings: EngineSettings, archive: Archive
) -> Coordinator:
    archive.store.is_shared = True
    name, now = f"run {time.perf_counter_ns()}", time.time()
    run = MachinesRun(address, name, (), started=now, has_caps=False)
    return Machines(settings, run, lambda *_: None, Progress())


def one_of_two(address: SharedAddress, calls: int, starts_at: float) -> float:
    make = functools.partial(by_server, address)
    # Long enough that two cores are not what both wait for.
    latency = functools.partial(random.uniform, 0.8, 1.2)
    return asyncio.run(timed(make, calls, latency, starts_at))


def by_processes(address: SharedAddress, processes: int, calls: int) -> float:
    """Return the seconds of calls that processes share evenly, at the same time."""
    # Time enough for all of them to load, and to make their first call.
    starts_at = time.time() + 10
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        done = [
            pool.submit(one_of_two, address, calls // processes, starts_at)
            for _ in range(processes)
        ]
        return max(each.result() for each in done)


def fetched(address: SharedAddress, count: int) -> tuple[float, float]:
    """Return the seconds of one SELECT of so many replies, and of fetching them."""
    with tempfile.TemporaryDirectory() as name:
        archive = Archive(Path(name))
        reply = StoredReply(text="a reply of some length " * 20, cost_usd=BILL_USD)
        rows = [
            archive.row(wanted.key, wanted.request, reply)[0]
            for wanted in wanted_calls(count, archive)
        ]
        push(address, rows)
        keys = [key for key, *_ in rows]
        started = time.perf_counter()
        with address.connected() as connection:
            cursor = connection.execute(
                "SELECT key, identity, request, reply FROM ladder.replies "
                "WHERE key = ANY (%s::bytea[])",
                ([bytes.fromhex(key) for key in keys],),
                binary=True,
            )
            assert len(cursor.fetchall()) == count
        selected = time.perf_counter()
        assert fetch(address, archive.store, keys) == count
        done = time.perf_counter()
        archive.close()
    return selected - started, done - selected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--keys", type=int, default=100_000)
    options = parser.parse_args()
    server = PostgresServer.make(durable=True)
    try:
        make_template(server)
        database = copy_of_template(server)
        machines = functools.partial(by_server, database.worker)
        out = sys.stdout.write
        out(f"{options.calls} calls, {AT_ONCE} at once, {options.rounds} rounds\n")
        for name, latency in LATENCIES.items():
            # In turns, so that what else the machine does hits both.
            pairs = [
                (
                    asyncio.run(timed(by_files, options.calls, latency)),
                    asyncio.run(timed(machines, options.calls, latency)),
                )
                for _ in range(options.rounds)
            ]
            files, shared = (
                statistics.median(side) for side in zip(*pairs, strict=True)
            )
            out(
                f"{name:20}  SQLite {files:6.2f} s  PostgreSQL {shared:6.2f} s  "
                f"ratio {shared / files:5.2f}\n"
            )
        one, two = (
            statistics.median(side)
            for side in zip(
                *(
                    [by_processes(database.worker, n, options.calls) for n in (1, 2)]
                    for _ in range(options.rounds)
                ),
                strict=True,
            )
        )
        out(
            f"{options.calls} calls of 1 s    one process {one:6.2f} s  "
            f"two {two:6.2f} s  ratio {two / one:5.2f}\n"
        )
        select, fetching = fetched(database.worker, options.keys)
        out(
            f"{options.keys} replies  SELECT {select:6.2f} s  fetch {fetching:6.2f} s  "
            f"ratio {fetching / select:5.2f}\n"
        )
    finally:
        server.remove()


if __name__ == "__main__":
    main()
