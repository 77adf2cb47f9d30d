"""What the markers of a ladder test say, read and checked for `collect`.

Each function gets `where`, the test's node id, and raises `ConfigError` with it for a
mistake.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.score import Level
from pytest_ladder.errors import ConfigError
from pytest_ladder.session.ladder_test import Judged
from pytest_ladder.session.open_ladder import OpenLadder

# A report with more cannot be read back: sums and ratios break on it.
_MOST_WEIGHT = 1e9
TAG = "tag"
"""Names the cases that a marker of a level is about; without it, all of them."""
_LADDER_KEYS = (
    "cases",
    "task",
    "samples",
    "weight",
    "miss",
    "external",
    "ahead",
    "pack",
)
_LEVEL_KEYS = {
    Level.CHEAP: ("at_least", TAG),
    Level.JUDGED: ("at_least", TAG, "rubric", "judge", "scale", "samples"),
    Level.REAL: ("at_least", TAG),
}


def level_of(definition: pytest.Item, where: str) -> tuple[Level, dict[str, Any]]:
    """Return the level of a test, and what its marker says."""
    marks = {
        level: [
            _keywords(mark, _LEVEL_KEYS[level], where)
            for mark in definition.iter_markers(level)
        ]
        for level in Level
    }
    marked = [level for level in Level if marks[level]]
    if len(marked) > 1:
        raise ConfigError(
            f"{where} is marked {' and '.join(marked)}; a test has one level, so "
            "split it or drop a marker."
        )
    # What is said of cases with a tag, `tagged_shares` reads.
    of_all = (options for options in marks[marked[0]] if TAG not in options)
    return marked[0], next(of_all, {})


def judged_of(
    level: Level, options: dict[str, Any], opened: OpenLadder, where: str
) -> Judged:
    """Return what a `judged` marker says of its judge."""
    from pytest_ladder.judging.jury import standard_of
    from pytest_ladder.judging.retrieval_metrics import METRICS
    from pytest_ladder.judging.rubrics import Rubric

    if level is not Level.JUDGED:
        raise ConfigError(f"{where} uses `verdict`; mark it judged instead of {level}.")
    rubric, judge = options.get("rubric"), options.get("judge")
    try:
        standard = standard_of(rubric, judge, options.get("scale"))
    except ConfigError as error:
        raise ConfigError(f"{where}: @pytest.mark.judged: {error}") from None
    is_rubric = isinstance(standard, Rubric)
    if is_rubric and opened.ladder.judge is None:
        raise ConfigError(
            f"{where} is judged by a rubric, and {opened.ladder.path} has no judge; "
            'add [judge] with an `id`, such as "openai/gpt-5-mini".'
        )
    if isinstance(standard, Rubric):
        grades_retrieval = "retrieved" in standard.needs
        graded = grades_retrieval or standard.is_graded
    else:
        grades_retrieval = standard in METRICS.values()
        graded = True  # Nobody knows what a function returns before it does.
    return Judged(
        rubric=rubric,
        judge=judge,
        scale=options.get("scale"),
        samples=count_of(options.get("samples", 1), where),
        grades_retrieval=grades_retrieval,
        graded=graded,
    )


def check_unasked(options: dict[str, Any], where: str) -> None:
    """Refuse a judge that nobody asks: all would pass, and count as judged."""
    for key in ("rubric", "judge"):
        if key in options:
            raise ConfigError(
                f"{where} is judged by a {key} that it never asks; take `verdict` as "
                f"an argument, or leave {key}=… out of the marker."
            )


def ladder_options(definition: pytest.Item, where: str) -> dict[str, Any]:
    """Merge the `ladder` markers of a test; the nearest one wins for each key."""
    merged: dict[str, Any] = {}
    for mark in definition.iter_markers("ladder"):
        merged = {**_keywords(mark, _LADDER_KEYS, where), **merged}
    return merged


def _keywords(mark: pytest.Mark, known: Sequence[str], where: str) -> dict[str, Any]:
    """Return the keywords of a mark, of those it may have."""
    if mark.args:
        raise ConfigError(
            f"{where}: @pytest.mark.{mark.name} takes keywords only, such as "
            f"{known[0]}=…"
        )
    for key in mark.kwargs:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}."
            raise ConfigError(
                f"{where}: @pytest.mark.{mark.name} does not know {key!r}; {hint}"
            )
    return dict(mark.kwargs)


def share_of(value: Any, where: str) -> float:
    """Check `at_least`, a share in [0, 1]; 0 only reports."""
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise ConfigError(f"{where}: at_least={value!r} is not a share in [0, 1].")


def weight_of(value: Any, where: str) -> float:
    """Check `weight`, a number from 0."""
    if isinstance(value, int | float) and 0 <= value <= _MOST_WEIGHT:
        return float(value)
    raise ConfigError(f"{where}: weight={value!r} is not a number from 0 to 1e9.")


def ahead_of(value: Any, where: str) -> Any:
    """Check `ahead`: True, False or "fixtures"."""
    if value in (True, False, "fixtures"):
        return value
    raise ConfigError(
        f'{where}: ahead={value!r} is none of True, False and "fixtures", which lets a '
        "test run ahead with fixtures of yours that are set up."
    )


def task_of(value: Any, where: str) -> Any:
    """Check `task`, a function or None."""
    if value is None or callable(value):
        return value
    raise ConfigError(
        f"{where}: task={value!r} is not a function; give f(case, llm) itself."
    )


def is_packed(value: Any, uses: set[str], cases: tuple[Case, ...], where: str) -> bool:
    """Check `pack`, which needs cases."""
    if value and not (cases and "case" in uses):
        raise ConfigError(
            f"{where}: pack=True packs cases; give `cases=` and use `case` or `reply`."
        )
    return bool(value)


def count_of(value: Any, where: str) -> int:
    """Check `samples`, a whole number from 1."""
    if isinstance(value, int) and value >= 1:
        return value
    raise ConfigError(f"{where}: samples={value!r} is not a whole number from 1.")


def exceptions_of(value: Any, where: str) -> tuple[type[BaseException], ...]:
    """Check `miss`, and return its exception types as a tuple."""
    types = value if isinstance(value, tuple) else (value,)
    if all(isinstance(t, type) and issubclass(t, BaseException) for t in types):
        return types
    raise ConfigError(f"{where}: miss={value!r} must name exception types.")
