"""What `score` makes of results; those of real libraries: test_metrics_libraries.py."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace as Result
from typing import Any

import numpy as np
import pytest

from pytest_ladder.core.score import Score, Verdict, named_score, score_from
from pytest_ladder.errors import MetricError


@pytest.mark.parametrize(
    ("result", "read"),
    [
        (0.5, (0.5, "", None)),
        (True, (1.0, "", None)),
        (np.float32(0.25), (0.25, "", None)),
        (np.bool_(True), (1.0, "", None)),
        (Decimal("0.75"), (0.75, "", None)),
        (Result(score=0, value=1, reason="first"), (0.0, "first", None)),
        (Result(score=None, value=1), (1.0, "", None)),
        ({"value": "Yes", "rationale": "polite"}, (1.0, "polite", None)),
        ({"value": "no", "name": "tone"}, (0.0, "", "tone")),
        ({"value": "pass"}, (1.0, "", None)),
        ({"score": "0.8", "explanation": "nearly"}, (0.8, "nearly", None)),
        (
            Result(name="f", score=0.6, metadata={"choice": "B", "rationale": "more"}),
            (0.6, "more", "f"),
        ),
        ({"score": 0.9, "metadata": None, "name": 7}, (0.9, "", None)),
        # A number called error is a measure.
        ({"score": 0.9, "error": 0.1}, (0.9, "", None)),
        ({"score": 0.9, "error": None}, (0.9, "", None)),
    ],
    ids=repr,
)
def test_results_are_read(result: Any, read: tuple[float, str, str | None]) -> None:
    value, reason, name = read
    assert score_from(result) == Score(value=value, reason=reason, name=name)


def test_what_the_test_says_goes_before_what_the_result_says() -> None:
    result = Result(name="theirs", score=1, reason="theirs")
    assert score_from(result, "mine", "own") == Score(
        value=1, reason="mine", name="own"
    )


@pytest.mark.parametrize(
    ("result", "error", "sentence"),
    [
        (
            Result(name="f1", score=0.5, error="no key"),
            MetricError,
            "The metric 'f1' could not be computed: no key",
        ),
        (
            {"value": None, "error": Result(error_message="timed out")},
            MetricError,
            "The metric could not be computed: timed out",
        ),
        (
            {"value": "maybe", "name": "tone"},
            TypeError,
            "score[(][)] got 'maybe' for 'tone', which holds no number; give",
        ),
        ({"score": None}, TypeError, "got {'score': None}, which holds no number"),
        ([0.5, 0.7], TypeError, r"got \[0.5, 0.7\], which holds no number"),
        ({"value": {"a": 1}}, TypeError, "got {'a': 1}, which holds no number"),
        (np.array([0.5, 0.7]), TypeError, "got array.*, which holds no number"),
        (
            {"name": "f1", "value": 4},
            ValueError,
            "'f1' is 4.0, outside .0, 1.; rescale",
        ),
    ],
    ids=repr,
)
def test_what_is_no_score_is_an_error_in_one_sentence(
    result: Any, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as caught:
        score_from(result)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (1.0000000000000002, 1.0),
        (1 + 9e-7, 1.0),
        (-1e-17, 0.0),
        (-9e-7, 0.0),
        (0.1 + 0.2, 0.1 + 0.2),
        (np.float64(1.0000000000000002), 1.0),
    ],
)
def test_what_a_sum_of_floats_is_too_much_is_taken_away(
    value: float, rounded: float
) -> None:
    assert score_from(value).value == rounded
    assert score_from({"score": value, "reason": "r"}).value == rounded
    assert Score(value=value).value == rounded
    assert Verdict(passed=True, score=value).score == rounded


@pytest.mark.parametrize(
    "value", [1.000002, -0.000002, 1.1, float("nan"), float("inf")]
)
def test_what_is_more_than_that_is_an_error(value: float) -> None:
    for make in (lambda: score_from(value), lambda: Verdict(passed=True, score=value)):
        with pytest.raises(ValueError, match="outside"):
            make()


@pytest.mark.parametrize("text", ["85%", "0.85", "yes"])
def test_a_text_alone_is_taken_for_a_name_and_the_error_says_so(text: str) -> None:
    with pytest.raises(TypeError) as caught:
        named_score(text, "")
    assert str(caught.value) == (
        f"score({text!r}) is a name alone, as a text is taken for a name, and it holds "
        "no number; give a number in [0, 1], as in score(0.85), or both, as in "
        "score('faithfulness', 0.85)."
    )
    assert named_score(text, 0.85).name == text
