"""Pieces of streams in a server's native form, each turned into OpenAI's.

Only those whose pieces differ from their whole answers: of `/v1/messages` (Anthropic),
of `/v1/responses` (OpenAI) and of `/v2/chat` (Cohere). Each piece names its type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_ladder.calls.lanes.payloads import Payload, as_dict


def as_chunk(payload: Payload, whole: Callable[[Payload], Payload]) -> Payload | None:
    """Return OpenAI's form of a piece; None: it is none of these.

    `whole` turns a whole answer, which a last piece may hold, into OpenAI's form.
    """
    kind = payload.get("type")
    if not isinstance(kind, str):
        return None
    delta = as_dict(payload.get("delta"))
    if kind in ("response.completed", "response.incomplete", "response.failed"):
        return _last_of_responses(whole(as_dict(payload.get("response"))))
    if kind.startswith("response."):
        name = _RESPONSES.get(kind)
        return _chunk({name: payload.get("delta")} if name else None)
    if kind == "message_start":
        return {"usage": as_dict(payload.get("message")).get("usage")}
    if kind in ("content_block_start", "content_block_delta"):
        block = delta or as_dict(payload.get("content_block"))
        return _chunk(_block(block, payload.get("index")))
    if kind == "message_delta":
        reason = delta.get("stop_reason")
        reason = REASONS.get(reason, reason) if isinstance(reason, str) else None
        return _chunk({}, reason) | {"usage": payload.get("usage")}
    if kind == "content-delta":
        return _chunk(as_dict(delta.get("message")))
    if kind == "message-end":
        return _chunk({}, delta.get("finish_reason")) | {
            "usage": tokens_of_cohere(delta.get("usage"))
        }
    return None


def tokens_of_cohere(usage: Any) -> Any:
    """Return the counts of Cohere's usage, those that are billed first."""
    usage = as_dict(usage)
    return usage.get("billed_units") or usage.get("tokens") or usage


def _chunk(delta: Payload | None, reason: Any = None) -> Payload:
    choice = {"delta": delta, "finish_reason": reason}
    return {"choices": [] if delta is None else [choice]}


def _last_of_responses(answer: Payload) -> Payload:
    """Return the end of a stream of `/v1/responses`: it repeats what was said.

    Calls of tools are taken from it, because their pieces do not name them.
    """
    choices = answer.get("choices")
    if not choices or answer.get("error"):
        return answer
    calls = choices[0]["message"].get("tool_calls")
    delta = {"tool_calls": calls} if calls else {}
    return answer | {"choices": [choices[0] | {"delta": delta}]}


def _block(block: Payload, index: Any) -> Payload | None:
    """Return the delta of a piece of a block of Anthropic's."""
    function: Payload
    if block.get("type") == "tool_use":
        function = {"name": block.get("name"), "arguments": ""}
        call = {"index": index, "id": block.get("id"), "type": "function"}
        return {"tool_calls": [call | {"function": function}]}
    if "partial_json" in block:
        function = {"arguments": block["partial_json"]}
        return {"tool_calls": [{"index": index, "function": function}]}
    said = {"content": block.get("text"), "thinking": block.get("thinking")}
    return said if any(said.values()) else None


REASONS = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls"}
"""Why Anthropic's models stopped, in OpenAI's words."""
_RESPONSES = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
