"""`pytest-ladder history`: what ships over time, with marks that mean something."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.core.row import Outcome
from pytest_ladder.core.score import Level
from pytest_ladder.decide.history import history_of
from pytest_ladder.reporting.files.baseline import write_baseline
from pytest_ladder.reporting.history import history_lines, run_of
from pytest_ladder.reporting.html.history import history_html
from pytest_ladder.reporting.report import Report
from tests.cli.written_report import Command, a_report, some_rows, written


def a_run(month: int, share: float, dearer: float = 1.0) -> Report:
    """A run of small/plain of which about a `share` of 40 cases passes."""
    rng = random.Random(month)
    rows = []
    for row in some_rows(["small/plain"]):
        passed = rng.random() < share
        bills = tuple(
            msgspec.structs.replace(
                bill, cost_usd=(bill.cost_usd or 0) * dearer, key=f"{month}{bill.key}"
            )
            for bill in row.replies
        )
        rows.append(
            msgspec.structs.replace(
                row,
                outcome=Outcome.PASSED if passed else Outcome.MISSED,
                score=float(passed),
                replies=bills,
            )
        )
    started = f"2026-{month:02}-02T03:04:05+00:00"
    return a_report(rows, id=f"run-{month}", started=started)


def steps(
    shares: Sequence[float], dearer: Sequence[float]
) -> list[tuple[int, str, str]]:
    runs = [
        run_of(a_run(month, share, price), str(month))
        for month, (share, price) in enumerate(zip(shares, dearer, strict=True), 1)
    ]
    return [
        (place, step.what, step.direction)
        for place, moment in enumerate(history_of(runs[::-1]))
        for step in moment.steps
    ]


def test_a_usual_terminal_keeps_the_cost_and_leaves_its_interval_out() -> None:
    runs = [run_of(a_run(month, 0.5), f"nightly-{month}") for month in (1, 2)]
    moments = history_of(runs)
    wide, usual = ([*history_lines(moments, width)] for width in (140, 80))
    assert "spent" in wide[0]
    assert "$1.20 ($1.20 to $1.20)" in wide[1]
    assert "$ per 1,000  p95, live" in usual[0]
    assert "$1.20        6.3 s" in usual[1]
    assert max(map(len, usual[:3])) <= 80


def test_only_what_is_established_for_all_steps_at_once_is_marked() -> None:
    assert steps([0.6] * 8, [1.0] * 8) == []
    assert steps([0.3] * 3 + [0.95] * 3, [1.0] * 6) == [(3, "cheap", "up")]
    assert steps([0.95, 0.2], [1.0, 1.3]) == [
        (1, "cheap", "down"),
        (1, "cost", "up"),
    ]


def test_a_moment_says_what_shipped_with_intervals() -> None:
    (moment,) = history_of([run_of(a_run(3, 0.5), "march")])
    assert (moment.label, moment.rung) == ("march", "small/plain")
    quality = moment.levels[Level.CHEAP]
    assert quality.low is not None
    assert quality.high is not None
    assert quality.low < (quality.value or 0) < quality.high
    assert moment.cost.value == pytest.approx(1.2)
    assert moment.spent_usd == pytest.approx(0.048)
    assert moment.latency.n == 40


def test_two_runs_of_a_day_are_told_apart_by_their_minutes() -> None:
    reports = [a_run(1, 0.5), a_run(1, 0.5), a_run(2, 0.5)]
    runs = [run_of(report, str(place)) for place, report in enumerate(reports)]
    runs[1] = msgspec.structs.replace(runs[1], started="2026-01-02T17:30:00+00:00")
    moments = history_of(runs)
    days = ["2026-01-02 03:04", "2026-01-02 17:30", "2026-02-02"]
    assert [moment.when for moment in moments] == days
    page = history_html(moments)
    for day in days:
        assert f">{day}</text>" in page


def test_folders_are_shown_and_written_as_pages(
    tmp_path: Path, command: Command
) -> None:
    folders = [
        written(tmp_path / str(month), a_run(month, share))
        for month, share in ((2, 0.95), (1, 0.3))
    ]
    page = tmp_path / "out/history.html"
    status, output, _ = command("history", *folders, "--output", page)
    assert status == 0
    lines = output.splitlines()
    assert lines[1].startswith("2026-01-02")
    assert "▲" in lines[2]
    assert any("cheap +" in line and "on 40 cases." in line for line in lines)
    text = page.read_text("utf-8")
    assert text.count("<svg") == 4
    assert "<script" not in text
    assert 'class="better"' in text
    status, _, _ = command("history", *folders, "--output", tmp_path / "history.md")
    assert status == 0
    assert "▲" in (tmp_path / "history.md").read_text("utf-8")
    for wrong in ((), (*folders, "--git", "x"), (*folders, "--output", "x.pdf")):
        status, _, errors = command("history", *wrong)
        assert status == 2, wrong
        assert errors.count("\n") == 1


def test_every_commit_of_a_baseline_is_one_moment(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True)

    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    for month, share in ((1, 0.3), (2, 0.3), (3, 0.95)):
        write_baseline(tmp_path / "ladder-baseline", a_run(month, share))
        git("add", "-A")
        git("commit", "-qm", f"month {month}")
    status, output, _ = command("history", "--git", "ladder-baseline")
    assert status == 0
    dated = [
        line for line in output.splitlines() if line.startswith("2026") and "/" in line
    ]
    assert [line[:7] for line in dated] == ["2026-01", "2026-02", "2026-03"]
    assert "▲" in dated[-1]
    status, _, errors = command("history", "--git", "elsewhere")
    assert status == 2
    assert "git knows no commit of elsewhere/rows.jsonl" in errors
