from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Build, Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import Matrix, build_matrix
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.errors import LadderError
from pytest_ladder.reporting.files import write as writing
from pytest_ladder.reporting.files.write import WRITERS, write_report
from pytest_ladder.reporting.report import RunInfo, report_on

INFO = RunInfo(
    id="run-1",
    started="2026-01-02T03:04:05Z",
    mode="matrix",
    git_sha="abc",
    seed=7,
    versions={"pytest": "9", "litellm": "1"},
    machine={"system": "Linux"},
    current="smol/rag",
)
# Nothing is known of users in these reports.
WRITTEN = sorted([*WRITERS.keys() - {"outcomes.csv", "inputs.jsonl"}, ".gitignore"])
GOAL = Objective(kind="good-enough", quality=0.9)


def some_rungs(*names: str) -> list[Rung]:
    model = Model(
        name="smol",
        tier=Tier.FINE_TUNED,
        id="scripted/smol",
        build=Build(usd=0.35, hours=0.1),
    )
    return [Rung(model=model, strategy=Strategy(name=name)) for name in names]


def a_row(name: str, case: str, score: float, **fields: Any) -> Row:
    bill = UsedReply(
        key=f"{name}-{case}",
        live=True,
        cost_usd=0.0001 * len(name) / 3,
        latency_s=0.1,
        usage=Usage(input=10, output=3),
    )
    values: dict[str, Any] = {
        "test": "t.py::test_a",
        "rung": f"smol/{name}",
        "level": Level.CHEAP,
        "source": "c.jsonl",
        "case": case,
        "outcome": Outcome.PASSED if score == 1 else Outcome.MISSED,
        "score": score,
        "replies": (bill,),
    }
    return Row(**{**values, **fields})


ROWS = [
    a_row("zero-shot", "b", 1),
    a_row("zero-shot", "a", 0, sample=2),
    a_row("zero-shot", "a", 1, sample=1),
    a_row("rag", "a", 1),
    a_row("rag", "b", 1 / 3, level=Level.JUDGED, scores={"tone": 0.5, "fit": 1.0}),
]


def a_matrix(rows: list[Row] = ROWS) -> Matrix:
    return build_matrix(rows, some_rungs("zero-shot", "rag", "few-shot"), {})


def test_matrix_json_is_version_1(tmp_path: Path) -> None:
    write_report(tmp_path, report_on(INFO, a_matrix(), ROWS, GOAL))
    written = json.loads((tmp_path / "matrix.json").read_text())
    assert written["schema"] == "pytest-ladder/1"
    assert written["run"] == {
        "id": "run-1",
        "started": "2026-01-02T03:04:05Z",
        "mode": "matrix",
        "git_sha": "abc",
        "seed": 7,
        "versions": {"litellm": "1", "pytest": "9"},
        "current": "smol/rag",
        "escalation": "",
        "texts": True,
        "stopped": False,
        "skipped": [],
        "partial": {},
        "part": None,
        "strategies": [],
        "tests": {},
        "attempts": [],
    }
    assert written["objective"]["kind"] == "good-enough"
    advice = written["recommendation"]
    # `few-shot` was not run, and no rung has the ten cases of a verdict.
    assert (advice["rung"], advice["verdict"]) == (None, "undecided")
    assert set(advice) >= {"rung", "verdict", "reason", "next_rung", "roi"}
    assert written["gates"] == []
    assert written["spend"]["live_calls"] == 4
    assert [rung["id"] for rung in written["rungs"]] == [
        "smol/rag",
        "smol/zero-shot",
        "smol/few-shot",
    ]
    assert written["rungs"][0] == {
        "id": "smol/rag",
        "model": "smol",
        "strategy": "rag",
        "tier": "fine-tuned",
        "levels": {
            "cheap": {
                "quality": 1.0,
                "low": 0.206549,
                "high": 1.0,
                "n": 1,
                "missed": 0,
                "errors": 0,
                "over_budget": 0,
                "coverage": 1.0,
                "verdict": "undecided",
            },
            "judged": {
                "quality": 0.333333,
                "low": 0.0253362,
                "high": 0.905814,
                "n": 1,
                "missed": 1,
                "errors": 0,
                "over_budget": 0,
                "coverage": 1.0,
                "verdict": None,
            },
        },
        "cost": {
            "usd_per_1k": 0.1035,  # building spread over 100,000 calls
            "serve_usd_per_1k": 0.1,
            "build_usd": 0.35,
            "build_hours": 0.1,
            "known": True,
        },
        "latency": {
            "p50_s": 0.1,
            "p95_s": 0.1,
            "n_live": 2,
            "recorded": False,
            "tokens_per_second": 30.0,
        },
        "tokens": {"input": 10.0, "output": 3.0, "reasoning": 0.0},
        "calls": {"live": 2, "replayed": 0},
        "state": "run",
        "requirements": [],
        "verdict": "undecided",
        "lacks": [],
    }
    unrun = written["rungs"][2]
    assert (unrun["state"], unrun["levels"]) == ("not run", {})
    assert (unrun["cost"]["usd_per_1k"], unrun["cost"]["known"]) == (None, False)


def test_without_an_objective_nothing_is_recommended(tmp_path: Path) -> None:
    write_report(tmp_path, report_on(INFO, a_matrix(), ROWS))
    written = json.loads((tmp_path / "matrix.json").read_text())
    assert written["recommendation"] is None
    assert json.loads((tmp_path / "matrix.json").read_text())["objective"] is None


def test_rows_are_sorted_by_rung_test_case_and_sample(tmp_path: Path) -> None:
    write_report(tmp_path, report_on(INFO, a_matrix(), ROWS))
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [(row["rung"], row["case"], row.get("sample", 1)) for row in rows] == [
        ("smol/rag", "a", 1),
        ("smol/rag", "b", 1),
        ("smol/zero-shot", "a", 1),
        ("smol/zero-shot", "a", 2),
        ("smol/zero-shot", "b", 1),
    ]
    # In full: a report is made from its rows again.
    assert rows[1]["score"] == 1 / 3
    assert '"scores": {"fit": 1.0, "tone": 0.5}' in lines[1]
    assert msgspec.json.decode(lines[0], type=Row) == ROWS[3]


def test_the_csv_has_a_line_per_rung_and_level(tmp_path: Path) -> None:
    write_report(tmp_path, report_on(INFO, a_matrix(), ROWS))
    with (tmp_path / "matrix.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["rung"], line["level"], line["quality"]) for line in lines] == [
        ("smol/rag", "cheap", "1.0"),
        ("smol/rag", "judged", "0.333333"),
        ("smol/zero-shot", "cheap", "0.75"),
        ("smol/few-shot", "", ""),
    ]
    assert lines[0]["usd_per_1k"] == "0.1035"
    assert lines[0]["latency_recorded"] == "false"
    assert (lines[3]["state"], lines[3]["usd_per_1k"]) == ("not run", "")


def test_names_that_look_like_formulas_are_defused(tmp_path: Path) -> None:
    rungs = [
        Rung(model=rung.model, strategy=Strategy(name="-x"))
        for rung in some_rungs("rag")
    ]
    write_report(tmp_path, report_on(INFO, build_matrix([], rungs, {}), []))
    assert "smol/-x,smol,'-x,fine-tuned" in (tmp_path / "matrix.csv").read_text()


def test_writing_is_deterministic_whatever_the_order_of_rows(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    write_report(first, report_on(INFO, a_matrix(), ROWS))
    write_report(second, report_on(INFO, a_matrix(ROWS[::-1]), ROWS[::-1]))
    assert sorted(os.listdir(first)) == WRITTEN
    for name in WRITTEN:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_text_in_any_script_stays_readable_and_on_its_line(tmp_path: Path) -> None:
    row = a_row("rag", "返品-期限", 0, text="a\u2028b\x85c\nd", reason="half \ud800")
    write_report(tmp_path, report_on(INFO, a_matrix([row]), [row]))
    text = (tmp_path / "rows.jsonl").read_text(encoding="utf-8")
    assert "返品-期限" in text
    assert len(text.splitlines()) == 1
    assert json.loads(text)["text"] == "a\u2028b\x85c\nd"
    assert json.loads(text)["reason"] == "half ?"


def test_numbers_that_json_does_not_know_become_null(tmp_path: Path) -> None:
    odd = Objective(kind="budget", usd_per_1k=math.nan)
    report = report_on(INFO, a_matrix(), ROWS)
    write_report(tmp_path, msgspec.structs.replace(report, objective=odd))
    written = json.loads((tmp_path / "matrix.json").read_text())
    assert written["objective"]["usd_per_1k"] is None


def test_a_row_keeps_all_digits_and_says_null_for_what_json_has_no_word_for(
    tmp_path: Path,
) -> None:
    row = a_row("rag", "a", 1, scores={"third": 1 / 3, "odd": math.inf})
    write_report(tmp_path, report_on(INFO, a_matrix([row]), [row]))
    written = json.loads((tmp_path / "rows.jsonl").read_text(encoding="utf-8"))
    assert written["scores"] == {"third": 1 / 3, "odd": None}


def test_the_report_hides_itself_from_git_and_nothing_else(tmp_path: Path) -> None:
    fresh, project = tmp_path / "report", tmp_path / "project"
    # The plain run's report is inside the folder of the matrix.
    write_report(fresh / "current", report_on(INFO, a_matrix(), ROWS))
    write_report(fresh, report_on(INFO, a_matrix(), ROWS))
    assert (fresh / ".gitignore").read_text() == "*\n"
    assert (fresh / "current" / ".gitignore").read_text() == "*\n"

    project.mkdir()
    (project / "setup.py").touch()
    write_report(project, report_on(INFO, a_matrix(), ROWS))
    assert not (project / ".gitignore").exists()


def test_a_gitignore_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n!matrix.md\n")
    write_report(tmp_path, report_on(INFO, a_matrix(), ROWS))
    assert (tmp_path / ".gitignore").read_text() == "*\n!matrix.md\n"


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LadderError) as caught:
        write_report(tmp_path / "file" / "report", report_on(INFO, a_matrix(), ROWS))
    message = str(caught.value)
    assert message.startswith(f"The report could not be written to {tmp_path}")
    assert "Not a directory" in message
    assert message.endswith("another folder with --ladder-report=DIR.")


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    # A folder in the file's place: the last step, the rename, fails.
    (tmp_path / "matrix.json").mkdir()
    with pytest.raises(LadderError, match=r"could not be written"):
        write_report(tmp_path, report_on(INFO, a_matrix(), ROWS))
    assert (tmp_path / "matrix.json").is_dir()
    assert not list(tmp_path.glob("*.tmp"))
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_keeps_the_old_report(tmp_path: Path) -> None:
    old = tmp_path / "matrix.md"
    old.write_text("old")
    # What the temporary file would be named leads to a device that is always full.
    (tmp_path / f".matrix.md.{os.getpid()}.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left"):
        write_atomically(old, b"new")
    assert old.read_text() == "old"
    assert os.listdir(tmp_path) == ["matrix.md"]


def test_a_new_file_of_a_report_is_one_more_line_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A binary one, as Parquet would be."""
    monkeypatch.setitem(
        writing.WRITERS, "rows.bin", lambda report: bytes([255, len(report.rows)])
    )
    write_report(tmp_path, report_on(INFO, a_matrix(), ROWS))
    assert (tmp_path / "rows.bin").read_bytes() == bytes([255, len(ROWS)])
    assert (tmp_path / ".gitignore").read_text() == "*\n"
