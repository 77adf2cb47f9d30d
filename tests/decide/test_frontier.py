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
    # 25 cases that all differ by one point: of those not seen they say little.
    assert standing(decision, "C/x").dominated_by is None


def test_each_step_of_the_front_says_what_it_returns() -> None:
    steps = decided(V17).steps
    assert [step.points_per_1000_usd for step in steps] == pytest.approx(
        [200.0, 40.909, 3.333, 0.0556], rel=1e-3
    )
    assert [step.usd_per_good_answer for step in steps] == pytest.approx(
        [0.0050, 0.02444, 0.3000, 18.00], rel=1e-3
    )
    assert [(step.from_rung, step.to_rung) for step in steps][1] == ("B/x", "D/x")


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
    assert (c.on_front, c.dominated_by) == (False, "a/x")


def test_many_cheaper_rivals_make_none_dominated_by_chance() -> None:
    """One of 15 lucky rivals is no finding: an audit saw 13 % wrongly dominated."""
    lucky = Made(scores=[*[1.0] * 5, *passes(70, 95)], usd=0.001)
    last = Made(scores=[*[0.0] * 5, *passes(70, 95)], usd=0.002)
    alone = standing(decided({"a/x": lucky, "z/x": last}), "z/x")
    assert alone.dominated_by == "a/x"
    others = {
        f"r{place}/x": Made(scores=passes(60, 100), usd=0.0010 + place * 1e-5)
        for place in range(1, 15)
    }
    among = decided({"a/x": lucky, **others, "z/x": last})
    assert standing(among, "z/x").dominated_by is None


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
    assert decided({"unrun/x": Made()}).standings[0].comparable is False


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
