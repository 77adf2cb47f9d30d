"""Judged suites: corrected for the errors of their judge, or blocking nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Gate
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level, Verdict
from pytest_ladder.core.why import Why
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.decide.judge_errors import ErrorsOf, JudgeErrors
from pytest_ladder.stats.judged import judge_line
from pytest_ladder.stats.paired import mcnemar_midp, score_interval
from tests.decide.gate.baseline_and_change import TEST, changed, rows, side

ASKED = (TEST, "openai/judge", "correctness@1#0123")
FEW = JudgeErrors(labels=12, why_not="12 of 50 labels for its judge: more")


def measured(k11: int, k10: int, k01: int, k00: int) -> ErrorsOf:
    """A judge that passed k11 and failed k01 of what people pass, k10 and k00 else."""
    people = [1.0] * k11 + [0.0] * k10 + [1.0] * k01 + [0.0] * k00
    judge = [1.0] * (k11 + k10) + [0.0] * (k01 + k00)
    line = judge_line(people, judge, range(len(people)))
    return {ASKED: JudgeErrors(labels=len(people), line=line, why_not="")}


GOOD = measured(76, 2, 4, 18)
POOR = measured(160, 80, 40, 120)
"""Sensitivity .8 and specificity .6."""


def judged(scores: Sequence[Any], **verdict: Any) -> list[Row]:
    made = rows(scores, level=Level.JUDGED)
    told = {"judge": ASKED[1], "rubric": ASKED[2], **verdict}
    return [
        msgspec.structs.replace(
            row, verdict=Verdict(passed=row.score >= 0.5, score=row.score, **told)
        )
        for row in made
        if row.score is not None
    ]


def compare(
    sides: tuple[Sequence[Any], Sequence[Any]],
    errors: ErrorsOf | None,
    terms: Gate | None = None,
    **verdict: Any,
) -> GateResult:
    before, after = (side(judged(scores, **verdict)) for scores in sides)
    return gate(before, after, terms, errors=errors)


def test_a_judge_that_nobody_measured_blocks_nothing() -> None:
    sides = changed(20, 0, 60, 60)
    assert compare(sides, None).verdict == "undecided"
    result = compare(sides, {ASKED: FEW})
    assert result.verdict == "undecided"
    assert "(judged, test_shop.py, uncalibrated)" in result.reason
    assert result.reason.endswith("undecided with 12 of 50 labels for its judge: more.")
    fine = compare((sides[0], sides[0]), {ASKED: FEW})
    assert fine.verdict == "pass"
    assert "blocks nothing: 12 of 50 labels for its judge: more." in fine.reason


def test_what_no_model_judged_needs_no_labels() -> None:
    sides = changed(20, 0, 60, 60)
    assert compare(sides, None, judge="my_function", rubric="").verdict == "fail"
    before, after = (side(rows(scores, level=Level.JUDGED)) for scores in sides)
    assert gate(before, after).verdict == "fail"


def test_labels_of_another_judge_or_rubric_say_nothing() -> None:
    sides = changed(20, 0, 60, 60)
    assert compare(sides, GOOD).verdict == "fail"
    assert compare(sides, GOOD, judge="another").verdict == "undecided"
    assert compare(sides, GOOD, rubric="another").verdict == "undecided"


def test_a_drop_is_that_of_people_with_the_error_of_both_shares() -> None:
    # By hand: sensitivity (160 + .5) / 201, specificity (120 + .5) / 201.
    found = compare(changed(30, 6, 300, 200), POOR).suites[0]
    se, sp = 160.5 / 201, 120.5 / 201
    slope = se + sp - 1
    assert found.said == pytest.approx(-0.08)
    assert found.change == pytest.approx(-0.08 / slope)
    var = (se * (1 - se) + sp * (1 - sp)) / 200
    error = 1.959964 * 0.08 / slope * math.sqrt(var) / slope
    raw = score_interval(6, 30, 300)
    low = found.change - math.hypot((-0.08 - raw.low) / slope, error)
    high = found.change + math.hypot((raw.high + 0.08) / slope, error)
    assert (found.low, found.high) == pytest.approx((low, high))
    # That nothing changed needs no correction, only a judge.
    p_none = NormalDist().cdf(-slope / math.sqrt(var))
    assert found.p == pytest.approx(mcnemar_midp(30, 6) + p_none)
    assert found.before.value == pytest.approx(2 / 3)
    assert found.after.value == pytest.approx(176 / 300)
    said = "as judged: -8.0 points, corrected for the judge's errors -20.1 points, "
    assert said in found.reason


def test_the_two_points_that_block_are_points_of_people() -> None:
    # A true drop of 4 points shows as 1.6 with such a judge.
    sides = changed(16, 0, 1000, 900)
    assert compare(sides, POOR).verdict == "fail"
    assert compare(sides, GOOD).verdict == "pass"
    assert compare(sides, POOR, Gate(quality_drop=0.05)).verdict == "pass"


def test_what_the_gate_sees_is_less_with_a_poor_judge() -> None:
    sides = changed(5, 5, 200, 150)
    good, poor = (compare(sides, errors).suites[0] for errors in (GOOD, POOR))
    assert poor.detectable > 1.9 * good.detectable


def test_a_judge_that_may_be_none_blocks_nothing() -> None:
    sides = changed(30, 0, 300, 300)
    nearly_a_coin = measured(8, 3, 4, 5)
    found = compare(sides, nearly_a_coin)
    assert found.suites[0].p > 0.05
    assert found.verdict == "undecided"


def held_back(row: Row) -> Row:
    return msgspec.structs.replace(
        row, outcome=Outcome.MISSED, score=0.0, why=Why.FUNNEL, verdict=None
    )


def test_what_the_funnel_held_back_is_a_miss_that_no_judge_can_pass() -> None:
    # 100 cases: 90 judged and passed before; after, 20 of them are held back.
    before, after = judged([1.0] * 90 + [0.0] * 10), judged([1.0] * 90 + [0.0] * 10)
    after = [held_back(row) if at < 20 else row for at, row in enumerate(after)]
    found = gate(side(before), side(after), errors=POOR).suites[0]
    line = POOR[ASKED].line
    assert line is not None
    assert found.change == pytest.approx(-0.2 * (1 - line.base) / line.slope)
    assert found.low is not None
    assert found.low < found.change
    assert found.verdict == "fail"
    # The judge's errors alone explain no drop: what it failed is held back now.
    after = [held_back(row) if row.score == 0 else row for row in judged([1.0] * 100)]
    both = judged([1.0] * 90 + [0.0] * 10)
    gone = [held_back(row) if row.score == 0 else row for row in both]
    same = gate(side(both), side(gone), errors=GOOD).suites[0]
    assert abs(same.change) < 0.02
    assert same.verdict == "pass"


def test_grades_are_corrected_by_the_line_through_labels() -> None:
    people = [0.0, 0.25, 0.5, 0.75, 1.0] * 20
    line = judge_line(people, [0.4 + 0.5 * grade for grade in people], range(100))
    assert line is not None
    assert (line.base, line.slope) == pytest.approx((0.4, 0.5))
    errors = {ASKED: JudgeErrors(labels=100, line=line, why_not="")}
    before = [0.75] * 40
    after = [0.75 if place % 2 else 0.5 for place in range(40)]
    found = compare((before, after), errors, graded=True).suites[0]
    assert found.said == pytest.approx(-0.125)
    assert found.change == pytest.approx(-0.25)
    assert found.verdict == "fail"


def test_a_score_that_is_not_the_judges_word_is_not_corrected_by_its_labels() -> None:
    before, after = (
        [msgspec.structs.replace(row, score=0.5) for row in judged(scores)]
        if place
        else judged(scores)
        for place, scores in enumerate(changed(0, 0, 60, 60))
    )
    found = gate(side(before), side(after), errors=GOOD)
    assert found.verdict == "undecided"
    assert found.reason.endswith("a score that is not just what its judge said.")


def test_a_judge_without_labels_shows_no_non_inferiority() -> None:
    sides = changed(0, 0, 400, 300)
    terms = Gate(non_inferiority=0.05)
    assert compare(sides, GOOD, terms).verdict == "pass"
    assert compare(sides, {ASKED: FEW}, terms).verdict == "undecided"
    # Three points of a judge whose slope is .4 are more than seven.
    sides = changed(12, 0, 400, 300)
    terms = Gate(non_inferiority=0.06, quality_drop=0.2)
    verdicts = [
        {check.kind: check.verdict for check in compare(sides, errors, terms).checks}
        for errors in (GOOD, POOR)
    ]
    assert [each["non-inferiority"] for each in verdicts] == ["pass", "undecided"]
