"""Answers as no provider should send them, from a seed: the same ones every time."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

_DEEP = "@deep-{}@"
"""Stands for that many brackets; `json.dumps` itself fails over them."""
_DIGITS = "@digits@"
_LONG = 5_000
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 12.0, -0.5, 1e308, -1e308),
    *(float("nan"), float("inf"), float("-inf")),
    *(2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), _DIGITS),
    *("", " ", "12", "stop", "length", "\x00\x1b[31m", "\ud83d", "a\udc00b", "😀"),
    *("x" * 10_000, "</think>", "```json\n{}\n```", "=1+1", "<script>"),
    *([], [[]], [None], ["a", {"text": "b"}], [{"type": "text", "text": "c"}]),
    *({}, {"a": {}}, {"text": "d"}, {"type": "stop_sequence"}, {"message": "no"}),
    *(_DEEP.format(depth) for depth in (20, 40, 300, 900, 2_000, 100_000)),
)


class OddAnswer(NamedTuple):
    """A body, and whether it is a stream of events."""

    body: bytes
    stream: bool


def odd_answers(count: int, *, seed: int = 14) -> Iterator[OddAnswer]:
    """Yield answers: proper ones, of which a few values are odd and a few bytes wrong.

    Every third is a stream.
    """
    chance = random.Random(seed)
    for number in range(count):
        if number % 3 == 2:
            events = _stream(chance)
            for event in chance.sample(events, chance.randint(0, 2)):
                _spoil(event, chance)
            lines = [b"data: " + written(event) for event in events]
            body = b"\n\n".join([*lines, b"data: [DONE]\n\n"])
        else:
            payload = _whole(chance)
            for _ in range(chance.randint(1, 4)):
                _spoil(payload, chance)
            body = written(payload)
        yield OddAnswer(_with_wrong_bytes(body, chance), number % 3 == 2)


def _whole(chance: random.Random) -> Any:
    message = {"role": "assistant", "content": "45 days", **_extras(chance)}
    choice: Any = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_head(), "choices": [choice], "usage": _usage(), "timings": _timings()}


def _stream(chance: random.Random) -> list[Any]:
    extras = _extras(chance)
    for index, call in enumerate(extras.get("tool_calls") or []):
        call["index"] = index
    deltas = [{"role": "assistant", "content": ""}, {"content": "45"}]
    deltas += [{"content": " days"}, extras]
    choices: list[Any] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events: list[Any] = [_head() | {"choices": [choice]} for choice in choices]
    return [*events, {**_head(), "choices": [], "usage": _usage()}]


def _extras(chance: random.Random) -> dict[str, Any]:
    function = {"name": "weather", "arguments": '{"city": "Uji"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    extras: dict[str, Any] = {
        "tool_calls": [call],
        "refusal": None,
        "reasoning_content": "30 or 45",
        "annotations": [],
    }
    return {k: v for k, v in extras.items() if chance.random() < 0.4}


def _head() -> Any:
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "x"}


def _usage() -> dict[str, Any]:
    return {
        "prompt_tokens": 12,
        "completion_tokens": 5,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def _timings() -> dict[str, Any]:
    return {"prompt_ms": 12.5, "predicted_ms": 80.25}


def _spoil(payload: Any, chance: random.Random) -> None:
    """Put an odd value somewhere, take one away, or wrap it."""
    holder, name = chance.choice(list(places(payload)))
    kind = chance.random()
    if kind < 0.1 and isinstance(holder, dict):
        del holder[name]
    elif kind < 0.2:
        holder[name] = [holder[name]]
    elif kind < 0.3:
        holder[name] = {"value": holder[name], "\ud83d": 1}
    else:
        holder[name] = copy.deepcopy(chance.choice(ODD))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all places in a payload, by what holds them and their name."""
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        return
    for name, one in inner:
        yield value, name
        yield from places(one)


def written(payload: Any) -> bytes:
    text = json.dumps(payload)
    for value in ODD:
        if isinstance(value, str) and value.startswith("@deep"):
            depth = int(value.strip("@").rpartition("-")[2])
            text = text.replace(f'"{value}"', "[" * depth + "]" * depth)
    return text.replace(f'"{_DIGITS}"', "7" * _LONG).encode()


def _with_wrong_bytes(body: bytes, chance: random.Random) -> bytes:
    kind = chance.random()
    place = chance.randrange(len(body))
    if kind < 0.05:
        return body[:place]
    if kind < 0.1:
        return body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]
    if kind < 0.13:
        return b"\xef\xbb\xbf" + body
    return body
