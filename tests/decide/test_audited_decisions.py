"""Decisions that an audit found wrong, or badly said: each is held to the right one."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import Trust
from pytest_ladder.decide.decision import Recommendation
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Matrix, build_matrix
from pytest_ladder.decide.objective import decide
from tests.decide.ladders import Made, ladder, passes, rows_of

CHEAP, JUDGED = Level.CHEAP, Level.JUDGED
BAR_80 = Objective(kind="good-enough", quality=0.8)
STEP = Objective(kind="step-function")


def recommended(
    made: dict[str, Made], objective: Objective, **fields: Any
) -> Recommendation:
    return of(*ladder(made, **fields), objective)


def of(matrix: Matrix, evidence: Evidence, objective: Objective) -> Recommendation:
    found = decide(matrix, evidence, objective).recommendation
    assert found is not None
    return found


# Errors, by their worst and their best case.


def test_errors_that_cannot_matter_do_not_push_the_choice_upwards() -> None:
    broken = [*passes(85, 94), *[None] * 6]
    made = {
        "m00/s": Made(scores=broken, usd=0.001),
        "m01/s": Made(scores=passes(98, 100), usd=0.01),
    }
    found = recommended(made, BAR_80)
    assert (found.rung, found.verdict) == ("m00/s", "pass")
    assert "Above a bar of 85.0 % m00/s is undecided" in " ".join(found.changes)


def test_errors_that_could_turn_it_leave_it_open_and_say_so() -> None:
    made = {"m00/s": Made(scores=[*passes(79, 94), *[None] * 6])}
    found = recommended(made, BAR_80)
    assert (found.rung, found.verdict) == (None, "undecided")
    assert found.reason.endswith("undecided with coverage 94.0 %.")


def test_a_bar_that_is_out_of_reach_for_all_errors_fails() -> None:
    made = {"m00/s": Made(scores=[*passes(70, 91), *[None] * 9])}
    assert recommended(made, BAR_80).verdict == "fail"


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        (passes(8, 9), "fewer than 10 cases"),
        (passes(9, 10), "tests that were lost"),
        ([*passes(16, 20), None], "coverage 95.2 %"),
    ],
)
def test_why_a_whole_rung_of_a_climb_is_undecided_is_said(
    scores: list[float | None], why: str
) -> None:
    found = recommended(
        {"m00/s": Made(scores=scores)}, BAR_80, settled={"m00/s": "undecided"}
    )
    assert found.verdict == "undecided"
    assert found.reason.endswith(f"undecided with {why}.")


# The cheap bar.


def with_checks(cheap: dict[str, int], judged: dict[str, int]) -> list[Row]:
    """Return judged rows, and cheap ones that ask for 90 % of the cases."""
    usd = {rung: 0.001 * 10**place for place, rung in enumerate(cheap)}
    checks = rows_of(
        {r: Made(scores=passes(n, 100), usd=usd[r]) for r, n in cheap.items()}
    )
    made = {r: Made(scores=passes(n, 100), usd=usd[r]) for r, n in judged.items()}
    return [
        *(msgspec.structs.replace(row, at_least=0.9) for row in checks),
        *rows_of(made, JUDGED),
    ]


def test_the_share_that_cheap_checks_ask_for_is_a_constraint_of_the_matrix() -> None:
    rows = with_checks({"m00/s": 86, "m01/s": 98}, {"m00/s": 83, "m01/s": 95})
    rungs = [Made().rung(name) for name in ("m00/s", "m01/s")]
    goal = Objective(kind="good-enough", quality=0.8, level=JUDGED)
    found = of(build_matrix(rows, rungs, {}), Evidence(rows), goal)
    assert (found.rung, found.verdict) == ("m01/s", "pass")
    kept = "Cheap keeps out m00/s (86.0 % against 90 %: fails), which is cheaper."
    assert kept in found.changes
    rows = with_checks({"m00/s": 86}, {"m00/s": 83})
    found = of(build_matrix(rows, rungs[:1], {}), Evidence(rows), goal)
    assert (found.rung, found.verdict) == (None, "fail")
    assert found.reason.endswith(
        "scores 83.0 % (74.5-89.1, n=100) but scores 86.0 % at the cheap level (at "
        "least 90 %)."
    )


def test_checks_that_failed_leave_a_rung_open_where_they_could_turn_it() -> None:
    cheap = Made(scores=[*passes(86, 92), *[None] * 8])
    rows = [
        *(
            msgspec.structs.replace(row, at_least=0.9)
            for row in rows_of({"m/s": cheap})
        ),
        *rows_of({"m/s": Made(scores=passes(83, 100))}, JUDGED),
    ]
    goal = Objective(kind="good-enough", quality=0.8, level=JUDGED)
    found = of(build_matrix(rows, [Made().rung("m/s")], {}), Evidence(rows), goal)
    assert (found.rung, found.verdict) == (None, "undecided")
    assert found.reason.endswith(
        "undecided with coverage 92.0 % at the cheap level, whose bar is 90 %."
    )


def test_checks_that_allow_no_miss_constrain_nothing() -> None:
    made = {"m00/s": Made(scores=passes(83, 100))}
    rows = [*rows_of(made), *rows_of(made, JUDGED)]
    goal = Objective(kind="good-enough", quality=0.8, level=JUDGED)
    matrix = build_matrix(rows, [made["m00/s"].rung("m00/s")], {})
    assert of(matrix, Evidence(rows), goal).verdict == "pass"


# What labels make of a judge's word.


def judged_ladder() -> tuple[Matrix, Evidence]:
    """A judge that overrates the dearer rung, and labels that say so."""
    made = {
        "m00/s": Made(scores=passes(90, 100), usd=0.001),
        "m01/s": Made(scores=[0.0] * 5 + [1.0] * 95, usd=0.002),
    }
    matrix, evidence = ladder(made, level=JUDGED)
    evidence.trust = {
        "m00/s": Trust(value=0.95, low=0.90, high=0.98),
        "m01/s": Trust(value=0.80, low=0.70, high=0.88),
    }
    return matrix, evidence


@pytest.mark.parametrize(
    "objective",
    [
        Objective(kind="budget", usd_per_1k=5, level=JUDGED),
        Objective(kind="step-function", level=JUDGED),
        Objective(kind="good-enough", quality=0.85, level=JUDGED),
    ],
    ids=lambda objective: objective.kind,
)
def test_every_objective_ranks_by_what_labels_make_of_the_judge(
    objective: Objective,
) -> None:
    found = of(*judged_ladder(), objective)
    assert found.rung == "m00/s"
    assert "calibrated 95.0 % (90.0-98.0)" in found.reason
    assert ",," not in found.reason
    assert found.next_rung is None


def test_front_and_steps_go_by_calibrated_quality_too() -> None:
    matrix, evidence = judged_ladder()
    decision = decide(matrix, evidence, None, level=JUDGED)
    front = [standing.rung for standing in decision.standings if standing.on_front]
    assert front == ["m00/s"]
    found = evidence.compare(JUDGED, "m01/s", "m00/s")
    assert found is not None
    assert found.mean == pytest.approx(-0.15)
    # Square and add: the halves of both intervals, those that face each other.
    assert found.low == pytest.approx(-0.15 - math.hypot(0.10, 0.03))
    assert found.high == pytest.approx(-0.15 + math.hypot(0.08, 0.05))
    assert found.established
    assert not found.at_least


@pytest.mark.parametrize(
    ("corrected", "verdict"),
    [((0.4, 0.2, 0.55), "fail"), ((0.7, 0.62, 0.8), "undecided")],
)
def test_what_an_early_stop_says_stands_where_labels_say_the_same(
    corrected: tuple[float, float, float], verdict: str
) -> None:
    made = {"m00/s": Made(scores=passes(9, 20))}
    matrix, evidence = ladder(
        made, level=JUDGED, settled={"m00/s": "fail"}, states={"m00/s": "stopped"}
    )
    value, low, high = corrected
    evidence.trust = {"m00/s": Trust(value=value, low=low, high=high)}
    objective = Objective(kind="good-enough", quality=0.6, level=JUDGED)
    assert of(matrix, evidence, objective).verdict == verdict


# Near the best.


def test_a_loss_that_is_established_is_not_taken_for_a_lower_price() -> None:
    made = {
        "m00/s": Made(scores=passes(970, 1000), usd=0.001),
        "m01/s": Made(scores=passes(1000, 1000), usd=0.0011),
    }
    cap = Objective(kind="budget", usd_per_1k=5)
    found = recommended(made, cap)
    assert (found.rung, found.verdict) == ("m01/s", "pass")


@pytest.mark.parametrize(("tolerance", "rung"), [(0.0, "m01/s"), (0.05, "m00/s")])
def test_how_near_the_best_is_near_enough_can_be_said(
    tolerance: float, rung: str
) -> None:
    made = {
        "m00/s": Made(scores=[*passes(36, 39), 0.0], usd=0.001),
        "m01/s": Made(scores=[*passes(36, 38), 0.0, 1.0], usd=0.002),
    }
    objective = Objective(kind="budget", usd_per_1k=5, tolerance=tolerance)
    found = recommended(made, objective)
    assert found.rung == rung
    if rung == "m00/s":
        assert "within 5 points of the best, m01/s" in found.reason


def test_a_step_function_fails_where_no_rung_is_a_step_up() -> None:
    made = {
        "m00/s": Made(scores=passes(90, 100), usd=0.001),
        "m01/s": Made(scores=passes(50, 100), usd=0.01),
    }
    found = recommended(made, STEP)
    assert (found.rung, found.verdict) == ("m00/s", "fail")
    assert found.reason.endswith(
        "; no step: every dearer rung is worse by 30.9 points or more."
    )


def test_a_step_of_one_rung_among_many_must_be_more_than_luck() -> None:
    """One rung of 16 has 5 cases more: two-sided p .03, and 16 chances to be lucky."""
    base = passes(60, 80)
    lucky = [*passes(66, 80)]
    two = {
        "m00/s": Made(scores=base, usd=0.001),
        "m01/s": Made(scores=lucky, usd=0.002),
    }
    assert recommended(two, STEP).verdict == "pass"
    others = {
        f"m{place:02}/s": Made(scores=base, usd=0.001 * place) for place in range(2, 17)
    }
    found = recommended({**two, **others}, STEP)
    assert (found.rung, found.verdict) == ("m01/s", "undecided")


@pytest.mark.parametrize(("n", "verdict"), [(40, "undecided"), (200, "fail")])
@pytest.mark.parametrize("score", [1.0, 0.5])
def test_where_nothing_differs_a_step_is_ruled_out_by_many_cases_only(
    n: int, verdict: str, score: float
) -> None:
    flat = {
        "m00/s": Made(scores=[score] * n),
        "m01/s": Made(scores=[score] * n, usd=0.01),
    }
    assert recommended(flat, STEP).verdict == verdict


# Costs.


@pytest.mark.parametrize("usd", [math.nan, math.inf, -1.0])
def test_a_cost_that_no_price_can_make_is_unknown_and_never_the_cheapest(
    usd: float,
) -> None:
    made = {
        "m00/s": Made(scores=passes(20, 20), usd=usd),
        "m01/s": Made(scores=passes(20, 20), usd=0.001),
    }
    assert recommended(made, BAR_80).rung == "m01/s"
    found = recommended(made, Objective(kind="budget", usd_per_1k=5))
    assert found.rung == "m01/s"
    assert ladder(made)[0].spend.unknown_calls == 20


def test_rounding_never_costs_a_rung_its_budget() -> None:
    # The mean of 14 times $.0023 is $2.3000000000000003 per 1,000.
    made = {"bot/s": Made(scores=passes(14, 14), usd=0.0023)}
    assert ladder(made)[0].rungs[0].cost.usd_per_1k != 2.3
    found = recommended(made, Objective(kind="budget", usd_per_1k=2.3))
    assert (found.rung, found.verdict) == ("bot/s", "pass")
    found = recommended(made, Objective(kind="budget", usd_per_1k=2.2999))
    assert found.verdict == "fail"


def test_what_a_climb_left_untried_is_named_with_its_reason() -> None:
    made = {
        "m00/s": Made(scores=passes(10, 100), usd=0.001),
        "m01/s": Made(scores=passes(95, 100), usd=0.01),
        "m02/s": Made(),
        "m03/s": Made(),
        "m04/s": Made(),
    }
    expected = {"m02/s": None, "m03/s": 5.0, "m04/s": 20.0}
    found = recommended(made, BAR_80, expected=expected)
    assert found.rung == "m01/s"
    assert "m02/s has no price and was not tried." in found.changes
    assert (
        "m03/s may be cheaper, at about $5.00 per 1,000 calls, and was not tried."
        in found.changes
    )
    assert not any("m04/s" in change for change in found.changes)
