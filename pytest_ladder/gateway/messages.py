"""Anthropic's messages, as a server, for models that speak chat completions.

Text, images, tools of the app, schemas, thoughts and streams. Thoughts of earlier turns
are left out: only the model that had them can read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.reply import BYTES_PER_TOKEN, Reply
from pytest_ladder.errors import AppError
from pytest_ladder.gateway.api import (
    Body,
    Memory,
    content_of,
    effort_of,
    given_to,
    malformed,
    messages_of,
    named_event,
    refuse,
    said_by,
    text_of,
    without,
)
from pytest_ladder.gateway.app_request import AppRequest
from pytest_ladder.gateway.message_events import message_events

_PARAMS = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop_sequences": "stop",
}
_READ = frozenset(
    {"model", "messages", "system", "stream", "tools", "tool_choice", "metadata"}
    | {"thinking", "output_config", "output_format", "service_tier", "cache_control"}
)
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_STOPS = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "stop": "end_turn",
}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


class Messages:
    """`/messages`."""

    def asked(self, body: Body, memory: Memory) -> AppRequest:
        """Read a request; raises `AppError`."""
        body = in_thread(body, memory)
        for name, value in body.items():
            if name not in _PARAMS and name not in _READ and value is not None:
                raise refuse(f"`{name}` of messages")
        messages: list[Message] = []
        if body.get("system"):
            system = _text(body["system"], "system")
            messages.append({"role": "system", "content": system})
        for message in messages_of(body):
            messages += _messages(message)
        return AppRequest(
            model=text_of(body, "model"),
            messages=messages,
            params=_params(body),
            stream=body.get("stream") is True,
            extra=(memory, body),
        )

    def whole(self, asked: AppRequest, reply: Reply) -> Body:
        """Write a message in one piece."""
        memory, body = asked.extra
        thinking = (body.get("thinking") or {}).get("type", "disabled") != "disabled"
        told = reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")
        stopped = _STOPS.get(told, "end_turn") if reply.refusal is None else "refusal"
        message = reply.native or {
            "id": f"msg_{reply.key[:24]}",
            "type": "message",
            "role": "assistant",
            "model": reply.model or asked.model,
            "content": list(_blocks(reply, thoughts=thinking)),
            "stop_reason": stopped,
            "stop_sequence": None,
            "usage": _usage(reply),
        }
        answered = {"role": "assistant", "content": message["content"]}
        memory[message["id"]] = {**body, "messages": [*body["messages"], answered]}
        return message

    def events(self, asked: AppRequest, reply: Reply) -> Iterator[bytes]:
        """Write a message as the events of a stream."""
        return message_events(self.whole(asked, reply))

    def problem(self, status: int, message: str) -> Body:
        """Write an error."""
        error = {"type": _TYPES.get(status, "api_error"), "message": message}
        return {"type": "error", "error": error}

    def problem_event(self, status: int, message: str) -> bytes:
        """Write an error in a stream that has begun."""
        return named_event(self.problem(status, message))


def in_thread(body: Body, memory: Memory) -> Body:
    """Return a request as one of its own; raises `AppError`.

    One that goes on in a thread says what is new only, as its SDK's `tool_runner` does:
    what was said, and what holds for all of it, is that of the message before.
    """
    thread = body.get("thread") or {}
    body = without(body, {"thread"})
    if thread.get("type") != "continue":
        return body
    name = str(thread.get("previous_message_id"))
    before = memory.get(name)
    if before is None:
        raise AppError(
            f"The app goes on from the message {name!r}, which this test did not get.",
            status=404,
        )
    said = [*before["messages"], *(body.get("messages") or ())]
    return {**before, **body, "messages": said}


def count_tokens(body: Body) -> Body:
    """Estimate the tokens of a request, from its length: nobody is asked."""
    said = {name: body.get(name) for name in ("system", "messages", "tools")}
    size = len(msgspec.json.encode([value for value in said.values() if value]))
    return {"input_tokens": max(1, size // BYTES_PER_TOKEN)}


def _params(body: Body) -> dict[str, Any]:
    params = {ours: body[name] for name, ours in _PARAMS.items() if name in body}
    if body.get("tools"):
        params["tools"] = [_tool(tool) for tool in body["tools"]]
        choice = body.get("tool_choice") or {}
        kinds = {"auto": "auto", "any": "required", "none": "none"}
        if choice.get("type") == "tool":
            function = {"name": choice.get("name")}
            params["tool_choice"] = {"type": "function", "function": function}
        elif choice.get("type") in kinds:
            params["tool_choice"] = kinds[choice["type"]]
        if choice.get("disable_parallel_tool_use"):
            params["parallel_tool_calls"] = False
    wanted = (body.get("output_config") or {}).get("format")
    wanted = wanted or body.get("output_format")
    if wanted is not None:
        if wanted.get("type") != "json_schema":
            raise refuse(f"an output of type {wanted.get('type')!r}")
        schema = {"name": "output", "strict": True, "schema": wanted.get("schema")}
        params["response_format"] = {"type": "json_schema", "json_schema": schema}
    effort = (body.get("output_config") or {}).get("effort")
    effort = effort or effort_of((body.get("thinking") or {}).get("budget_tokens"))
    if effort is not None:
        params["reasoning_effort"] = effort
    return params


def _tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type", "custom") != "custom":
        kind = tool.get("type") if isinstance(tool, dict) else tool
        raise AppError(
            f"The tool {kind!r} is Anthropic's own, and no other model has it; give "
            "the model one with an `input_schema`.",
            status=400,
        )
    function = {"name": tool.get("name"), "parameters": tool.get("input_schema")}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _messages(message: Message) -> list[Message]:
    """Return the messages of chat completions that stand for one."""
    role, content = message["role"], message.get("content")
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    if not isinstance(content, list):
        raise malformed("`content` has to be a text or a list")
    results: list[Message] = []
    parts: list[Body] = []
    calls: list[Body] = []
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text":
            parts.append({"type": "text", "text": str(block.get("text", ""))})
        elif kind == "image":
            url = _image(block.get("source"))
            parts.append({"type": "image_url", "image_url": {"url": url}})
        elif kind == "tool_use":
            arguments = msgspec.json.encode(block.get("input") or {}).decode()
            function = {"name": block.get("name"), "arguments": arguments}
            calls.append(
                {"id": block.get("id"), "type": "function", "function": function}
            )
        elif kind == "tool_result":
            text = _text(block.get("content") or "", "tool_result")
            result = {"tool_call_id": block.get("tool_use_id"), "content": text}
            results.append({"role": "tool", **result})
        elif kind not in _THOUGHTS:
            raise refuse(f"content of type {kind!r}")
    said = content_of(parts)
    if calls:
        return [{"role": role, "content": said or None, "tool_calls": calls}]
    # Results come first: they answer what the model called.
    spoken: list[Message] = [{"role": role, "content": said}]
    return [*results, *spoken] if said or not results else results


def _image(source: Any) -> str:
    source = source if isinstance(source, dict) else {}
    if source.get("type") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}"
    if source.get("type") == "url":
        return str(source.get("url"))
    raise refuse(f"images of type {source.get('type')!r}")


def _text(content: Any, name: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise malformed(f"`{name}` has to be a text or a list")
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text":
            raise refuse(f"parts of `{name}` that are no text")
    return "".join(str(part.get("text", "")) for part in content)


def _blocks(reply: Reply, *, thoughts: bool) -> Iterator[Body]:
    text, reasoning = said_by(reply)
    if thoughts and reasoning:
        # Nobody has signed them; whoever gets them back leaves them out.
        yield {"type": "thinking", "thinking": reasoning, "signature": ""}
    text = text or reply.refusal or ""
    if text or not reply.tool_calls:
        yield {"type": "text", "text": text}
    for index, call in enumerate(reply.tool_calls):
        yield {
            "type": "tool_use",
            "id": call.get("id") or f"toolu_{index}",
            "name": (call.get("function") or {}).get("name", ""),
            "input": given_to(call),
        }


def _usage(reply: Reply) -> Body:
    usage = reply.usage
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    cached = usage.cached_input + usage.cache_write
    return {
        "input_tokens": max(0, usage.input - cached),
        "cache_read_input_tokens": usage.cached_input,
        "cache_creation_input_tokens": usage.cache_write,
        "output_tokens": usage.output,
    }
