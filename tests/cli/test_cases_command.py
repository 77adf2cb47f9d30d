"""`pytest-ladder cases convert`: what it writes, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.cases.load import load_cases
from pytest_ladder.cli.main import BAD_INPUT, main

PROMPTFOO = """\
question,__expected
Where?,contains: Paris
When?,regex: ^19
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_it_says_what_was_read_and_what_was_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pf.csv").write_text(PROMPTFOO)
    assert main(["cases", "convert", "pf.csv", "-o", "out/cases.jsonl"]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "2 cases read, written to out/cases.jsonl",
        "read as promptfoo (table): 2 rows",
        "with expected: 1",
        "in the metadata: `__expected`, `assert`",
        "pf.csv: these assertions of promptfoo are in `case.metadata['assert']` and "
        "not in `expected`: regex (1 time); check them in the test.",
    ]
    first, second = lines((folder / "out/cases.jsonl").read_text())
    assert (first["input"], first["expected"]) == ("Where?", "Paris")
    assert "expected" not in second


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", PROMPTFOO),
        ("a.yaml", "- {input: hi, expected: 12:30, tags: [a], cluster: c, ID: 3}\n"),
        (
            "a.jsonl",
            '{"messages": [{"role": "user", "content": "ü"}], "relevant": ["r"]}\n'
            '{"question": "q", "choices": ["x", "y"], "answer": 0, "contexts": ["c"]}\n'
            '{"instruction": "Do", "input": "", "output": "y"}\n',
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest_ladder.errors.LadderWarning")
def test_what_is_written_is_read_as_the_same_cases(
    folder: Path, name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    assert main(["cases", "convert", name]) == 0
    (folder / "out.jsonl").write_text(capsys.readouterr().out, encoding="utf-8")
    before, after = (
        [
            msgspec.structs.replace(case, source="", former_hash="")
            for case in load_cases(file, folder=folder, where="t")
        ]
        for file in (name, "out.jsonl")
    )
    assert before == after


def test_columns_can_be_named_and_what_a_model_said_goes_aside(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "log.csv").write_text("user_text;gold;answer\nHi;Ho;model\n")
    assert main(["cases", "convert", "log.csv"]) == BAD_INPUT
    assert "it holds `user_text`, `gold`, `answer` (between semicolons)" in (
        capsys.readouterr().err
    )
    named = ["--input", "user_text", "--expected", "gold"]
    assert main(["cases", "convert", "log.csv", *named]) == 0
    (row,) = lines(capsys.readouterr().out)
    assert (row["input"], row["expected"]) == ("Hi", "Ho")
    assert row["metadata"] == {"answer": "model"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no.csv"], "no.csv: there is no such file"),
        (["a.csv", "-o", "a.jsonl"], "a.jsonl exists already; name another file"),
        (
            ["a.csv", "-o", "b.csv"],
            "b.csv: cases are written as JSONL; name it b.jsonl",
        ),
        (
            ["a.jsonl", "--input", "qestion"],
            "a.jsonl: no row has `qestion`; did you mean `question`?",
        ),
        (["a.jsonl", "--expected", "gold"], "a.jsonl: no row has `gold`; "),
    ],
)
def test_mistakes_get_a_sentence_and_write_nothing(
    folder: Path,
    arguments: list[str],
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "a.csv").write_text("input\nhi\n")
    (folder / "a.jsonl").write_text('{"question": "hi"}\n')
    assert main(["cases", "convert", *arguments]) == BAD_INPUT
    assert problem in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "a.jsonl"]
