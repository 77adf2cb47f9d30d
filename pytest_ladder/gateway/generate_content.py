"""Google's `generateContent`, as a server, for models that speak chat completions.

Text, images, functions of the app, schemas, thoughts and streams. Google's clients name
the model in the path, and ask for a stream there, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import AppError
from pytest_ladder.gateway.api import (
    Body,
    Memory,
    content_of,
    data,
    effort_of,
    given_to,
    malformed,
    pieces,
    refuse,
    said_by,
    text_of,
)
from pytest_ladder.gateway.app_request import AppRequest

_PARAMS = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "candidateCount": "n",
}
_CONFIG = frozenset(
    {"responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig"}
)
_READ = frozenset(
    {"model", "stream", "contents", "systemInstruction", "generationConfig", "tools"}
    | {"toolConfig", "safetySettings", "labels"}
)
_FOREIGN = frozenset(
    {"args", "response", "parametersJsonSchema", "responseJsonSchema", "labels"}
)
"""Fields whose value is the app's own."""
_ROLES = {"model": "assistant", "user": "user", "function": "user"}
_REASONS = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}
_CHOICES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class GenerateContent:
    """`/models/NAME:generateContent`, and `:streamGenerateContent`."""

    def asked(self, body: Body, memory: Memory) -> AppRequest:
        """Read a request; raises `AppError`."""
        body = _named(body)
        for name, value in body.items():
            if name not in _READ and value is not None:
                raise refuse(f"`{name}` of generateContent")
        messages: list[Message] = []
        if body.get("systemInstruction"):
            parts = body["systemInstruction"].get("parts") or []
            said = "".join(str(part.get("text", "")) for part in parts)
            messages.append({"role": "system", "content": said})
        contents = body.get("contents")
        if not isinstance(contents, list) or not contents:
            raise malformed("`contents` has to be a list")
        calls: list[tuple[str, str]] = []
        for content in contents:
            messages += _messages(content, calls)
        return AppRequest(
            model=text_of(body, "model"),
            messages=messages,
            params=_params(body) | _tools(body),
            stream=body.get("stream") is True,
            extra=bool(_thinking(body).get("includeThoughts")),
        )

    def whole(self, asked: AppRequest, reply: Reply) -> Body:
        """Write a response in one piece."""
        text, reasoning = said_by(reply)
        parts: list[Body] = []
        if reasoning and asked.extra:
            parts.append({"text": reasoning, "thought": True})
        if text or not reply.tool_calls:
            parts.append({"text": text or reply.refusal or ""})
        parts += map(_call, reply.tool_calls)
        return _response(asked, reply, parts, _reason(reply))

    def events(self, asked: AppRequest, reply: Reply) -> Iterator[bytes]:
        """Write a response as the events of a stream: each is one in small."""
        text, reasoning = said_by(reply)
        text = text or reply.refusal or ""
        thoughts = pieces(reasoning if asked.extra else "")
        parts: list[Body] = [{"text": piece, "thought": True} for piece in thoughts]
        parts += [{"text": piece} for piece in pieces(text)]
        parts += map(_call, reply.tool_calls)
        for part in parts:
            yield data(_response(asked, reply, [part], None))
        yield data(_response(asked, reply, [{"text": ""}], _reason(reply)))

    def problem(self, status: int, message: str) -> Body:
        """Write an error."""
        word = _STATUSES.get(status, "FAILED_PRECONDITION")
        return {"error": {"code": status, "message": message, "status": word}}

    def problem_event(self, status: int, message: str) -> bytes:
        """Write an error in a stream that has begun."""
        return data(self.problem(status, message))


def _named(value: Any) -> Any:
    """Return a request with the names of its fields in camel case.

    Google takes either, and its clients mix them; names that are the app's own stay.
    """
    if isinstance(value, list):
        return [_named(each) for each in value]
    if not isinstance(value, dict):
        return value
    read: Body = {}
    for name, inner in value.items():
        head, *tail = name.split("_")
        named = head + "".join(map(str.capitalize, tail))
        if named == "properties" and isinstance(inner, dict):
            read[named] = {each: _named(schema) for each, schema in inner.items()}
        else:
            read[named] = inner if named in _FOREIGN else _named(inner)
    return read


def _thinking(body: Body) -> Body:
    config = body.get("generationConfig") or {}
    thinking: Body = config.get("thinkingConfig") or {}
    return thinking


def _params(body: Body) -> dict[str, Any]:
    params: dict[str, Any] = {}
    config: Body = body.get("generationConfig") or {}
    for name, value in config.items():
        if name in _PARAMS:
            params[_PARAMS[name]] = value
        elif name not in _CONFIG and value is not None:
            raise refuse(f"`{name}` of generateContent")
    schema = config.get("responseJsonSchema")
    if schema is None and config.get("responseSchema") is not None:
        schema = _schema(config["responseSchema"])
    if schema is not None:
        named = {"name": "output", "schema": schema}
        params["response_format"] = {"type": "json_schema", "json_schema": named}
    elif config.get("responseMimeType") == "application/json":
        params["response_format"] = {"type": "json_object"}
    level = _thinking(body).get("thinkingLevel")
    budget = _thinking(body).get("thinkingBudget")
    effort = level.lower() if level else effort_of(budget)
    if effort is not None:
        params["reasoning_effort"] = effort
    return params


def _tools(body: Body) -> dict[str, Any]:
    tools: list[Body] = []
    for tool in body.get("tools") or ():
        others = tool.keys() - {"functionDeclarations"}
        if others:
            raise AppError(
                f"The tool {min(others)!r} runs at Google, and no other model has it; "
                "give the model a function instead.",
                status=400,
            )
        for function in tool["functionDeclarations"]:
            schema = function.get("parametersJsonSchema")
            if schema is None:
                schema = _schema(function.get("parameters") or {"type": "object"})
            named = {"name": function["name"], "parameters": schema}
            if function.get("description"):
                named["description"] = function["description"]
            tools.append({"type": "function", "function": named})
    if not tools:
        return {}
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    names: list[str] = config.get("allowedFunctionNames") or []
    choice: Any = _CHOICES.get(config.get("mode", "AUTO"), "auto")
    if choice == "required" and len(names) == 1:
        choice = {"type": "function", "function": {"name": names[0]}}
    elif names:
        tools = [tool for tool in tools if tool["function"]["name"] in names]
    return {"tools": tools, "tool_choice": choice}


def _schema(schema: Any) -> Any:
    """Return a schema of Google's, which writes types in capitals, as JSON schema."""
    if isinstance(schema, list):
        return [_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    read: Body = {
        name: value.lower() if name == "type" and isinstance(value, str) else value
        for name, value in schema.items()
        if name not in ("propertyOrdering", "nullable")
    }
    for name in ("items", "anyOf"):
        if name in read:
            read[name] = _schema(read[name])
    if isinstance(read.get("properties"), dict):
        read["properties"] = {k: _schema(v) for k, v in read["properties"].items()}
    if schema.get("nullable") and isinstance(read.get("type"), str):
        read["type"] = [read["type"], "null"]
    return read


def _messages(content: Body, calls: list[tuple[str, str]]) -> list[Message]:
    """Return the messages that stand for one content.

    `calls` are those of tools that have no result yet, as name and id: Google's own
    have no ids, and a result is that of the first call of its name.
    """
    role = _ROLES.get(content.get("role") or "user")
    if role is None:
        raise malformed(f"the role {content.get('role')!r} is unknown")
    parts: list[Body] = []
    called: list[Body] = []
    results: list[Message] = []
    for part in content.get("parts") or ():
        if (call := part.get("functionCall")) is not None:
            name = call.get("id") or f"call_{call['name']}_{len(calls)}"
            calls.append((call["name"], name))
            written = msgspec.json.encode(call.get("args") or {}).decode()
            function = {"name": call["name"], "arguments": written}
            called.append({"id": name, "type": "function", "function": function})
        elif (result := part.get("functionResponse")) is not None:
            told = msgspec.json.encode(result.get("response") or {}).decode()
            name = result.get("id") or _answered(result["name"], calls)
            results.append({"role": "tool", "tool_call_id": name, "content": told})
        elif not part.get("thought"):
            parts.append(_part(part))
    said = content_of(parts)
    if called:
        return [{"role": role, "content": said or None, "tool_calls": called}]
    return [*results, {"role": role, "content": said}] if said else results


def _answered(name: str, calls: list[tuple[str, str]]) -> str:
    """Return the id of the first call of a function that has no result yet."""
    for index, (called, found) in enumerate(calls):
        if called == name:
            del calls[index]
            return found
    raise malformed(f"the result of {name!r} answers no call")


def _part(part: Body) -> Body:
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    inline = part.get("inlineData") or {}
    if str(inline.get("mimeType", "")).startswith("image/"):
        # Google's clients write base64 for URLs.
        encoded = inline["data"].replace("-", "+").replace("_", "/")
        url = f"data:{inline['mimeType']};base64,{encoded}"
        return {"type": "image_url", "image_url": {"url": url}}
    raise refuse(f"parts of generateContent with {', '.join(sorted(part))}")


def _call(call: dict[str, Any]) -> Body:
    name = (call.get("function") or {}).get("name", "")
    return {
        "functionCall": {"id": call.get("id"), "name": name, "args": given_to(call)}
    }


def _reason(reply: Reply) -> str:
    if reply.refusal is not None:
        return "SAFETY"
    return _REASONS.get(reply.finish_reason or "", "STOP")


def _response(
    asked: AppRequest, reply: Reply, parts: list[Body], reason: str | None
) -> Body:
    candidate: Body = {"content": {"role": "model", "parts": parts}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    response: Body = {
        "candidates": [candidate],
        "modelVersion": reply.model or asked.model,
        "responseId": reply.key[:24],
    }
    if reason is not None and (usage := reply.usage) is not None:
        response["usageMetadata"] = {
            "promptTokenCount": usage.input,
            "cachedContentTokenCount": usage.cached_input,
            "candidatesTokenCount": usage.output - usage.reasoning,
            "thoughtsTokenCount": usage.reasoning,
            "totalTokenCount": usage.input + usage.output,
        }
    return response
