"""Inputs and what is expected, on their way through the files of reports."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.case import Case, WrittenCase, written_case
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.baseline import compared_run, write_baseline
from pytest_ladder.reporting.files.merge import merged
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.files.write import write_report
from pytest_ladder.reporting.html import page_html
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.without_texts import without_texts
from pytest_ladder.review.material import candidates_of
from tests.cli.written_report import a_report, a_row, some_rows
from tests.reporting.test_page_html import cases_of

SECRET = "quartzite"


def with_cases(report: Report) -> Report:
    cases = {
        row.unit: WrittenCase(
            source=row.source,
            case=row.case,
            input=f"which colour is {row.case}?",
            expected={"colour": "blue"},
        )
        for row in report.rows
    }
    return msgspec.structs.replace(report, cases=cases)


def test_a_case_is_written_as_json_has_it_whatever_its_type() -> None:
    def kept(expected: Any) -> Any:
        return written_case(Case(id="a", input="x", expected=expected)).expected

    class Odd:
        def __repr__(self) -> str:
            return f"<Odd at 0x{id(self):x}>"

    assert kept(None) is None
    assert kept({1: ("a", {"b"})}) == {"1": ["a", ["b"]]}
    assert kept([math.nan]) == [None]
    assert kept(Odd()) == "<Odd>"
    talk = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    case = written_case(Case(id="a", input=talk, expected=["ß"]))
    assert case.asked == "system: s\n\nuser: u"
    assert case.wanted == '["ß"]'


def test_inputs_go_through_report_merge_and_baseline(tmp_path: Path) -> None:
    report = with_cases(a_report())
    write_report(tmp_path / "whole", report)
    read = read_report(tmp_path / "whole")
    assert read.cases == report.cases
    assert read_report(tmp_path / "whole").decision == read.decision
    shards = {
        half: with_cases(a_report(some_rows(cases=cases), id=half))
        for half, cases in (("a", range(20)), ("b", range(20, 40)))
    }
    assert merged(shards).cases == report.cases
    write_baseline(tmp_path / "base", report)
    assert read_report(tmp_path / "base").cases == report.cases
    # A later run that keeps texts out leaves none behind.
    silent = without_texts(report)
    write_report(tmp_path / "whole", silent)
    write_baseline(tmp_path / "base", silent)
    for folder in ("whole", "base"):
        assert not (tmp_path / folder / "inputs.jsonl").exists()
    assert read_report(tmp_path / "whole").info.texts is False


def test_the_page_has_them_without_exchanges_and_from_older_rows(
    tmp_path: Path,
) -> None:
    report = msgspec.structs.replace(with_cases(a_report()), exchanges={})
    told = cases_of(page_html(report))
    case = told["cases"][3]
    asked, expected = (told["texts"][number] for number in case[4:])
    assert asked == f"which colour is {case[1]}?"
    assert expected == '{"colour": "blue"}'
    old = a_row("small/plain", 39, input="which colour?", expected="blue")
    told = cases_of(page_html(a_report([old, a_row("small/plain", 1)])))
    texts = [[told["texts"][n] for n in case[4:]] for case in told["cases"]]
    assert texts == [["", ""], ["which colour?", "blue"]]


def test_no_file_of_a_report_without_texts_quotes_anybody(tmp_path: Path) -> None:
    loud = {"text": SECRET, "said": SECRET, "reason": f"assert {SECRET}"}
    rows = [
        a_row("small/plain", case, input=SECRET, expected=SECRET, **loud)
        for case in range(40)
    ]
    better = [
        msgspec.structs.replace(a_row("small/plain", 0), case=row.case) for row in rows
    ]
    report = with_cases(a_report(rows))
    base = compared_run(a_report(better))
    found = gate(base, compared_run(report))
    assert any(flip.after.text == SECRET for flip in found.flips)
    report = msgspec.structs.replace(report, gate=found)
    write_report(tmp_path, without_texts(report))
    for file in tmp_path.iterdir():
        assert SECRET not in file.read_text(encoding="utf-8"), file.name
    told = cases_of(page_html(without_texts(report)))
    assert SECRET not in json.dumps(told)
    with pytest.raises(ConfigError, match="no replies to show"):
        candidates_of(without_texts(report))
