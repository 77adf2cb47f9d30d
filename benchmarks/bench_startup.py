"""What an installed but unused plugin costs: start-up of an unrelated suite.

python benchmarks/bench_startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import sys

from benchmarks.measuring import Line, pytest_command, run, suite, table

UNRELATED = """
import pytest

@pytest.mark.parametrize("n", range(200))
def test_one(n):
    assert n >= 0
"""
IMPORT = "import pytest, time; b = time.perf_counter(); import pytest_ladder.plugin; \
print(time.perf_counter() - b)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[tuple[str, bool], list[float]] = {}
    imports = []
    with suite(UNRELATED, 0) as folder:
        (folder / "ladder.toml").unlink()
        # By turns, so that what else the machine does falls on all alike.
        for _ in range(rounds):
            for ladder in (True, False):
                for option in ("--co", "--durations=0"):
                    command = pytest_command(option, ladder=ladder)
                    seconds = run(command, folder).seconds
                    times.setdefault((option, ladder), []).append(seconds)
            done = run([sys.executable, "-c", IMPORT], folder)
            imports.append(float(done.output))
    with_, without = (statistics.median(times["--co", x]) for x in (True, False))
    run_with, run_without = (
        statistics.median(times["--durations=0", x]) for x in (True, False)
    )
    lines = [
        Line("pytest --co without the plugin", without * 1000, unit="ms"),
        Line("pytest --co with it", with_ * 1000, unit="ms"),
        Line("difference", (with_ - without) * 1000, unit="ms"),
        Line("200 tests without the plugin", run_without * 1000, unit="ms"),
        Line("200 tests with it", run_with * 1000, unit="ms"),
        Line("difference", (run_with - run_without) * 1000, unit="ms"),
        Line("import of pytest_ladder.plugin", statistics.median(imports) * 1000,
             unit="ms"),
    ]  # fmt: skip
    return table("start-up of a suite without ladder tests", lines)


if __name__ == "__main__":
    sys.exit(main())
