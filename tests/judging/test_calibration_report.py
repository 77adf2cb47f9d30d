"""Reports tell how far their judges can be trusted, and why cases failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.judging.calibration.agreement import IntervalEstimate
from pytest_ladder.judging.calibration.calibrate import calibrations_of, funnel_savings
from pytest_ladder.judging.calibration.corrected import with_misses
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.files.write import write_report
from pytest_ladder.reporting.markdown import MAX_BYTES, matrix_markdown
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.judges import (
    NO_LABELS,
    calibrated_quality,
    cause_counts,
    judge_notes,
    judge_remarks,
)
from pytest_ladder.reporting.terminal.judges import calibration_lines
from pytest_ladder.reporting.terminal.report import report_lines
from pytest_ladder.stats.agreement import poststratified
from tests.judging.judged_rows import (
    TEST,
    a_report,
    a_row,
    labels_for,
    some_rows,
    unjudged,
)

ROWS = some_rows(40, 20)
GOOD = labels_for(ROWS, 20, 1, 1, 8)
POOR = labels_for(ROWS, 12, 8, 4, 1)


def terminal(report: Report, width: int = 80) -> list[str]:
    return [line for line, _ in report_lines(report, width)]


def test_a_judge_is_measured_on_the_terminal() -> None:
    lines = terminal(a_report(ROWS, GOOD))
    start = lines.index("judges, measured by labels:")
    assert lines[start + 1 : start + 10] == [
        "  judge of           test_right",
        "  labels             30",
        "  accuracy           93.3 % (78.7-98.2)",
        "  always one answer  70.0 % (pass)",
        "  sensitivity        95.2 % (77.3-99.2, n=21)",
        "  specificity        88.9 % (56.5-98.0, n=9)",
        "  kappa              0.84 (0.55 to 1.00)",
        "  AC1                0.89 (0.65 to 1.00)",
        "  raters             one rater",
    ]
    assert "30 labels; 50 are needed to gate." in lines


def test_the_calibrated_quality_stands_beside_the_raw_one() -> None:
    report = a_report(ROWS, GOOD)
    expected = poststratified(40, 20, 20, 1, 1, 8)
    found = calibrated_quality(report)["m/plain"]
    assert (found.value, found.low, found.high) == pytest.approx(
        [expected.mean, expected.low, expected.high]
    )
    head, line, *_ = terminal(report, 120)
    assert "judged    95 % CI   n  calibrated    95 % CI" in head
    assert "66.7 %  54.1-77.3  60      66.9 %  52.7-79.7" in line


def test_a_narrow_terminal_has_it_on_a_line_of_its_own() -> None:
    lines = terminal(a_report(ROWS, GOOD), 60)
    assert "calibrated" not in lines[0]
    assert "m/plain: judged 66.7 %, calibrated 66.9 % (52.7-79.7)" in lines


def test_a_rung_without_labels_of_its_own_is_marked() -> None:
    rows = [*ROWS, *some_rows(30, 30, rung="m/rag")]
    lines = terminal(a_report(rows, GOOD), 120)
    (line,) = [line for line in lines if line.startswith("  m/rag")]
    assert "~" in line
    assert any(line.startswith("~ by the judge's errors on other") for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_fits_is_not_wider_than_the_terminal(width: int) -> None:
    rows = [*ROWS, *some_rows(30, 30, rung="m/rag")]
    assert all(len(line) <= width for line in terminal(a_report(rows, GOOD), width))


def test_a_poor_judge_is_called_poor_everywhere() -> None:
    report = a_report(ROWS, POOR)
    told = "The judge agrees with the labels on 52%; always saying pass agrees on 64%."
    assert told in list(judge_remarks(report))
    assert told in " ".join(terminal(report))
    assert told in matrix_markdown(report)
    assert told in list(calibration_lines(report.calibrations, 100))


def test_without_labels_one_line_says_what_to_do() -> None:
    report = a_report(ROWS)
    assert list(judge_remarks(report)) == [NO_LABELS]
    assert NO_LABELS in terminal(report)
    assert "uncalibrated: no labels" in matrix_markdown(report)
    assert calibrated_quality(report) == {}


def test_below_20_labels_a_judge_is_uncalibrated() -> None:
    report = a_report(ROWS, labels_for(ROWS, 10, 1, 1, 7))
    assert any("Uncalibrated: 19 labels" in line for line in terminal(report))
    assert calibrated_quality(report) == {}
    assert "| judge of |" not in matrix_markdown(report)


def test_what_a_rung_lacks_is_said_below_the_matrix_and_by_calibrate() -> None:
    report = a_report([*ROWS, *some_rows(60, 40, rung="m/rag")], GOOD)
    told = (
        "m/plain: 20 labels more for this rung and the judged level may decide.",
        "m/rag: 20 labels more for this rung (5 of them on replies that the judge "
        "failed, 5 of them on replies that it passed) and the judged level may decide.",
    )
    assert set(told) <= set(judge_remarks(report))
    lines = " ".join(calibration_lines(report.calibrations, 300))
    assert all(one in lines for one in told)


def test_labels_of_rungs_that_did_not_run_are_not_forgotten() -> None:
    rows = [*ROWS, *some_rows(30, 30, rung="m/rag")]
    labels = labels_for(rows, 60, 0, 0, 30)
    old = [msgspec.structs.replace(label, judged=None) for label in labels]
    told = [*judge_remarks(a_report(some_rows(10, 0), old))]
    assert any("There are 80 more labels, of replies that" in line for line in told)
    assert not any(
        "more labels" in line for line in judge_remarks(a_report(rows, labels))
    )
    # What says itself what the judge said needs no report with its reply.
    (judge,) = a_report(some_rows(10, 0), labels).calibrations
    assert (judge.labels, judge.elsewhere, judge.errors.labels) == (10, 80, 90)
    assert "80 labels of replies of other runs measure" in " ".join(
        calibration_lines([judge], 100)
    )


def test_a_report_that_nobody_judged_says_nothing_of_judges() -> None:
    row = a_row(1, level=Level.CHEAP, verdict=None)
    report = a_report([row])
    assert report.calibrations == ()
    assert not [*judge_remarks(report), *judge_notes(report)]


def test_functions_that_judge_need_no_labels() -> None:
    rows = some_rows(3, 2, judge="short", rubric="")
    assert a_report(rows).calibrations == ()
    # But who labels them wants to know.
    (found,) = a_report(rows, labels_for(rows, 2, 1, 1, 1)).calibrations
    assert (found.judge, found.labels) == ("short", 5)


def test_several_judges_are_told_apart_by_their_tests() -> None:
    tone = some_rows(30, 30, test="test_shop.py::test_tone")
    rows = [*ROWS, *tone]
    report = a_report(rows, [*GOOD, *labels_for(tone, 10, 5, 5, 10)])
    lines = terminal(report, 100)
    assert any(line.split()[2:] == ["test_right", "test_tone"] for line in lines)
    assert "test_right: 30 labels; 50 are needed to gate." in lines
    narrow = [line for line in terminal(report, 60) if "judge of" in line]
    assert [line.split()[2:] for line in narrow] == [["test_right"], ["test_tone"]]


def test_of_several_tests_the_means_are_taken() -> None:
    tone = some_rows(30, 30, test="test_shop.py::test_tone", weight=3.0)
    both = a_report([*ROWS, *tone], [*GOOD, *labels_for(tone, 14, 1, 2, 13)])
    one = calibrated_quality(a_report(ROWS, GOOD))["m/plain"]
    other = calibrated_quality(a_report(tone, labels_for(tone, 14, 1, 2, 13)))[
        "m/plain"
    ]
    found = calibrated_quality(both)["m/plain"]
    assert found.value == pytest.approx((one.value + 3 * other.value) / 4)
    assert found.low == pytest.approx(((one.low or 0) + 3 * (other.low or 0)) / 4)
    assert calibrated_quality(a_report([*ROWS, *tone], GOOD)) == {}


def test_a_test_that_wants_a_fail_has_no_calibrated_quality() -> None:
    # `assert not verdict`: what people would pass is not what the test counts.
    turned = [
        msgspec.structs.replace(
            row,
            outcome=Outcome.MISSED if row.score else Outcome.PASSED,
            score=1.0 - (row.score or 0.0),
        )
        for row in ROWS
    ]
    report = a_report(turned, GOOD)
    assert report.calibrations[0].calibrated
    assert calibrated_quality(report) == {}


def test_samples_of_a_case_are_one_case() -> None:
    rows = [a_row(n, n < 40, sample=s) for n in range(60) for s in (1, 2, 3)]
    report = a_report(rows, GOOD)
    (rung,) = report.calibrations[0].rungs
    assert rung.raw.value == pytest.approx(2 / 3)
    assert rung.raw.n == 60
    once = calibrated_quality(a_report(ROWS, GOOD))
    assert calibrated_quality(report) == once


def test_a_sample_counts_as_often_as_it_came() -> None:
    # Nine of ten samples say the same: the reply is one to label, and nine to count.
    rows = [
        a_row(n, s < 9, sample=s + 1, text=f"{n} {'right' if s < 9 else 'wrong'}")
        for n in range(40)
        for s in range(10)
    ]
    (rung,) = a_report(rows).calibrations[0].rungs
    assert rung.raw.value == pytest.approx(0.9)


def test_what_the_funnel_held_back_counts_as_a_miss() -> None:
    held = [row for n in range(60, 80) for row in unjudged(n)]
    report = a_report([*ROWS, *held], GOOD)
    before = calibrated_quality(a_report(ROWS, GOOD))["m/plain"]
    found = calibrated_quality(report)["m/plain"]
    assert found.n == 80
    assert found.value == pytest.approx(0.75 * before.value)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_misses_widen_an_interval_by_their_own_doubt(value: float) -> None:
    low, high = max(0.0, value - 0.1), min(1.0, value + 0.1)
    found = with_misses(IntervalEstimate(value=value, low=low, high=high, n=60), 20)
    assert found.value == pytest.approx(0.75 * value)
    assert found.n == 80
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low >= 0.75 * (high - low)
    same = IntervalEstimate(value=value, low=low, high=high, n=60)
    assert with_misses(same, 0) is same


def test_what_the_funnel_saved_is_told() -> None:
    held = [row for n in range(60, 65) for row in unjudged(n)]
    report = a_report([*ROWS, *held])
    assert (
        "The funnel left 5 replies unjudged that had missed a cheap check, which saved "
        "about $0.05."
    ) in list(judge_notes(report))
    # One that was judged all the same, in another process, saved nothing.
    judged = msgspec.structs.replace(held[0], evaluations=ROWS[0].evaluations)
    assert funnel_savings([*ROWS, judged, *held[2:]]).replies == 4
    nothing_known = [msgspec.structs.replace(row, evaluations=()) for row in ROWS]
    told = list(judge_notes(a_report([*nothing_known, *held])))
    assert any(line.endswith("what that saved is unknown.") for line in told)
    assert any("5 replies" in line for line in terminal(report))


def test_a_judge_of_the_models_family_is_warned_of_once() -> None:
    judge = "openai/gpt-5-mini + anthropic/claude-haiku@2026-01"
    rows = [
        *some_rows(2, 1, judge=judge),
        *some_rows(2, 1, judge=judge, rung="m/rag"),
    ]
    warned = [line for line in judge_remarks(a_report(rows)) if "one family" in line]
    assert warned == [
        "The judge openai/gpt-5-mini and the model m (openai/gpt-5-nano) are of one "
        "family, and a judge favours what its own family writes; take one of another."
    ]


FOUND: dict[str, Any] = {"test": "t::test_found", "rubric": "context_sufficiency@1#0"}


def test_a_failed_case_names_its_first_failing_check(tmp_path: Path) -> None:
    rows = [
        *some_rows(2, 2),
        *some_rows(3, 1, **FOUND),
        a_row(7, passed=False, level=Level.CHEAP, test="t::test_short", verdict=None),
    ]
    report = a_report(rows)
    counted = {"context sufficiency": 1, "correctness": 1, "other checks": 1}
    assert cause_counts(report) == {"m/plain": counted}
    line = (
        "m/plain: 3 cases failed, first at context sufficiency (1), correctness (1), "
        "other checks (1)."
    )
    assert line in list(judge_notes(report))
    assert line in matrix_markdown(report)
    write_report(tmp_path, report)
    assert json.loads((tmp_path / "matrix.json").read_text())["causes"] == {
        "m/plain": counted
    }
    lines = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    written = [json.loads(line) for line in lines]
    causes = {(row["case"], row.get("cause"), row.get("check")) for row in written}
    assert causes == {
        ("case-000", None, None),
        ("case-001", None, None),
        ("case-002", "correctness", TEST),
        ("case-003", "context sufficiency", "t::test_found"),
        ("case-007", "other checks", "t::test_short"),
    }


def test_what_was_not_judged_is_no_cause() -> None:
    report = a_report([*some_rows(1, 0), *unjudged(5)])
    assert cause_counts(report) == {"m/plain": {"other checks": 1}}


def test_a_named_score_stands_for_a_cause() -> None:
    row: Row = a_row(
        1, verdict=None, level=Level.CHEAP, scores={"document_recall": 0.2, "x": 0.1}
    )
    assert cause_counts(a_report([row])) == {"m/plain": {"retrieval": 1}}
    plain = msgspec.structs.replace(row, scores={"x": 0.1}, outcome=Outcome.MISSED)
    assert cause_counts(a_report([plain])) == {}


def test_markdown_has_the_tables() -> None:
    ann, bob = GOOD, labels_for(ROWS, 18, 3, 3, 6, rater="bob")
    page = matrix_markdown(a_report(ROWS, [*ann, *bob]))
    assert "| judge of | labels | accuracy | always one answer |" in page
    assert "86.7 % (70.3-94.7, n=30), kappa" in page
    assert "| rung | judge of | judge says | people would say | its labels | how |" in (
        page
    )
    assert "| m/plain | test&#95;right |" in page or "| m/plain | test_right |" in page
    assert "post-stratified" in page


def test_many_judges_leave_room_in_markdown() -> None:
    rows, labels = [], []
    for number in range(60):
        mine = some_rows(10, 10, test=f"test_shop.py::test_{'x' * 80}_{number}")
        rows += mine
        labels += labels_for(mine, 10, 0, 0, 10)
    page = matrix_markdown(a_report(rows, labels))
    assert len(page.encode()) < MAX_BYTES
    assert "more judges in `matrix.json`" in page


def test_a_calibration_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    report = a_report([*ROWS, *some_rows(30, 30, rung="m/rag"), *unjudged(70)], GOOD)
    first, second = tmp_path / "a", tmp_path / "b"
    write_report(first, report)
    again = read_report(first)
    assert again.calibrations == report.calibrations
    write_report(second, again)
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name
    document = json.loads((first / "matrix.json").read_text())["calibration"]
    assert document["quality"]["m/plain"]["n"] == 61
    assert document["judges"][0]["agreement"]["table"] == [[20, 1], [1, 8]]


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = [*ROWS, *some_rows(30, 30, rung="m/rag")]
    assert calibrations_of(rows, GOOD, ["m/rag", "m/plain"]) == calibrations_of(
        rows[::-1], GOOD, ["m/rag", "m/plain"]
    )
