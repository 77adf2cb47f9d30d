"""Answers to requests for vectors: read, or told as those of completions are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_ladder.calls.lanes import vectors
from pytest_ladder.errors import CallError


def read(payload: Any) -> str:
    body = json.dumps(payload).encode()
    return vectors.from_body("bot", body, "application/json", wanted=2).text


def test_vectors_are_in_the_order_of_their_texts() -> None:
    data = [{"index": 1, "embedding": [2, 0.5]}, {"index": 0, "embedding": [1, 0.5]}]
    assert json.loads(read({"data": data})) == [[1, 0.5], [2, 0.5]]


@pytest.mark.parametrize(
    ("payload", "told", "transient"),
    [
        ({"error": {"message": "slow", "code": 429}}, "reported an error: slow", True),
        ({"detail": "no such model"}, "reported an error: no such model", True),
        (
            {"object": "error", "message": "too long", "code": 400},
            "reported an error: too long",
            False,
        ),
        ({"data": [{"embedding": [1]}]}, "it holds 1 vector for 2 texts", True),
        (
            {"data": [{"embedding": "AACAPw=="}, {"embedding": "AAAAQA=="}]},
            "it holds vectors that are no lists of numbers",
            True,
        ),
    ],
    ids=["error", "FastAPI", "vLLM", "too few", "base64"],
)
def test_what_are_no_vectors_is_told(
    payload: object, told: str, transient: bool
) -> None:
    with pytest.raises(CallError) as caught:
        read(payload)
    assert str(caught.value).endswith(told)
    assert caught.value.transient is transient
