from __future__ import annotations

import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.feasibility import Feasibility, feasibility
from tests.decide.ladders import Made, ladder, passes


def tried(made: Made, quality: float | None = 0.85) -> Feasibility:
    matrix, evidence = ladder({"big/gold": made})
    return feasibility(
        matrix, evidence, Objective(kind="step-function", quality=quality)
    )


@pytest.mark.parametrize(
    ("passed", "verdict", "opening"),
    [(20, "pass", "Feasible: "), (3, "fail", "Not feasible: ")],
)
def test_twenty_cases_can_tell_what_is_far_from_the_bar(
    passed: int, verdict: str, opening: str
) -> None:
    found = tried(Made(scores=passes(passed, 20)))
    assert (found.verdict, found.rung) == (verdict, "big/gold")
    assert found.sentence.startswith(opening)


def test_near_the_bar_twenty_cases_cannot_tell() -> None:
    found = tried(Made(scores=passes(19, 20)))
    assert found.verdict == "undecided"
    assert found.sentence == (
        "Feasible or not is undecided: big/gold scores 95.0 % with the right context "
        "at hand (at least 78.4 % and at most 99.7 %, each 95 % sure, n=20) against "
        "85 %."
    )


def test_the_bound_is_exact() -> None:
    # V1 of the methods note: 14 of 14 show .05^(1/14)
    found = tried(Made(scores=[1.0] * 14), quality=0.807)
    assert found.low == pytest.approx(0.807364, abs=1e-6)
    assert found.verdict == "pass"
    assert tried(Made(scores=[1.0] * 14), quality=0.808).verdict == "undecided"


def test_graded_and_clustered_scores_take_a_bound_that_holds_for_them() -> None:
    assert tried(Made(scores=[0.9] * 30), quality=0.5).verdict == "pass"
    assert tried(Made(scores=[0.1] * 30), quality=0.5).verdict == "fail"
    alone = Made(scores=[1.0] * 20)
    together = Made(scores=[1.0] * 20, clusters=["doc"] * 20)
    assert tried(alone, quality=0.7).verdict == "pass"
    assert tried(together, quality=0.7).verdict == "undecided"


def test_without_a_bar_rows_or_enough_of_them_nothing_is_said() -> None:
    found = tried(Made(scores=[1.0] * 20), quality=None)
    assert found.verdict == "undecided"
    assert "set `quality` in [objective]" in found.sentence
    found = tried(Made(scores=[*[1.0] * 20, None, None]))
    assert found.verdict == "undecided"
    assert found.sentence.endswith("against 85 %; coverage 90.9 %.")
    found = tried(Made())
    assert (found.rung, found.verdict) == (None, "undecided")
    assert found.sentence == "No test of level cheap ran."
    found = tried(Made(scores=[None] * 20))
    assert found.verdict == "undecided"
    assert found.sentence.startswith("Feasible or not is undecided: all 20 calls fail")


def test_of_several_rungs_the_best_answers() -> None:
    made = {"a/gold": Made(scores=passes(5, 20)), "b/gold": Made(scores=[1.0] * 20)}
    matrix, evidence = ladder(made)
    objective = Objective(kind="step-function", quality=0.85)
    assert feasibility(matrix, evidence, objective).rung == "b/gold"
