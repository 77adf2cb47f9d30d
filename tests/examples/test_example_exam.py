"""The exam is in MMLU's form and is balanced; the real MMLU can take its place."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from examples.exam.take import main
from pytest_ladder.config.load import load_ladder

FOLDER = Path(__file__).parents[2] / "examples/exam"
BOTH: list[dict[str, Any]] = [
    {
        "question": "Which is even, or\nsmall?",
        "subject": "abstract algebra",
        "choices": ["2", "3", "4", "a, b"],
        "answer": 2,
        "tags": ["abstract algebra"],
    },
    {
        "question": 'What is "heart"?',
        "subject": "anatomy",
        "choices": ["An organ", "A bone", "None", "A tooth"],
        "answer": 0,
        "tags": ["anatomy"],
    },
]


def read(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def authors_csv(folder: Path) -> None:
    """As in `data.tar`: no header, a file a subject and split."""
    for split in ("test", "dev"):
        (folder / split).mkdir(parents=True)
        (folder / split / f"abstract_algebra_{split}.csv").write_text(
            '"Which is even, or\nsmall?",2,3,4,"a, b",C\n', encoding="utf-8"
        )
        (folder / split / f"anatomy_{split}.csv").write_text(
            '"What is ""heart""?",An organ,A bone,None,A tooth,A\n', encoding="utf-8"
        )
    (folder / "val").mkdir()
    (folder / "val/anatomy_val.csv").write_text("not read", encoding="utf-8")


def hub_rows(folder: Path, kind: str) -> None:
    """As the hub has it: a folder for all subjects, a file a split, underscores."""
    (folder / "all").mkdir(parents=True)
    rows = [{key: row[key] for key in row if key != "tags"} for row in BOTH]
    rows = [{**row, "subject": row["subject"].replace(" ", "_")} for row in rows]
    for split in ("test", "dev"):
        path = folder / f"all/{split}-00000-of-00001.{kind}"
        if kind == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(rows), path)
        elif kind == "csv":
            lines = [
                f'"{row["question"].replace(chr(34), chr(34) * 2)}",{row["subject"]},'
                f'"{row["choices"]}",{row["answer"]}\n'
                for row in rows
            ]
            text = "question,subject,choices,answer\n" + "".join(lines)
            path.write_text(text, encoding="utf-8")
        else:
            path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


@pytest.mark.parametrize("form", ["authors", "parquet", "jsonl", "csv"])
def test_mmlu_is_taken_in_the_forms_it_comes_in(form: str, tmp_path: Path) -> None:
    source = tmp_path / "mmlu"
    authors_csv(source) if form == "authors" else hub_rows(source, form)
    main([str(source), "--to", str(tmp_path)])
    assert read(tmp_path / "cases.jsonl") == BOTH
    assert read(tmp_path / "dev.jsonl") == BOTH


def test_what_is_no_mmlu_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "a,b,c,d,e,F\n": "line 1: 6 cells, the last ['F']; a row is a question",
        "a,b,c,d,e\n": "line 1: 5 cells, the last ['e']",
        "question,choices,answer\nWhich?,\"['a', 'b']\",4\n": "none of its 2 choices",
        "": "no file of the split `test`",
    }
    for text, said in wrong.items():
        (tmp_path / "law_test.csv").write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit):
            main([str(tmp_path), "--to", str(tmp_path)])
        assert said in capsys.readouterr().err
    assert not (tmp_path / "cases.jsonl").exists()


def test_the_exam_is_balanced_and_shares_no_question_with_its_dev_split() -> None:
    cases, dev = read(FOLDER / "cases.jsonl"), read(FOLDER / "dev.jsonl")
    assert (len(cases), len(dev)) == (120, 30)
    asked = [row["question"].casefold() for row in [*cases, *dev]]
    assert len(set(asked)) == 150
    for row in [*cases, *dev]:
        assert len({choice.casefold() for choice in row["choices"]}) == 4
        assert row["tags"] == [row["subject"]]
    subjects = Counter(row["subject"] for row in cases)
    assert sorted(subjects.values()) == [20] * 6
    assert Counter(row["subject"] for row in dev) == dict.fromkeys(subjects, 5)
    letters = Counter((row["subject"], row["answer"]) for row in cases)
    assert set(letters.values()) == {5}


def test_a_clone_replays_the_exam_and_calls_nobody(pytester: pytest.Pytester) -> None:
    folder = pytester.path / "exam"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".ladder"))
    (pytester.path / "support").symlink_to(FOLDER.parent / "support")
    result = pytester.runpytest_subprocess("exam")
    assert result.ret == 0
    report = pytester.path / "ladder-report/current/matrix.json"
    spend = json.loads(report.read_text(encoding="utf-8"))["spend"]
    assert (spend["live_calls"], spend["replayed_calls"]) == (0, 120)


def test_the_report_of_the_results_is_that_of_the_ladder() -> None:
    ladder = load_ladder(FOLDER / "ladder.toml")
    results = json.loads((FOLDER / "results/matrix.json").read_text(encoding="utf-8"))
    assert {rung["id"] for rung in results["rungs"]} == {r.id for r in ladder.rungs}
    assert all(rung["levels"]["cheap"]["n"] == 120 for rung in results["rungs"])
    chart = (FOLDER / "results/chart.svg").read_text(encoding="utf-8")
    assert "chance 25.0 %" in chart
