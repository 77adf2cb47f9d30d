"""Memory and computing of commands that read a large report, and of its files.

python -m benchmarks.bench_memory [--rungs 10] [--cases 20000] [--clusters 0]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Line, run, table

if TYPE_CHECKING:
    from pytest_ladder.core.row import Row

MOST_MB = 600
"""For 10 rungs of 20,000 cases."""
TEXT = "The refund window is 45 days, counted from the day of delivery; no. "


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rungs", type=int, default=10)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--clusters", type=int, default=0, help="0: none")
    parser.add_argument("--keep", type=Path, help="where reports go and stay")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make is not None:
        make(given.make, given.rungs, given.cases, given.clusters)
        return 0
    with tempfile.TemporaryDirectory(prefix="ladder-bench-") as temporary:
        folder: Path = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        # A process of its own: what it takes would count as that of its children.
        sizes = [f"--{key}={getattr(given, key)}" for key in _SIZES]
        run([sys.executable, __file__, f"--make={folder.absolute()}", *sizes], _ROOT)
        return int(table(_title(given), list(_measured(folder))) > 0)


def make(folder: Path, rungs: int, cases: int, clusters: int) -> None:
    """Write a baseline and a report of a change as the package does."""
    from pytest_ladder.core.ladder import Objective
    from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
    from pytest_ladder.decide.matrix import build_matrix
    from pytest_ladder.reporting.files.write import write_report
    from pytest_ladder.reporting.report import RunInfo, report_on

    ladder = [
        Rung(
            model=Model(name=f"bot{n}", tier=Tier.OFF_THE_SHELF, id=f"scripted/{n}"),
            strategy=Strategy(name="plain"),
        )
        for n in range(rungs)
    ]
    for name, seed in (("base", 1), ("head", 2)):
        rows = [
            row
            for n, rung in enumerate(ladder)
            for row in _rows(rung.id, n, cases, clusters, random.Random(seed + 10 * n))
        ]
        info = RunInfo(
            id=name,
            started="2026-01-02T03:04:05Z",
            mode="matrix",
            current=ladder[0].id,
        )
        objective = Objective(kind="good-enough", quality=0.85)
        matrix = build_matrix(rows, ladder, {})
        write_report(folder / name, report_on(info, matrix, rows, objective))


def _rows(
    rung: str, place: int, cases: int, clusters: int, chance: random.Random
) -> Iterator[Row]:
    from pytest_ladder.core.reply import Usage
    from pytest_ladder.core.row import Outcome, Row, UsedReply
    from pytest_ladder.core.score import Level

    for number in range(cases):
        passed = chance.random() < 0.75 + 0.02 * place
        yield Row(
            test="test_shop.py::test_answer",
            rung=rung,
            level=Level.CHEAP,
            source="cases.jsonl",
            case=f"case-{number}",
            case_hash=f"{number:016x}",
            outcome=Outcome.PASSED if passed else Outcome.MISSED,
            score=float(passed),
            reason="" if passed else f"assert '45' in 'reply {number}'",
            cluster=f"document-{number % clusters}" if clusters else None,
            text=TEXT * (1 + number % 3),
            replies=(
                UsedReply(
                    key=f"{place:03x}{number:061x}",
                    live=True,
                    cost_usd=(1 + place) * chance.lognormvariate(-9, 1),
                    latency_s=chance.lognormvariate(0, 0.5),
                    usage=Usage(input=100 + number % 50, output=20),
                ),
            ),
        )


def _measured(folder: Path) -> Iterator[Line]:
    command = [sys.executable, "-m", "pytest_ladder.cli.main"]
    base, head = str(folder / "base"), str(folder / "head")
    again = str(folder / "again")
    for name, arguments in (
        ("report", ["report", head, "--output", again]),
        ("gate", ["gate", base, head, "--output", str(folder / "comment.md")]),
    ):
        # A gate that fails ends with 1.
        shell = f'"$@" > "{folder / name}.txt" || test $? -le 2'
        done = run(["sh", "-c", shell, "sh", *command, *arguments], folder)
        yield Line(f"{name}: peak memory", done.peak_mb, MOST_MB, unit="MB")
        yield Line(f"{name}: computing", done.cpu_s, unit="s")


def _title(given: argparse.Namespace) -> str:
    return f"{given.rungs} rungs of {given.cases:,} cases, read from disk"


_SIZES = ("rungs", "cases", "clusters")
_ROOT = Path(__file__).parents[1]

if __name__ == "__main__":
    sys.exit(main())
