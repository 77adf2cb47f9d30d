"""What a report holds for people: its replies once, and what their cases ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.row import Outcome
from pytest_ladder.core.score import Level
from pytest_ladder.decide.people.standing import replies_of
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.review.material import blocks_of, candidates_of
from pytest_ladder.review.queue import Block
from tests.cli.written_report import a_report, a_row
from tests.review.reviewed import write_ladder


def told(folder: Path, source: str = "cases.jsonl", case: str = "c00") -> Any:
    report = read_report(folder / "ladder-report")
    return blocks_of(report, load_ladder(folder / "ladder.toml"))((source, case))


@pytest.mark.parametrize(
    ("show", "blocks"),
    [
        ('["input"]', (("input", "question 0?"),)),
        ('["expected", "input"]', (("expected", "truth 0"), ("input", "question 0?"))),
        ('["context"]', ()),
    ],
)
def test_the_file_of_a_case_says_what_it_asks(
    tmp_path: Path, show: str, blocks: tuple[Block, ...]
) -> None:
    write_ladder(tmp_path, review=f"show = {show}\n")
    assert told(tmp_path) == blocks


def test_without_the_file_it_is_what_the_report_kept_of_the_case(
    tmp_path: Path,
) -> None:
    write_ladder(tmp_path, review='show = ["input", "expected"]\n')
    (tmp_path / "cases.jsonl").unlink()
    row = a_row("small/plain", 0)
    kept = WrittenCase(source=row.source, case=row.case, input="Q?", expected="A.")
    report = msgspec.structs.replace(a_report([row]), cases={row.unit: kept})
    blocks = blocks_of(report, load_ladder(tmp_path / "ladder.toml"))(row.unit)
    assert blocks == (("input", "Q?"), ("expected", "A."))


def test_without_the_file_it_is_what_the_model_was_asked(tmp_path: Path) -> None:
    write_ladder(tmp_path)
    (tmp_path / "cases.jsonl").unlink()
    assert told(tmp_path) == (("input", "about c00"),)


def test_without_the_file_the_report_says_what_a_case_asks_and_expects(
    tmp_path: Path,
) -> None:
    """Of cases that passed it said nothing where no exchanges were kept."""
    write_ladder(tmp_path, review='show = ["input", "expected"]\n')
    (tmp_path / "cases.jsonl").unlink()
    report = msgspec.structs.replace(
        read_report(tmp_path / "ladder-report"),
        exchanges={},
        cases={
            ("cases.jsonl", "c00"): WrittenCase(
                source="cases.jsonl", case="c00", input="how long?", expected=["3 days"]
            )
        },
    )
    blocks = blocks_of(report, load_ladder(tmp_path / "ladder.toml"))
    assert blocks(("cases.jsonl", "c00")) == (
        ("input", "how long?"),
        ("expected", '["3 days"]'),
    )


@pytest.mark.parametrize(
    "source", ["../secret.jsonl", "/etc/passwd", "a\0b", "x" * 999, "test_a.py::test_b"]
)
def test_a_source_that_is_no_file_of_the_ladder_is_not_read(
    tmp_path: Path, source: str
) -> None:
    folder = tmp_path / "ladder"
    write_ladder(folder)
    (tmp_path / "secret.jsonl").write_text('{"id": "c00", "input": "SECRET"}\n')
    report = a_report([a_row("small/plain", 0, source=source)])
    blocks = blocks_of(report, load_ladder(folder / "ladder.toml"))((source, "c00"))
    assert blocks == (("input", "about c00"),)


def test_a_reply_is_asked_about_once_and_a_judge_goes_before_a_check() -> None:
    cheap = a_row("small/plain", 0, text="same")
    judged = msgspec.structs.replace(
        cheap, test="test_z", level=Level.JUDGED, outcome=Outcome.MISSED
    )
    other = msgspec.structs.replace(cheap, sample=2, text="other")
    broken = msgspec.structs.replace(cheap, case="c99", outcome=Outcome.ERROR)
    without = msgspec.structs.replace(cheap, case="c98", replies=())
    report = a_report([cheap, judged, other, broken, without])
    found = candidates_of(report)
    assert [(one.text, one.passed) for one in found] == [
        ("same", False),
        ("other", True),
    ]
    assert list(replies_of(report.rows).values()) == [{"same", "other"}]
    assert candidates_of(report, "test_nowhere") == []
