"""What people said of replies, in every rendering of a report."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.core.ladder import Gate, Objective
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.core.review import Review
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.decide.people.sums import people_of
from pytest_ladder.decide.real.promotion import promotion_checks
from pytest_ladder.decide.real.users import Declared
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.files.write import matrix_json, write_report
from pytest_ladder.reporting.html import page_html
from pytest_ladder.reporting.html.people import people_section
from pytest_ladder.reporting.markdown import matrix_markdown
from pytest_ladder.reporting.report import Report, report_on
from pytest_ladder.reporting.revise import with_people
from pytest_ladder.reporting.terminal.people import people_tables
from pytest_ladder.reporting.terminal.report import report_lines
from tests.browser.sample_people import ASKED, sample_people
from tests.cli.written_report import INFO
from tests.cli.written_report import RUNGS as CONFIGURED
from tests.decide.people.test_preferences_of import RUNGS, rows, vote
from tests.reporting.test_page_html import data_of

REPORT = sample_people()


def terminal(report: Report, width: int = 110) -> list[str]:
    return [line for line, _ in report_lines(report, width)]


def test_terminal_markdown_and_page_show_the_same_figures() -> None:
    lines = terminal(REPORT)
    of_people = lines[lines.index("people, asked about replies:") :]
    assert of_people[2].split() == [
        *("smol-ft/rag", "66.6", "%", "58.8-73.6", "228"),
        *("65.9", "%", "55.7-74.8"),
    ]
    assert any(line.startswith("  smol/few-shot") and "ships" in line for line in lines)
    page = matrix_markdown(REPORT)
    assert "### People" in page
    assert "| smol-ft/rag | 66.6 % | 58.8-73.6 | 228 | 65.9 % | 55.7-74.8 |" in page
    assert "Krippendorff's alpha 0.50" in page.replace("&#39;", "'")
    people = data_of(page_html(REPORT), "summary")["people"]
    assert people["preferred"][0]["cells"][:2] == ["smol-ft/rag", "66.6 %"]
    (own, other, *_) = people["grid"][0]["cells"]
    assert own is None
    assert other["words"].startswith("smol-ft/rag is preferred to smol-ft/few-shot")
    assert "Reviewers are no users" in people["said"][-1]


@pytest.mark.parametrize("width", [50, 60, 80])
def test_tables_fit_the_terminal(width: int) -> None:
    assert REPORT.people is not None
    lines = list(people_tables(REPORT.people, "smol/few-shot", width))
    assert max(map(len, lines)) <= width
    assert "66.6 %" in lines[1]


def test_matrix_json_holds_figures_and_what_they_follow_from(tmp_path: Path) -> None:
    write_report(tmp_path, REPORT)
    found = json.loads((tmp_path / "matrix.json").read_text())["reviews"]
    assert found["of"] == "pairs"
    wanted = {"raters": 3, "answers": 720, "repeats": 0}
    assert {key: found[key] for key in wanted} == wanted
    assert found["alpha"] == pytest.approx(found["by"]["pairs"]["alpha"])
    assert 0.4 < found["left_rate"] < 0.6
    assert found["preferences"]["rungs"][0]["rung"] == "smol-ft/rag"
    assert len(found["groups"]) == 1
    read = read_report(tmp_path)
    assert read.people == REPORT.people
    assert terminal(read) == terminal(REPORT)
    document = json.loads((tmp_path / "matrix.json").read_text())
    document["reviews"]["sums"]["votes"][0][1] = 99
    (tmp_path / "matrix.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="this is not what pytest-ladder writes"):
        read_report(tmp_path)


def test_a_report_without_reviews_says_nothing_of_people() -> None:
    report = with_people(REPORT, None)
    assert "reviews" not in matrix_json(report)
    assert "### People" not in matrix_markdown(report)
    assert data_of(page_html(report), "summary")["people"] is None
    few = people_of([vote(0, *RUNGS[:2])], rows(), ASKED_HERE)
    section = people_section(few, None)
    assert section is not None
    assert section["lead"] == (
        "1 choice between two replies, by people. Too "
        "little to rank rungs by: 1 case, and fewer than 6 give no interval."
    )
    nothing = people_of([], REPORT.rows, ASKED)
    assert people_section(nothing, None) is None
    assert terminal(with_people(REPORT, nothing)) == terminal(report)


def decided(reviews: list[Review], outcome: RealOutcome) -> Report:
    scored = rows(20)
    declared = Declared(
        outcomes=(outcome,), primary=outcome.name, aggregates={}, prints={}, today=TODAY
    )
    goal = Objective(kind="good-enough", quality=0.6, level=Level.REAL)
    people = people_of(reviews, scored, ASKED_HERE)
    return report_on(
        INFO,
        build_matrix(scored, CONFIGURED, {}, volume=1000),
        scored,
        goal,
        (),
        declared,
        people,
    )


TODAY = datetime.date(2026, 7, 1)
ASKED_HERE = msgspec.structs.replace(ASKED, question="Would you send it?")


def test_a_preference_is_level_real_and_decides_only_where_it_may() -> None:
    reviews: list[Review] = [
        vote(case, RUNGS[0], other, "b" if case % 10 else "a")
        for case in range(20)
        for other in RUNGS[1:3]
    ]
    shown = RealOutcome(name="preferred", kind="preference")
    report = decided(reviews, shown)
    cell = report.matrix.rungs[1].levels[Level.REAL]
    assert (cell.outcome, cell.noun, cell.n) == ("preferred", "case", 20)
    assert "reviews, and no users" in cell.doubt
    advice = report.decision.recommendation
    assert advice is not None
    assert advice.verdict == "undecided"
    text = " ".join(terminal(report, 200))
    assert "preferred is what reviewers prefer, and they are no users" in text
    assert "20 cases" in text
    assert "users met" not in text
    deciding = msgspec.structs.replace(shown, observed=True)
    report = decided(reviews, deciding)
    assert report.users is not None
    (state,) = report.users.outcomes
    assert state.problems == ()
    assert report.users.proxies == ()
    advice = report.decision.recommendation
    assert advice is not None
    assert (advice.rung, advice.verdict) == (RUNGS[1], "pass")
    (check,) = promotion_checks(report.users, RUNGS[0], RUNGS[1], Gate())
    assert check.verdict == "pass"
    assert "people prefer it" in check.reason
    (check,) = promotion_checks(report.users, RUNGS[1], RUNGS[0], Gate())
    assert (check.verdict, check.reason[-28:]) == (
        "fail",
        "people prefer the other one.",
    )
    (check,) = promotion_checks(report.users, RUNGS[1], RUNGS[3], Gate())
    assert (check.verdict, check.reason) == (
        "undecided",
        f"preferred: too few people compared {RUNGS[3]} with {RUNGS[1]}.",
    )
    nobody = decided([], shown)
    assert "preferred: nobody has compared replies of these rungs" in " ".join(
        terminal(nobody, 200)
    )
