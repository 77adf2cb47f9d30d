"""What holds of every climb, whatever the scores."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.bounds import against_bar
from pytest_ladder.decide.climb.course import Course, Stage
from pytest_ladder.decide.climb.halving import FINALISTS
from tests.decide.climbing import (
    CHEAP,
    JUDGED,
    Scores,
    a_row,
    open_climb,
    rows_for,
    walk,
)

Ladder = dict[str, dict[Level, Scores]]
NEVER = 1e-300
"""So small a chance that only what is certain decides before the end."""

binary = st.sampled_from([0.0, 1.0, 1.0])
graded = st.floats(0, 1)
broken = st.sampled_from([0.0, 1.0, 1.0, 1.0, 1.0, None])
many = settings(max_examples=150, deadline=None)


@st.composite
def ladders(draw: st.DrawFn, *kinds: st.SearchStrategy[float | None]) -> Ladder:
    levels = draw(st.sampled_from([(CHEAP,), (CHEAP, JUDGED)]))
    sizes = {level: draw(st.integers(1, 30)) for level in levels}
    kind = draw(st.sampled_from(kinds))
    return {
        f"m/{rung}": {
            level: draw(st.lists(kind, min_size=size, max_size=size))
            for level, size in sizes.items()
        }
        for rung in range(draw(st.integers(1, 4)))
    }


terms = st.fixed_dictionaries(
    {
        "every": st.integers(1, 12),
        "cheap_bar": st.sampled_from([None, 0.5, 0.9]),
        "graded": st.booleans().map(lambda truth: dict.fromkeys(Level, truth)),
        "alpha": st.sampled_from([0.05, 0.4]),
        "beta": st.sampled_from([0.05, 0.4]),
        "objective": st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["good-enough", "step-function"]),
                "quality": st.sampled_from([0.3, 0.5, 0.8, 0.85, 1.0]),
            }
        ),
    }
)
anything = ladders(binary, graded, broken)


def opened(table: Ladder, given: dict[str, Any], **more: Any) -> Course:
    """Open a climb that the last level of the table decides."""
    last = list(next(iter(table.values())))[-1]
    objective = {**given["objective"], **more.pop("objective", {}), "level": last}
    return open_climb(table, **{**given, **more, "objective": objective})


def to_a_bar(table: Ladder, given: dict[str, Any], **more: Any) -> Course:
    return opened(table, given, objective={"kind": "good-enough"}, **more)


def passes_in_full(table: Ladder, rung: str, bar: float, level: Level) -> bool:
    return verdict_in_full(table, rung, bar, level) == "pass"


def verdict_in_full(table: Ladder, rung: str, bar: float, level: Level) -> str:
    """Return the verdict of all units, which a matrix comes to as well."""
    worst = [score or 0.0 for score in table[rung][level]]
    best = [1.0 if score is None else score for score in table[rung][level]]
    return against_bar(worst, best, bar)


def story(course: Course) -> tuple[Any, ...]:
    """Everything that a climb says."""
    reasons = [course.reason(rung) for rung in course.rungs]
    return course.stage, course.looks, course.states, course.settled, reasons


@given(table=anything, given_terms=terms)
@many
def test_no_unit_is_asked_twice_and_none_that_does_not_exist(
    table: Ladder, given_terms: dict[str, Any]
) -> None:
    course = opened(table, given_terms)
    asked: dict[tuple[str, Level], list[str]] = {}
    for stage in walk(course, table):
        assert stage.units
        names = asked.setdefault((stage.rung, stage.level), [])
        names += [case for _, case in stage.units]
    for (rung, level), names in asked.items():
        whole = [f"c{number}" for number in range(len(table[rung][level]))]
        assert names == whole[: len(names)]
    for rung, state in course.states.items():
        ran = sum(len(names) for (name, _), names in asked.items() if name == rung)
        left = sum(map(len, table[rung].values())) - ran
        assert state == ("not run" if not ran else "stopped" if left else "run")


@given(table=anything, given_terms=terms)
@many
def test_a_recommended_rung_reaches_the_bar_on_all_its_units(
    table: Ladder, given_terms: dict[str, Any]
) -> None:
    course = to_a_bar(table, given_terms)
    walk(course, table)
    # A cheaper rung that was left in doubt may be taken up again, and pass as well.
    winners = [rung for rung in course.rungs if course.settled.get(rung) == "pass"]
    bar = given_terms["objective"]["quality"]
    for rung in winners[:1]:
        assert passes_in_full(table, rung, bar, course.level)
        assert course.states[rung] == "run"


@given(table=anything, given_terms=terms)
@many
def test_without_early_fails_the_first_rung_that_passes_in_full_wins(
    table: Ladder, given_terms: dict[str, Any]
) -> None:
    course = to_a_bar(table, given_terms, beta=NEVER, cheap_bar=None)
    walk(course, table)
    bar = given_terms["objective"]["quality"]
    full = [r for r in table if passes_in_full(table, r, bar, course.level)]
    won = [rung for rung, said in course.settled.items() if said == "pass"]
    assert won == full[:1]


@given(table=ladders(binary, graded), given_terms=terms)
@many
def test_curtailment_alone_gives_the_verdicts_of_the_full_suite(
    table: Ladder, given_terms: dict[str, Any]
) -> None:
    terms = {"alpha": NEVER, "beta": NEVER, "cheap_bar": None}
    course = to_a_bar(table, given_terms, **terms, finish_winner=False)
    walk(course, table)
    bar = given_terms["objective"]["quality"]
    for rung, verdict in course.settled.items():
        assert verdict == verdict_in_full(table, rung, bar, course.level)


@given(table=anything, given_terms=terms)
@many
def test_a_flawless_first_rung_is_always_chosen(
    table: Ladder, given_terms: dict[str, Any]
) -> None:
    for level, scores in table["m/0"].items():
        table["m/0"][level] = [1.0] * len(scores)
    # Of few units even all are no proof.
    assume(all(len(scores) >= 10 for scores in table["m/0"].values()))
    course = to_a_bar(table, given_terms)
    walk(course, table)
    assert course.settled == {"m/0": "pass"}


@given(table=anything, given_terms=terms, chance=st.randoms(use_true_random=False))
@many
def test_the_order_of_rows_in_a_stage_is_irrelevant(
    table: Ladder, given_terms: dict[str, Any], chance: random.Random
) -> None:
    def rows(stage: Stage) -> list[Row]:
        """Two tests and two samples of each unit, of which one test never errs."""
        one = rows_for(stage, table)
        more = [
            a_row(stage, unit, place % 3 / 2, test="t.py::b", sample=sample)
            for place, unit in enumerate(stage.units)
            for sample in (1, 2)
        ]
        return one + more

    def shuffled(stage: Stage) -> list[Row]:
        mixed = rows(stage)
        chance.shuffle(mixed)
        return mixed

    first, second = opened(table, given_terms), opened(table, given_terms)
    while first.stage is not None:
        assert second.stage == first.stage
        first.close(rows(first.stage))
        assert second.stage is not None
        second.close(shuffled(second.stage))
        assert story(first) == story(second)


@given(table=anything, given_terms=terms, cut=st.integers(0, 10))
@many
def test_a_climb_begun_again_with_the_same_rows_stands_where_it_stood(
    table: Ladder, given_terms: dict[str, Any], cut: int
) -> None:
    first, second = opened(table, given_terms), opened(table, given_terms)
    kept: list[list[Row]] = []
    for _ in range(cut):
        if first.stage is not None:
            kept.append(rows_for(first.stage, table))
            first.close(kept[-1])
    for rows in kept:
        assert second.stage is not None
        second.close(rows)
    assert story(first) == story(second)


@given(table=anything, given_terms=terms)
@many
def test_a_hint_changes_nothing_and_names_units_that_are_still_to_run(
    table: Ladder, given_terms: dict[str, Any]
) -> None:
    course = opened(table, given_terms)
    asked: set[tuple[str, Level, tuple[str, str]]] = set()
    while course.stage is not None:
        stage, before = course.stage, story(course)
        asked |= {(stage.rung, stage.level, unit) for unit in stage.units}
        hint = course.likely
        assert story(course) == before
        if hint is not None:
            named = {(hint.rung, hint.level, unit) for unit in hint.units}
            assert named
            assert not named & asked
        course.close(rows_for(stage, table))


@given(table=anything, given_terms=terms)
@many
def test_an_error_never_decides_for_a_rung(
    table: Ladder, given_terms: dict[str, Any]
) -> None:
    """Turning a score into an error turns no look into an early pass or fail."""
    whole = {"m/0": table["m/0"]}
    course = to_a_bar(whole, given_terms, cheap_bar=None, finish_winner=False)
    level = course.level
    scores = list(whole["m/0"][level])
    assume(len(scores) > given_terms["every"])
    less: Ladder = {"m/0": {**whole["m/0"], level: [None, *scores[1:]]}}
    other = to_a_bar(less, given_terms, cheap_bar=None, finish_winner=False)
    walk(course, whole)
    walk(other, less)
    early = [k for k in other.looks if k.seen < k.n and k.decision in ("pass", "fail")]
    for look in early:
        first = next(k for k in course.looks if k.decision != "go on")
        assert first.seen <= look.seen


@given(table=anything, given_terms=terms)
@many
def test_halving_completes_two_rungs_at_most_and_settles_none(
    table: Ladder, given_terms: dict[str, Any]
) -> None:
    course = opened(table, given_terms, objective={"kind": "step-function"})
    walk(course, table)
    left = [rung for rung in table if course.reason(rung) is None]
    assert len(left) <= FINALISTS
    assert {course.states[rung] for rung in left} <= {"run"}
    assert course.settled == {}
