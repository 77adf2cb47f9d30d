"""Runs that decide nothing do not deny the objective that ladder.toml has."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.reporting.charts.badge import badge_text
from pytest_ladder.reporting.charts.picture import picture_svg
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.html.page import page_html
from pytest_ladder.reporting.markdown import matrix_markdown
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.terminal.report import decision_lines
from tests.cli.written_report import GOAL, RUNGS, a_report, some_rows, written

BELOW = (
    "small/plain is below the bar of 70 % at cheap: 50.0 % (35.2-64.8, n=40). This run "
    "decides nothing by the objective; `pytest --ladder=matrix` does."
)


def shipped_alone(aim: Objective | None, mode: str = "current") -> Report:
    rows = some_rows(["small/plain"])
    return a_report(rows, rungs=RUNGS[:1], objective=None, mode=mode, aim=aim)


def test_a_run_of_the_shipped_rung_says_how_it_stands_to_the_bar(
    tmp_path: Path,
) -> None:
    report = read_report(written(tmp_path / "there", shipped_alone(GOAL)))
    assert report.info.aim == GOAL
    assert " ".join(text for text, _ in decision_lines(report, 400)) == BELOW
    assert "small/plain is below the bar of 70 % at cheap" in matrix_markdown(report)
    page = page_html(report)
    assert '"title":"Below the bar of 70 %"' in page
    assert BELOW.replace("`", "\\u0060") in page or BELOW in page
    assert "good enough: quality ≥ 70 % at cheap" in page
    assert badge_text(report) == "below the bar of 70 %"
    for said in (page, picture_svg(report)):
        assert "no objective" not in said.lower()


def test_an_objective_without_a_bar_is_named() -> None:
    report = shipped_alone(Objective(kind="budget", usd_per_1k=5))
    (text, _), *more = decision_lines(report, 400)
    assert more == []
    assert text.startswith("This run decides nothing by the objective (budget: ")
    assert "at most $5.00 per 1,000 calls" in text


@pytest.mark.parametrize(
    ("mode", "title"),
    [("current", "1 rung, nothing decided"), ("matrix", "1 rung, no objective")],
)
def test_where_none_is_known_only_a_matrix_says_that_there_is_none(
    mode: str, title: str
) -> None:
    report = shipped_alone(None, mode)
    assert f'"title":"{title}"' in page_html(report)
    assert decision_lines(report, 400) == []


def test_of_rungs_that_are_equal_the_cheapest_is_named_as_the_best() -> None:
    # The first cases pass on all of them.
    report = a_report(some_rows(cases=range(4)), rungs=RUNGS, objective=None)
    assert "The best quality at cheap is 100.0 %, by small/plain." in page_html(report)
