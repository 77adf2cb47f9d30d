"""A level that can hardly tell rungs apart any more says so, and what to add."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Part
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.outgrown import Outgrown, outgrown
from pytest_ladder.reporting.sentences.matrix import outgrown_sentence
from tests.decide.ladders import Made, ladder, passes


def found(made: dict[str, Made], **fields: Any) -> Outgrown | None:
    objective, part = fields.pop("objective", None), fields.pop("part", None)
    matrix, evidence = ladder(made, **fields)
    levels = outgrown(matrix, evidence, objective, part)
    return levels[0] if levels else None


def two(first: int, second: int, of: int) -> dict[str, Made]:
    return {
        "a/x": Made(scores=passes(first, of)),
        "b/x": Made(scores=passes(second, of)),
    }


LEVELS: dict[str, tuple[dict[str, Made], str | None]] = {
    "at the ceiling": (two(500, 498, 500), "ceiling"),
    "told apart by less than counts": (two(1000, 985, 1000), "ceiling"),
    "a tie at the top": (two(20, 20, 20), "tie"),
    "a tie near the top": (two(100, 97, 100), "tie"),
    "told apart": (two(100, 90, 100), None),
    "a tie below the top": (two(96, 96, 100), None),
    "far apart": (two(100, 1, 100), None),
    "few clusters": (
        {
            "a/x": Made(scores=passes(40, 40), clusters="abcd" * 10),
            "b/x": Made(scores=passes(36, 40), clusters="abcd" * 10),
        },
        None,
    ),
    "few cases": (two(9, 9, 9), None),
    "one rung": ({"a/x": Made(scores=passes(500, 500))}, None),
    "no rung": ({}, None),
}


@pytest.mark.parametrize(("made", "why"), LEVELS.values(), ids=LEVELS)
def test_a_level_is_outgrown_at_the_ceiling_or_where_all_tie_near_it(
    made: dict[str, Made], why: str | None
) -> None:
    level = found(made)
    assert (level and level.why) == why


def test_the_tolerance_says_how_near_the_top_is_near_enough() -> None:
    fine = Objective(kind="step-function", tolerance=0.005)
    assert found(two(500, 490, 500), objective=fine) is None
    coarse = Objective(kind="step-function", tolerance=0.1)
    assert found(two(96, 96, 100), objective=coarse) is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"part": Part(items=3, of=9)},
        {"states": {"a/x": "stopped"}},
    ],
    ids=["a part", "stopped early"],
)
def test_it_is_never_said_of_less_than_all(fields: dict[str, Any]) -> None:
    assert found(two(20, 20, 20), **fields) is None


def test_what_users_did_has_no_cases_to_add() -> None:
    matrix, _ = ladder(two(500, 500, 500), level=Level.REAL)
    assert outgrown(matrix, Evidence([]), None, None) == ()


def test_rungs_that_failed_too_often_or_on_other_cases_say_nothing() -> None:
    broken = [1.0] * 15 + [None] * 5
    assert found({**two(20, 20, 20), "c/x": Made(scores=broken)}) is None
    almost = [1.0] * 39 + [None]
    assert found({**two(40, 40, 40), "c/x": Made(scores=almost)}) is not None


def test_the_cases_that_still_tell_are_counted_and_the_hardest_named() -> None:
    scores = [[1.0] * 200 for _ in range(3)]
    # One case that none can do tells nothing apart, and is the hardest.
    for rung in scores:
        rung[7] = 0.0
    scores[0][11] = scores[1][11] = scores[2][3] = 0.0
    made = {f"m{n}/x": Made(scores=rung) for n, rung in enumerate(scores)}
    level = found(made)
    assert level is not None
    assert (level.rungs, level.cases, level.telling) == (3, 200, 2)
    assert level.hardest == ("c007", "c011", "c003")
    assert outgrown_sentence(level) == (
        "cheap: add harder cases: none of 3 rungs can be told from the best, at "
        "99.0 %; 2 of 200 cases still tell rungs apart; the hardest: c007, c011, c003."
    )


def test_where_nobody_misses_anything_no_case_is_hard() -> None:
    level = found(two(500, 500, 500))
    assert level is not None
    assert outgrown_sentence(level) == (
        "cheap: add harder cases: each of 2 rungs scores 97 % or more, 95 % sure; none "
        "of 500 cases tells rungs apart."
    )
