from __future__ import annotations

from typing import Any

import pytest

from pytest_ladder.decide.climb.course import Stage
from pytest_ladder.decide.climb.halving import Halving
from pytest_ladder.decide.judge_errors import JudgeErrors
from pytest_ladder.stats.judged import JudgeLine
from tests.decide.climbing import (
    CHEAP,
    JUDGED,
    Scores,
    Table,
    asked,
    open_climb,
    rows_for,
    walk,
)

BEST: dict[str, Any] = {"objective": {"kind": "step-function", "quality": None}}


def passing(share: float, count: int = 200) -> list[float]:
    """Scores of which each stretch of ten passes about the share."""
    return [float(place % 10 < round(10 * share)) for place in range(count)]


def halving(table: Table, **terms: Any) -> tuple[Halving, list[Stage]]:
    course = open_climb(table, **{**BEST, **terms})
    assert isinstance(course, Halving)
    return course, walk(course, table)


def capped(ok: dict[str, bool | None] | None) -> dict[str, Any]:
    objective = {"kind": "budget", "quality": None, "usd_per_1k": 0.5}
    return {"objective": objective, "price_cap_ok": ok}


def test_the_better_half_goes_on_to_twice_as_many_units() -> None:
    shares = [0.1, 0.5, 0.2, 0.9, 0.3, 0.8, 0.4, 0.6]
    table = {f"m/{share}": passing(share) for share in shares}
    course, stages = halving(table)
    counts = asked(stages)
    assert {rung: counts[rung, CHEAP] for rung in table} == {
        **{f"m/{share}": 25 for share in (0.1, 0.2, 0.3, 0.4)},
        **{f"m/{share}": 50 for share in (0.5, 0.6)},
        **{f"m/{share}": 200 for share in (0.8, 0.9)},
    }
    assert [stage.rung for stage in stages[:8]] == list(table)
    assert course.states["m/0.1"] == "stopped"
    assert course.states["m/0.9"] == course.states["m/0.8"] == "run"
    assert course.reason("m/0.9") is None
    assert course.reason("m/0.6") == (
        "30 of 50 passed, not among the best 2 of 4 "
        "(successive halving on 50 cases, no error guarantee)"
    )
    assert [look.decision for look in course.looks].count("drop") == 6


def test_of_equals_the_cheaper_stays() -> None:
    course, _ = halving({f"m/{name}": passing(0.7) for name in "abcd"})
    assert [course.states[f"m/{name}"] for name in "abcd"] == ["run"] * 2 + [
        "stopped"
    ] * 2


def test_two_rungs_are_run_to_their_end_at_all_levels() -> None:
    table = {
        f"m/{name}": {CHEAP: passing(0.5, 40), JUDGED: passing(0.5, 60)}
        for name in "ab"
    }
    objective = {**BEST["objective"], "level": JUDGED}
    _, stages = halving(table, objective=objective)
    assert [(s.rung, s.level, len(s.units)) for s in stages] == [
        ("m/a", JUDGED, 60),
        ("m/a", CHEAP, 40),
        ("m/b", JUDGED, 60),
        ("m/b", CHEAP, 40),
    ]


def test_a_suite_of_one_round_is_ranked_at_once() -> None:
    table = {f"m/{share}": passing(share, 20) for share in (0.1, 0.5, 0.4, 0.7, 0.2)}
    course, stages = halving(table)
    assert set(asked(stages).values()) == {20}
    left = [rung for rung in table if course.reason(rung) is None]
    assert left == ["m/0.5", "m/0.7"]


@pytest.mark.parametrize("last", [0.0, 1.0])
def test_rungs_are_compared_on_the_units_that_all_of_them_finished(last: float) -> None:
    # Equal on 24 units; the 25th ended in an error on one, and so helps neither.
    equal = [1.0] * 20 + [0.0] * 4
    rest = [0.0] * 175
    erred: Scores = [*equal, None, *rest]
    table: Table = {
        "m/top": [1.0] * 25 + rest,
        "m/a": erred,
        "m/b": [*equal, last, *rest],
    }
    for order in (("m/top", "m/a", "m/b"), ("m/top", "m/b", "m/a")):
        course, _ = halving({rung: table[rung] for rung in order})
        assert [course.states[rung] for rung in order] == ["run", "run", "stopped"]


def test_a_judge_that_passes_no_more_of_what_is_right_leaves_no_room_above() -> None:
    """It passes 90 % of what people pass: 90 % is all that there is to have."""
    table = {f"m/{share}": {JUDGED: passing(share, 40)} for share in (0.9, 1.0)}
    objective = {**BEST["objective"], "level": JUDGED}
    line = JudgeLine(0.3, 0.6, 0.0, 0.0, 0.0, 1.0)
    judge = JudgeErrors(labels=100, line=line, why_not="")
    course, stages = halving(table, objective=objective, judge=judge)
    assert asked(stages) == {("m/0.9", JUDGED): 40}
    assert str(course.reason("m/1.0")).startswith("nothing can be 3 points better than")
    _, stages = halving(table, objective=objective)
    assert len(asked(stages)) == 2


def test_a_rung_of_many_errors_is_left_out_before_it_spoils_the_comparison() -> None:
    dead: Scores = [None] * 200
    table: Table = {"m/a": dead, **{f"m/{s}": passing(s) for s in (0.4, 0.6, 0.5)}}
    course, stages = halving(table)
    assert asked(stages)["m/a", CHEAP] == 25
    why = course.reason("m/a")
    assert why == ("none of 25 cases finished; 95 % must finish")
    assert course.states["m/0.6"] == course.states["m/0.5"] == "run"


def test_a_rung_without_room_above_it_ends_the_search() -> None:
    near: list[float] = [0.0] * 3 + [1.0] * 197
    course, stages = halving({"m/a": near, "m/b": [1.0] * 200})
    assert asked(stages) == {("m/a", CHEAP): 200}
    assert course.states["m/b"] == "not run"
    assert course.reason("m/b") == (
        "nothing can be 3 points better than m/a (197 of 200 passed)"
    )


def test_a_loss_that_may_be_established_is_room_however_little_it_is() -> None:
    # A dearer rung that passes these five as well is better beyond doubt.
    near: list[float] = [0.0] * 5 + [1.0] * 195
    _, stages = halving({"m/a": near, "m/b": [1.0] * 200})
    assert ("m/b", CHEAP) in asked(stages)


def test_cheaper_rungs_stay_beside_one_without_room_above_it() -> None:
    ones = [1.0] * 20
    course, stages = halving({"m/a": passing(0.5, 20), "m/b": ones, "m/c": ones})
    assert {stage.rung for stage in stages} == {"m/a", "m/b"}
    assert course.reason("m/a") is course.reason("m/b") is None


def test_without_the_rung_that_left_no_room_the_search_goes_on() -> None:
    table = {f"m/{name}": [1.0] * 20 for name in "abc"}
    course, stages = halving(table)
    assert course.reason("m/b") is not None
    course.drop("m/a", "p95 latency 3.1 s, over 2 s")
    assert course.reason("m/b") is None
    stages += walk(course, table)
    assert [stage.rung for stage in stages] == ["m/a", "m/b"]


def test_errors_at_another_level_leave_a_finalist_in_place() -> None:
    errors: Scores = [None] * 40
    table = {f"m/{name}": {CHEAP: passing(0.5), JUDGED: errors} for name in "ab"}
    course, _ = halving(table)
    assert set(course.states.values()) == {"run"}
    assert course.reason("m/a") is course.reason("m/b") is None


def test_room_of_the_margin_or_an_error_keeps_the_search_open() -> None:
    for scores in ([0.0] * 6 + [1.0] * 194, [None] + [0.0] * 5 + [1.0] * 194):
        _, stages = halving({"m/a": scores, "m/b": [1.0] * 200})
        assert ("m/b", CHEAP) in asked(stages)


def test_rungs_over_the_cap_or_of_unknown_price_are_never_run() -> None:
    table = {f"m/{name}": passing(0.5) for name in "abcd"}
    ok = {"m/a": True, "m/b": None, "m/c": False}
    course, stages = halving(table, **capped(ok))
    assert {stage.rung for stage in stages} == {"m/a"}
    assert course.states["m/b"] == course.states["m/c"] == "not run"
    assert course.reason("m/c") == "over the cap of $0.50 per 1,000 calls"
    unknown = "no price to hold against the cap of $0.50 per 1,000 calls"
    assert course.reason("m/b") == course.reason("m/d") == unknown


def test_a_step_function_knows_no_cap() -> None:
    table = {f"m/{name}": passing(0.5) for name in "ab"}
    course, _ = halving(table, price_cap_ok={"m/a": False})
    assert set(course.states.values()) == {"run"}


def test_a_budget_without_a_word_on_prices_is_refused() -> None:
    with pytest.raises(ValueError, match="within its cap"):
        halving({"m/a": passing(0.5)}, **capped(None))


def test_nothing_within_the_cap_is_over_before_it_begins() -> None:
    course, stages = halving({"m/a": passing(0.5)}, **capped({"m/a": False}))
    assert stages == []
    assert course.likely is None


def test_a_rung_dropped_between_stages_leaves_its_place() -> None:
    table = {f"m/{share}": passing(share) for share in (0.5, 0.6, 0.7, 0.9)}
    course = open_climb(table, **BEST)
    assert course.stage is not None
    course.close(rows_for(course.stage, table))
    course.drop("m/0.6", "$0.81 per 1,000 calls measured, over the cap")
    assert course.stage is not None
    assert course.stage.rung == "m/0.7"
    stages = walk(course, table)
    assert "m/0.6" not in {stage.rung for stage in stages}
    assert course.states["m/0.6"] == "not run"
    # Of three, two stay; a second reason for the same rung changes nothing.
    assert [r for r in table if course.states[r] == "run"] == ["m/0.7", "m/0.9"]
    course.drop("m/0.6", "another")
    assert str(course.reason("m/0.6")).startswith("$0.81")


def test_the_next_rung_of_a_round_is_the_hint() -> None:
    table = {f"m/{share}": passing(share) for share in (0.5, 0.6, 0.7)}
    course = open_climb(table, **BEST)
    assert course.likely is not None
    assert (course.likely.rung, len(course.likely.units)) == ("m/0.6", 25)
