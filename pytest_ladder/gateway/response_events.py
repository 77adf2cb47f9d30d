"""A response of OpenAI's, as the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_ladder.gateway.api import Body, fragments, named_event, pieces

Event = tuple[str, Body]
"""Its kind without `response.`, and its fields."""
# What an item is without what is still to come.
_EMPTY: dict[str, Body] = {
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
    "reasoning": {"summary": []},
}


def response_events(response: Body) -> Iterator[bytes]:
    """Yield the events of a response; an item of an unknown kind comes at once."""
    for number, (kind, fields) in enumerate(_events(response)):
        numbered = {"type": f"response.{kind}", "sequence_number": number}
        yield named_event(numbered | fields)


def _events(response: Body) -> Iterator[Event]:
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    begun["incomplete_details"] = None
    yield "created", {"response": begun}
    yield "in_progress", {"response": begun}
    for index, item in enumerate(response["output"]):
        kind, place = item["type"], {"output_index": index}
        started = {**item, "status": "in_progress", **_EMPTY.get(kind, {})}
        if "status" not in item:
            del started["status"]
        yield "output_item.added", {"item": started, **place}
        for name, fields in _within(item):
            yield name, {**fields, **place, "item_id": item.get("id")}
        yield "output_item.done", {"item": item, **place}
    yield str(response["status"]), {"response": response}


def _within(item: Body) -> Iterator[Event]:
    """Yield the events between the begin and the end of an item."""
    kind = item["type"]
    if kind == "function_call":
        yield from _grown("function_call_arguments", "arguments", item, fragments)
    elif kind == "custom_tool_call":
        yield from _grown("custom_tool_call_input", "input", item, fragments)
    for number, part in enumerate(item.get("summary") or ()):
        place = {"summary_index": number}
        for name, fields in _part("reasoning_summary", "text", part):
            yield name, fields | place
    for number, part in enumerate(item.get("content") or ()):
        for name, fields in _content(part):
            yield name, fields | {"content_index": number}


def _content(part: Body) -> Iterator[Event]:
    """Yield the events of one part of the content of a message, or of thoughts."""
    if part["type"] == "refusal":
        return _part("content", "refusal", part)
    if part["type"] == "reasoning_text":
        return _part("content", "text", part, "reasoning_text")
    return _part("content", "text", part, "output_text")


def _part(holder: str, grows: str, part: Body, name: str = "") -> Iterator[Event]:
    name = name or (grows if holder == "content" else f"{holder}_{grows}")
    more: Body = {"logprobs": []} if name == "output_text" else {}
    yield f"{holder}_part.added", {"part": {**part, grows: "", **more}}
    for piece in pieces(part[grows]):
        yield f"{name}.delta", {"delta": piece, **more}
    for number, annotation in enumerate(part.get("annotations") or ()):
        found: dict[str, Any] = {"annotation": annotation, "annotation_index": number}
        yield "output_text.annotation.added", found
    if more:
        more["logprobs"] = part.get("logprobs") or []
    yield f"{name}.done", {grows: part[grows], **more}
    yield f"{holder}_part.done", {"part": part}


def _grown(name: str, grows: str, item: Body, cut: Any) -> Iterator[Event]:
    for piece in cut(item[grows]):
        yield f"{name}.delta", {"delta": piece}
    yield f"{name}.done", {grows: item[grows], "name": item.get("name")}
