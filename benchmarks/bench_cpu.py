"""What a run computes, as a ratio to what it could not do without.

A replay is held against as many tests that do nothing; a live run against those and the
same calls by bare aiohttp. CPU seconds of whole processes: what else the machine does
changes them least. Medians of rounds in which each of a pair runs once.

python benchmarks/bench_cpu.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable

from benchmarks.bench_live import AIOHTTP, CONCURRENCY
from benchmarks.bench_replay import recorded, trivial
from benchmarks.measuring import (
    REPLY,
    Line,
    Measured,
    pytest_command,
    run,
    server,
    suite,
    table,
)

CALLS = 1000


def live() -> Measured:
    """Run a suite over the direct lane with nothing stored."""
    with server(0) as url, suite(REPLY, CALLS, url) as folder:
        command = pytest_command("--ladder-live", f"--ladder-concurrency={CONCURRENCY}")
        return run(command, folder)


def bare() -> Measured:
    """Make the same calls without pytest."""
    with server(0) as url, suite(AIOHTTP, 0) as folder:
        arguments = ["test_bench.py", url, str(CALLS), str(CONCURRENCY)]
        return run([sys.executable, *arguments], folder)


def cpu_seconds(rounds: int, *measures: Callable[[], Measured]) -> list[float]:
    """Return the median of each, measured by turns."""
    times = [[measure().cpu_s for measure in measures] for _ in range(rounds)]
    return [statistics.median(one) for one in zip(*times, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with trivial(CALLS) as do_nothing, recorded(CALLS) as replay:
        many = cpu_seconds(rounds, do_nothing, replay, live, bare)
    with trivial(5) as do_nothing, recorded(5) as replay:
        few = cpu_seconds(rounds, do_nothing, replay)
    trivial_s, replay_s, live_s, bare_s = many
    least_s = trivial_s + bare_s
    lines = [
        Line("1,000 trivial tests", trivial_s, unit="s"),
        Line("1,000 calls by bare aiohttp", bare_s, unit="s"),
        Line("replay of 1,000", replay_s, unit="s"),
        Line("live run of 1,000, direct lane", live_s, unit="s"),
        Line("5 trivial tests", few[0], unit="s"),
        Line("replay of 5", few[1], unit="s"),
        Line("replay of 1,000 / trivial", replay_s / trivial_s, 1.4),
        Line("replay of 5 / trivial", few[1] / few[0], 1.5),
        Line("live run of 1,000 / (trivial + bare)", live_s / least_s, 1.6),
    ]
    return int(table("CPU seconds", lines) > 0)


if __name__ == "__main__":
    sys.exit(main())
