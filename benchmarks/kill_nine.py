"""Kill a run of 300 calls with SIGKILL, start it again, and print what was paid twice.

python -m benchmarks.kill_nine [--calls 300] [--concurrency 20] [--rounds 3]
"""

from __future__ import annotations

import argparse
import collections
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.calls.engine.engine_under_test import Desk, start_process
from tests.scripted_server import ScriptedServer

LATENCY_S = 0.2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    worst = 0
    for number in range(1, options.rounds + 1):
        share = number / (options.rounds + 1)
        worst = max(worst, _round(options.calls, options.concurrency, share))
    _say(f"most paid twice: {worst} (allowed: {options.concurrency}, all in flight)")
    return int(worst > options.concurrency)


def _round(calls: int, concurrency: int, share: float) -> int:
    """Kill at a share of the calls and start again; returns the duplicates."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ScriptedServer(latency_s=LATENCY_S) as server,
    ):
        place = Path(folder)
        first = start_process(place, server.api_base, calls, concurrency=concurrency)
        while server.count < calls * share and first.poll() is None:
            time.sleep(0.005)
        in_flight = server.in_flight
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=10)
        sent = server.count
        with Desk(place, server.api_base) as desk:
            stored = desk.count_stored(calls)
        _say(
            f"kill -9 after {sent} of {calls} requests, {in_flight} in flight: exit "
            f"{first.returncode}, {stored} replies on disk"
        )
        begun = time.monotonic()
        again = start_process(place, server.api_base, calls, concurrency=concurrency)
        told = json.loads(again.communicate(timeout=60)[0])
        counts = collections.Counter(
            request.body["messages"][-1]["content"] for request in server.requests
        )
        twice = sum(count - 1 for count in counts.values())
        _say(
            f"  started again: {told['calls']} calls in "
            f"{time.monotonic() - begun:.1f} s, exit {again.returncode}; "
            f"{server.count} requests for {len(counts)} replies, {twice} paid twice, "
            f"{calls - stored - told['calls']} lost"
        )
    return twice


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
