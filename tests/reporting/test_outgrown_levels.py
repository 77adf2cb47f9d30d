"""Every report says that a level must grow, and none of a part of the suite."""

from __future__ import annotations

import msgspec

from pytest_ladder.core.row import Outcome
from pytest_ladder.decide.decision import Part
from pytest_ladder.reporting.files.write import matrix_json
from pytest_ladder.reporting.html import page_html
from pytest_ladder.reporting.markdown import matrix_markdown
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.terminal.report import report_lines
from pytest_ladder.text.untrusted import markdown_text
from tests.cli.written_report import CASES, PASSING, a_report, a_row
from tests.reporting.test_page_html import data_of

SAID = (
    "cheap: add harder cases: none of 4 rungs can be told from the best, at 100.0 %; 1 "
    "of 40 cases still tells rungs apart; the hardest: "
)


def grown(case: str = "c07", part: Part | None = None) -> Report:
    """All rungs pass all cases, but for one that misses one."""
    rows = [
        msgspec.structs.replace(
            a_row(rung, number),
            case=case if number == 7 else f"c{number:02}",
            outcome=Outcome.PASSED,
            score=1.0,
        )
        for rung in PASSING
        for number in range(CASES)
    ]
    rows[7] = msgspec.structs.replace(rows[7], outcome=Outcome.MISSED, score=0.0)
    return a_report(rows, part=part)


def test_terminal_markdown_page_and_json_say_it() -> None:
    report = grown()
    printed = " ".join(
        " ".join(line.split()) for line, _ in report_lines(report, width=80)
    )
    assert SAID + "c07." in printed
    assert f"- {markdown_text(SAID + 'c07.', 1000)}" in matrix_markdown(report)
    (view, *_) = data_of(page_html(report), "views")["cheap"]
    assert view["notes"][0] == SAID + "c07."
    (level,) = matrix_json(report)["outgrown"]
    assert (level["level"], level["telling"], level["hardest"]) == ("cheap", 1, ["c07"])


def test_of_a_part_nobody_says_it() -> None:
    report = grown(part=Part(items=160, of=320))
    assert matrix_json(report)["outgrown"] == []
    assert "add harder cases" not in matrix_markdown(report)


def test_ids_of_cases_are_text_wherever_they_are_shown() -> None:
    report = grown(case="<b>\x1b[31m|c*")
    printed = "".join(line for line, _ in report_lines(report, width=200))
    assert "\x1b" not in printed
    assert "<b>" not in matrix_markdown(report)
