"""Answers in a server's native form, turned into OpenAI's before they are read.

A gateway or a mistaken address may lead to them: they are paid for like any other, and
say the same in other words. Each is told by what only it has.
"""

from __future__ import annotations

from typing import Any

from pytest_ladder.calls.lanes.native_pieces import REASONS, as_chunk, tokens_of_cohere
from pytest_ladder.calls.lanes.payloads import Payload


def as_completion(payload: Payload) -> Payload:
    """Return OpenAI's form of an answer, or of one piece of a stream.

    What is that already, an error, or nothing that is known comes back as it is.
    """
    if payload.get("choices") or payload.get("error"):
        return payload
    piece = as_chunk(payload, _by_form)
    if piece is not None:
        return piece
    for name in _ENVELOPES:
        inner = payload.get(name)
        if isinstance(inner, dict):
            found = _by_form(inner)
            if "choices" in found or found.get("error"):
                return payload | found
    return _by_form(payload)


def _by_form(payload: Payload) -> Payload:
    if payload.get("choices") or payload.get("error"):
        return payload
    for read in _FORMS:
        if (found := read(payload)) is not None:
            choice, usage = found
            return payload | {"choices": [choice], "usage": usage}
    return payload


def _ollama(payload: Payload) -> tuple[Payload, Any] | None:
    """Read a line of `/api/chat` or `/api/generate`, or all of it in one piece."""
    message, done = payload.get("message"), payload.get("done")
    says = isinstance(message, dict) or "response" in payload
    if not says or not isinstance(done, bool):
        return None
    if not isinstance(message, dict):
        message = {
            "content": payload.get("response"),
            "thinking": payload.get("thinking"),
        }
    reason = payload.get("done_reason") or "stop" if done else None
    usage = {
        "prompt_tokens": payload.get("prompt_eval_count"),
        "completion_tokens": payload.get("eval_count"),
    }
    return {"message": message, "delta": message, "finish_reason": reason}, usage


def _anthropic(payload: Payload) -> tuple[Payload, Any] | None:
    """Read an answer of `/v1/messages`; its usage is read by its own names."""
    content = payload.get("content")
    if payload.get("type") != "message" or not isinstance(content, list):
        return None
    reason = payload.get("stop_reason")
    reason = REASONS.get(reason, reason) if isinstance(reason, str) else None
    choice = {"message": {"content": content}, "finish_reason": reason}
    return choice, payload.get("usage")


def _responses(payload: Payload) -> tuple[Payload, Any] | None:
    """Read an answer of OpenAI's `/v1/responses`, whose usage is read by its names."""
    output = payload.get("output")
    if payload.get("object") != "response" or not isinstance(output, list):
        return None
    message: Payload = {"content": [], "tool_calls": []}
    for item in output:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "function_call":
            function = {name: item.get(name) for name in ("name", "arguments")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            message["tool_calls"].append(call)
        elif kind == "reasoning":
            message["content"].append(item)
        elif kind == "message" and isinstance(item.get("content"), list):
            message["content"].extend(item["content"])
    reason = payload.get("status")
    details = payload.get("incomplete_details")
    if isinstance(details, dict):
        reason = details.get("reason")
    if message["tool_calls"] and reason == "completed":
        reason = "tool_calls"
    return {"message": message, "finish_reason": _stop(reason)}, payload.get("usage")


def _cohere(payload: Payload) -> tuple[Payload, Any] | None:
    """Read an answer of Cohere's `/v2/chat`."""
    message = payload.get("message")
    if not isinstance(message, dict) or "finish_reason" not in payload:
        return None
    choice = {"message": message, "finish_reason": _stop(payload["finish_reason"])}
    return choice, tokens_of_cohere(payload.get("usage"))


def _stop(reason: Any) -> Any:
    return _STOPS.get(reason, reason) if isinstance(reason, str) else None


def _gemini(payload: Payload) -> tuple[Payload, Any] | None:
    """Read an answer of `generateContent`, or a piece of it."""
    candidates = payload.get("candidates")
    if not isinstance(candidates, list) or not candidates:
        return None
    first = candidates[0] if isinstance(candidates[0], dict) else {}
    content = first.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    message: Payload = {"content": [], "thinking": []}
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict):
            message["thinking" if part.get("thought") else "content"].append(part)
    reason = first.get("finishReason")
    counts = payload.get("usageMetadata")
    counts = counts if isinstance(counts, dict) else {}
    usage = {
        "prompt_tokens": counts.get("promptTokenCount"),
        "completion_tokens": counts.get("candidatesTokenCount"),
        "prompt_tokens_details": {
            "cached_tokens": counts.get("cachedContentTokenCount")
        },
        "completion_tokens_details": {
            "reasoning_tokens": counts.get("thoughtsTokenCount")
        },
        "total_tokens": counts.get("totalTokenCount"),
    }
    reason = reason.lower() if isinstance(reason, str) else reason
    return {"message": message, "delta": message, "finish_reason": reason}, usage


def _text(payload: Payload) -> tuple[Payload, Any] | None:
    """Read an answer that is hardly more than its text, as TGI's and Cloudflare's."""
    texts = (payload.get(name) for name in _TEXTS)
    text = next((text for text in texts if isinstance(text, str)), None)
    if text is None:
        return None
    details = payload.get("details")
    details = details if isinstance(details, dict) else {}
    choice = {"message": {"content": text}, "delta": {"content": text}}
    reason = payload.get("finish_reason") or details.get("finish_reason") or "stop"
    return choice | {"finish_reason": reason}, payload.get("usage")


_ENVELOPES = ("data", "result", "response", "body")
"""Where gateways of one's own put an answer of others."""
_TEXTS = ("generated_text", "response")
_STOPS = {
    "completed": "stop",
    "COMPLETE": "stop",
    "max_output_tokens": "length",
    "TOOL_CALL": "tool_calls",
}
"""Why models of `/v1/responses` and of Cohere's stopped, in OpenAI's words."""
_FORMS = (_ollama, _anthropic, _responses, _cohere, _gemini, _text)
"""Each returns choice and usage of an answer; None: it is of another form."""
