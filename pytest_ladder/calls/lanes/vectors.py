"""OpenAI's embeddings: texts in, vectors out, kept as the text of an answer."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from pytest_ladder.calls.contract import VECTORS, Answer, Request
from pytest_ladder.calls.lanes import completions, faults
from pytest_ladder.calls.lanes.payloads import (
    as_dicts,
    error_of,
    index_of,
    usage_of,
    word,
)
from pytest_ladder.text.numbers import count


def body_of(request: Request, name: str) -> dict[str, Any]:
    """Return what asks for the vectors of the messages, as numbers."""
    texts = [message["content"] for message in request.messages]
    return {
        "model": name,
        "input": texts,
        **request.params,
        "encoding_format": "float",
    }


def from_body(name: str, body: bytes, content_type: str, wanted: int) -> Answer:
    """Read as many vectors as were wanted; raises `CallError`."""
    payload = completions.decode(name, body, content_type)
    usage, found = usage_of(payload), as_dicts(payload.get("data"))
    problem = error_of(payload, None) if not found else None
    if problem is not None:
        raise faults.reported(name, problem, usage)
    vectors = [each.get("embedding") for each in sorted(found, key=index_of)]
    if len(vectors) != wanted:
        told = f"it holds {count(len(vectors), 'vector')} for {count(wanted, 'text')}"
        raise faults.unusable(name, told, usage)
    if not all(map(_is_vector, vectors)):
        told = "it holds vectors that are no lists of numbers"
        raise faults.unusable(name, told, usage)
    return Answer(
        text=msgspec.json.encode(vectors).decode(),
        model=word(payload.get("model")),
        finish_reason=VECTORS,
        usage=usage,
    )


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(number, int | float) and math.isfinite(number) for number in value
    )
