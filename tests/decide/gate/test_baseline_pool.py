"""Baselines: several runs pooled, and read from a folder or a commit."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Verdict
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.reporting.files.baseline import (
    compared_run,
    pooled,
    read_baseline,
    write_baseline,
)
from pytest_ladder.reporting.report import Report
from tests.decide.gate.baseline_and_change import Score, report, rows

OTHER = "test_shop.py::test_other"


def run_of(
    number: int, scores: Sequence[Score] = (1.0, 0.0, 1.0), **fields: Any
) -> Report:
    started = f"2026-01-{number:02}T00:00:00+00:00"
    return report(rows(list(scores), **fields), name=f"run{number}", started=started)


def samples_of(
    made: Sequence[Row], case: str = "c000"
) -> list[tuple[int, float | None]]:
    return sorted((row.sample, row.score) for row in made if row.case == case)


def test_five_runs_are_five_samples_of_every_case() -> None:
    runs = [run_of(number, [number / 10, 1.0]) for number in range(1, 8)]
    pool = pooled(runs)
    assert pool.runs == ("run7", "run6", "run5", "run4", "run3")
    assert samples_of(pool.report.rows) == [
        (1, 0.7),
        (2, 0.6),
        (3, 0.5),
        (4, 0.4),
        (5, 0.3),
    ]
    cell = pool.report.matrix.rungs[0].levels
    assert [one.n for one in cell.values()] == [2]
    # No reply hides another in the percentiles: all ten were calls.
    assert pool.report.matrix.rungs[0].latency.n_live == 10


def test_a_reply_that_is_replayed_is_no_second_sample() -> None:
    live, replays = run_of(1), [run_of(number, live=False) for number in (2, 3)]
    pool = pooled([live, *replays])
    assert samples_of(pool.report.rows) == [(1, 1.0)]
    assert pool.repeated == 6
    # What was measured live is kept.
    assert pool.report.matrix.rungs[0].latency.n_live == 3


@pytest.mark.parametrize(
    ("older", "stale"),
    [
        ({}, 0),
        ({"case_hash": ["other", "h1", "h2"]}, 1),
        ({"verdict": Verdict(passed=True, score=1.0, judge="a", rubric="r@1")}, 3),
        ({"source": "elsewhere.jsonl"}, 3),
        ({"rung": "bot/other"}, 3),
    ],
)
def test_rows_about_something_else_are_left_out(
    older: dict[str, Any], stale: int
) -> None:
    verdict = Verdict(passed=True, score=1.0, judge="a", rubric="r@2")
    assert pooled([run_of(2, verdict=verdict), run_of(1, **older)]).stale == stale


def test_replies_to_another_prompt_are_left_out() -> None:
    older = run_of(1)
    made = [
        msgspec.structs.replace(
            row, replies=(msgspec.structs.replace(row.replies[0], key="x"),)
        )
        for row in older.rows
    ]
    assert pooled([run_of(2), report(made)]).stale == 3


def test_a_baseline_takes_the_next_run_in() -> None:
    base = pooled([run_of(number, [number / 10]) for number in (1, 2, 3, 4, 5)]).report
    pool = pooled([base, run_of(6, [0.6])])
    assert [score for _, score in samples_of(pool.report.rows)] == [
        0.6,
        0.5,
        0.4,
        0.3,
        0.2,
    ]
    assert pool.report.info.id == "run6+run5+run4+run3+run2"
    # Asked again, as when CI repeats a job, it is in already.
    again = pooled([pool.report, run_of(6, [0.6])])
    assert list(again.report.rows) == list(pool.report.rows)


def test_errors_of_older_runs_are_no_samples() -> None:
    pool = pooled([run_of(2, [1.0]), run_of(1, [None])])
    assert samples_of(pool.report.rows) == [(1, 1.0)]


def asked(key: str, made: Report) -> Report:
    """Return a report whose replies answer another prompt, all of them."""
    changed = [
        msgspec.structs.replace(
            row,
            replies=tuple(
                msgspec.structs.replace(bill, key=f"{key}{bill.key}")
                for bill in row.replies
            ),
        )
        for row in made.rows
    ]
    return msgspec.structs.replace(made, rows=changed)


def test_an_error_gives_way_to_what_finished_in_the_same_run_or_an_older_one() -> None:
    pool = pooled([run_of(2, [[1.0, None, 0.5], None, None]), run_of(1, [0.2, 0.3])])
    assert samples_of(pool.report.rows) == [(1, 1.0), (2, 0.5), (3, 0.2)]
    assert samples_of(pool.report.rows, "c001") == [(1, 0.3)]
    assert samples_of(pool.report.rows, "c002") == [(1, None)]
    assert pool.failed == 2


def test_an_error_that_replays_a_reply_does_not_hide_what_finished() -> None:
    older = run_of(1, [1.0], live=False)
    (row,) = older.rows
    failed = msgspec.structs.replace(row, outcome=Outcome.ERROR, score=None)
    newest = report([failed], name="run2", started="2026-01-02T00:00:00+00:00")
    assert samples_of(pooled([newest, older]).report.rows) == [(1, 1.0)]


def test_no_reply_to_an_older_prompt_stands_in_for_an_error() -> None:
    """An error has no reply that says what was asked: the other cases do."""
    newest = run_of(2, [1.0, None])
    errors = [
        msgspec.structs.replace(row, replies=()) if row.score is None else row
        for row in newest.rows
    ]
    newest = msgspec.structs.replace(newest, rows=errors)
    pool = pooled([newest, asked("older", run_of(1, [0.5, 0.5]))])
    assert samples_of(pool.report.rows, "c001") == [(1, None)]
    assert (pool.stale, pool.failed) == (2, 0)
    # One case that was edited says nothing of the others, and then nothing is known.
    edited = asked("older", run_of(1, [0.5, 0.5], case_hash=["old", "h1"]))
    kept = [edited.rows[0], run_of(1, [0.5, 0.5]).rows[1]]
    pool = pooled([newest, msgspec.structs.replace(edited, rows=kept)])
    assert samples_of(pool.report.rows, "c001") == [(1, None)]


@pytest.mark.parametrize(("changed", "kept"), [(True, [None]), (False, [0.5])])
def test_of_a_test_with_errors_only_the_other_tests_of_the_rung_tell(
    changed: bool, kept: list[float | None]
) -> None:
    """The prompt was changed, and in the same night a provider failed."""
    failed = [
        msgspec.structs.replace(row, replies=(), test=OTHER)
        for row in run_of(2, [None]).rows
    ]
    newest = run_of(2, [1.0, 1.0])
    newest = msgspec.structs.replace(newest, rows=[*newest.rows, *failed])
    older = run_of(1, [0.2, 0.2])
    draws = run_of(1, [0.5], test=OTHER).rows
    older = msgspec.structs.replace(older, rows=[*older.rows, *draws])
    pool = pooled([newest, asked("older", older) if changed else older])
    rows = [row for row in pool.report.rows if row.test == OTHER]
    assert [row.score for row in rows] == kept


def test_a_baseline_reads_back_as_it_was_written(tmp_path: Path) -> None:
    pool = pooled([run_of(1), run_of(2)])
    write_baseline(tmp_path / "base", pool.report)
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == [
        "matrix.json",
        "rows.jsonl",
    ]
    for name in ("base", "base/matrix.json", "base/rows.jsonl"):
        back = read_baseline(str(tmp_path / name), tmp_path)
        assert sorted(map(msgspec.json.encode, back.rows)) == sorted(
            map(msgspec.json.encode, pool.report.rows)
        )
        assert compared_run(back).current == "bot/plain"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "base").write_text("in the way")
    with pytest.raises(LadderError, match="name another folder with --output"):
        write_baseline(tmp_path / "base", run_of(1))


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run([*command, *arguments], capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    """Return the folder of a ladder inside a repository, its baseline committed."""
    folder = tmp_path / "suites/shop"
    git(tmp_path, "init", "-q", "-b", "main")
    write_baseline(folder / "ladder-baseline", run_of(1))
    write_baseline(folder / "old", run_of(1, [0.0]))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "A baseline")
    git(tmp_path, "tag", "v1")
    for name in ("ladder-baseline", "old"):
        (folder / name / "rows.jsonl").unlink()
    return folder


@pytest.mark.parametrize(
    ("name", "rows"),
    [("git:main", 3), ("git:v1", 3), ("git:HEAD~0", 3), ("git:main:old", 1)],
)
def test_a_commit_has_its_baseline_beside_the_ladder(
    ladder: Path, name: str, rows: int
) -> None:
    assert len(read_baseline(name, ladder).rows) == rows


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("git:", "names no commit"),
        ("git:--output=x", "names no commit"),
        ("git:-p", "names no commit"),
        ("git:main\nx", "names no commit"),
        ("git:main:a\x00b", "names no commit"),
        ("git:a b", "names no commit"),
        ("git:nowhere", "knows no commit `nowhere`"),
        ("git:main:missing", "no missing/matrix.json at `main`"),
    ],
)
def test_what_is_no_commit_is_refused(ladder: Path, name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as problem:
        read_baseline(name, ladder)
    assert problem.value.args[0].isprintable()


def test_a_reference_never_becomes_an_option(ladder: Path) -> None:
    with pytest.raises(ConfigError):
        read_baseline("git:--output=stolen", ladder)
    assert not (ladder / "stolen").exists()


def test_a_broken_baseline_is_told_by_its_name(ladder: Path) -> None:
    path = ladder / "ladder-baseline/rows.jsonl"
    path.write_text("{\n")
    git(ladder, "add", ".")
    git(ladder, "commit", "-qm", "Break it")
    with pytest.raises(ConfigError, match=r"^git:main/rows\.jsonl:1: "):
        read_baseline("git:main", ladder)


def test_outside_of_a_repository_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="git knows no commit"):
        read_baseline("git:main", tmp_path)


def test_the_document_is_that_of_a_report(tmp_path: Path) -> None:
    write_baseline(tmp_path, run_of(1))
    written = json.loads((tmp_path / "matrix.json").read_text())
    assert (written["schema"], written["rows"]) == ("pytest-ladder/1", 3)
