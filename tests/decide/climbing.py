"""Walks a climb over a table of scores, in place of a session of tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.course import Course, Stage
from pytest_ladder.decide.climb.opening import climb_of
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.matrix import Unit

CHEAP, JUDGED = Level.CHEAP, Level.JUDGED
Scores = Sequence[float | None]
"""Of the units in their order; None: an error."""
Table = Mapping[str, Scores | Mapping[Level, Scores]]


def units_of(count: int) -> tuple[Unit, ...]:
    return tuple(("cases.jsonl", f"c{number}") for number in range(count))


def a_row(stage: Stage, unit: Unit, score: float | None, **fields: Any) -> Row:
    outcome = Outcome.PASSED if score == 1 else Outcome.MISSED
    values: dict[str, Any] = {
        "test": "t.py::test_a",
        "rung": stage.rung,
        "level": stage.level,
        "source": unit[0],
        "case": unit[1],
        "outcome": Outcome.ERROR if score is None else outcome,
        "score": score,
    }
    return Row(**{**values, **fields})


def rows_for(stage: Stage, table: Table) -> list[Row]:
    scores = table[stage.rung]
    if isinstance(scores, Mapping):
        scores = scores[stage.level]
    return [a_row(stage, unit, scores[int(unit[1][1:])]) for unit in stage.units]


def open_climb(table: Table, **terms: Any) -> Course:
    """Open a climb over the rungs and levels of a table."""
    first = next(iter(table.values()))
    levels = first if isinstance(first, Mapping) else {CHEAP: first}
    objective: dict[str, Any] = {"kind": "good-enough", "quality": 0.8}
    objective |= terms.pop("objective", {})
    given: dict[str, Any] = {
        "graded": dict.fromkeys(Level, False),
        "cheap_bar": None,
        "every": 10,
        **terms,
    }
    units = {level: units_of(len(scores)) for level, scores in levels.items()}
    return climb_of(
        Objective(**objective), Terms(rungs=tuple(table), units=units, **given)
    )


def walk(
    course: Course, table: Table, order: Callable[[list[Row]], list[Row]] = list
) -> list[Stage]:
    """Run all stages with the scores of a table; returns them."""
    stages = []
    while course.stage is not None:
        stages.append(course.stage)
        course.close(order(rows_for(course.stage, table)))
    return stages


def asked(stages: Sequence[Stage]) -> dict[tuple[str, Level], int]:
    """Count the units that were run, by rung and level."""
    counts: dict[tuple[str, Level], int] = {}
    for stage in stages:
        key = stage.rung, stage.level
        counts[key] = counts.get(key, 0) + len(stage.units)
    return counts
