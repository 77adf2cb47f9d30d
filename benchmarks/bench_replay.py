"""A replay of 1,000 cases against 1,000 trivial tests, and what one item costs.

python benchmarks/bench_replay.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator

from benchmarks.measuring import (
    REPLY,
    Line,
    Measured,
    pytest_command,
    run,
    server,
    stats,
    suite,
    table,
)

TRIVIAL = """
import pytest

@pytest.mark.parametrize("n", range({cases}))
def test_one(n):
    assert str(n) in f"say {{n}}"
"""
# Ends the run with what was imported and should not have been.
CONFTEST = """
import sys

def pytest_unconfigure():
    heavy = {"litellm", "aiohttp", "scipy", "numpy", "bm25s"} & set(sys.modules)
    print("imported:", *sorted(heavy))
"""


@contextlib.contextmanager
def recorded(cases: int, source: str = REPLY) -> Iterator[Callable[[], Measured]]:
    """Record all cases; yields what replays them, and checks that nothing is called."""
    with server(0) as url, suite(source, cases, url) as folder:
        run(pytest_command("--ladder-live", "--ladder-concurrency=100"), folder)
        before = stats(url)["requests"]
        (folder / "conftest.py").write_text(CONFTEST)

        def replay() -> Measured:
            done = run(pytest_command(), folder)
            assert done.output.rstrip().endswith("imported:"), done.output[-500:]
            assert stats(url)["requests"] == before, "a replay called the model"
            return done

        yield replay


@contextlib.contextmanager
def trivial(cases: int) -> Iterator[Callable[[], Measured]]:
    """Yield what runs tests that do nothing, in the same environment."""
    with suite(TRIVIAL.format(cases=cases), 0) as folder:
        (folder / "ladder.toml").unlink()
        yield lambda: run(pytest_command(), folder)


def by_turns(rounds: int, *measures: Callable[[], Measured]) -> tuple[Measured, ...]:
    """Return the median of each; what else the machine does falls on all alike."""
    times = [[measure() for measure in measures] for _ in range(rounds)]
    return tuple(
        sorted(one, key=lambda done: done.seconds)[rounds // 2]
        for one in zip(*times, strict=True)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    packed = REPLY.replace('cases="cases.jsonl"', 'cases="cases.jsonl", pack=True')
    with trivial(1000) as a, recorded(1000) as b, recorded(1000, packed) as c:
        small, one, pack = by_turns(rounds, a, b, c)
    with trivial(5000) as a, recorded(5000) as b:
        big, many = by_turns(max(1, rounds // 2), a, b)
    per_item = (many.seconds - one.seconds) / 4000 * 1000
    per_trivial = (big.seconds - small.seconds) / 4000 * 1000
    lines = [
        Line("1,000 trivial tests", small.seconds, unit="s"),
        Line("replay of 1,000 cases", one.seconds, unit="s"),
        Line("replay / trivial", one.seconds / small.seconds, 1.6),
        Line("peak memory of the replay", one.peak_mb, 80, unit="MB"),
        Line("one more item of a replay", per_item, unit="ms"),
        Line("one more trivial item", per_trivial, unit="ms"),
        Line("item of a replay / trivial item", per_item / per_trivial),
        Line("replay of 5,000 cases: memory", many.peak_mb, unit="MB"),
        Line("packed replay of 1,000 cases", pack.seconds, unit="s"),
    ]
    return int(table("replay: 0 requests, no heavy import", lines) > 0)


if __name__ == "__main__":
    sys.exit(main())
