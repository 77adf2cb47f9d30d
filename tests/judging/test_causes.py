"""A failed case names the first failing check in causal order."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.judging.causes import (
    CAUSES,
    Cause,
    counts,
    root_cause,
    root_causes,
)
from pytest_ladder.judging.retrieval_metrics import METRICS
from pytest_ladder.judging.rubrics import library

CHECKS = {
    "t::test_found": Cause.RETRIEVAL,
    "t::test_grounded": Cause.GROUNDEDNESS,
    "t::test_right": Cause.CORRECTNESS,
    "groundedness": Cause.GROUNDEDNESS,
}


def row(test: str, outcome: str = "missed", **fields: Any) -> Row:
    told: dict[str, Any] = {"rung": "m/s", "source": "c", "case": "a"} | fields
    return Row(test=test, level=Level.JUDGED, outcome=Outcome(outcome), **told)


CASES: dict[str, tuple[list[Row], Cause | None, str]] = {
    "the earliest of several": (
        [row("t::test_right"), row("t::test_found"), row("t::test_grounded")],
        Cause.RETRIEVAL,
        "t::test_found",
    ),
    "what passed is no cause": (
        [row("t::test_found", "passed"), row("t::test_right")],
        Cause.CORRECTNESS,
        "t::test_right",
    ),
    "an error is no cause": (
        [row("t::test_found", "error"), row("t::test_right")],
        Cause.CORRECTNESS,
        "t::test_right",
    ),
    "one sample of several is enough": (
        [row("t::test_found", "passed"), row("t::test_found", sample=2)],
        Cause.RETRIEVAL,
        "t::test_found",
    ),
    "a named score": (
        [row("t::other", "passed", scores={"groundedness": 0.4})],
        Cause.GROUNDEDNESS,
        "groundedness",
    ),
    "a low score": (
        [row("t::test_right", "passed", score=0.2)],
        Cause.CORRECTNESS,
        "t::test_right",
    ),
    "a test that stands for nothing": ([row("t::other")], None, "t::other"),
    "but only where nothing else failed": (
        [row("t::other"), row("t::test_right")],
        Cause.CORRECTNESS,
        "t::test_right",
    ),
}


@pytest.mark.parametrize(("rows", "cause", "check"), CASES.values(), ids=CASES)
def test_the_cause_is_the_first_failing_check(
    rows: list[Row], cause: Cause | None, check: str
) -> None:
    found = root_cause(rows, CHECKS)
    assert found is not None
    assert (found.cause, found.check) == (cause, check)


@pytest.mark.parametrize(
    "rows",
    [
        [row("t::test_right", "passed")],
        [row("t::test_right", "error", scores={"groundedness": 0.1})],
        [row("t::other", "passed", scores={"brevity": 0.1}, score=0.9)],
        [],
    ],
)
def test_a_case_that_did_not_fail_has_no_cause(rows: list[Row]) -> None:
    assert root_cause(rows, CHECKS) is None


def test_the_reason_of_the_failing_test_is_kept() -> None:
    found = root_cause([row("t::test_right", reason="says 3 days")], CHECKS)
    assert found is not None
    assert found.reason == "says 3 days"


def test_causes_are_counted_per_rung_in_causal_order() -> None:
    rows = [
        row("t::test_right"),
        row("t::test_found", case="b"),
        row("t::test_right", case="b"),
        row("t::other", case="c"),
        row("t::test_right", case="d"),
        row("t::test_right", "passed", case="e"),
        row("t::test_right", rung="m/rag"),
    ]
    counted = counts(root_causes(rows, CHECKS))
    assert counted == {
        "m/s": {Cause.RETRIEVAL: 1, Cause.CORRECTNESS: 2, None: 1},
        "m/rag": {Cause.CORRECTNESS: 1},
    }
    assert list(counted["m/s"]) == [Cause.RETRIEVAL, Cause.CORRECTNESS, None]


def test_every_judge_of_the_package_stands_for_something() -> None:
    assert set(CAUSES) == {*library(), *METRICS}
    assert set(CAUSES.values()) == set(Cause)
