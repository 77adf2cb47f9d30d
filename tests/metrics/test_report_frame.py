"""A written report as a data frame of the real pandas."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pandas as pd
import pytest

import pytest_ladder
from tests.cli.written_report import a_report, written
from tests.reporting.test_case_texts import with_cases

UNKNOWN = "small/plain"
"""The rung with a row of which cost and score are unknown."""


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    report = with_cases(a_report())
    unknown = msgspec.structs.replace(report.rows[0], replies=(), score=None)
    report = msgspec.structs.replace(report, rows=[unknown, *report.rows[1:]])
    folder = written(tmp_path / "ladder-report", report)
    return pytest_ladder.read_report(folder).to_pandas()


def test_each_row_is_a_line_with_what_its_case_asks(frame: pd.DataFrame) -> None:
    assert len(frame) == 160
    line = frame.iloc[1]
    assert line["rung"] == "small/plain"
    assert line["input"] == f"which colour is {line['case']}?"
    assert line["expected"] == '{"colour": "blue"}'


def test_figures_are_numbers_and_what_is_unknown_is_nan(frame: pd.DataFrame) -> None:
    assert frame.dtypes[["score", "cost_usd", "latency_s"]].eq("float64").all()
    assert frame["live"].dtype == bool
    assert frame["cost_usd"].isna().sum() == 1
    assert frame["score"].isna().sum() == 1
    assert frame["cost_usd"].iloc[1] == pytest.approx(0.0012)


def test_quality_by_rung_is_that_of_the_matrix(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    report = pytest_ladder.read_report(tmp_path / "ladder-report")
    means = frame[frame["level"] == "cheap"].groupby("rung")["score"].mean()
    measured = [rung for rung in report.rungs if rung.id != UNKNOWN]
    assert len(measured) == 3
    for rung in measured:
        cell = rung.levels[pytest_ladder.Level.CHEAP]
        assert means[rung.id] == pytest.approx(cell.quality)
