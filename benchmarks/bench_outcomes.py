"""What `pytest-ladder outcomes import` costs against reading the same files at all.

    python -m benchmarks.bench_outcomes [--units 1000000]

Writes exposures and three events a unit into a temporary folder, and measures in
processes of their own: `csv.reader` alone over both files, and the import. CPU seconds
and the most memory; the targets are 2.5 times the one and 400 MB of the other.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.real.suite import EXPOSURES, JUNE, LADDER, RESOLVED

READ = """
import csv
for name in ("traffic/exposures.csv", "traffic/events.csv"):
    with open(name, newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            pass
"""
NEVER_KEPT = "PYTHONDONTWRITEBYTECODE"
SHOW = "from pytest_ladder.cli.main import main; main(['outcomes', 'show'])"
IMPORT = "from pytest_ladder.cli.main import main; main(['outcomes', 'import'])"


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


def measured(code: str, folder: Path) -> tuple[float, float]:
    """Return CPU seconds and the most memory, in MB, of a process that runs `code`."""
    # As on a user's machine, where Python keeps what it has compiled.
    kept = {key: value for key, value in os.environ.items() if key != NEVER_KEPT}
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdout=subprocess.DEVNULL, env=kept
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit("The process failed; its words are above.")
    return _seconds(usage), usage.ru_maxrss / 1024


def _seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the figures of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1_000_000)
    units: int = parser.parse_args().units
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, units)
        read, _ = measured(READ, folder)
        measured(SHOW, folder)
        took, memory = measured(IMPORT, folder)
    sys.stdout.write(
        f"{units:,} exposures, {3 * units:,} events\n"
        f"csv.reader alone: {read:.2f} s of CPU\n"
        f"outcomes import:  {took:.2f} s of CPU, {memory:,.0f} MB\n"
        f"ratio: {took / read:.2f} (target 2.5)\n"
    )


if __name__ == "__main__":
    main()
