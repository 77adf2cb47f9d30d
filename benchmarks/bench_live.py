"""A live run of 1,000 calls of 0.2 s, 100 at once, against bare aiohttp and pytest.

python benchmarks/bench_live.py [--rounds 3] [--calls 1000]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass

from benchmarks.measuring import (
    REPLY,
    Line,
    pytest_command,
    run,
    say,
    server,
    stats,
    suite,
    table,
)

LATENCY_S = 0.2
CONCURRENCY = 100
# Ten seconds of waiting: a suite that `-n` is used for. In the two of the others
# the start of xdist's own processes is most of the difference.
IO_BOUND = 20
# One of litellm's price list: others it looks up anew, in vain, for each call.
LISTED = "openai/gpt-4o-mini"
NAIVE_CALLS = 50
AIOHTTP = """
import asyncio, sys, aiohttp

async def main(url, calls, concurrency):
    places = asyncio.Semaphore(concurrency)
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        async def call(n):
            async with places:
                body = {"model": "bot", "messages": [{"role": "user", "content": f"say {n}"}]}
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    return await response.json()
        await asyncio.gather(*(call(n) for n in range(calls)))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""  # noqa: E501
NAIVE = """
import json, os, urllib.request, pytest

@pytest.mark.parametrize("n", range(int(os.environ["CALLS"])))
def test_one(n):
    body = {"model": "bot", "messages": [{"role": "user", "content": f"say {n}"}]}
    request = urllib.request.Request(
        os.environ["URL"] + "/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        reply = json.load(response)
    assert str(n) in reply["choices"][0]["message"]["content"]
"""
BODY = """
import pytest

@pytest.mark.cheap
@pytest.mark.parametrize("n", range({calls}))
def test_one(llm, n):
    assert str(n) in llm(f"say {{n}}").text
"""
COROUTINE = """
import pytest

@pytest.mark.cheap
@pytest.mark.parametrize("n", range({calls}))
async def test_one(llm, n):
    assert str(n) in (await llm.acall(f"say {{n}}")).text
"""


@dataclass(frozen=True)
class Figures:
    """Medians of some rounds."""

    whole_s: float
    """The process, from start to end."""
    active_s: float
    """At the server, from the first arrival to the end of the last answer."""
    peak_mb: float
    paid_twice: int = 0


def ladder(
    source: str,
    options: argparse.Namespace,
    *more: str,
    lane: str = "",
    model: str = "openai/bot",
    at_once: int = CONCURRENCY,
) -> Figures:
    """Measure a pytest run that calls for everything."""
    arguments = ("--ladder-live", f"--ladder-concurrency={at_once}", *more)
    if more:
        arguments = ("-p", "xdist.plugin", *arguments)
    rounds = []
    for _ in range(options.rounds):
        body, calls = source.format(calls=options.calls), options.calls
        with server(LATENCY_S) as url, suite(body, calls, url, lane, model) as folder:
            done = run(pytest_command(*arguments), folder)
            counted = stats(url)
        twice = counted["requests"] - options.calls
        active = counted["active_s"] + LATENCY_S
        rounds.append(Figures(done.seconds, active, done.peak_mb, twice))
    return _median(rounds)


def bare(options: argparse.Namespace) -> Figures:
    """Measure the calls without pytest."""
    rounds = []
    for _ in range(options.rounds):
        with server(LATENCY_S) as url, suite(AIOHTTP, 0) as folder:
            script = ["test_bench.py", url, str(options.calls), str(CONCURRENCY)]
            done = run([sys.executable, *script], folder)
            active = stats(url)["active_s"] + LATENCY_S
            rounds.append(Figures(done.seconds, active, done.peak_mb))
    return _median(rounds)


def naive(options: argparse.Namespace) -> float:
    """Measure plain pytest on a part of the calls, and scale up."""
    with server(LATENCY_S) as url, suite(NAIVE, 0) as folder:
        command = pytest_command(ladder=False)
        few = run(command, folder, URL=url, CALLS="1").seconds
        more = run(command, folder, URL=url, CALLS=str(NAIVE_CALLS + 1)).seconds
    return float(few + (more - few) / NAIVE_CALLS * (options.calls - 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=1000)
    options = parser.parse_args()
    ideal_s = options.calls * LATENCY_S / CONCURRENCY
    reply = REPLY.replace("{", "{{").replace("}", "}}")
    alone, plain_s = bare(options), naive(options)
    runs = {
        "reply": ladder(reply, options),
        "def test(llm)": ladder(BODY, options),
        "async def test(llm)": ladder(COROUTINE, options),
        "reply, litellm's lane": ladder(reply, options, lane="litellm", model=LISTED),
        "the same, model not listed": ladder(reply, options, lane="litellm"),
        "reply, -n 2": ladder(reply, options, "-n2"),
        "reply, -n 4": ladder(reply, options, "-n4"),
        "reply, 20 at once": ladder(reply, options, at_once=IO_BOUND),
        "reply, 20 at once, -n 2": ladder(reply, options, "-n2", at_once=IO_BOUND),
        "reply, 20 at once, -n 4": ladder(reply, options, "-n4", at_once=IO_BOUND),
    }
    say(f"{options.calls} calls of {LATENCY_S} s, {CONCURRENCY} at once: {ideal_s} s")
    say(f"  {'bare aiohttp':<28}{alone.whole_s:6.2f} s, active {alone.active_s:.2f} s")
    for name, one in runs.items():
        say(
            f"  {name:<28}{one.whole_s:6.2f} s, active {one.active_s:.2f} s, "
            f"{one.peak_mb:.0f} MB, {one.paid_twice} paid twice"
        )
    note = f"{plain_s:.0f} s, extrapolated from {NAIVE_CALLS} calls"
    say(f"  {'plain pytest, one by one':<28}{note}")
    whole = {name: one.whole_s for name, one in runs.items()}
    twice = sum(one.paid_twice for one in runs.values())
    lines = [
        Line("reply / bare aiohttp", whole["reply"] / alone.whole_s, 1.6),
        Line("litellm's lane / ideal", whole["reply, litellm's lane"] / ideal_s, 3.5),
        Line("the same, model not listed",
             whole["the same, model not listed"] / ideal_s),
        Line("active / ideal", runs["reply"].active_s / ideal_s, 1.15),
        Line("def test(llm) / plain pytest, inverted (>= 50)",
             50 / (plain_s / whole["def test(llm)"]), 1.0,
             note=f"{plain_s / whole['def test(llm)']:.0f} x faster"),
        Line("async def test(llm) / bare aiohttp",
             whole["async def test(llm)"] / alone.whole_s),
        Line("-n 2 / plain run, 20 at once",
             whole["reply, 20 at once, -n 2"] / whole["reply, 20 at once"], 1.3),
        Line("-n 4 / plain run, 20 at once",
             whole["reply, 20 at once, -n 4"] / whole["reply, 20 at once"], 1.3),
        Line("-n 2 / plain run, 100 at once", whole["reply, -n 2"] / whole["reply"]),
        Line("-n 4 / plain run, 100 at once", whole["reply, -n 4"] / whole["reply"]),
        Line("paid twice, all runs together", twice, 0, unit=""),
    ]  # fmt: skip
    return int(table("live", lines) > 0)


def _median(rounds: list[Figures]) -> Figures:
    return Figures(
        statistics.median(one.whole_s for one in rounds),
        statistics.median(one.active_s for one in rounds),
        statistics.median(one.peak_mb for one in rounds),
        max(one.paid_twice for one in rounds),
    )


if __name__ == "__main__":
    sys.exit(main())
