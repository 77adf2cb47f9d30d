"""OpenAI's chat completions, whole or streamed, read into an `Answer`.

Both lanes read through here, so that the same exchange gives the same answer. A
paid reply is never thrown away for an odd detail: what is missing or of the wrong
type counts as not said, except a choice, without which there is no reply.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pytest_ladder.calls import faults
from pytest_ladder.calls.lane import Answer
from pytest_ladder.words.reply import Usage

Payload = dict[str, Any]


def decode(name: str, body: bytes) -> Payload:
    """Decode a body or an event; raises a transient `CallError` for anything else."""
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise faults.unusable(name, f"it is not JSON ({error})") from error
    except RecursionError:
        problem = "it is not usable JSON (it is nested too deeply)"
        raise faults.unusable(name, problem) from None
    if not isinstance(payload, dict):
        raise faults.unusable(name, "it is JSON, but not an object")
    return payload


def whole(name: str, payload: Payload) -> Answer:
    """Read a completion that came in one piece."""
    choice = _choice(payload)
    if choice is None:
        if payload.get("error"):
            raise faults.reported(name, payload["error"])
        raise faults.unusable(name, "it holds no choice", usage_of(payload))
    message = _dict(choice.get("message"))
    return Answer(
        text=_text(message.get("content")),
        model=_text(payload.get("model")),
        finish_reason=choice.get("finish_reason"),
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
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._server_s: float | None = None
        self._first_token_at: float | None = None

    def add(self, event: Payload, at: float) -> None:
        """Take in one event that arrived at `at`, by `time.monotonic()`."""
        if event.get("error"):
            raise faults.reported(self._name, event["error"])
        self._model = self._model or _text(event.get("model"))
        self._usage = usage_of(event) or self._usage
        self._server_s = _server_s(event) or self._server_s
        choice = _choice(event) or {}
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
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
        said, known = _dict(tidy.pop("function", None)), call["function"]
        arguments = _text(known.get("arguments")) + _text(said.pop("arguments", None))
        call["function"] = said | known | {"arguments": arguments}
        self._calls[index] = tidy | call

    def answer(self, *, complete: bool = True) -> Answer:
        """Return the whole; raises `CallError` when the stream was cut off.

        A finish reason is the proof of completeness: `[DONE]` is not, as not every
        client shows it. `complete=False` says that the caller saw the stream end
        too early.
        """
        if self._finish_reason is None or not complete:
            problem = "the stream ended in the middle"
            raise faults.unusable(self._name, problem, self._usage)
        return Answer(
            text="".join(self._texts),
            model=self._model,
            finish_reason=self._finish_reason,
            tool_calls=tuple(call for _, call in sorted(self._calls.items())),
            usage=self._usage,
            first_token_at=self._first_token_at,
            server_s=self._server_s,
        )


def usage_of(payload: Payload) -> Usage | None:
    """Read OpenAI's usage, and how Anthropic and DeepSeek name cached tokens.

    None when there is none, or all of it is zero: no call has an empty prompt.
    """
    said = _dict(payload.get("usage"))
    prompt = _dict(said.get("prompt_tokens_details"))
    completion = _dict(said.get("completion_tokens_details"))
    usage = Usage(
        input=_count(said, "prompt_tokens"),
        cached_input=_count(prompt, "cached_tokens")
        or _count(said, "cache_read_input_tokens", "prompt_cache_hit_tokens"),
        cache_write=_count(prompt, "cache_creation_tokens", "cache_write_tokens")
        or _count(said, "cache_creation_input_tokens"),
        output=_count(said, "completion_tokens"),
        reasoning=_count(completion, "reasoning_tokens"),
    )
    return usage if usage.input or usage.output else None


def _choice(payload: Payload) -> Payload | None:
    """Return the first choice, if there is one."""
    choices = _dicts(payload.get("choices"))
    return choices[0] if choices else None


def _server_s(payload: Payload) -> float | None:
    """Sum llama.cpp's `timings`."""
    timings = _dict(payload.get("timings"))
    parts = [timings.get("prompt_ms"), timings.get("predicted_ms")]
    spent = [part for part in parts if isinstance(part, int | float)]
    return sum(spent) / 1000 if spent else None


def _tidy(call: Payload) -> Payload:
    """Drop what only says how a tool call was sent, keep all else as it came."""
    return {k: v for k, v in call.items() if v is not None and k != "index"}


def _count(said: Payload, *names: str) -> int:
    """Return the first of these numbers that is a positive one, else 0."""
    numbers = (said.get(name) for name in names)
    return next((n for n in numbers if isinstance(n, int) and n > 0), 0)


def _text(value: Any) -> str:
    """Return text as it is, the text of a list of parts, and nothing else."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in _dicts(value))
    return value if isinstance(value, str) else ""


def _dict(value: Any) -> Payload:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[Payload]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
