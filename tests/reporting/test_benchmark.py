from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.reporting.files.benchmark_json import benchmark_json, round_stats
from pytest_ladder.reporting.files.write import write_report
from pytest_ladder.reporting.report import RunInfo, machine_info, report_on

INFO = RunInfo(
    id="run",
    started="2026-01-02T03:04:05Z",
    mode="matrix",
    git_sha="abc",
    machine=machine_info(),
)
RUNGS = [
    Rung(
        model=Model(name="smol", tier=Tier.OFF_THE_SHELF, id="scripted/smol"),
        strategy=Strategy(name=name),
    )
    for name in ("zero-shot", "rag")
]


def a_row(name: str, key: str, latency: float | None, **fields: Any) -> Row:
    bill = UsedReply(key=key, live=fields.pop("live", True), latency_s=latency)
    values: dict[str, Any] = {
        "test": "t.py::test_a",
        "rung": f"smol/{name}",
        "level": Level.CHEAP,
        "source": "c.jsonl",
        "case": key,
        "outcome": Outcome.PASSED,
        "score": 1.0,
        "replies": (bill,),
    }
    return Row(**{**values, **fields})


def benchmarks_of(rows: list[Row]) -> list[dict[str, Any]]:
    matrix = build_matrix(rows, RUNGS, {})
    found: list[dict[str, Any]] = benchmark_json(rows, matrix.rungs, INFO)["benchmarks"]
    return found


def test_each_rung_is_a_benchmark_in_the_group_of_its_level() -> None:
    rows = [
        a_row("zero-shot", "a", 0.2),
        a_row("zero-shot", "b", 0.4),
        a_row("zero-shot", "a", 0.2, test="t.py::test_b"),
        a_row("zero-shot", "j", 0.9, level=Level.JUDGED),
        a_row("rag", "c", 0.5),
    ]
    found = benchmarks_of(rows)
    assert [(one["group"], one["name"], one["stats"]["data"]) for one in found] == [
        ("cheap", "smol/zero-shot", [0.2, 0.4]),
        ("cheap", "smol/rag", [0.5]),
        ("judged", "smol/zero-shot", [0.9]),
    ]
    stats = found[0]["stats"]
    assert stats["rounds"] == 2
    assert stats["mean"] == pytest.approx(0.3)
    assert stats["ops"] == pytest.approx(1 / 0.3)


def test_percentiles_come_with_their_interval_where_there_is_one() -> None:
    rows = [a_row("rag", str(n), n / 100) for n in range(1, 101)]
    extra = benchmarks_of(rows)[0]["extra_info"]
    # V18 of the methods note: ranks 40 and 61 of 100
    assert (extra["p50_low_s"], extra["p50_high_s"]) == (0.4, 0.61)
    assert extra["p50_s"] == pytest.approx(0.505)
    assert extra["p95_s"] == pytest.approx(0.9505)
    few = benchmarks_of(rows[:10])[0]["extra_info"]
    assert few["p95_high_s"] is None


def test_only_live_replies_are_rounds_and_recorded_ones_are_marked() -> None:
    rows = [
        a_row("rag", "a", 0.2),
        a_row("rag", "b", 9.0, live=False),
        a_row("zero-shot", "c", 0.3, live=False),
        a_row("zero-shot", "d", None),
    ]
    stats = {one["name"]: one for one in benchmarks_of(rows)}
    assert stats["smol/rag"]["stats"]["data"] == [0.2]
    assert "recorded" not in stats["smol/rag"]["extra_info"]
    assert stats["smol/zero-shot"]["stats"]["data"] == [0.3]
    assert stats["smol/zero-shot"]["extra_info"]["recorded"] is True


def test_a_rung_without_any_latency_has_no_benchmark() -> None:
    assert benchmarks_of([a_row("rag", "a", None)]) == []


def their_stats(rounds: list[float]) -> Any:
    from pytest_benchmark import stats

    untyped: Any = stats
    theirs = untyped.Stats()
    for latency in rounds:
        theirs.update(latency)
    return theirs


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_the_statistics_are_those_of_pytest_benchmark(rounds: list[float]) -> None:
    theirs = their_stats(rounds)
    ours = round_stats(rounds)
    loose = {"outliers", "iqr_outliers", "stddev_outliers", "ld15iqr", "hd15iqr"}
    for name in set(theirs.fields) - loose:
        assert ours[name] == pytest.approx(getattr(theirs, name), abs=1e-9, rel=1e-9), (
            name
        )
    assert set(theirs.fields) <= set(ours)


@pytest.mark.parametrize(
    "rounds", [[1.0], [1, 2], [1, 2, 30], [1, 2, 3, 40], [1, 2, 3, 4, 50.0], [3.0] * 7]
)
def test_the_outliers_are_those_of_pytest_benchmark(rounds: list[float]) -> None:
    theirs = their_stats(rounds)
    ours = round_stats(rounds)
    for name in ("outliers", "iqr_outliers", "stddev_outliers", "ld15iqr", "hd15iqr"):
        assert ours[name] == getattr(theirs, name), name


def test_pytest_benchmark_compares_what_is_written(tmp_path: Path) -> None:
    for run, latency in (("first", 0.25), ("second", 0.5)):
        rows = [
            *(a_row("zero-shot", f"z{n}", latency + n / 100) for n in range(5)),
            *(a_row("rag", f"r{n}", 2 * latency) for n in range(3)),
            a_row("rag", "j", 1.0, level=Level.JUDGED),
        ]
        write_report(
            tmp_path / run, report_on(INFO, build_matrix(rows, RUNGS, {}), rows)
        )

    one = compare(tmp_path, "first/benchmark.json")
    assert "benchmark 'cheap': 2 tests" in one
    assert "benchmark 'judged': 1 tests" in one
    (line,) = [line for line in one.splitlines() if line.startswith("smol/zero-shot")]
    words = line.split()
    assert words[1] == "250.0000"  # the fastest round, in ms
    assert words[-2:] == ["5", "1"]

    both = compare(tmp_path, "first/benchmark.json", "second/benchmark.json")
    assert "benchmark 'cheap': 4 tests" in both
    between = compare(
        tmp_path,
        "--between=median",
        "first/benchmark.json",
        "second/benchmark.json",
    )
    assert "2 tests, 2 sources" in between
    assert "+100.0%" in between


def compare(folder: Path, *arguments: str) -> str:
    script = Path(sys.executable).with_name("pytest-benchmark")
    environment = {**os.environ, "COLUMNS": "200", "PY_COLORS": "0"}
    done = subprocess.run(
        [script, "compare", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Failed to load" not in done.stderr + done.stdout
    return done.stdout


def test_the_file_has_what_describes_a_run(tmp_path: Path) -> None:
    rows = [a_row("rag", "a", 0.2)]
    write_report(tmp_path, report_on(INFO, build_matrix(rows, RUNGS, {}), rows))
    written = json.loads((tmp_path / "benchmark.json").read_text())
    assert written["commit_info"] == {"id": "abc"}
    assert written["datetime"] == "2026-01-02T03:04:05Z"
    assert written["machine_info"]["python_version"] == sys.version.split()[0]
    assert "node" not in written["machine_info"]
