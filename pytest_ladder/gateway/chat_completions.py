"""OpenAI's chat completions, as a server: `/chat/completions` and `/models`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_ladder import clock
from pytest_ladder.core.reply import Reply, Usage
from pytest_ladder.gateway.api import (
    Body,
    Memory,
    data,
    fragments,
    malformed,
    messages_of,
    pieces,
    refuse,
    said_by,
    text_of,
    without,
)
from pytest_ladder.gateway.app_request import AppRequest

_OWN = frozenset({"model", "messages", "stream", "stream_options", "n"})
# What a stored reply has no place for.
_UNKNOWN = ("audio", "functions", "function_call")
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    404: "not_found_error",
    429: "rate_limit_error",
}


class ChatCompletions:
    """`/chat/completions`."""

    def asked(self, body: Body, memory: Memory) -> AppRequest:
        """Read a request; raises `AppError`."""
        for name in _UNKNOWN:
            if body.get(name) not in (None, False, 0):
                raise refuse(f"`{name}`")
        if body.get("modalities") not in (None, ["text"]):
            raise refuse("`modalities` other than text")
        options = body.get("stream_options") or {}
        if not isinstance(options, dict):
            raise malformed("`stream_options` has to be an object")
        # Several at once are refused with the other parameters.
        several = {"n": body["n"]} if body.get("n") not in (None, 1) else {}
        return AppRequest(
            model=text_of(body, "model"),
            messages=messages_of(body),
            params=without(body, _OWN) | several,
            stream=body.get("stream") is True,
            wants_usage=options.get("include_usage") is True,
        )

    def whole(self, asked: AppRequest, reply: Reply) -> Body:
        """Write a completion in one piece."""
        text, reasoning = said_by(reply)
        calls = list(reply.tool_calls)
        message: Body = {
            "role": "assistant",
            "content": text if text or not (calls or reply.refusal) else None,
            "refusal": reply.refusal,
        }
        if reasoning:
            message["reasoning_content"] = reasoning
        if calls:
            message["tool_calls"] = calls
        choice = {
            "index": 0,
            "message": message,
            "logprobs": logprobs_of(reply),
            "finish_reason": _finish_reason(reply),
        }
        head = _head(asked, reply, "chat.completion")
        return head | {"choices": [choice], "usage": usage_of(reply.usage)}

    def events(self, asked: AppRequest, reply: Reply) -> Iterator[bytes]:
        """Write a completion as the chunks of a stream."""
        head = _head(asked, reply, "chat.completion.chunk")
        if asked.wants_usage:
            head["usage"] = None

        def chunk(delta: Body, reason: str | None = None, **more: Any) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": reason, **more}
            return data(head | {"choices": [choice]})

        yield chunk({"role": "assistant", "content": ""})
        for delta, more in _deltas(reply):
            yield chunk(delta, **more)
        yield chunk({}, _finish_reason(reply))
        if asked.wants_usage:
            yield data(head | {"choices": [], "usage": usage_of(reply.usage)})
        yield b"data: [DONE]\n\n"

    def problem(self, status: int, message: str) -> Body:
        """Write an error."""
        return openai_problem(status, message)

    def problem_event(self, status: int, message: str) -> bytes:
        """Write an error in a stream that has begun."""
        return data(self.problem(status, message))


def openai_problem(status: int, message: str) -> Body:
    """Write an error, as all of OpenAI's APIs do."""
    kind = _TYPES.get(status, "api_error" if status >= 500 else "ladder_error")
    error = {"message": message, "type": kind, "param": None, "code": None}
    return {"error": error}


def _deltas(reply: Reply) -> Iterator[tuple[Body, Body]]:
    """Yield what each chunk of a stream adds, and what else stands in its choice."""
    text, reasoning = said_by(reply)
    for piece in pieces(reasoning):
        yield {"reasoning_content": piece}, {}
    tokens = (logprobs_of(reply) or {}).get("content") or ()
    if text and "".join(token["token"] for token in tokens) == text:
        for token in tokens:
            likely = {"content": [token], "refusal": None}
            yield {"content": token["token"]}, {"logprobs": likely}
    else:
        for piece in pieces(text):
            yield {"content": piece}, {}
    for piece in pieces(reply.refusal or ""):
        yield {"refusal": piece}, {}
    for index, call in enumerate(reply.tool_calls):
        for delta in _call_deltas(index, call):
            yield {"tool_calls": [delta]}, {}


def logprobs_of(reply: Reply) -> Body | None:
    """Return the logprobs that came with a reply; None: none were asked for."""
    return (reply.native or {}).get("logprobs")


def model_list(names: Iterator[str] | list[str]) -> Body:
    """Write the answer of `/models`."""
    listed = [
        {"id": name, "object": "model", "created": 0, "owned_by": "pytest-ladder"}
        for name in names
    ]
    return {"object": "list", "data": listed}


def usage_of(usage: Usage | None) -> Body | None:
    """Write a usage; None where the provider reported none."""
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def _head(asked: AppRequest, reply: Reply, kind: str) -> Body:
    return {
        "id": f"chatcmpl-{reply.key[:24]}",
        "object": kind,
        "created": int(clock.unix()),
        "model": reply.model or asked.model,
    }


def _finish_reason(reply: Reply) -> str:
    return reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")


def _call_deltas(index: int, call: dict[str, Any]) -> Iterator[Body]:
    """Yield a call of a tool as streams have it: its name, then its arguments."""
    function = call.get("function")
    if not isinstance(function, dict):
        yield {"index": index, **call}
        return
    begun = {**call, "function": {**function, "arguments": ""}}
    yield {"index": index, **begun}
    for fragment in fragments(str(function.get("arguments") or "")):
        yield {"index": index, "function": {"arguments": fragment}}
