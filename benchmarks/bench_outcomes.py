"""What outcomes cost: `outcomes import` of raw files, and a run that reads its sums.

    python -m benchmarks.bench_outcomes [--units 1000000] [--pairs 400]

The import is held against `csv.reader` over the same files, exposures and three events
a unit; of both the CPU seconds and the most memory of a process of its own.

A plain run replays five replies and writes its report. It declares an experiment and
two outcomes with committed sums, and is held against the same suite without: CPU
seconds of whole processes, one of each by turns, for they vary more than they differ.
pytest is told which file to run, so that it does not look for tests among the sums.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import datetime
import math
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bench_replay import CONFTEST
from benchmarks.measuring import (
    REPLY,
    Line,
    pytest_command,
    run,
    server,
    suite,
    table,
)
from tests.real.suite import EXPOSURES, JUNE, LADDER, RESOLVED

READ = """
import csv
for name in ("traffic/exposures.csv", "traffic/events.csv"):
    with open(name, newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            pass
"""
SHOW, IMPORT = (
    [sys.executable, "-m", "pytest_ladder", "outcomes", verb]
    for verb in ("show", "import")
)
MORE_RUNGS = """
[[strategy]]
name = "brief"
prompt = "Briefly: {input}"

[[strategy]]
name = "kind"
prompt = "Kindly: {input}"
"""
DECLARED = """
[[experiment]]
name = "june"
variants = { control = "bot/plain", brief = "bot/brief", kind = "bot/kind" }

[[outcome]]
name = "resolved"
experiment = "june"
kind = "rate"
table = "traffic/resolved.csv"
primary = true

[[outcome]]
name = "escalated"
experiment = "june"
kind = "rate"
table = "traffic/escalated.csv"
goal = "down"
guardrail = 0.02
"""
TABLES = {
    "resolved": "control,2400,1140\nbrief,2380,1270\nkind,2410,1310\n",
    "escalated": "control,2400,250\nbrief,2380,260\nkind,2410,240\n",
}


def write_files(folder: Path, units: int) -> None:
    """Write exposures and events of an invented experiment, in order of time."""
    draw = random.Random(19)
    start = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
    parts = (LADDER, JUNE, EXPOSURES, RESOLVED, "within_hours = 72\nprimary = true\n")
    (folder / "ladder.toml").write_text("".join(parts), encoding="utf-8")
    traffic = folder / "traffic"
    traffic.mkdir()
    step = datetime.timedelta(days=28) / units
    with (
        (traffic / "exposures.csv").open("w", newline="", encoding="utf-8") as seen,
        (traffic / "events.csv").open("w", newline="", encoding="utf-8") as done,
    ):
        exposures, events = csv.writer(seen), csv.writer(done)
        exposures.writerow(["user_id", "variant", "timestamp"])
        events.writerow(["user_id", "event", "value", "timestamp"])
        for unit in range(units):
            at = start + unit * step
            name = f"user-{unit:07d}"
            stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            exposures.writerow([name, draw.choice(("control", "treatment")), stamp])
            for event in ("opened", draw.choice(("resolved", "left")), "closed"):
                later = at + datetime.timedelta(hours=48 * draw.random())
                events.writerow(
                    [name, event, "1", later.strftime("%Y-%m-%dT%H:%M:%SZ")]
                )


def importing(units: int) -> list[Line]:
    """Measure an import against reading the same files at all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, units)
        read = run([sys.executable, "-c", READ], folder)
        # An installed package is compiled already.
        run(SHOW, folder)
        done = run(IMPORT, folder)
    return [
        Line("csv.reader alone", read.cpu_s, unit="s"),
        Line("outcomes import", done.cpu_s, unit="s"),
        Line("outcomes import / csv.reader alone", done.cpu_s / read.cpu_s, 2.5),
        Line("memory of the import", done.peak_mb, 400, unit="MB"),
    ]


@contextlib.contextmanager
def recorded(url: str, more: str = "") -> Iterator[Path]:
    """Record a suite of three rungs; `more` of its ladder declares outcomes."""
    with suite(REPLY, 5, url) as folder:
        ladder = folder / "ladder.toml"
        text = 'current = "bot/plain"\n' + ladder.read_text() + MORE_RUNGS + more
        ladder.write_text(text)
        if more:
            (folder / "traffic").mkdir()
            for name, lines in TABLES.items():
                path = folder / "traffic" / f"{name}.csv"
                path.write_text(f"variant,n,successes\n{lines}")
            run(IMPORT, folder)
            # Committed are the sums alone.
            shutil.rmtree(folder / "traffic")
        run(pytest_command("--ladder-live"), folder)
        (folder / "conftest.py").write_text(CONFTEST)
        yield folder


def replay_ms(folder: Path) -> float:
    """Replay a suite, which loads nothing heavy; returns its CPU milliseconds."""
    done = run(pytest_command("test_bench.py"), folder)
    assert done.output.rstrip().endswith("imported:"), done.output[-500:]
    return 1000 * done.cpu_s


def declaring(pairs: int) -> Line:
    """Measure what declared outcomes cost a plain run: the median of pairs."""
    with (
        server(0) as url,
        recorded(url) as without,
        recorded(url, DECLARED) as declared,
    ):
        for folder in (without, declared):
            replay_ms(folder)
        apart = []
        for n in range(pairs):
            # Each is first as often as the other.
            order = (without, declared) if n % 2 else (declared, without)
            took = {folder: replay_ms(folder) for folder in order}
            apart.append(took[declared] - took[without])
    error = error_of_median(apart)
    note = f"standard error {error:.2f}, {pairs} pairs"
    what = "declared outcomes in a plain run"
    return Line(what, statistics.median(apart), 5, unit="ms", note=note)


def error_of_median(values: Sequence[float]) -> float:
    """Return the standard error of a median, whatever the values are drawn from.

    Half the distance of the two values that are so many ranks apart as the number of
    values below the true median varies: sqrt(n) / 2 to both sides.
    """
    ranked, middle = sorted(values), (len(values) - 1) / 2
    ranks = math.sqrt(len(values)) / 2
    low, high = round(middle - ranks), round(middle + ranks)
    return (ranked[min(high, len(ranked) - 1)] - ranked[max(low, 0)]) / 2


def main() -> int:
    """Print the figures of both against their targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=400)
    chosen = parser.parse_args()
    units: int = chosen.units
    missed = table("a run that reads outcomes", [declaring(chosen.pairs)])
    title = f"{units:,} exposures, {3 * units:,} events"
    return int(missed + table(title, importing(units)) > 0)


if __name__ == "__main__":
    sys.exit(main())
