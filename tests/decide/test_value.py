"""What answers are worth, and what is fastest: two more things to be best at."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.cost import PER
from pytest_ladder.decide.decision import Recommendation
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.decide.objective import decide
from pytest_ladder.decide.objectives.table import kind_of
from pytest_ladder.decide.value import value_interval, value_of
from pytest_ladder.stats.intervals import Interval
from tests.decide.climbing import CHEAP, asked, open_climb, walk
from tests.decide.ladders import Made, ladder, passes, rows_of

WORTH = Objective(kind="value", right_usd=0.05, wrong_usd=0.2)
FAST = Objective(kind="budget", usd_per_1k=5.0, best="speed", quality=0.8)


def recommended(
    made: dict[str, Made], objective: Objective = WORTH, **fields: Any
) -> Recommendation:
    matrix, evidence = ladder(made, **fields)
    found = decide(matrix, evidence, objective).recommendation
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("quality", "usd", "value"),
    [(0.9, 1.0, 24.0), (1.0, 0.0, 50.0), (0.8, 0.0, 0.0), (0.0, 2.0, -202.0)],
)
def test_a_value_is_what_answers_are_worth_less_what_calls_cost(
    quality: float, usd: float, value: float
) -> None:
    assert value_of(WORTH, quality, usd) == pytest.approx(value)


def test_errors_of_a_value_are_squared_and_added() -> None:
    found = value_interval(10.0, Interval(3.0, 6.0), Interval(4.0, 8.0))
    assert found == (5.0, 20.0)


def test_the_rung_of_the_greatest_value_is_recommended() -> None:
    made = {
        "a/x": Made(scores=passes(70, 100), usd=0.0001),
        "b/x": Made(scores=passes(90, 100), usd=0.001),
        "c/x": Made(scores=passes(95, 100), usd=0.03),
    }
    found = recommended(made)
    assert (found.rung, found.verdict) == ("b/x", "pass")
    # 1000 (.05 * .9 - .2 * .1) - 1; 250 times what the quality may be off by.
    assert found.reason.startswith("b/x is worth the most of 3 rungs, $24.00 (")
    assert "per 1,000 calls: 90.0 % (82.6-94.5, n=100), at $1.00 per" in found.reason


def test_building_counts_spread_over_the_volume() -> None:
    made = {
        "a/x": Made(scores=passes(90, 100), usd=0.001),
        "b/x": Made(scores=passes(99, 100), usd=0.001, build_usd=3000.0),
    }
    assert recommended(made, volume=100_000).rung == "a/x"
    assert recommended(made, volume=1_000_000).rung == "b/x"


def test_near_the_best_the_cheaper_rung_is_enough_unless_it_is_worth_less() -> None:
    made = {
        "a/x": Made(scores=passes(96, 100), usd=0.001),
        "b/x": Made(scores=passes(98, 100), usd=0.002),
    }
    found = recommended(made)
    assert found.rung == "a/x"
    assert (
        "the cheapest of 2 rungs that comes within $7.50 of the best, b/x (-$4.00, "
        "paired 95 % interval"
    ) in found.reason
    strict = msgspec.structs.replace(WORTH, tolerance=0.0)
    assert recommended(made, strict).rung == "b/x"
    sure = {
        name: Made(scores=[*one.scores] * 10, usd=one.usd) for name, one in made.items()
    }
    assert recommended(sure).rung == "b/x"


def test_no_rung_is_worth_running_where_all_cost_more_than_they_bring() -> None:
    made = {
        "a/x": Made(scores=passes(60, 100), usd=0.001),
        "b/x": Made(scores=passes(79, 100), usd=0.001),
    }
    found = recommended(made)
    assert (found.rung, found.verdict) == (None, "fail")
    assert found.reason.startswith(
        "No rung is worth running: the best, b/x, has an expected value of -$3.50 ("
    )
    made["b/x"] = Made(scores=[*passes(76, 95), *[None] * 5], usd=0.001)
    left = recommended(made)
    assert (left.rung, left.verdict) == (None, "undecided")
    assert left.reason.endswith(
        " per 1,000 calls; undecided with errors that may turn it on b/x."
    )
    # Errors that may have been right leave it open.
    made["b/x"] = Made(scores=[*passes(79, 95), *[None] * 5], usd=0.001)
    assert recommended(made).verdict in ("pass", "undecided")


def test_a_rung_near_the_best_that_loses_money_is_not_taken_for_it() -> None:
    wide = msgspec.structs.replace(WORTH, tolerance=0.5)
    made = {
        "a/x": Made(scores=passes(75, 100), usd=0.001),
        "b/x": Made(scores=passes(90, 100), usd=0.002),
    }
    assert recommended(made, wide).rung == "b/x"


def test_a_rung_of_unknown_price_is_named_and_not_ranked() -> None:
    made = {
        "a/x": Made(scores=passes(90, 100), usd=0.001),
        "b/x": Made(scores=passes(100, 100), usd=None),
    }
    found = recommended(made)
    assert (found.rung, found.verdict) == ("a/x", "pass")
    assert found.reason.endswith("; b/x is not ranked: an unknown cost.")
    alone = recommended({"b/x": made["b/x"]})
    assert (alone.rung, alone.verdict) == (None, "undecided")
    assert alone.reason.endswith("undecided with an unknown cost.")


def test_a_climb_for_value_leaves_rungs_that_cannot_be_worth_as_much() -> None:
    table = {"m/a": passes(98, 100), "m/b": [1.0] * 100, "m/c": [1.0] * 100}
    usd = {"m/a": 0.001, "m/b": 0.01, "m/c": None}
    objective = {"kind": "value", "right_usd": 0.05, "wrong_usd": 0.2, "quality": None}
    course = open_climb(table, objective=objective, usd=usd)
    stages = walk(course, table)
    assert asked(stages) == {("m/a", CHEAP): 100}
    assert course.reason("m/b") == (
        "m/a is worth more than a dearer rung that is always right (98 of 100 passed)"
    )
    assert course.reason("m/c") == "its price is unknown, and so is its value"


def test_the_halves_of_a_climb_for_value_go_by_value() -> None:
    shares = {"m/a": 40, "m/b": 90, "m/c": 92, "m/d": 94}
    table = {
        rung: [float(at % 50 < share / 2) for at in range(100)]
        for rung, share in shares.items()
    }
    usd = {"m/a": 0.0001, "m/b": 0.001, "m/c": 0.03, "m/d": 0.05}
    objective = {"kind": "value", "right_usd": 0.05, "wrong_usd": 0.2, "quality": None}
    course = open_climb(table, objective=objective, usd=usd)
    walk(course, table)
    assert course.states["m/b"] == "run"
    assert course.states["m/d"] == "stopped"


QUICK = {
    "a/x": Made(scores=passes(90, 100), usd=0.001, seconds=2.0),
    "b/x": Made(scores=passes(85, 100), usd=0.002, seconds=1.0),
    "c/x": Made(scores=passes(95, 100), usd=0.004, seconds=1.0),
    "d/x": Made(scores=passes(99, 100), usd=0.009, seconds=0.1),
    "e/x": Made(scores=passes(10, 100), usd=0.001, seconds=0.1),
}


def test_within_a_budget_the_fastest_that_meets_the_bar_may_be_best() -> None:
    found = recommended(QUICK, FAST)
    assert (found.rung, found.verdict) == ("b/x", "pass")
    assert found.reason == (
        "b/x is the fastest of 3 rungs within $5.00 per 1,000 calls that will do: "
        "p50 latency 1.0 s (1.0 s-1.0 s, 100 live calls), 85.0 % (76.7-90.7, n=100) "
        "against 80 %, at $2.00 per 1,000 calls."
    )
    assert kind_of(FAST).summary(FAST) == (
        "budget: quality ≥ 80 % at cheap, at most $5.00 per 1,000 calls, the fastest"
    )


def test_a_latency_that_was_not_measured_live_never_wins() -> None:
    rows = rows_of(QUICK)
    rows = [
        msgspec.structs.replace(
            row,
            replies=tuple(
                msgspec.structs.replace(bill, live=row.rung != "b/x")
                for bill in row.replies
            ),
        )
        for row in rows
    ]
    rungs = [one.rung(name) for name, one in QUICK.items()]
    matrix, evidence = build_matrix(rows, rungs, {}), Evidence(rows)
    found = decide(matrix, evidence, FAST).recommendation
    assert found is not None
    assert found.rung == "c/x"
    assert found.reason.endswith("; no latency that was measured live on b/x.")
    silent = {"a/x": Made(scores=passes(90, 100), usd=0.001, seconds=None)}
    none = recommended(silent, FAST)
    assert (none.rung, none.verdict) == (None, "undecided")
    assert none.reason.endswith("undecided with no latency that was measured live.")


def test_a_climb_for_speed_runs_the_fastest_to_their_end() -> None:
    from tests.decide.worlds import World, rows_for

    # The fastest one misses the bar, and the next takes its place.
    seconds = {"m0/s": 3.0, "m1/s": 0.1, "m2/s": 0.5, "m3/s": 1.0, "m4/s": 4.0}
    rows = []
    for rung, time in seconds.items():
        share = 50 if rung == "m1/s" else 95
        scores = [float(place % 20 < share / 5) for place in range(100)]
        for row in rows_for(rung, scores, 0.001):
            (bill,) = row.replies
            bill = msgspec.structs.replace(bill, latency_s=time)
            rows.append(msgspec.structs.replace(row, replies=(bill,)))
    usd = {rung: 0.001 * (1 + place) for place, rung in enumerate(seconds)}
    world = World(rows=rows, usd=usd, objective=FAST)
    course, asked_for = world.walk(price_cap_ok=dict.fromkeys(seconds, True))
    assert course.states["m2/s"] == "run"
    assert "the bar of 80 % is unlikely to be reached" in str(course.reason("m1/s"))
    assert course.states["m4/s"] == "stopped"
    assert len(asked_for) < 0.8 * len(rows)
    matrix = world.in_full()
    chosen = world._decided(asked_for, course.states, course.settled)
    assert chosen == matrix
    assert matrix.rung == "m2/s"
    assert PER * usd["m2/s"] < 5
