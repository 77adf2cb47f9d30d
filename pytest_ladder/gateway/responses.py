"""OpenAI's responses, as a server, for models that speak chat completions.

Text, images, function tools, schemas, streams, and `previous_response_id` within a
test. Tools that OpenAI hosts cannot be had of other models, and are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_ladder import clock
from pytest_ladder.core.case import Message
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import AppError
from pytest_ladder.gateway.api import (
    Body,
    Memory,
    arguments_of,
    content_of,
    malformed,
    named_event,
    refuse,
    said_by,
    text_of,
)
from pytest_ladder.gateway.app_request import AppRequest
from pytest_ladder.gateway.chat_completions import logprobs_of, openai_problem
from pytest_ladder.gateway.response_events import response_events

# As they are called there, and as chat completions call them.
_PARAMS = {
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "parallel_tool_calls": "parallel_tool_calls",
    "service_tier": "service_tier",
    "user": "user",
}
# What they say changes no reply, or is read elsewhere.
_PASSED_OVER = frozenset(
    {"model", "input", "instructions", "stream", "stream_options", "tools"}
    | {"tool_choice", "text", "reasoning", "previous_response_id", "store", "include"}
    | {"metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}
    | {"truncation", "background", "top_logprobs"}
)
_LOGPROBS = "message.output_text.logprobs"
_TEXTS = frozenset({"input_text", "output_text", "text"})


class Responses:
    """`/responses`."""

    def asked(self, body: Body, memory: Memory) -> AppRequest:
        """Read a request; raises `AppError`."""
        for name, value in body.items():
            if name not in _PARAMS and name not in _PASSED_OVER and value is not None:
                raise refuse(f"`{name}` of responses")
        if body.get("background"):
            raise refuse("`background` of responses")
        given = _input(items_of(body, memory))
        messages = [*before(body, memory), *given]
        instructions = body.get("instructions")
        head: list[Message] = []
        if instructions is not None:
            head = [{"role": "system", "content": text_of(body, "instructions")}]
        return AppRequest(
            model=text_of(body, "model"),
            messages=[*head, *messages],
            params=_params(body),
            stream=body.get("stream") is True,
            extra=(memory, messages, body.get("previous_response_id")),
        )

    def whole(self, asked: AppRequest, reply: Reply) -> Body:
        """Write a response in one piece."""
        memory, messages, previous = asked.extra
        response = _response(asked, reply)
        response["previous_response_id"] = previous
        text, _ = said_by(reply)
        message: Message = {
            "role": "assistant",
            "content": text or reply.refusal or None,
        }
        if reply.tool_calls:
            message["tool_calls"] = list(reply.tool_calls)
        keep(memory, response, [*messages, message])
        return response

    def events(self, asked: AppRequest, reply: Reply) -> Iterator[bytes]:
        """Write a response as the events of a stream."""
        return response_events(self.whole(asked, reply))

    def problem(self, status: int, message: str) -> Body:
        """Write an error."""
        return openai_problem(status, message)

    def problem_event(self, status: int, message: str) -> bytes:
        """Write an error in a stream that has begun."""
        told = {"code": str(status), "message": message, "param": None}
        return named_event({"type": "error", "sequence_number": 0, **told})


def before(body: Body, memory: Memory) -> list[Message]:
    """Return what was said before a request; raises `AppError` if nobody knows."""
    name = body.get("previous_response_id")
    if name is None:
        return []
    if name not in memory:
        raise AppError(
            f"The app goes on from the response {name!r}, which this test did not get.",
            status=404,
        )
    messages: list[Message] = memory[name]
    return messages


def items_of(body: Body, memory: Memory) -> list[Body]:
    """Return the items of a request, those that it only names included.

    Raises `AppError` for what is none.
    """
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise malformed("`input` has to be a text or a list")
    items: list[Body] = []
    for item in given:
        if not isinstance(item, dict):
            raise malformed("each of `input` has to be an object")
        if item.get("type") == "item_reference":
            item = memory.get(item.get("id", ""), item)
            if item.get("type") == "item_reference":
                raise AppError(
                    f"The app names the item {item.get('id')!r}, which this test did "
                    "not get.",
                    status=404,
                )
        items.append(item)
    return items


def keep(memory: Memory, response: Body, messages: list[Message]) -> None:
    """Keep what may be gone on from: a response, and each of its items."""
    memory[response["id"]] = messages
    memory.update({item["id"]: item for item in response["output"] if "id" in item})


def _params(body: Body) -> dict[str, Any]:
    params = {ours: body[name] for name, ours in _PARAMS.items() if name in body}
    if body.get("tools"):
        params["tools"] = [_tool(tool) for tool in body["tools"]]
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        if choice.get("type") != "function":
            raise refuse(f"a tool_choice of type {choice.get('type')!r}")
        choice = {"type": "function", "function": {"name": choice.get("name")}}
    if choice is not None and body.get("tools"):
        params["tool_choice"] = choice
    reasoning = body.get("reasoning") or {}
    if reasoning.get("effort") is not None:
        params["reasoning_effort"] = reasoning["effort"]
    if _LOGPROBS in (body.get("include") or ()):
        params |= {"logprobs": True, "top_logprobs": body.get("top_logprobs")}
    text = body.get("text") or {}
    if text.get("verbosity") is not None:
        params["verbosity"] = text["verbosity"]
    wanted = dict(text.get("format") or {})
    kind = wanted.pop("type", "text")
    if kind == "json_schema":
        params["response_format"] = {"type": kind, "json_schema": wanted}
    elif kind != "text":
        params["response_format"] = {"type": kind}
    return params


def _tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        kind = tool.get("type") if isinstance(tool, dict) else tool
        raise AppError(
            f"The tool {kind!r} runs at OpenAI, and no other model has it; give the "
            "model a function instead.",
            status=400,
        )
    function = {name: value for name, value in tool.items() if name != "type"}
    return {"type": "function", "function": function}


def _input(items: list[Body]) -> list[Message]:
    messages: list[Message] = []
    for item in items:
        kind = item.get("type") or "message"
        if kind == "message" and isinstance(item.get("role"), str):
            role = "system" if item["role"] == "developer" else item["role"]
            content = _content(item.get("content"))
            messages.append({"role": role, "content": content})
        elif kind == "function_call":
            _add_call(messages, item)
        elif kind == "function_call_output":
            output = _content(item.get("output"))
            call = {"tool_call_id": item.get("call_id"), "content": output}
            messages.append({"role": "tool", **call})
        elif kind != "reasoning":
            raise refuse(f"input of type {kind!r}")
    return messages


def _add_call(messages: list[Message], item: Body) -> None:
    """Put a call of a tool on the message of the model that made it."""
    function = {"name": item.get("name"), "arguments": item.get("arguments") or "{}"}
    call = {"id": item.get("call_id"), "type": "function", "function": function}
    if messages and messages[-1]["role"] == "assistant":
        last = messages[-1]
        messages[-1] = {**last, "tool_calls": [*last.get("tool_calls", ()), call]}
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise malformed("`content` has to be a text or a list")
    parts: list[Body] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _TEXTS or kind == "refusal":
            parts.append({"type": "text", "text": part.get("text") or part["refusal"]})
        elif kind == "input_image" and part.get("image_url"):
            parts.append({"type": "image_url", "image_url": {"url": part["image_url"]}})
        else:
            raise refuse(f"content of type {kind!r}")
    return content_of(parts)


def _response(asked: AppRequest, reply: Reply) -> Body:
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    cut = reasons.get(reply.finish_reason or "")
    return {
        "id": f"resp_{reply.key[:24]}",
        "object": "response",
        "created_at": int(clock.unix()),
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": cut} if cut else None,
        "instructions": None,
        "metadata": {},
        "model": reply.model or asked.model,
        "output": list(_output(reply)),
        "parallel_tool_calls": True,
        "temperature": asked.params.get("temperature"),
        "tool_choice": "auto",
        "tools": [],
        "top_p": asked.params.get("top_p"),
        "usage": _usage(reply),
    }


def _output(reply: Reply) -> Iterator[Body]:
    text, reasoning = said_by(reply)
    if reasoning:
        summary = [{"type": "summary_text", "text": reasoning}]
        yield {"id": f"rs_{reply.key[:24]}", "type": "reasoning", "summary": summary}
    parts: list[Body] = []
    if text or not (reply.tool_calls or reply.refusal):
        tokens = (logprobs_of(reply) or {}).get("content") or []
        part = {"type": "output_text", "text": text, "annotations": []}
        parts.append(part | {"logprobs": tokens})
    if reply.refusal:
        parts.append({"type": "refusal", "refusal": reply.refusal})
    if parts:
        head = {"id": f"msg_{reply.key[:24]}", "type": "message", "role": "assistant"}
        yield {**head, "status": "completed", "content": parts}
    for index, call in enumerate(reply.tool_calls):
        yield {
            "id": f"fc_{reply.key[:24]}{index}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.get("id") or f"call_{index}",
            "name": (call.get("function") or {}).get("name", ""),
            "arguments": arguments_of(call),
        }


def _usage(reply: Reply) -> Body | None:
    usage = reply.usage
    if usage is None:
        return None
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
