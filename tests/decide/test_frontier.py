from __future__ import annotations

import math

import pytest

from pytest_ladder.decide.decision import Decision, Roi, Standing
from pytest_ladder.decide.frontier import roi
from pytest_ladder.decide.objective import decide
from tests.decide.ladders import Made, ladder, passes


def decided(made: dict[str, Made], volume: int = 100_000) -> Decision:
    matrix, evidence = ladder(made, volume=volume)
    return decide(matrix, evidence, None)


def standing(decision: Decision, rung: str) -> Standing:
    return next(one for one in decision.standings if one.rung == rung)


# V17 of the methods note; every case of a rung scores the same.
V17 = {
    f"{name}/x": Made(scores=[quality] * 25, usd=usd)
    for name, usd, quality in [
        ("A", 0.0002, 0.62),
        ("B", 0.0008, 0.74),
        ("C", 0.0011, 0.73),
        ("D", 0.0030, 0.83),
        ("E", 0.0120, 0.86),
        ("F", 0.0300, 0.861),
    ]
}


def test_the_front_keeps_what_nothing_cheaper_reaches() -> None:
    decision = decided(V17)
    front = [one.rung for one in decision.standings if one.on_front]
    assert front == ["A/x", "B/x", "D/x", "E/x", "F/x"]
    assert standing(decision, "C/x").dominated_by == "B/x"
    assert standing(decision, "D/x").front_share == 1.0


def test_each_step_of_the_front_says_what_it_returns() -> None:
    steps = decided(V17).steps
    assert [step.points_per_1000_usd for step in steps] == pytest.approx(
        [200.0, 40.909, 3.333, 0.0556], rel=1e-3
    )
    assert [step.usd_per_good_answer for step in steps] == pytest.approx(
        [0.0050, 0.02444, 0.3000, 18.00], rel=1e-3
    )
    assert [(step.from_rung, step.to_rung) for step in steps][1] == ("B/x", "D/x")
    assert all(step.established for step in steps)


def test_a_step_whose_interval_covers_no_gain_is_not_established() -> None:
    made = {
        "a/x": Made(scores=passes(80, 100), usd=0.001),
        "b/x": Made(scores=passes(80, 100)[::-1], usd=0.002),
        "c/x": Made(scores=[*passes(80, 99), 1.0], usd=0.002),
    }
    (step,) = decided(made).steps
    assert (step.from_rung, step.to_rung) == ("a/x", "c/x")
    assert step.points == pytest.approx(1.0)
    assert step.low is not None
    assert step.low < 0
    assert not step.established


def test_a_dearer_rung_is_dominated_only_where_that_is_established() -> None:
    made = {
        "a/x": Made(scores=passes(80, 100), usd=0.001),
        "b/x": Made(scores=passes(78, 100)[::-1], usd=0.002),
        "c/x": Made(scores=passes(40, 100), usd=0.003),
    }
    decision = decided(made)
    b, c = standing(decision, "b/x"), standing(decision, "c/x")
    assert (b.on_front, b.dominated_by) == (False, None)
    assert b.front_share is not None
    assert 0.1 < b.front_share < 0.6
    assert (c.on_front, c.front_share, c.dominated_by) == (False, 0.0, "a/x")


def test_of_rungs_that_cost_the_same_the_better_one_is_on_the_front() -> None:
    made = {
        "worse/x": Made(scores=passes(10, 30)),
        "better/x": Made(scores=passes(20, 30)),
        "twin/x": Made(scores=passes(20, 30)),
    }
    on_front = {one.rung: one.on_front for one in decided(made).standings}
    assert on_front == {"worse/x": False, "better/x": True, "twin/x": False}


def test_what_cannot_be_compared_is_shown_apart() -> None:
    made = {
        "a/x": Made(scores=passes(20, 30)),
        "unknown/x": Made(scores=passes(30, 30), usd=None),
        "errors/x": Made(scores=[None] * 30),
        "unrun/x": Made(),
    }
    decision = decided(made)
    apart = {one.rung for one in decision.standings if not one.comparable}
    assert apart == {"unknown/x", "errors/x", "unrun/x"}
    assert standing(decision, "a/x").on_front
    assert standing(decision, "unknown/x").front_share is None
    assert decided({"unrun/x": Made()}).standings[0].comparable is False


def test_clusters_widen_the_share_of_draws_on_the_front() -> None:
    clusters = [f"doc{place // 10}" for place in range(100)]
    scores = [*passes(50, 90), *[1.0] * 10]
    alone = {
        "a/x": Made(scores=passes(50, 100), usd=0.001),
        "b/x": Made(scores=scores, usd=0.002),
    }
    together = {
        name: Made(scores=one.scores, usd=one.usd, clusters=clusters)
        for name, one in alone.items()
    }
    # All that b gains is in one of ten documents: a draw leaves it out at (9/10)^10.
    assert standing(decided(alone), "b/x").front_share == 1.0
    share = standing(decided(together), "b/x").front_share
    assert share == pytest.approx(1 - 0.9**10, abs=0.03)


TUNED = {
    "off/x": Made(scores=passes(50, 100), usd=0.012),
    "ft/x": Made(scores=passes(90, 100), usd=0.002, build_usd=2500, build_hours=20),
}


def test_a_step_tells_of_building_time_and_of_its_break_even() -> None:
    (step,) = decided(TUNED).steps
    assert step.extra_usd_per_1k == pytest.approx(15.0)
    assert step.points_per_build_hour == pytest.approx(2.0)
    assert step.break_even_volume == pytest.approx(250_000)
    # 40 points for 1,500 more dollars
    assert step.points_per_1000_usd == pytest.approx(40 / 1.5)


def test_beyond_the_break_even_the_built_rung_is_alone_on_the_front() -> None:
    decision = decided(TUNED, volume=1_000_000)
    assert decision.steps == ()
    assert standing(decision, "off/x").dominated_by == "ft/x"
    assert decision.volume == 1_000_000


def test_a_step_that_costs_no_more_has_no_price() -> None:
    made = {"a/x": Made(scores=passes(5, 20)), "b/x": Made(scores=passes(9, 20))}
    matrix, evidence = ladder(made)
    a, b = matrix.rungs
    step: Roi = roi(a, b, evidence, matrix.levels[0], matrix.volume)
    assert (step.points_per_1000_usd, step.usd_per_good_answer) == (None, 0.0)
    assert (step.points_per_build_hour, step.break_even_volume) == (None, None)
    back = roi(b, a, evidence, matrix.levels[0], matrix.volume)
    assert back.points is not None
    assert math.isclose(back.points, -20.0)
    assert back.usd_per_good_answer is None
