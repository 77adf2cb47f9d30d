from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.climb import Climb
from pytest_ladder.decide.climb.course import Stage
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.errors import ConfigError
from pytest_ladder.stats.sequential import suite_boundaries
from tests.decide.climbing import (
    CHEAP,
    JUDGED,
    Scores,
    Table,
    a_row,
    asked,
    open_climb,
    rows_for,
    units_of,
    walk,
)

GOOD, BAD = [1.0] * 40, [0.0] * 40


def climb(table: Table, **terms: Any) -> tuple[Climb, list[Stage]]:
    course = open_climb(table, **terms)
    assert isinstance(course, Climb)
    return course, walk(course, table)


def sixteen(scores: Scores) -> Table:
    return {"m/a": scores, **{f"m/{number}": BAD * 5 for number in range(15)}}


@pytest.mark.parametrize(
    ("begin", "decision"),
    [
        # vector V20: 16 rungs, 200 cases, bar .80; the last look, none before it stops
        ([1] * 3 + [0] * 7, "fail"),
        ([1] * 4 + [0] * 6, "go on"),
        ([1] * 4 + [0] * 10 + [1] * 6, "fail"),
        ([1] * 4 + [0] * 9 + [1] * 7, "go on"),
        ([1] * 30, "go on"),
        ([1] * 39 + [0], "pass"),
        ([1] * 38 + [0] * 2, "go on"),
        ([1] * 38 + [0] * 2 + [1] * 10, "pass"),
        ([1] * 38 + [0] * 3 + [1] * 9, "go on"),
    ],
)
def test_it_stops_at_the_published_boundaries(
    begin: list[float], decision: str
) -> None:
    table = sixteen([*begin, *[0.0] * (200 - len(begin))])
    course = open_climb(table, beta=0.05, again=0.05)
    seen = 0
    while seen < len(begin) and course.stage is not None:
        seen += len(course.stage.units)
        course.close(rows_for(course.stage, table))
    # Looks at which nothing could be decided are left out.
    looks = [look for look in course.looks if look.seen <= len(begin)]
    *before, last = [look.decision for look in looks]
    assert set(before) <= {"go on"}
    assert last == decision
    assert looks[-1].seen == len(begin) or decision == "go on"


def test_the_first_rung_that_passes_wins_and_the_rest_is_not_run() -> None:
    course, stages = climb({"m/a": BAD, "m/b": GOOD, "m/c": GOOD, "m/d": GOOD})
    assert course.winner == "m/b"
    assert course.states == {
        "m/a": "stopped",
        "m/b": "run",
        "m/c": "not run",
        "m/d": "not run",
    }
    assert course.settled == {"m/a": "fail", "m/b": "pass"}
    assert course.reason("m/a") == "0 of 10 passed, the bar of 80 % is out of reach"
    assert course.reason("m/b") is None
    assert course.reason("m/c") == course.reason("m/d") == "decided at m/b"
    assert asked(stages) == {("m/a", CHEAP): 10, ("m/b", CHEAP): 40}


def test_the_winner_is_completed_in_one_stage() -> None:
    course, stages = climb({"m/a": [1.0] * 100})
    assert [len(stage.units) for stage in stages] == [10, 10, 80]
    assert [look.decision for look in course.looks] == ["go on", "pass", "pass"]


def test_a_stage_goes_on_to_where_a_verdict_may_come() -> None:
    # 21 misses of 100 are a sure fail; with as good as no chance to err, no less is.
    table = {"m/a": [1.0] * 100}
    course, stages = climb(table, every=5, alpha=1e-300, beta=1e-300)
    assert course.winner == "m/a"
    assert [len(stage.units) for stage in stages] == [5, 25, 25, 25, 20]
    assert [look.decision for look in course.looks] == [*["go on"] * 3, "pass", "pass"]


def test_a_winner_that_falls_at_its_end_is_failed_and_the_climb_goes_on() -> None:
    falling = [1.0] * 60 + [0.0] * 40
    course, _ = climb({"m/a": falling, "m/b": [1.0] * 100})
    assert course.winner == "m/b"
    assert course.settled == {"m/a": "fail", "m/b": "pass"}
    assert course.states == {"m/a": "run", "m/b": "run"}
    assert course.reason("m/a") == "60 of 100 passed, below the bar of 80 %"


def test_nothing_is_settled_before_the_winner_is_complete() -> None:
    table = {"m/a": [1.0] * 100}
    course = open_climb(table)
    assert isinstance(course, Climb)
    for _ in range(2):
        assert course.stage is not None
        course.close(rows_for(course.stage, table))
    assert course.looks[-1].decision == "pass"
    assert (course.winner, course.settled) == (None, {})
    walk(course, table)
    assert (course.winner, course.settled) == ("m/a", {"m/a": "pass"})


def test_completing_the_winner_may_be_left_out() -> None:
    course, stages = climb({"m/a": [1.0] * 100, "m/b": GOOD}, finish_winner=False)
    assert course.winner == "m/a"
    assert asked(stages) == {("m/a", CHEAP): 20}
    assert course.states["m/a"] == "stopped"
    why = "20 of 20 passed, enough for the bar of 80 %; not completed"
    assert course.reason("m/a") == why


def test_no_rung_passes_and_all_are_settled() -> None:
    course, _ = climb({"m/a": BAD, "m/b": BAD})
    assert course.winner is None
    assert course.settled == {"m/a": "fail", "m/b": "fail"}


def test_the_deciding_level_is_completed_before_the_other_levels() -> None:
    table = {"m/a": {CHEAP: BAD, JUDGED: GOOD}, "m/b": {CHEAP: GOOD, JUDGED: GOOD}}
    course, stages = climb(table, objective={"level": JUDGED})
    assert course.winner == "m/a"
    levels = [stage.level for stage in stages]
    assert levels == sorted(levels, key=lambda level: level is CHEAP)
    assert asked(stages) == {("m/a", JUDGED): 40, ("m/a", CHEAP): 40}


def test_a_winner_that_falls_spends_nothing_on_other_levels() -> None:
    falling = [1.0] * 60 + [0.0] * 40
    table = {"m/a": {CHEAP: falling, JUDGED: [1.0] * 100}}
    _, stages = climb(table)
    assert asked(stages) == {("m/a", CHEAP): 100}


def test_a_rung_that_fails_its_cheap_bar_spends_nothing_on_judges() -> None:
    table = {
        "m/a": {CHEAP: BAD, JUDGED: GOOD},
        "m/b": {CHEAP: GOOD, JUDGED: GOOD},
    }
    course, stages = climb(table, objective={"level": JUDGED}, cheap_bar=0.9)
    assert course.winner == "m/b"
    assert ("m/a", JUDGED) not in asked(stages)
    assert course.reason("m/a") == (
        "0 of 10 passed at the cheap level, the bar of 90 % is out of reach"
    )


def test_two_bars_share_the_chance_of_a_false_fail() -> None:
    table = {"m/a": {CHEAP: [1.0] * 100, JUDGED: [1.0] * 100}}
    course, _ = climb(table, objective={"level": JUDGED}, cheap_bar=0.8)
    lower = suite_boundaries(100, 0.8, 0.05, 0.025, 10).lower
    assert lower != suite_boundaries(100, 0.8, 0.05, 0.05, 10).lower
    assert [look.lower for look in course.looks] == [
        lower.get(look.seen) for look in course.looks
    ]
    assert {look.level for look in course.looks} == {CHEAP, JUDGED}


def test_a_cheap_bar_that_is_cleared_early_leaves_its_rest_for_the_winner() -> None:
    many = [1.0] * 100
    table = {
        "m/a": {CHEAP: many, JUDGED: [0.0] * 100},
        "m/b": {CHEAP: many, JUDGED: many},
    }
    _, stages = climb(table, objective={"level": JUDGED}, cheap_bar=0.8)
    counts = asked(stages)
    assert counts["m/a", CHEAP] < 100
    assert counts["m/b", CHEAP] == counts["m/b", JUDGED] == 100
    order = [stage.level for stage in stages if stage.rung == "m/b"]
    # Its cheap rest first: that may yet spare the rest of the judging.
    assert order[-2:] == [CHEAP, JUDGED]
    assert order.index(JUDGED) < len(order) - 2


def test_a_cheap_rest_below_its_bar_undoes_a_winner_and_spares_its_judging() -> None:
    falling = [1.0] * 40 + [0.0] * 60
    table = {"m/a": {CHEAP: falling, JUDGED: [1.0] * 100}}
    course, stages = climb(table, objective={"level": JUDGED}, cheap_bar=0.8)
    assert course.winner is None
    assert course.settled == {"m/a": "fail"}
    assert course.reason("m/a") == (
        "40 of 100 passed at the cheap level, below the bar of 80 %"
    )
    assert asked(stages)["m/a", JUDGED] < 100


def test_a_cheap_bar_is_ignored_where_cheap_decides_or_has_no_tests() -> None:
    course, _ = climb({"m/a": [1.0] * 17 + [0.0] * 3}, cheap_bar=0.99)
    assert course.winner == "m/a"
    course, _ = climb({"m/a": {JUDGED: GOOD}}, objective={"level": JUDGED})
    assert course.winner == "m/a"


def test_graded_scores_are_decided_by_bets_and_exactly_at_the_end() -> None:
    table = {"m/a": [0.1] * 100, "m/b": [0.79] * 100, "m/c": [0.81] * 100}
    course, stages = climb(table, graded={CHEAP: True})
    assert course.winner == "m/c"
    assert course.settled == {"m/a": "fail", "m/b": "fail", "m/c": "pass"}
    assert asked(stages)["m/a", CHEAP] == 10
    assert course.looks[0].upper is None
    assert str(course.reason("m/a")).startswith("mean score 0.100 over 10 cases,")


def test_fractions_where_none_were_promised_never_decide_early() -> None:
    # Half a point each: rounding them either way would cross a boundary.
    course, _ = climb({"m/a": [0.5] * 100}, objective={"quality": 0.4})
    assert course.winner == "m/a"
    early = [look for look in course.looks if look.total < 40 - 1e-9]
    assert {look.decision for look in early} == {"go on"}


def test_clusters_are_one_observation_each() -> None:
    # 20 clusters of ten cases that all score alike: 200 cases that know as much as 20.
    alike = [1.0] * 40 + ([0.0] * 10 + [1.0] * 10) * 8
    units = units_of(200)
    names = {unit: str(place // 10) for place, unit in enumerate(units)}
    alone, _ = climb({"m/a": alike}, finish_winner=False)
    assert alone.winner == "m/a"
    together, _ = climb({"m/a": alike}, finish_winner=False, clusters=names)
    assert together.winner is None


def test_clusters_of_unlike_sizes_end_in_the_verdict_of_all_units() -> None:
    units = units_of(60)
    sizes = [1, 5, 2, 9, 3] * 3
    starts = [place for place, size in enumerate(sizes) for _ in range(size)]
    names = {unit: str(starts[place]) for place, unit in enumerate(units)}
    for passes in (47, 48):
        scores = [1.0] * 24 + [0.0] * (60 - passes) + [1.0] * (passes - 24)
        course, _ = climb({"m/a": scores}, clusters=names, alpha=1e-9, beta=1e-9)
        assert (course.winner == "m/a") is (passes == 48)


def test_a_cluster_need_not_be_complete_for_what_is_certain() -> None:
    names = {unit: str(place // 20) for place, unit in enumerate(units_of(40))}
    _, stages = climb({"m/a": BAD}, clusters=names)
    assert asked(stages) == {("m/a", CHEAP): 10}


def test_bets_follow_the_order_of_the_units_and_not_of_the_rows() -> None:
    table: Table = {"m/a": [1.0] * 10 + [0.0] * 10 + [0.8] * 80}
    terms = {"graded": {CHEAP: True}, "every": 20, "alpha": 0.4, "beta": 0.4}
    one, other = open_climb(table, **terms), open_climb(table, **terms)
    walk(one, table)
    walk(other, table, order=lambda rows: rows[::-1])
    assert one.looks[0].decision == "pass"
    assert one.looks == other.looks


def test_a_torn_cluster_is_refused() -> None:
    names = {unit: str(place % 2) for place, unit in enumerate(units_of(40))}
    with pytest.raises(ValueError, match="must follow each other"):
        open_climb({"m/a": GOOD}, clusters=names)


def test_an_error_counts_against_a_pass_and_against_a_fail() -> None:
    # V20: 39 of 40 pass.
    for begin, decision in [
        ([1.0] * 39 + [None], "pass"),
        ([1.0] * 38 + [None] * 2, "go on"),
    ]:
        table = sixteen([*begin, *[1.0] * 160])
        course = open_climb(table)
        while not course.looks or course.looks[-1].seen < 40:
            assert course.stage is not None
            course.close(rows_for(course.stage, table))
        assert course.looks[-1].decision == decision
    begin = [None, 1.0, 1.0, 1.0, *[0.0] * 6]
    course = open_climb(table := sixteen([*begin, *[1.0] * 190]), again=0.05)
    assert course.stage is not None
    course.close(rows_for(course.stage, table))
    assert course.looks[-1].decision == "go on"


def test_an_error_never_fails_a_rung_for_certain_or_by_bets() -> None:
    never = {"alpha": 1e-300, "beta": 1e-300}
    # 79 of 100 pass, and 5 more may have: neither pass nor fail.
    erred: Scores = [1.0] * 60 + [None] * 5 + [0.0] * 16 + [1.0] * 19
    course, _ = climb({"m/a": erred}, **never)
    assert course.settled == {"m/a": "undecided"}
    erred = [None, *[0.76] * 19, *[0.9] * 80]
    course, _ = climb({"m/a": erred}, graded={CHEAP: True}, every=20)
    assert course.looks[0].decision == "go on"
    assert course.winner == "m/a"


def test_errors_that_cannot_matter_keep_no_rung_from_its_verdict() -> None:
    course, stages = climb({"m/a": [None, *[0.0] * 199]})
    assert course.settled == {"m/a": "fail"}
    assert asked(stages) == {("m/a", CHEAP): 10}
    # 85 pass, 9 miss and 6 are errors: 85 % at the worst.
    scores: list[float | None] = [*[1.0] * 85, *[0.0] * 9, *[None] * 6]
    course, _ = climb({"m/a": scores[::-1], "m/b": [1.0] * 100})
    assert (course.winner, course.settled) == ("m/a", {"m/a": "pass"})
    # 190 pass and 11 are errors, which is less than 95 % coverage.
    course, _ = climb({"m/a": [*[1.0] * 189, *[None] * 11], "m/b": [1.0] * 200})
    assert course.winner == "m/a"


def test_errors_that_could_turn_it_leave_a_rung_undecided() -> None:
    broken: Scores = [1.0] * 75 + [None] * 10 + [0.0] * 15
    course, _ = climb({"m/a": broken, "m/b": [1.0] * 100})
    assert course.winner == "m/b"
    assert course.settled == {"m/a": "undecided", "m/b": "pass"}
    assert course.reason("m/a") == (
        "75 of 90 passed, 10 did not finish, undecided against the bar of 80 %"
    )


def test_a_rung_is_left_once_its_errors_alone_keep_it_undecided() -> None:
    # 50 errors: 50 passes are too few for the bar, and 80 with them are not.
    broken: Scores = [1.0] * 30 + [None] * 50 + [1.0] * 20
    never = {"alpha": 1e-300, "beta": 1e-300}
    course, stages = climb({"m/a": broken, "m/b": [1.0] * 100}, **never)
    assert course.settled["m/a"] == "undecided"
    assert asked(stages)["m/a", CHEAP] == 80


def test_a_rung_whose_calls_all_fail_is_left_after_ten() -> None:
    course, stages = climb({"m/a": [None] * 100, "m/b": [1.0] * 100})
    assert asked(stages)["m/a", CHEAP] == 10
    assert course.settled["m/a"] == "undecided"
    assert course.states["m/a"] == "stopped"


def test_errors_of_some_samples_count_both_ways_too() -> None:
    course = open_climb({"m/a": GOOD}, every=40)
    stage = course.stage
    assert stage is not None
    rows = rows_for(stage, {"m/a": GOOD})
    rows += [a_row(stage, unit, None, sample=2) for unit in stage.units]
    course.close(rows)
    assert course.settled == {"m/a": "undecided"}


def test_units_without_any_row_count_as_unfinished() -> None:
    course = open_climb({"m/a": GOOD})
    course.close([])
    assert course.settled == {"m/a": "undecided"}
    assert course.stage is None


def test_units_that_were_skipped_lower_no_coverage() -> None:
    table: Table = {"m/a": [1.0] * 20 + [0.0] * 20}
    course = open_climb(table, objective={"quality": 0.9})
    while (stage := course.stage) is not None:
        # All misses are skipped, one unit of the others is skipped in part.
        done = [row for row in rows_for(stage, table) if row.score]
        course.close(done, skipped=stage.units)
    assert course.settled == {"m/a": "pass"}
    assert {look.unfinished for look in course.looks} == {0}
    assert course.states == {"m/a": "run"}


def test_a_rung_that_only_skips_is_undecided() -> None:
    course = open_climb({"m/a": GOOD}, every=40)
    assert course.stage is not None
    course.close([], skipped=course.stage.units)
    assert course.settled == {"m/a": "undecided"}
    assert (
        course.reason("m/a") == "no case has a score, undecided against the bar of 80 %"
    )


def test_tests_and_samples_of_a_unit_are_averaged_first() -> None:
    course = open_climb({"m/a": GOOD}, graded={CHEAP: True})
    stage = course.stage
    assert stage is not None
    rows = [
        a_row(stage, unit, score, test=test, sample=sample)
        for unit in stage.units
        for test, sample, score in [("t.py::a", 1, 1), ("t.py::a", 2, 0), ("b", 1, 1)]
    ]
    course.close(rows)
    assert math.isclose(course.looks[0].total, 7.5)


def test_units_of_weight_zero_are_in_no_verdict() -> None:
    course = open_climb({"m/a": GOOD}, every=40)
    stage = course.stage
    assert stage is not None
    light, heavy = stage.units[:20], stage.units[20:]
    rows = [a_row(stage, unit, 0, weight=0.0) for unit in light]
    course.close(rows + [a_row(stage, unit, 1) for unit in heavy])
    assert course.settled == {"m/a": "pass"}


def test_the_caller_may_drop_a_winner_and_the_climb_goes_on() -> None:
    table = {"m/a": GOOD, "m/b": GOOD, "m/c": GOOD}
    course, _ = climb(table)
    course.drop("m/a", "p95 latency 3.1 s, over 2 s")
    assert course.stage is not None
    assert course.stage.rung == "m/b"
    walk(course, table)
    assert course.winner == "m/b"
    assert course.reason("m/a") == "p95 latency 3.1 s, over 2 s"
    assert course.reason("m/c") == "decided at m/b"


def test_a_rung_dropped_before_its_turn_is_never_run() -> None:
    table = {"m/a": GOOD, "m/b": GOOD}
    course = open_climb(table)
    course.drop("m/a", "takes 40 h to build")
    stages = walk(course, table)
    assert {stage.rung for stage in stages} == {"m/b"}
    assert course.states["m/a"] == "not run"


@pytest.mark.parametrize(
    ("scores", "closed", "rung", "count"),
    [
        ([1.0] * 100, 0, "m/a", 10),  # nothing is known: the next look
        ([1.0] * 100, 1, "m/a", 80),  # passes from 20 of 20: its completion
        ([1.0] * 100, 2, None, 0),
        ([0.0, 0.0, *[1.0] * 8, *[0.0] * 90], 1, "m/a", 10),
        ([*[0.0] * 6, *[1.0] * 4, *[0.0] * 90], 1, "m/b", 10),
    ],
)
def test_a_hint_says_what_probably_runs_next(
    scores: Scores, closed: int, rung: str | None, count: int
) -> None:
    table = {"m/a": scores, "m/b": [1.0] * 100}
    course = open_climb(table)
    for _ in range(closed):
        assert course.stage is not None
        course.close(rows_for(course.stage, table))
    before = course.stage, course.looks, course.states, course.settled
    hint = course.likely
    assert (hint and hint.rung, len(hint.units) if hint else 0) == (rung, count)
    assert (course.stage, course.looks, course.states, course.settled) == before


def test_rows_of_another_stage_and_stages_after_the_end_are_refused() -> None:
    course = open_climb({"m/a": GOOD, "m/b": GOOD})
    stage = course.stage
    assert stage is not None
    for row in [
        a_row(stage, stage.units[0], 1, rung="m/b"),
        a_row(stage, stage.units[0], 1, level=JUDGED),
        a_row(stage, ("cases.jsonl", "c39"), 1),
    ]:
        with pytest.raises(ValueError, match=r"not of the open stage of m/a at cheap"):
            course.close([row])
    assert course.stage == stage
    walk(course, {"m/a": GOOD, "m/b": GOOD})
    with pytest.raises(ValueError, match="is over"):
        course.close([])
    with pytest.raises(ValueError, match="knows no rung 'm/x'"):
        course.drop("m/x", "")


def test_an_objective_that_these_tests_cannot_decide_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'level = "judged".*\(selected: cheap\)'):
        open_climb({"m/a": GOOD}, objective={"level": JUDGED})
    with pytest.raises(ConfigError, match="quality must be above 0"):
        open_climb({"m/a": GOOD}, objective={"quality": 0.0})


@pytest.mark.parametrize(
    ("rungs", "units", "message"),
    [
        (["m/a", "m/a"], units_of(3), "rungs that differ"),
        ([], units_of(3), "rungs that differ"),
        (["m/a"], units_of(3) * 2, "given twice"),
    ],
)
def test_repeated_rungs_and_units_are_refused(
    rungs: list[str], units: tuple[tuple[str, str], ...], message: str
) -> None:
    graded = dict.fromkeys(Level, False)
    with pytest.raises(ValueError, match=message):
        Terms(
            rungs=tuple(rungs),
            units={CHEAP: units},
            graded=graded,
            cheap_bar=None,
            every=10,
        )


def test_looks_less_than_one_unit_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="1 or more units apart, got 0"):
        open_climb({"m/a": GOOD}, every=0)


def test_looks_read_as_sentences() -> None:
    course, _ = climb({"m/a": [1.0] * 40 + [None] + [1.0] * 159}, every=20)
    assert [str(look) for look in course.looks] == [
        "m/a, cheap: 20 of 20 (200 in all), fail up to 10: go on",
        "m/a, cheap: 40 of 40 (200 in all), pass from 38, fail up to 25: pass",
        "m/a, cheap: 199 of 200 (200 in all), 1 did not finish, pass from 160, "
        "fail up to 159: pass",
    ]
