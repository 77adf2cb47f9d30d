"""Opens the climb that an objective asks for, over rungs that it can afford."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from pytest_ladder.core.ladder import Objective, Require
from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.course import Course
from pytest_ladder.decide.climb.terms import Criterion, Terms
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.decide.objectives.table import kind_of
from pytest_ladder.decide.requirements import Subject, level_of, nothing_covered
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.numbers import dollars


def climb_of(objective: Objective, terms: Terms) -> Course:
    """Open the climb of an objective; rungs beyond its cap are out of it.

    Raises `ConfigError` for an objective that these units cannot decide.
    """
    if not terms.units.get(objective.level):
        selected = ", ".join(level for level in Level if terms.units.get(level))
        raise ConfigError(
            f'[objective] level = "{objective.level}" decides the climb, but no test '
            f"that was selected is of that level (selected: {selected or 'none'}); "
            "select such tests, change `level`, or run `--ladder=matrix`."
        )
    kind = kind_of(objective)
    course = kind.climb(objective, terms)
    for rung, why in _beyond(kind.cap(objective), terms):
        course.drop(rung, why)
    return course


def criteria_of(
    objective: Objective,
    subjects: Sequence[Subject],
    units_of: Callable[[Level, Collection[Unit]], tuple[Unit, ...]],
) -> tuple[Criterion, ...]:
    """Return what rows of a climb must reach beside the bar, with their units.

    `units_of` puts units of a level in the order of the climb. Raises `ConfigError`
    for a criterion that no test which was selected is about.
    """
    return tuple(
        _criterion(require, objective.level, subjects, units_of)
        for require in objective.requirements
        if require.at_least is not None
    )


def _criterion(
    require: Require,
    given: Level,
    subjects: Sequence[Subject],
    units_of: Callable[[Level, Collection[Unit]], tuple[Unit, ...]],
) -> Criterion:
    level = level_of(require, given, subjects)
    there = [one for one in subjects if one.level is level]
    units = {one.unit for one in there if require.covers(one.test, one.tags)}
    if not units:
        tags = {tag for one in there for tag in one.tags}
        why = nothing_covered(require, {one.test for one in there}, tags)
        raise ConfigError(
            f"[[objective.require]] of {require.name} is about nothing that was "
            f"selected: {why}; select such tests, change it, or run --ladder=matrix."
        )
    return Criterion(require=require, level=level, units=units_of(level, units))


def _beyond(cap: float | None, terms: Terms) -> Iterator[tuple[str, str]]:
    """Yield the rungs that are left out for their price, each with the reason."""
    if cap is None:
        return
    if terms.price_cap_ok is None:
        raise ValueError("A budget needs to know which rungs are within its cap.")
    named = f"the cap of {dollars(cap)} per 1,000 calls"
    for rung in terms.rungs:
        within = terms.price_cap_ok.get(rung)
        if within is None:
            yield rung, f"no price to hold against {named}"
        elif not within:
            yield rung, f"over {named}"
