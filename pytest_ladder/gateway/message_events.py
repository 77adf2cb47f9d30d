"""A message of Anthropic's, as the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pytest_ladder.gateway.api import Body, fragments, named_event, pieces

_GROWING = {"text": "text", "thinking": "thinking"}
"""Blocks that come in pieces, and which field of them does."""
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


def message_events(whole: Body) -> Iterator[bytes]:
    """Yield the events of a message; a block of an unknown kind comes at once."""
    begun = {**whole, "content": [], "stop_reason": None, "stop_sequence": None}
    begun["usage"] = {**(whole.get("usage") or {}), "output_tokens": 0}
    yield named_event({"type": "message_start", "message": begun})
    for index, block in enumerate(whole["content"]):
        place = {"index": index}
        start = {"type": "content_block_start", "content_block": _begun(block)}
        yield named_event({**start, **place})
        for delta in _deltas(block):
            yield named_event({"type": "content_block_delta", "delta": delta, **place})
        yield named_event({"type": "content_block_stop", **place})
    ended = {name: whole.get(name) for name in ("stop_reason", "stop_sequence")}
    end = {"type": "message_delta", "delta": ended, "usage": whole.get("usage") or {}}
    yield named_event(end)
    yield named_event({"type": "message_stop"})


def _begun(block: Body) -> Body:
    """Return a block without what is still to come."""
    kind = block.get("type")
    if kind in _CALLS:
        return {**block, "input": {}}
    if (grows := _GROWING.get(str(kind))) is None:
        return block
    begun = {**block, grows: ""}
    if kind == "thinking":
        begun["signature"] = ""
    elif begun.get("citations"):
        begun["citations"] = []
    return begun


def _deltas(block: Body) -> Iterator[Body]:
    kind = block.get("type")
    if kind in _CALLS:
        written = msgspec.json.encode(block.get("input") or {}).decode()
        for fragment in fragments(written):
            yield {"type": "input_json_delta", "partial_json": fragment}
    elif (grows := _GROWING.get(str(kind))) is not None:
        for citation in block.get("citations") or ():
            yield {"type": "citations_delta", "citation": citation}
        for piece in pieces(str(block.get(grows) or "")):
            yield {"type": f"{kind}_delta", grows: piece}
        if kind == "thinking":
            yield {"type": "signature_delta", "signature": block.get("signature", "")}
