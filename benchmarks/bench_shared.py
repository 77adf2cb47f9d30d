"""Admit and settle 1,000 calls, 100 at once: PostgreSQL in groups against SQLite files.

python -m benchmarks.bench_shared [--rounds 3] [--calls 1000]

The server is one of this machine, which waits for its disk; `LADDER_TEST_PG` names
another. Calls take no time, or 0.2 s in lock-step, or 0.2 s on average.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from pytest_ladder.calls.one_machine.budget import SharedBudget
from pytest_ladder.calls.one_machine.claims import Claims
from pytest_ladder.calls.shared.room import SharedRoom
from pytest_ladder.calls.shared.words import CallToAdmit, nano
from pytest_ladder.calls.store.store import Store
from pytest_ladder.calls.store.stored_reply import StoreRow
from pytest_ladder.calls.store.writer import Writer
from tests.postgres_server import (
    Database,
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
Pay = Callable[[StoreRow, float], Awaitable[None]]


def rows_of(calls: int) -> list[StoreRow]:
    text = '{"text":"' + "a reply of some length " * 20 + '"}'
    asked = '{"messages":[{"role":"user","content":"' + "a prompt " * 40 + '"}]}'
    keys = (random.randbytes(32).hex() for _ in range(calls))
    return [(key, "bot@1", asked, text) for key in keys]


async def timed(pay: Pay, calls: int, latency: Callable[[], float]) -> float:
    places, rows = asyncio.Semaphore(AT_ONCE), rows_of(calls)

    async def one(row: StoreRow) -> None:
        async with places:
            await pay(row, latency())

    started = time.perf_counter()
    await asyncio.gather(*(one(row) for row in rows))
    return time.perf_counter() - started


async def by_files(calls: int, latency: Callable[[], float]) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        claims = Claims(folder / "claims.sqlite")
        budget = SharedBudget(folder / "budget.sqlite", 1_000.0)
        store = Store(folder / "store.sqlite")

        def end(settled: Sequence[tuple[str, int]]) -> None:
            for _, reservation in settled:
                budget.settle(reservation, BILL_USD)
            claims.release([key for key, _ in settled])

        writer = Writer(store, end)

        async def pay(row: StoreRow, latency_s: float) -> None:
            assert claims.take(row[0])
            reservation = budget.reserve(row[0], WORST_USD)
            assert reservation is not None
            await asyncio.sleep(latency_s)
            await writer.put(row, (row[0], reservation))

        seconds = await timed(pay, calls, latency)
        claims.close()
        budget.close()
        store.close()
    return seconds


async def by_server(
    database: Database, calls: int, latency: Callable[[], float]
) -> float:
    room = SharedRoom(database.worker, f"run {time.perf_counter_ns()}")
    await room.open(nano(1_000.0))
    await room.open_place("bot", ceiling=AT_ONCE)

    async def pay(row: StoreRow, latency_s: float) -> None:
        call = CallToAdmit(
            key=row[0], worst_nano=nano(WORST_USD), tokens=100, place="bot", model="bot"
        )
        answer = await room.admit(call)
        while answer.permit is None:
            await asyncio.sleep(answer.wait_s)
            answer = await room.admit(call)
        await asyncio.sleep(latency_s)
        await room.settle(answer.permit, nano(BILL_USD), row)

    seconds = await timed(pay, calls, latency)
    await room.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=1_000)
    options = parser.parse_args()
    server = PostgresServer.make(durable=True)
    try:
        make_template(server)
        database = copy_of_template(server)
        out = sys.stdout.write
        out(f"{options.calls} calls, {AT_ONCE} at once, {options.rounds} rounds\n")
        for name, latency in LATENCIES.items():
            # In turns, so that what else the machine does hits both.
            pairs = [
                (
                    asyncio.run(by_files(options.calls, latency)),
                    asyncio.run(by_server(database, options.calls, latency)),
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
    finally:
        server.remove()


if __name__ == "__main__":
    main()
