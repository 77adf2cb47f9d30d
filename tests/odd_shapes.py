"""More shapes of answers: relatives of those in `server_shapes.py`, found by trying.

Streams in a native form, contents that are no text, and small mistakes of gateways.
"""

from __future__ import annotations

import json
from typing import Any

from tests.server_shapes import (
    ANSWER,
    CALL,
    SHAPES,
    THOUGHT,
    TOKENS,
    USAGE,
    WORDS,
    Json,
    Shape,
    body,
    chunk,
    plain,
    said,
    spoken,
    sse,
    written,
)

CAFÉ = "Café, 四十五 days"
_CALL: Json = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Uji"}'},
}


def _typed(*events: Json) -> bytes:
    """Write events whose type stands beside their data, too."""
    lines = [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events]
    return "".join(lines).encode()


def _anthropic(*blocks: Json, stop: str, end: Json | None = None) -> bytes:
    """Stream what `/v1/messages` says; `blocks` are its pieces."""
    begun = {"type": "message", "content": [], "usage": {"input_tokens": 12}}
    events: list[Json] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    events += blocks
    events.append(
        end
        or {
            "type": "message_delta",
            "delta": {"stop_reason": stop},
            "usage": {"output_tokens": 9},
        }
    )
    return _typed(*events, {"type": "message_stop"})


def _block(index: int, **delta: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _messages() -> dict[str, Shape]:
    pieces = [_block(0, type="thinking_delta", thinking=THOUGHT)]
    pieces += [_block(1, type="text_delta", text=word) for word in WORDS]
    use: Json = {"type": "tool_use", "id": "call_1", "name": "weather"}
    calls = [
        {"type": "content_block_start", "index": 0, "content_block": use},
        _block(0, type="input_json_delta", partial_json='{"city":'),
        _block(0, type="input_json_delta", partial_json='"Uji"}'),
    ]
    usage = {"input_tokens": 12, "output_tokens": 9}
    head: Json = {"type": "message", "role": "assistant", "usage": usage}
    thought: Json = {"type": "thinking", "thinking": THOUGHT}
    blocks = [thought, {"type": "text", "text": ANSWER}]
    broken = {"type": "error", "error": {"type": "overloaded_error", "message": "full"}}
    return {
        "Anthropic's own, events": Shape(
            whole=written(head | {"content": blocks, "stop_reason": "end_turn"}),
            stream=_anthropic(*pieces, stop="end_turn"),
            read=plain(reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
        "Anthropic's own, a tool": Shape(
            whole=written(
                head
                | {"content": [use | {"input": {"city": "Uji"}}]}
                | {"stop_reason": "tool_use"}
            ),
            stream=_anthropic(*calls, stop="tool_use"),
            read=plain(text="", tool_calls=(_CALL,), finish_reason="tool_calls"),
            text="",
        ),
        "Anthropic's own, an error event": Shape(
            whole=written(broken),
            stream=_anthropic(*pieces, stop="", end=broken),
            read={"status": None, "transient": True},
            is_error=True,
        ),
    }


def _responses() -> dict[str, Shape]:
    usage = {"input_tokens": 12, "output_tokens": 9, "total_tokens": 21}
    thought = {"type": "reasoning", "summary": [{"type": "x", "text": THOUGHT}]}
    text = {"type": "output_text", "text": ANSWER, "annotations": []}
    message: Json = {"type": "message", "role": "assistant", "content": [text]}
    call: Json = {"type": "function_call", "call_id": "call_1", "name": "weather"}
    call |= {"arguments": '{"city": "Uji"}'}
    head: Json = {"object": "response", "model": "x", "error": None}
    begun = head | {"status": "in_progress", "output": [], "usage": None}
    spoke = head | {"status": "completed", "output": [thought, message]}
    called = head | {"status": "completed", "output": [call], "usage": usage}
    spoke |= {"usage": usage}
    cut = spoke | {"status": "incomplete", "output": [message]}
    cut |= {"incomplete_details": {"reason": "max_output_tokens"}}
    first: Json = {"type": "response.created", "response": begun}
    words = [{"type": "response.output_text.delta", "delta": word} for word in WORDS]
    failed = head | {"status": "failed", "output": []}
    failed |= {"error": {"code": "server_error", "message": "gone"}}
    thinks = "response.reasoning_summary_text.delta"

    def end(kind: str, response: Json) -> Json:
        return {"type": f"response.{kind}", "response": response}

    return {
        "OpenAI's responses": Shape(
            whole=written(spoke),
            stream=_typed(
                first,
                {"type": thinks, "delta": THOUGHT},
                *words,
                end("completed", spoke),
            ),
            read=plain(reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
        "OpenAI's responses, a tool": Shape(
            whole=written(called),
            stream=_typed(first, end("completed", called)),
            read=plain(text="", tool_calls=(CALL,), finish_reason="tool_calls"),
            text="",
        ),
        "OpenAI's responses, cut": Shape(
            whole=written(cut),
            stream=_typed(first, *words, end("incomplete", cut)),
            read=plain(finish_reason="length"),
            flag="truncated",
        ),
        "OpenAI's responses, failed": Shape(
            whole=written(failed),
            stream=_typed(first, words[0], end("failed", failed)),
            read={"status": None, "transient": True},
            is_error=True,
        ),
    }


def _cohere() -> dict[str, Shape]:
    tokens = {"input_tokens": 12, "output_tokens": 9}
    usage = {"billed_units": tokens, "tokens": {"input_tokens": 80} | tokens}
    text = {"content": [{"type": "text", "text": ANSWER}]}
    end: Json = {"finish_reason": "MAX_TOKENS", "usage": usage}
    pieces: list[Json] = [
        {"type": "content-delta", "delta": {"message": {"content": {"text": word}}}}
        for word in WORDS
    ]
    return {
        "Cohere's own": Shape(
            whole=written({"id": "1", "message": text} | end),
            stream=_typed(
                {"type": "message-start", "id": "1"},
                *pieces,
                {"type": "message-end", "delta": end},
            ),
            read=plain(finish_reason="MAX_TOKENS"),
            flag="truncated",
        )
    }


def _contents() -> dict[str, Shape]:
    """Return answers whose content is no text, or stands in another place."""
    contents: dict[str, tuple[Json, Json]] = {
        "a picture beside the text": (
            {
                "content": [
                    {"type": "text", "text": ANSWER},
                    {"type": "image_url", "image_url": {"url": "data:,"}},
                ]
            },
            plain(),
        ),
        "thoughts as parts of another name": (
            {
                "content": [
                    {"type": "thought", "text": THOUGHT},
                    {"type": "text", "text": ANSWER},
                ]
            },
            plain(reasoning=THOUGHT),
        ),
        "thoughts in parts of parts": (
            {
                "content": [
                    {"type": "reasoning", "content": [{"text": THOUGHT}]},
                    {"type": "text", "text": ANSWER},
                ]
            },
            plain(reasoning=THOUGHT),
        ),
        "a voice": (
            {"content": None, "audio": {"id": "a", "data": "", "transcript": ANSWER}},
            plain(),
        ),
        "a list in place of its JSON": ({"content": [1, 2]}, plain(text="[1,2]")),
        "objects in place of their JSON": (
            {"content": [{"city": "Uji"}]},
            plain(text='[{"city":"Uji"}]'),
        ),
        "yes in place of its JSON": ({"content": True}, plain(text="true")),
        "one call without a list": (
            {"content": None, "tool_calls": CALL},
            plain(text="", tool_calls=(CALL,)),
        ),
        "a call without arguments": (
            {
                "content": None,
                "tool_calls": [CALL | {"function": {"name": "now", "arguments": None}}],
            },
            plain(
                text="",
                tool_calls=(CALL | {"function": {"name": "now", "arguments": ""}},),
            ),
        ),
    }
    return {
        f"a gateway, {name}": Shape(
            whole=written(body(message)),
            stream=sse(*said(message)),
            read=read,
            text=read["text"],
            reasoning=read.get("reasoning", ""),
        )
        for name, (message, read) in contents.items()
    }


def _choices() -> dict[str, Shape]:
    """Return answers whose choices are not what they should be."""
    whole = body({"content": ANSWER})
    end = chunk({}, finish="stop", usage=USAGE)
    texts = [{"choices": [{"index": 0, "delta": word}]} for word in WORDS]
    tool = {"role": "tool", "content": "{}"}
    listed = {"messages": [tool, {"role": "assistant", "content": ANSWER}]}
    success = {"error": {"code": 0, "message": "success"}}
    return {
        "a gateway, one choice without a list": Shape(
            whole=written(whole | {"choices": whole["choices"][0]}),
            stream=sse(
                *(
                    piece | {"choices": piece["choices"][0]}
                    for piece in said(*spoken(*WORDS), usage=None)
                ),
                chunk(None, usage=USAGE),
            ),
            read=plain(),
        ),
        "a gateway, a text for the message": Shape(
            whole=written(
                {"choices": [{"message": ANSWER, "finish_reason": "stop"}]}
                | {"usage": USAGE}
            ),
            stream=sse(*texts, end),
            read=plain(),
        ),
        "a gateway, a text for the choice": Shape(
            whole=written({"choices": [ANSWER], "usage": USAGE}),
            stream=sse(
                *({"choices": [word]} for word in WORDS), chunk(None, usage=USAGE)
            ),
            read={"text": ANSWER, "usage": TOKENS},
        ),
        "Azure, messages of a search": Shape(
            whole=written(
                {"choices": [listed | {"finish_reason": "stop"}], "usage": USAGE}
            ),
            stream=sse(*said(*spoken(*WORDS))),
            read=plain(),
        ),
        "a gateway, an error that is none": Shape(
            whole=written(whole | success),
            stream=sse(*(piece | success for piece in said(*spoken(*WORDS)))),
            read=plain(),
        ),
        "Zhipu, an error as the finish reason": Shape(
            whole=written(body({"content": ""}, finish="network_error")),
            stream=sse(*said(*spoken(WORDS[0]), finish="network_error")),
            read={"status": None, "transient": True},
            is_error=True,
        ),
    }


def _events() -> dict[str, Shape]:
    """Return streams with events and lines that are not as they should be."""
    whole, events = written(body({"content": ANSWER})), said(*spoken(*WORDS))
    stream = sse(*events)
    first, rest = (
        stream[: stream.index(b"\n\n") + 2],
        stream[stream.index(b"\n\n") + 2 :],
    )
    undone = sse(*said(*spoken(*WORDS)), done=False)
    streams = {
        "its end in quotes": undone + b'data: "[DONE]"\n\n',
        "its end without brackets": undone + b"data: done\n\n",
        "a word between its pieces": first + b"\n\ndata: keep-alive\n\n" + rest,
        "null before its pieces": b"data: null\n\n" + stream,
        "an empty list behind them": undone + b"data: []\n\n",
        "indented lines": stream.replace(b"data:", b"  data:"),
        "names of fields in capitals": stream.replace(b"data:", b"DATA:"),
    }
    return {
        f"a proxy, {name}": Shape(whole=whole, stream=sent, read=plain())
        for name, sent in streams.items()
    }


def _charsets() -> dict[str, Shape]:
    """Return answers in a charset that their header names, rightly or not."""

    def sent(charset: str, named: str) -> Shape:
        lines = (json.dumps(e, ensure_ascii=False) for e in said(*spoken(CAFÉ)))
        stream = "".join(f"data: {line}\n\n" for line in lines) + "data: [DONE]\n\n"
        whole = json.dumps(body({"content": CAFÉ}), ensure_ascii=False)
        return Shape(
            whole=whole.encode(charset),
            stream=stream.encode(charset),
            read=plain(text=CAFÉ),
            text=CAFÉ,
            whole_type=f"application/json; charset={named}",
            stream_type=f'text/event-stream; charset="{named}"',
        )

    return {
        "a proxy, GB 18030": sent("gb18030", "GB18030"),
        "a proxy, UTF-8 by a wrong name": sent("utf-8", "ISO-8859-1"),
        "a proxy, UTF-8 by a name of nothing": sent("utf-8", "x-none"),
    }


ALL_SHAPES: dict[str, Shape] = (
    SHAPES
    | _messages()
    | _responses()
    | _cohere()
    | _contents()
    | _choices()
    | _events()
    | _charsets()
)
"""All that is known, by server and by what is odd about the answer."""
