"""Cases given as Python: rows of numpy, pandas and Arrow are rows of plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError


def listed(*rows: Any) -> list[Case]:
    return load_cases(list(rows), folder=Path(), where="t.py")


def test_numbers_and_arrays_of_numpy_are_plain_ones() -> None:
    (case,) = listed(
        {
            "id": np.int64(7),
            "input": np.str_("Which?"),
            "expected": np.int64(1),
            "choices": np.array(["a", "b"], dtype=object),
            "contexts": np.array(["c", "d"]),
            "tags": np.array(["t"]),
            "cluster": np.int32(3),
            "score": np.float32(0.5),
            "seen": np.bool_(True),
            "nested": {"rows": [np.array([[1, 2], [3, 4]])]},
        }
    )
    assert (case.id, case.input, case.expected) == ("7", "Which?", 1)
    assert type(case.expected) is int
    assert (case.context, case.tags, case.cluster) == (("c", "d"), ("t",), "3")
    assert case.choices == ("a", "b")
    assert case.metadata == {
        "choices": ["a", "b"],
        "score": 0.5,
        "seen": True,
        "nested": {"rows": [[[1, 2], [3, 4]]]},
    }
    assert (
        case.content_hash == listed({"input": "Which?", "expected": 1})[0].content_hash
    )


def test_arrays_of_the_hub_are_read_as_their_lists() -> None:
    squad = {
        "id": "5",
        "question": "q",
        "answers": {
            "text": np.array(["a"], dtype=object),
            "answer_start": np.array([3]),
        },
    }
    chat = {"messages": np.array([{"role": "user", "content": "U"}], dtype=object)}
    first, second = listed(squad, chat)
    assert first.expected == "a"
    assert second.input == [{"role": "user", "content": "U"}]


@pytest.mark.parametrize("nothing", [float("nan"), np.nan, np.float64("nan"), None])
def test_what_is_not_a_number_is_no_value(nothing: Any) -> None:
    (case,) = listed(
        {
            "input": "a",
            "expected": nothing,
            "context": nothing,
            "id": nothing,
            "n": nothing,
        }
    )
    assert (case.expected, case.context) == (None, ())
    assert case.id.startswith("a-")
    assert case.metadata == {"n": None}
    with pytest.raises(ConfigError, match="case 1: the case has no `input`"):
        listed({"input": nothing, "n": 1})


def test_whole_numbers_that_pandas_made_floats_are_ids() -> None:
    assert [case.id for case in listed({"id": 7.0, "input": "a"})] == ["7"]


def test_named_tuples_are_rows() -> None:
    class Line(NamedTuple):
        id: int
        question: str
        answer: str

    (case,) = listed(Line(3, "q", "a"))
    assert (case.id, case.input, case.expected) == ("3", "q", "a")


def test_what_is_plain_already_stays_the_very_object() -> None:
    expected = {"parts": [1, (2, 3)], "f": len}
    (case,) = listed({"id": "a", "input": "a", "expected": expected})
    assert case.expected is expected
