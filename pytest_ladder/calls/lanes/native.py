"""Answers in a server's native form, turned into OpenAI's before they are read.

A gateway or a mistaken address may lead to them: they are paid for like any other, and
say the same in other words. Each is told by what only it has.
"""

from __future__ import annotations

from typing import Any

import msgspec

Payload = dict[str, Any]


def as_completion(payload: Payload) -> Payload:
    """Return OpenAI's form of an answer, or of one piece of a stream.

    What is that already, an error, or nothing that is known comes back as it is.
    """
    if payload.get("choices") or payload.get("error"):
        return payload
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
    for is_one, read in _FORMS:
        if is_one(payload):
            choice, usage = read(payload)
            return payload | {"choices": [choice], "usage": usage}
    return payload


def _is_ollama(payload: Payload) -> bool:
    says = isinstance(payload.get("message"), dict) or "response" in payload
    return says and isinstance(payload.get("done"), bool)


def _ollama(payload: Payload) -> tuple[Payload, Payload | None]:
    """Read a line of `/api/chat` or `/api/generate`, or all of it in one piece."""
    message = payload.get("message")
    if not isinstance(message, dict):
        message = {
            "content": payload.get("response"),
            "thinking": payload.get("thinking"),
        }
    reason = payload.get("done_reason") or "stop" if payload["done"] else None
    usage = {
        "prompt_tokens": payload.get("prompt_eval_count"),
        "completion_tokens": payload.get("eval_count"),
    }
    return {"message": message, "delta": message, "finish_reason": reason}, usage


def _is_anthropic(payload: Payload) -> bool:
    return payload.get("type") == "message" and isinstance(payload.get("content"), list)


def _anthropic(payload: Payload) -> tuple[Payload, Any]:
    """Read an answer of `/v1/messages`; its usage is read by its own names."""
    reason = payload.get("stop_reason")
    reason = _REASONS.get(reason, reason) if isinstance(reason, str) else None
    message: Payload = {"content": payload["content"]}
    message["tool_calls"] = [
        _call(part.get("id"), part.get("name"), part.get("input"))
        for part in payload["content"]
        if isinstance(part, dict) and part.get("type") == "tool_use"
    ]
    return {"message": message, "finish_reason": reason}, payload.get("usage")


def _is_response(payload: Payload) -> bool:
    return payload.get("object") == "response" and isinstance(
        payload.get("output"), list
    )


def _response(payload: Payload) -> tuple[Payload, Any]:
    """Read an answer of `/v1/responses`; its usage is read by its own names."""
    message: Payload = {"content": [], "reasoning_details": [], "tool_calls": []}
    for item in payload["output"]:
        item = item if isinstance(item, dict) else {}
        if item.get("type") == "message" and isinstance(item.get("content"), list):
            message["content"] += item["content"]
        elif item.get("type") == "reasoning":
            message["reasoning_details"].append(item)
        elif item.get("type") == "function_call":
            call = _call(item.get("call_id"), item.get("name"), item.get("arguments"))
            message["tool_calls"].append(call)
    cut = payload.get("incomplete_details")
    reason = cut.get("reason") if isinstance(cut, dict) else None
    usual = "tool_calls" if message["tool_calls"] else "stop"
    reason = _REASONS.get(reason, reason) if isinstance(reason, str) else usual
    return {"message": message, "finish_reason": reason}, payload.get("usage")


def _call(call: Any, name: Any, given: Any) -> Payload:
    """Return a call of a tool in the words of chat completions."""
    if not isinstance(given, str):
        given = msgspec.json.encode(given or {}).decode()
    function = {"name": name, "arguments": given}
    return {"id": call, "type": "function", "function": function}


def _is_gemini(payload: Payload) -> bool:
    candidates = payload.get("candidates")
    return isinstance(candidates, list) and bool(candidates)


def _gemini(payload: Payload) -> tuple[Payload, Payload | None]:
    """Read an answer of `generateContent`, or a piece of it."""
    first = payload["candidates"][0]
    first = first if isinstance(first, dict) else {}
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


def _is_text(payload: Payload) -> bool:
    return any(isinstance(payload.get(name), str) for name in _TEXTS)


def _text(payload: Payload) -> tuple[Payload, Any]:
    """Read an answer that is hardly more than its text, as TGI's and Cloudflare's."""
    text = next(payload[name] for name in _TEXTS if isinstance(payload.get(name), str))
    details = payload.get("details")
    details = details if isinstance(details, dict) else {}
    choice = {"message": {"content": text}, "delta": {"content": text}}
    reason = payload.get("finish_reason") or details.get("finish_reason") or "stop"
    return choice | {"finish_reason": reason}, payload.get("usage")


_ENVELOPES = ("data", "result", "response", "body")
"""Where gateways of one's own put an answer of others."""
_TEXTS = ("generated_text", "response")
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_output_tokens": "length",
}
_FORMS = (
    (_is_ollama, _ollama),
    (_is_anthropic, _anthropic),
    (_is_response, _response),
    (_is_gemini, _gemini),
    (_is_text, _text),
)
