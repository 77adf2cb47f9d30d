"""OpenAI's chat completions, whole or streamed, read into an `Answer`.

Both lanes read through here, so that the same exchange gives the same answer. A paid
reply is never dropped for an odd detail: a field that is missing or of the wrong type
counts as not sent. Only without a choice there is no reply.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pytest_ladder.calls.contract import Answer
from pytest_ladder.calls.lanes import faults
from pytest_ladder.calls.lanes.storable import plain, whole_characters
from pytest_ladder.core.reply import Usage

Payload = dict[str, Any]

# No call has more tokens or takes longer: a higher number is a provider's mistake.
_MOST_TOKENS = 10**9
_LONGEST_MS = 10**9


def decode(name: str, body: bytes) -> Payload:
    """Decode a body or an event; raises a transient `CallError` for anything else."""
    try:
        try:
            payload = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            payload = _decode_odd(name, body, str(error))
    except RecursionError:
        problem = "it is not usable JSON (it is nested too deeply)"
        raise faults.unusable(name, problem) from None
    if not isinstance(payload, dict):
        raise faults.unusable(name, "it is JSON, but not an object")
    return payload


def _decode_odd(name: str, body: bytes, problem: str) -> Any:
    """Decode JSON with what msgspec refuses: NaN, a BOM, half a character."""
    try:
        return json.loads(body.decode("utf-8-sig", errors="replace"))
    except ValueError:
        raise faults.unusable(name, f"it is not JSON ({problem})") from None


def whole(name: str, payload: Payload) -> Answer:
    """Read a completion that came in one piece."""
    choice = _choice(payload)
    if choice is None:
        if payload.get("error"):
            raise faults.reported(name, payload["error"], usage_of(payload))
        raise faults.unusable(name, "it holds no choice", usage_of(payload))
    message = _dict(choice.get("message"))
    return Answer(
        text=_text(message.get("content")),
        model=_text(payload.get("model")),
        finish_reason=_text(choice.get("finish_reason")) or None,
        tool_calls=tuple(_tidy(call) for call in _dicts(message.get("tool_calls"))),
        usage=usage_of(payload),
        server_s=_server_s(payload),
    )


class Stream:
    """A completion that arrives event by event."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._texts: list[str] = []
        self._calls: dict[int, Payload] = {}
        self._model = ""
        self._finished = False
        self._finish_reason = ""
        self._usage: Usage | None = None
        self._server_s: float | None = None
        self._first_token_at: float | None = None

    def add(self, event: Payload, at: float) -> None:
        """Add one event that arrived at `at` (`time.monotonic()`).

        Raises `CallError` where the event reports an error.
        """
        if event.get("error"):
            usage = usage_of(event) or self._usage
            raise faults.reported(self._name, event["error"], usage)
        self._model = self._model or _text(event.get("model"))
        self._usage = usage_of(event) or self._usage
        self._server_s = _server_s(event) or self._server_s
        choice = _choice(event) or {}
        reason = choice.get("finish_reason")
        self._finished = self._finished or bool(reason)
        self._finish_reason = _text(reason) or self._finish_reason
        delta = _dict(choice.get("delta"))
        text, calls = _text(delta.get("content")), _dicts(delta.get("tool_calls"))
        if self._first_token_at is None and (text or calls):
            self._first_token_at = at
        self._texts.append(text)
        for call in calls:
            self._extend(call)

    def _extend(self, part: Payload) -> None:
        """Add a part to its tool call: arguments come in pieces, all else at once."""
        index = part.get("index")
        index = index if isinstance(index, int) else len(self._calls)
        tidy = _tidy(part)
        call = self._calls.setdefault(index, {"function": {}})
        new, so_far = _dict(tidy.pop("function", None)), call["function"]
        arguments = _text(so_far.get("arguments")) + _text(new.pop("arguments", None))
        call["function"] = new | so_far | {"arguments": arguments}
        self._calls[index] = tidy | call

    def answer(self, *, complete: bool = True) -> Answer:
        """Return the whole; raises `CallError` when the stream was cut off.

        A stream is complete when it held a finish reason, of whatever type; `[DONE]`
        proves nothing, as not every client shows it. `complete=False` says that the
        caller saw the stream end too early.
        """
        if not self._finished or not complete:
            problem = "the stream ended in the middle"
            raise faults.unusable(self._name, problem, self._usage)
        return Answer(
            text=whole_characters("".join(self._texts)),
            model=self._model,
            finish_reason=self._finish_reason or None,
            tool_calls=tuple(call for _, call in sorted(self._calls.items())),
            usage=self._usage,
            first_token_at=self._first_token_at,
            server_s=self._server_s,
        )


def usage_of(payload: Payload) -> Usage | None:
    """Read OpenAI's usage, and how Anthropic and DeepSeek name cached tokens.

    None when there is none, when a number of it makes no sense (half a bill is of no
    use), or when all of it is zero (no call has an empty prompt).
    """
    sent = _dict(payload.get("usage"))
    for name in ("prompt_tokens", "completion_tokens"):
        if sent.get(name) is not None and _number(sent[name], _MOST_TOKENS) is None:
            return None
    prompt = _dict(sent.get("prompt_tokens_details"))
    completion = _dict(sent.get("completion_tokens_details"))
    usage = Usage(
        input=_count(sent, "prompt_tokens"),
        cached_input=_count(prompt, "cached_tokens")
        or _count(sent, "cache_read_input_tokens", "prompt_cache_hit_tokens"),
        cache_write=_count(prompt, "cache_creation_tokens", "cache_write_tokens")
        or _count(sent, "cache_creation_input_tokens"),
        output=_count(sent, "completion_tokens"),
        reasoning=_count(completion, "reasoning_tokens"),
    )
    return usage if usage.input or usage.output else None


def _choice(payload: Payload) -> Payload | None:
    """Return the first choice, if there is one."""
    choices = _dicts(payload.get("choices"))
    return choices[0] if choices else None


def _server_s(payload: Payload) -> float | None:
    """Return the seconds of computing in llama.cpp's `timings`; None: it sent none."""
    timings = _dict(payload.get("timings"))
    parts = [timings.get("prompt_ms"), timings.get("predicted_ms")]
    spent = [_number(part, _LONGEST_MS) for part in parts]
    valid = [part for part in spent if part is not None]
    return sum(valid) / 1000 if valid else None


def _tidy(call: Payload) -> Payload:
    """Drop what only says how a tool call was sent, keep all else as it came."""
    fields: Payload = plain(call)
    return {k: v for k, v in fields.items() if v is not None and k != "index"}


def _count(usage: Payload, *names: str) -> int:
    """Return the first of these numbers that is a positive one, else 0."""
    numbers = (_number(usage.get(name), _MOST_TOKENS) for name in names)
    return next((int(number) for number in numbers if number), 0)


def _number(value: Any, most: int) -> float | None:
    """Return `value` if it is a number from 0 to `most`, else None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= most else None


def _text(value: Any) -> str:
    """Return text as it is, the text of a list of parts, and nothing else."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in _dicts(value))
    return whole_characters(value) if isinstance(value, str) else ""


def _dict(value: Any) -> Payload:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[Payload]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
