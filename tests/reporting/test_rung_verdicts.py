"""The verdict of a rung is the one that the decision goes by, wherever it is shown.

A rung that met the bar and failed a criterion stood there as "pass".
"""

from __future__ import annotations

import csv
from typing import Any

import pytest

from pytest_ladder.core.ladder import Objective, Require
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Part
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.reporting.files.matrix_csv import matrix_csv
from pytest_ladder.reporting.files.write import matrix_json
from pytest_ladder.reporting.html import page_html
from pytest_ladder.reporting.markdown import matrix_markdown
from pytest_ladder.reporting.report import Report, RunInfo, report_on
from pytest_ladder.reporting.terminal.report import report_lines
from tests.decide.ladders import Made, passes, rows_of
from tests.reporting.test_page_html import data_of

MADE = {
    "a/x": Made(scores=passes(90, 100), usd=0.001, seconds=3.0),
    "b/x": Made(scores=passes(95, 100), usd=0.002),
    "c/x": Made(scores=passes(99, 100), usd=0.005, build_hours=40.0),
    "d/x": Made(scores=passes(60, 100), usd=0.009),
}
SOON = Require(latency_p95_s=2.0)
GOOD: dict[str, Any] = {"kind": "good-enough", "quality": 0.8}
OUT = "Out for more than the bar: "


def a_report(part: Part | None = None, **objective: Any) -> Report:
    rows = rows_of(MADE)
    rungs = [one.rung(name) for name, one in MADE.items()]
    info = RunInfo(
        id="run",
        started="2026-01-02T03:04:05Z",
        mode="matrix",
        current="a/x",
        part=part,
    )
    wanted = Objective(**objective)
    return report_on(info, build_matrix(rows, rungs, {}), rows, wanted)


def in_terminal(report: Report) -> dict[str, str]:
    lines = [text.split() for text, _ in report_lines(report, 200)]
    words = [line[1:] if line[0] in "▸✦" else line for line in lines if line]
    # What the marks mean comes below the table.
    return {line[0]: line[1] for line in reversed(words) if line[0] in MADE}


def in_markdown(report: Report) -> dict[str, str]:
    lines = [line.split(" | ") for line in matrix_markdown(report).splitlines()]
    named = {line[0].strip("| ").split(" ")[0].strip("*"): line for line in lines}
    return {rung: named[rung][1] for rung in MADE}


def everywhere(report: Report) -> list[dict[str, str]]:
    """Gather what is said of each rung: by programs' files and by people's."""
    view = data_of(page_html(report), "summary")["view"]
    table = csv.DictReader(matrix_csv(report.matrix).splitlines())
    return [
        {rung["id"]: rung["verdict"] for rung in matrix_json(report)["rungs"]},
        {line["rung"]: line["rung_verdict"] for line in table},
        in_terminal(report),
        in_markdown(report),
        view["verdicts"],
    ]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ("pass", "pass", "pass", "fail")),
        ({"require": (SOON,)}, ("fail", "pass", "pass", "fail")),
        ({"latency_p95_s": 2.0}, ("fail", "pass", "pass", "fail")),
        ({"build_hours": 10.0}, ("pass", "pass", "fail", "fail")),
        ({"kind": "budget", "usd_per_1k": 3.0}, ("pass", "pass", "fail", "fail")),
        (
            {"require": (Require(level=Level.CHEAP, tag="de", at_least=0.9),)},
            ("undecided", "undecided", "undecided", "fail"),
        ),
        ({"min_n": 200}, ("undecided",) * 4),
    ],
)
def test_a_rung_has_one_verdict_in_all_reports(
    asked: dict[str, Any], found: tuple[str, ...]
) -> None:
    report = a_report(**{**GOOD, **asked})
    for said in everywhere(report):
        assert said == dict(zip(MADE, found, strict=True))
    advice = report.decision.recommendation
    assert advice is not None
    assert advice.rung is None or report.decision.rung_verdicts[advice.rung] == "pass"


def test_a_cell_keeps_its_verdict_against_the_bar_alone() -> None:
    report = a_report(**GOOD, require=(SOON,))
    slow = matrix_json(report)["rungs"][0]
    assert (slow["id"], slow["verdict"]) == ("a/x", "fail")
    assert slow["levels"]["cheap"]["verdict"] == "pass"
    assert slow["lacks"] == ["has a p95 latency of 3.0 s (at most 2.0 s)"]
    assert report.decision.verdicts["a/x"] == "pass"


def test_part_of_a_suite_leaves_all_undecided_and_keeps_none_out() -> None:
    report = a_report(Part(items=3, of=400), **GOOD, build_hours=10.0)
    assert set(report.decision.rung_verdicts.values()) == {"undecided"}
    assert not any(rung.lacks for rung in report.matrix.rungs)


def test_without_a_bar_no_rung_has_a_verdict() -> None:
    report = a_report(kind="budget", usd_per_1k=3.0, require=(SOON,))
    assert report.decision.rung_verdicts == {}
    assert "verdict" not in report_lines(report, 200)[0][0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"build_hours": 10.0}, "c/x, which takes 40 h to build (at most 10 h)."),
        (
            {"kind": "budget", "usd_per_1k": 3.0},
            "c/x, which costs $5.00 per 1,000 calls.",
        ),
        (
            {"kind": "budget", "usd_per_1k": 0.5},
            "a/x, which costs $1.00 per 1,000 calls; b/x, which costs $2.00 per "
            "1,000 calls; c/x, which costs $5.00 per 1,000 calls.",
        ),
        # What criteria of its own line say is not said again.
        ({"require": (SOON,)}, None),
    ],
)
def test_what_keeps_a_rung_out_beside_the_bar_is_said_where_no_criterion_says_it(
    asked: dict[str, Any], said: str | None
) -> None:
    report = a_report(**{**GOOD, **asked})
    faces = [
        "\n".join(text for text, _ in report_lines(report, 400)),
        matrix_markdown(report).replace("&#36;", "$"),
        "\n".join(data_of(page_html(report), "summary")["remarks"]),
    ]
    for face in faces:
        assert (OUT in face) is (said is not None)
        assert said is None or OUT + said in face


def test_the_page_says_of_what_ships_that_it_fails() -> None:
    report = a_report(**GOOD, require=(SOON,))
    shipped = data_of(page_html(report), "summary")["view"]["hero"]["shipped"]
    assert ", fail." in shipped
