"""How real servers answer, in the shapes that their documentation shows.

Written by us, one shape for each server and each way in which it differs: the same
answer whole and streamed, and what a reader must make of both.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from pytest_ladder.core.reply import Usage

Json = dict[str, Any]

ANSWER = "The window is 45 days."
WORDS = ("The window", " is 45 days.")
THOUGHT = "30 or 45? The terms say 45."
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Uji"}'},
}
USAGE = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21}
TOKENS = Usage(input=12, output=9)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """One answer, whole and streamed."""

    whole: bytes
    stream: bytes
    read: Json
    """Fields of the `Answer`; those of a `CallError` where there is no reply."""
    text: str = ANSWER
    """`reply.text`, without thoughts."""
    reasoning: str = ""
    flag: str | None = None
    is_error: bool = False
    status: int = 200
    whole_type: str = "application/json"
    stream_type: str = "text/event-stream; charset=utf-8"


def body(
    message: Json, *, finish: Any = "stop", choice: Any = None, **top: Any
) -> Json:
    """Return a completion in one piece."""
    first = {"index": 0, "message": {"role": "assistant"} | message}
    first |= {"finish_reason": finish, "logprobs": None} | (choice or {})
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000}
    return head | {"model": "x", "choices": [first], "usage": USAGE} | top


def chunk(delta: Json | None, *, finish: Any = None, **top: Any) -> Json:
    """Return one event of a stream; without a delta it has no choice."""
    choices = [] if delta is None else [{"index": 0, "delta": delta}]
    if choices:
        choices[0] |= {"finish_reason": finish, "logprobs": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
    return head | {"model": "x", "choices": choices} | top


def sse(*events: Json, end: str = "\n", done: bool = True) -> bytes:
    """Write events as a server does, with line ends of its own."""
    lines = [f"data: {json.dumps(event)}{end}{end}" for event in events]
    return "".join([*lines, f"data: [DONE]{end}{end}" if done else ""]).encode()


def said(*deltas: Json, finish: Any = "stop", usage: Any = USAGE) -> list[Json]:
    """Return the events of a stream of such deltas, as OpenAI sends them."""
    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk(delta) for delta in deltas]
    events.append(chunk({}, finish=finish))
    return events if usage is None else [*events, chunk(None, usage=usage)]


def spoken(*texts: str) -> list[Json]:
    return [{"content": text} for text in texts]


def written(payload: Json) -> bytes:
    return json.dumps(payload).encode()


def plain(**fields: Any) -> Json:
    """Return what is read of `ANSWER`, with other fields laid over."""
    return {"text": ANSWER, "finish_reason": "stop", "usage": TOKENS, **fields}


def _openai() -> dict[str, Shape]:
    details = USAGE | {
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0},
    }
    counted = Usage(input=12, cached_input=8, output=9, reasoning=4)
    refusal = "I cannot help with that."
    message: Json = {"content": ANSWER, "refusal": None, "annotations": []}
    halves = [{"content": None, "refusal": half} for half in ("I cannot", " help")]
    halves.append({"refusal": " with that."})
    pieces = [
        {"tool_calls": [{"index": 0, **CALL, "function": {"name": "weather"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Uji"}'}}]},
    ]
    return {
        "OpenAI": Shape(
            whole=written(body(message, usage=details, service_tier="default")),
            stream=sse(*said(*spoken(*WORDS), usage=details)),
            read=plain(usage=counted),
        ),
        "OpenAI, a refusal": Shape(
            whole=written(body({"content": None, "refusal": refusal})),
            stream=sse(*said(*halves)),
            read=plain(text="", refusal=refusal),
            text=refusal,
            flag="refused",
        ),
        "OpenAI, a tool": Shape(
            whole=written(
                body({"content": None, "tool_calls": [CALL]}, finish="tool_calls")
            ),
            stream=sse(*said(*pieces, finish="tool_calls")),
            read=plain(text="", tool_calls=(CALL,), finish_reason="tool_calls"),
            text="",
        ),
        "OpenAI, cut by max_tokens": Shape(
            whole=written(body({"content": WORDS[0]}, finish="length")),
            stream=sse(*said(*spoken(WORDS[0]), finish="length")),
            read=plain(text=WORDS[0], finish_reason="length"),
            text=WORDS[0],
            flag="truncated",
        ),
        "OpenAI, no usage": Shape(
            whole=written(body({"content": ANSWER}, usage=None)),
            stream=sse(*said(*spoken(*WORDS), usage=None)),
            read=plain(usage=None),
        ),
    }


def _azure() -> dict[str, Shape]:
    safe = {"hate": {"filtered": False, "severity": "safe"}}
    first = chunk(None, prompt_filter_results=[{"content_filter_results": safe}])
    first |= {"model": "", "object": "", "id": ""}
    refused = {
        "error": {
            "message": "The response was filtered due to the prompt …",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation"},
        }
    }
    return {
        "Azure": Shape(
            whole=written(
                body(
                    {"content": ANSWER},
                    choice={"content_filter_results": safe},
                    prompt_filter_results=[{"prompt_index": 0}],
                )
            ),
            stream=sse(first, *said(*spoken(*WORDS))),
            read=plain(),
        ),
        "Azure, a filtered answer": Shape(
            whole=written(body({"content": WORDS[0]}, finish="content_filter")),
            stream=sse(*said(*spoken(WORDS[0]), finish="content_filter")),
            read=plain(text=WORDS[0], finish_reason="content_filter"),
            text=WORDS[0],
            flag="filtered",
        ),
        "Azure, a filtered prompt": Shape(
            whole=written(refused),
            stream=written(refused),
            stream_type="application/json",
            status=400,
            read=plain(text="", finish_reason="content_filter", usage=None),
            text="",
            flag="filtered",
        ),
    }


def _compatible_endpoints() -> dict[str, Shape]:
    """Return those of Anthropic, Gemini and Mistral."""
    zero = {"cached_tokens": 0}
    parts = [{"type": "text", "text": word} for word in WORDS]
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}
    return {
        "Anthropic": Shape(
            whole=written(
                body(
                    {"content": ANSWER},
                    usage=USAGE | {"prompt_tokens_details": zero},
                    service_tier=None,
                    system_fingerprint=None,
                )
            ),
            # The finish reason and the usage come in one event.
            stream=sse(
                chunk({"role": "assistant", "content": WORDS[0]}),
                chunk({"content": WORDS[1]}),
                chunk({}, finish="stop", usage=USAGE),
            ),
            read=plain(),
        ),
        "Anthropic, cached": Shape(
            whole=written(
                body(
                    {"content": ANSWER},
                    usage=USAGE
                    | {"cache_read_input_tokens": 5, "cache_creation_input_tokens": 3},
                )
            ),
            stream=sse(
                *said(
                    *spoken(*WORDS),
                    usage=USAGE
                    | {"cache_read_input_tokens": 5, "cache_creation_input_tokens": 3},
                )
            ),
            read=plain(usage=Usage(input=12, cached_input=5, cache_write=3, output=9)),
        ),
        "Gemini": Shape(
            whole=written(body({"content": ANSWER})),
            # A usage in every event, no finish reason but in the last, no role later.
            stream=sse(
                chunk({"role": "assistant", "content": WORDS[0]}, usage=USAGE),
                chunk({"content": WORDS[1]}, finish="stop", usage=USAGE),
            ),
            read=plain(),
        ),
        "Gemini, nothing said": Shape(
            whole=written(body({}, finish="stop")),
            stream=sse(chunk({"role": "assistant"}, finish="stop", usage=USAGE)),
            read=plain(text=""),
            text="",
            flag="empty",
        ),
        "Gemini, thoughts in the text": Shape(
            whole=written(body({"content": f"<thought>{THOUGHT}</thought>{ANSWER}"})),
            stream=sse(*said(*spoken(f"<thought>{THOUGHT}", "</thought>", *WORDS))),
            read=plain(text=f"<thought>{THOUGHT}</thought>{ANSWER}"),
            reasoning=THOUGHT,
        ),
        "Mistral, parts": Shape(
            whole=written(body({"content": [thinking, *parts]})),
            stream=sse(
                *said({"content": [thinking]}, *({"content": [part]} for part in parts))
            ),
            read=plain(reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
    }


def _openrouter() -> dict[str, Shape]:
    usage = USAGE | {"cost": 0.00014, "is_byok": False}
    gone = {"code": 502, "message": "Provider returned error", "metadata": {}}
    choice = {"native_finish_reason": "stop", "error": None}
    top = {"error": gone, "user_id": "u"}
    flagged = {
        "error": {
            "message": "Your input was flagged by moderation.",
            "code": 403,
            "metadata": {"reasons": ["violence"], "flagged_input": "How long…"},
        }
    }
    hidden = {"type": "reasoning.encrypted", "data": "gAAAA", "id": "rs_1"}
    halves = [
        {"type": "reasoning.summary", "summary": THOUGHT[:5], "index": 0},
        {"type": "reasoning.text", "text": THOUGHT[5:], "signature": None, "index": 1},
    ]
    return {
        "OpenRouter, details of thoughts": Shape(
            whole=written(
                body(
                    {
                        "content": ANSWER,
                        "reasoning": None,
                        "reasoning_details": [*halves, hidden],
                    }
                )
            ),
            stream=sse(
                *(
                    chunk({"content": "", "reasoning_details": [half]})
                    for half in (*halves, hidden)
                ),
                *said(*spoken(*WORDS)),
            ),
            read=plain(reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
        "OpenRouter, a filtered prompt": Shape(
            whole=written(flagged),
            stream=written(flagged),
            stream_type="application/json",
            status=403,
            read=plain(text="", finish_reason="content_filter", usage=None),
            text="",
            flag="filtered",
        ),
        "OpenRouter, thoughts twice": Shape(
            whole=written(
                body(
                    {
                        "content": ANSWER,
                        "reasoning": THOUGHT,
                        "reasoning_details": halves,
                    }
                )
            ),
            stream=sse(
                *(
                    chunk({"reasoning": text, "reasoning_details": [half]})
                    for text, half in zip(
                        (THOUGHT[:5], THOUGHT[5:]), halves, strict=True
                    )
                ),
                *said(*spoken(*WORDS)),
            ),
            read=plain(reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
        "OpenRouter": Shape(
            whole=written(
                body(
                    {"content": ANSWER, "reasoning": THOUGHT, "refusal": None},
                    choice=choice,
                    usage=usage,
                    provider="Any",
                )
            ),
            stream=b": OPENROUTER PROCESSING\n\n"
            + sse(
                chunk({"content": "", "reasoning": THOUGHT[:5]}),
                chunk({"content": "", "reasoning": THOUGHT[5:]}),
                *said(*spoken(*WORDS), usage=usage),
            ),
            read=plain(reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
        "OpenRouter, an error in the choice": Shape(
            whole=written(
                body({"content": ""}, finish="error", choice={"error": gone})
            ),
            stream=sse(
                chunk({"content": WORDS[0]}),
                chunk({"content": ""}, finish="error") | {"error": gone},
            ),
            read={"status": 502, "transient": True},
            is_error=True,
        ),
        "OpenRouter, an error at the top": Shape(
            whole=written(top),
            stream=sse(chunk({"content": WORDS[0]}), top),
            read={"status": 502, "transient": True},
            is_error=True,
        ),
        "OpenRouter, an error beside a choice": Shape(
            whole=written(body({"content": ""}) | {"error": gone | {"code": 400}}),
            stream=sse(chunk({"content": ""}, error=gone | {"code": "400"})),
            read={"status": 400, "transient": False},
            is_error=True,
        ),
    }


def _vllm_and_llama_cpp() -> dict[str, Shape]:
    top = {"prompt_logprobs": None, "kv_transfer_params": None}
    message: Json = {"content": ANSWER, "reasoning_content": None, "tool_calls": []}
    thinking = message | {"reasoning_content": THOUGHT, "reasoning": THOUGHT}
    timings = {"prompt_n": 12, "prompt_ms": 40.0, "predicted_n": 9, "predicted_ms": 60}
    logprobs = {"content": [{"token": "The", "logprob": float("nan")}]}
    last = chunk({}, finish="stop", timings=timings, usage=USAGE)
    cut = "🧐".encode()[:3]
    return {
        "vLLM": Shape(
            whole=written(body(message, choice={"stop_reason": None}, **top)),
            stream=sse(*said(*spoken(*WORDS))),
            read=plain(),
        ),
        "vLLM, thoughts apart": Shape(
            whole=written(body(thinking)),
            stream=sse(
                *said(
                    {"reasoning_content": THOUGHT, "reasoning": THOUGHT},
                    *spoken(*WORDS),
                )
            ),
            read=plain(reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
        "vLLM, thoughts whose begin the template wrote": Shape(
            whole=written(body({"content": f"{THOUGHT}\n</think>\n\n{ANSWER}"})),
            stream=sse(*said(*spoken(THOUGHT, "\n</thi", "nk>\n\n", *WORDS))),
            read=plain(text=f"{THOUGHT}\n</think>\n\n{ANSWER}"),
            reasoning=THOUGHT,
        ),
        "vLLM, aborted": Shape(
            whole=written(body({"content": WORDS[0]}, finish="abort")),
            stream=sse(*said(*spoken(WORDS[0]), finish="abort")),
            read={"status": None, "transient": True},
            is_error=True,
        ),
        "vLLM, an error in the stream": Shape(
            whole=written(
                {"object": "error", "error": {"message": "dead", "code": 500}}
            ),
            stream=sse(
                chunk({"content": WORDS[0]}),
                {"error": {"message": "EngineCore died", "type": "E", "code": 500}},
            ),
            read={"status": 500, "transient": True},
            is_error=True,
        ),
        "llama.cpp": Shape(
            whole=written(body({"content": ANSWER}, timings=timings)),
            stream=sse(chunk({"content": None}), *map(chunk, spoken(*WORDS)), last),
            read=plain(server_s=0.1),
        ),
        "llama.cpp, NaN": Shape(
            whole=written(body({"content": ANSWER}, choice={"logprobs": logprobs})),
            stream=sse(
                *(chunk(delta, logprobs=logprobs) for delta in spoken(*WORDS)),
                *said(),
            ),
            read=plain(),
        ),
        "llama.cpp, half a character": Shape(
            whole=written(body({"content": "45 days @"})).replace(b"@", cut),
            stream=sse(*said(*spoken("45 days ", "@"))).replace(b"@", cut),
            read=plain(text="45 days \ufffd"),
            text="45 days \ufffd",
        ),
        "llama.cpp, half an emoji": Shape(
            whole=written(body({"content": "45 days \ud83d"})),
            stream=sse(*said(*spoken("45 days ", "\ud83d"))),
            read=plain(text="45 days \ufffd"),
            text="45 days \ufffd",
        ),
    }


def _local_servers() -> dict[str, Shape]:
    """Return those of Ollama, TGI, LM Studio and SGLang."""
    floats = {"prompt_tokens": 12.0, "completion_tokens": 9.0}
    called = {"function": {"name": "weather", "arguments": {"city": "Uji"}}}
    thinking = f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"
    compact = CALL["function"] | {"arguments": '{"city":"Uji"}'}  # type: ignore[operator]
    overloaded = {"error": "Model is overloaded", "error_type": "overloaded"}
    typed = "".join(
        f"event: message\r\ndata: {json.dumps(event)}\r\n\r\n"
        for event in said(*spoken(*WORDS))
    )
    return {
        "Ollama": Shape(
            whole=written(body({"content": ANSWER, "reasoning": THOUGHT})),
            stream=sse(
                chunk({"role": "assistant", "content": "", "reasoning": THOUGHT}),
                *(chunk({"role": "assistant", **word}) for word in spoken(*WORDS)),
                chunk({"role": "assistant", "content": ""}, finish="stop"),
                chunk(None, usage=USAGE),
            ),
            read=plain(reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
        "Ollama, thoughts in the text": Shape(
            whole=written(
                body({"content": f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"})
            ),
            stream=sse(*said(*spoken("<think>", f"\n{THOUGHT}\n</think>\n\n", *WORDS))),
            read=plain(text=thinking),
            reasoning=THOUGHT,
        ),
        "Ollama, thoughts without an end": Shape(
            whole=written(body({"content": f"<think>\n{THOUGHT}"}, finish="length")),
            stream=sse(*said(*spoken("<think>\n", THOUGHT), finish="length")),
            read=plain(text=f"<think>\n{THOUGHT}", finish_reason="length"),
            text="",
            reasoning=THOUGHT,
            flag="truncated",
        ),
        "Ollama, arguments as an object": Shape(
            whole=written(
                body({"content": "", "tool_calls": [called]}, finish="tool_calls")
            ),
            stream=sse(
                *said({"tool_calls": [{"index": 0, **called}]}, finish="tool_calls")
            ),
            read=plain(
                text="",
                tool_calls=({"function": compact},),
                finish_reason="tool_calls",
            ),
            text="",
        ),
        "TGI": Shape(
            whole=written(body({"content": ANSWER}, finish="eos_token")),
            # No space after the colon.
            stream=sse(*said(*spoken(*WORDS), finish="eos_token")).replace(
                b"data: ", b"data:"
            ),
            read=plain(finish_reason="eos_token"),
        ),
        "TGI, overloaded": Shape(
            whole=written(overloaded),
            stream=sse(chunk({"content": "a"}))[:-14]
            + b"event: error\ndata: "
            + json.dumps(overloaded).encode()
            + b"\n\n",
            read={"status": None, "transient": True},
            is_error=True,
        ),
        "LM Studio": Shape(
            whole=written(body({"content": ANSWER, "tool_calls": []}, stats={})),
            stream=typed.encode() + b"data: [DONE]\r\n\r\n",
            read=plain(),
        ),
        "LM Studio, an error event": Shape(
            whole=written({"error": "The model has crashed"}),
            stream=b'event: error\ndata: {"message": "The model has crashed"}\n\n',
            read={"status": None, "transient": True},
            is_error=True,
        ),
        "SGLang, usage of floats": Shape(
            whole=written(body({"content": ANSWER}, usage=floats)),
            stream=sse(*said(*spoken(*WORDS), usage=floats)),
            read=plain(),
        ),
        "SGLang, a finish reason that is an object": Shape(
            whole=written(body({"content": ANSWER}, finish={"type": "stop"})),
            stream=sse(*said(*spoken(*WORDS), finish={"type": "stop"})),
            read=plain(finish_reason=None),
        ),
    }


def _deepseek() -> dict[str, Shape]:
    usage: Json = USAGE | {"prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 4}
    usage |= {"completion_tokens_details": {"reasoning_tokens": 5}}
    counted = Usage(input=12, cached_input=8, output=9, reasoning=5)
    message = {"content": ANSWER, "reasoning_content": THOUGHT}
    risk = {
        "error": {"message": "Content Exists Risk", "code": "invalid_request_error"}
    }
    return {
        "DeepSeek": Shape(
            whole=b"\n\n\n" + written(body(message, usage=usage)),
            stream=b": keep-alive\n\n"
            + sse(
                chunk({"content": None, "reasoning_content": THOUGHT}),
                *(chunk(w | {"reasoning_content": None}) for w in spoken(*WORDS)),
                chunk({"content": "", "reasoning_content": None}, finish="stop")
                | {"usage": usage},
            ),
            read=plain(usage=counted, reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
        "DeepSeek, a filtered prompt": Shape(
            whole=written(risk),
            stream=written(risk),
            stream_type="application/json",
            status=400,
            read=plain(text="", finish_reason="content_filter", usage=None),
            text="",
            flag="filtered",
        ),
        "DeepSeek, out of resources": Shape(
            whole=written(
                body({"content": WORDS[0]}, finish="insufficient_system_resource")
            ),
            stream=sse(*said(*spoken(WORDS[0]), finish="insufficient_system_resource")),
            read={"status": None, "transient": True},
            is_error=True,
        ),
        "DeepSeek, thoughts alone": Shape(
            whole=written(body({"content": "", "reasoning_content": THOUGHT})),
            stream=sse(*said({"reasoning_content": THOUGHT})),
            read=plain(text="", reasoning=THOUGHT),
            text="",
            reasoning=THOUGHT,
            flag="empty",
        ),
    }


def _proxies() -> dict[str, Shape]:
    """Return what gateways in between make of an answer."""
    whole = written(body({"content": ANSWER}))
    events = said(*spoken(*WORDS))
    two_lines = "".join(
        "data: " + json.dumps(event, indent=0).replace("\n", "\ndata: ") + "\n\n"
        for event in events
    ).encode()
    texts = {name: str(tokens) for name, tokens in USAGE.items()}
    no_finish = [chunk(word) for word in spoken(*WORDS)]
    camels = {"promptTokens": 12, "completionTokens": 9, "totalTokens": 21}
    of_text = {"response": ANSWER, "usage": USAGE}
    unspaced = b"".join(b"data: " + written(event) + b"\n" for event in events)
    return {
        "a proxy, CR line ends": Shape(
            whole=whole, stream=sse(*events, end="\r"), read=plain()
        ),
        "a proxy, one event over many lines": Shape(
            whole=whole, stream=two_lines, read=plain()
        ),
        "a proxy, no blank lines": Shape(whole=whole, stream=unspaced, read=plain()),
        "a proxy, data without data": Shape(
            whole=whole,
            stream=b"data:\n\ndata: \n\ndata\n\n" + sse(*events),
            read=plain(),
        ),
        "a proxy, an answer in one piece": Shape(
            whole=whole, stream=whole, stream_type="application/json", read=plain()
        ),
        "a proxy, an answer in one piece that it calls a stream": Shape(
            whole=whole, stream=b"\n" + whole, read=plain()
        ),
        "a proxy, an error in one piece that it calls a stream": Shape(
            whole=written({"error": {"message": "no room", "code": 503}}),
            stream=written({"error": {"message": "no room", "code": 503}}),
            read={"status": 503, "transient": True},
            is_error=True,
        ),
        "a proxy, a stream without being asked": Shape(
            whole=sse(*events),
            whole_type="text/event-stream",
            stream=sse(*events),
            stream_type="text/plain",
            read=plain(),
        ),
        "a proxy, a BOM": Shape(
            whole=b"\xef\xbb\xbf" + whole,
            stream=b"\xef\xbb\xbf" + sse(*events),
            read=plain(),
        ),
        "a proxy, numbers as texts": Shape(
            whole=written(body({"content": ANSWER}, usage=texts)),
            stream=sse(*said(*spoken(*WORDS), usage=texts)),
            read=plain(),
        ),
        "a proxy, no finish reason": Shape(
            whole=written(body({"content": ANSWER}, finish=None)),
            stream=sse(*no_finish, chunk(None, usage=USAGE)),
            read=plain(finish_reason=None),
        ),
        "a proxy, no blank line at the end": Shape(
            whole=whole, stream=sse(*events, done=False).rstrip(b"\n"), read=plain()
        ),
        "a proxy, its own page behind the answer": Shape(
            whole=whole + b"\n\n<html><h1>502 Bad Gateway</h1></html>",
            stream=sse(*events) + b"\n<html><h1>502 Bad Gateway</h1></html>",
            read=plain(),
        ),
        "a proxy, padded with NUL": Shape(
            whole=whole + b"\0" * 64,
            stream=b"".join(
                b"data: " + written(event) + b"\0\0\n\n" for event in events
            ),
            read=plain(),
        ),
        "a proxy, the answer twice": Shape(
            whole=whole + whole, stream=whole + b"\n" + whole, read=plain()
        ),
        "a proxy, pieces on one line": Shape(
            whole=b"".join(written(event) for event in events),
            stream=b"data: " + b"".join(written(event) for event in events) + b"\n\n",
            read=plain(),
        ),
        "a proxy, an answer and half of another": Shape(
            whole=whole + whole[:40], stream=whole + whole[:40], read=plain()
        ),
        "a proxy, an error behind the answer": Shape(
            whole=whole + written({"error": {"message": "cut", "code": 503}}),
            stream=sse(*events[:3], done=False)
            + b"data: "
            + written(events[3])
            + written({"error": {"message": "cut", "code": 503}}),
            read={"status": 503, "transient": True},
            is_error=True,
        ),
        "a proxy, comments before the answer": Shape(
            whole=b": PROCESSING\n\n: PROCESSING\n\n" + whole,
            stream=b": PROCESSING\n\n" + whole,
            stream_type="application/json",
            read=plain(),
        ),
        "a proxy, an envelope": Shape(
            whole=written({"code": 0, "data": body({"content": ANSWER})}),
            stream=sse(*({"code": 0, "data": event} for event in events)),
            read=plain(),
        ),
        "a proxy, an envelope with an error": Shape(
            whole=written({"data": {"error": {"message": "full", "code": 503}}}),
            stream=sse({"data": {"error": {"message": "full", "code": 503}}}),
            read={"status": 503, "transient": True},
            is_error=True,
        ),
        "a proxy, names in camel case": Shape(
            whole=written(body({"content": ANSWER}, usage=camels)),
            stream=sse(*said(*spoken(*WORDS), usage=camels)),
            read=plain(),
        ),
        "Cloudflare's own": Shape(
            whole=written({"success": True, "errors": [], "result": of_text}),
            stream=written({"success": True, "errors": [], "result": of_text}),
            read=plain(),
        ),
        "TGI's own": Shape(
            whole=written([{"generated_text": ANSWER, "details": {"seed": None}}]),  # type: ignore[arg-type]
            stream=written({"generated_text": ANSWER, "finish_reason": "eos_token"}),
            read={"text": ANSWER, "usage": None},
        ),
        "a proxy, an error of nothing": Shape(
            whole=written(body({"content": ANSWER}, error={})),
            stream=sse(*(event | {"error": None} for event in events)),
            read=plain(),
        ),
    }


def _own_words() -> dict[str, Shape]:
    """Return what servers say by names or in places of their own."""
    whole, events = body({"content": ANSWER}), said(*spoken(*WORDS))
    unbilled = {name: value for name, value in whole.items() if name != "usage"}
    in_choice = body({"content": ANSWER}, choice={"usage": USAGE}) | {"usage": None}
    last = chunk({}, finish="stop")
    last["choices"][0]["usage"] = USAGE
    anthropic = {
        "input_tokens": 3,
        "cache_read_input_tokens": 8,
        "cache_creation_input_tokens": 1,
        "output_tokens": 9,
    }
    counted = Usage(input=12, cached_input=8, cache_write=1, output=9)
    floats = {name: f"{tokens}.0" for name, tokens in USAGE.items()}
    parts = [{"type": "reasoning", "text": THOUGHT}, {"type": "text", "text": ANSWER}]
    plain_events = [
        {"choices": [{"index": 0, "text": text, "finish_reason": None}]}
        for text in WORDS
    ]
    one, other = (
        {"index": n, "message": {"content": text}, "finish_reason": "stop"}
        for n, text in enumerate((ANSWER, "Another answer."))
    )
    second = [chunk({"content": "Another answer."})]
    second[0]["choices"][0]["index"] = 1
    smile = ANSWER + " \ud83d\ude00"
    halves = spoken(ANSWER + " \ud83d", "\ude00")
    calls: list[Json] = [
        {"tool_calls": [{"id": "call_1", "function": {"name": "w", "arguments": "{"}}]},
        {"tool_calls": [{"function": {"arguments": "}"}}]},
    ]
    call = {"id": "call_1", "function": {"name": "w", "arguments": "{}"}}
    pings = b"event: ping\ndata: ping\n\nevent: ping\ndata: {}\n\n"
    done = sse(*events).replace(b"[DONE]", b"[done]")
    return {
        "Moonshot, usage in the choice": Shape(
            whole=written(in_choice),
            stream=sse(*said(*spoken(*WORDS), usage=None)[:-1], last),
            read=plain(),
        ),
        "Groq, usage in a corner": Shape(
            whole=written(unbilled | {"x_groq": {"usage": USAGE}}),
            stream=sse(*events[:-1], chunk({}) | {"x_groq": {"usage": USAGE}}),
            read=plain(),
        ),
        "a gateway, Anthropic's usage": Shape(
            whole=written(body({"content": ANSWER}, usage=anthropic)),
            stream=sse(*said(*spoken(*WORDS), usage=anthropic)),
            read=plain(usage=counted),
        ),
        "a gateway, floats as texts": Shape(
            whole=written(body({"content": ANSWER}, usage=floats)),
            stream=sse(*said(*spoken(*WORDS), usage=floats)),
            read=plain(),
        ),
        "a gateway, thoughts as parts with a text": Shape(
            whole=written(body({"content": parts})),
            stream=sse(*said({"content": parts[:1]}, {"content": parts[1:]})),
            read=plain(reasoning=THOUGHT),
            reasoning=THOUGHT,
        ),
        "a gateway, the content as one part": Shape(
            whole=written(body({"content": parts[1]})),
            stream=sse(*said({"content": parts[1]})),
            read=plain(),
        ),
        "a gateway, a value in place of its JSON": Shape(
            whole=written(body({"content": {"days": 45}})),
            stream=sse(*said({"content": {"days": 45}})),
            read=plain(text='{"days":45}'),
            text='{"days":45}',
        ),
        "a server of plain completions": Shape(
            whole=written(unbilled | {"choices": [{"text": ANSWER}], "usage": USAGE}),
            stream=sse(*plain_events, last, chunk(None, usage=USAGE)),
            read={"text": ANSWER, "usage": TOKENS},
        ),
        "a server, several choices in any order": Shape(
            whole=written(whole | {"choices": [other, one]}),
            stream=sse(*events[:2], *second, *events[2:]),
            read=plain(),
        ),
        "a server, half a character in an event": Shape(
            whole=written(body({"content": smile})),
            stream=sse(*said(*halves)),
            read=plain(text=ANSWER + " 😀"),
            text=ANSWER + " 😀",
        ),
        "Gemini, calls of tools without a number": Shape(
            whole=written(body({"content": None, "tool_calls": [call]})),
            stream=sse(*said(*calls)),
            read=plain(text="", tool_calls=(call,)),
            text="",
        ),
        "a server, signs of life": Shape(
            whole=written(whole), stream=pings + sse(*events), read=plain()
        ),
        "a server, a small [done]": Shape(
            whole=written(whole), stream=done, read=plain()
        ),
    }


def _bare_errors() -> dict[str, Shape]:
    """Return errors with a status of success and without the name `error`."""
    errors: dict[str, tuple[Json, Json]] = {
        "vLLM": (
            {"object": "error", "message": "no such model", "code": 404},
            {"status": 404, "transient": False},
        ),
        "Cloudflare": (
            {"success": False, "errors": [{"code": 3040, "message": "no room"}]},
            {"status": None, "transient": True},
        ),
        "FastAPI": ({"detail": "loading"}, {"status": None, "transient": True}),
        "MiniMax": (
            body({"content": ""}, base_resp={"status_code": 1002, "status_msg": "?"}),
            {"status": None, "transient": True},
        ),
    }
    return {
        f"{server}, an error by another name": Shape(
            whole=written(answer),
            stream=sse(*said(*spoken(WORDS[0]))[:2], _as_event(answer)),
            read=read,
            is_error=True,
        )
        for server, (answer, read) in errors.items()
    }


def _as_event(answer: Json) -> Json:
    choices = [{"index": 0, "delta": {}}] if "choices" in answer else None
    return answer if choices is None else answer | {"choices": choices}


def _native() -> dict[str, Shape]:
    """Return answers in the servers' native forms, and by OpenAI's former names."""
    counts = {"prompt_eval_count": 12, "eval_count": 9, "eval_duration": 1_000}
    start: Json = {"model": "x", "created_at": "2026-01-01T00:00:00Z"}
    end = {"done": True, "done_reason": "stop", **counts}
    chat: list[Json] = [
        {"message": {"role": "assistant", "content": "", "thinking": THOUGHT}},
        *({"message": {"role": "assistant", "content": word}} for word in WORDS),
    ]
    chat = [start | piece | {"done": False} for piece in chat]
    chat.append(start | {"message": {"role": "assistant", "content": ""}} | end)
    generated = [start | {"response": word, "done": False} for word in WORDS]
    said_once = {"role": "assistant", "content": ANSWER, "thinking": THOUGHT}
    parts: list[Json] = [{"text": THOUGHT, "thought": True}]
    parts += [{"text": word} for word in WORDS]
    candidates = [{"content": {"role": "model", "parts": [part]}} for part in parts]
    tokens = {"promptTokenCount": 12, "candidatesTokenCount": 9, "totalTokenCount": 21}
    gemini: list[Json] = [{"candidates": [candidate]} for candidate in candidates]
    gemini.append({"candidates": [{"finishReason": "STOP"}], "usageMetadata": tokens})
    blocks: list[Json] = [{"type": "thinking", "thinking": THOUGHT}]
    blocks.append({"type": "text", "text": ANSWER})
    message: Json = {"type": "message", "role": "assistant", "content": blocks}
    message |= {"stop_reason": "end_turn"}
    message |= {"usage": {"input_tokens": 12, "output_tokens": 9}}
    former = {"name": "weather", "arguments": '{"city": "Uji"}'}
    read = plain(reasoning=THOUGHT)
    return {
        "Ollama's own, lines": Shape(
            whole=written(start | {"message": said_once} | end),
            stream=_lines(*chat),
            stream_type="application/x-ndjson",
            read=read,
            reasoning=THOUGHT,
        ),
        "Ollama's own, generated": Shape(
            whole=written(start | {"response": ANSWER} | end),
            stream=_lines(*generated, start | {"response": ""} | end),
            read=plain(),
        ),
        "lines of OpenAI's pieces": Shape(
            whole=written(body({"content": ANSWER})),
            stream=_lines(*said(*spoken(*WORDS))),
            stream_type="application/jsonl",
            read=plain(),
        ),
        "Gemini's own": Shape(
            whole=written(
                {
                    "candidates": [
                        {"content": {"parts": parts}, "finishReason": "STOP"}
                    ],
                    "usageMetadata": tokens,
                }
            ),
            stream=json.dumps(gemini, indent=1).encode(),
            stream_type="application/json",
            read=plain(reasoning=THOUGHT, finish_reason="stop"),
            reasoning=THOUGHT,
        ),
        "a text of JSON, in UTF-16": Shape(
            whole=json.dumps(json.dumps(body({"content": ANSWER}))).encode("utf-16"),
            stream=_lines(chunk({"content": ANSWER}, finish="stop", usage=USAGE)),
            read=plain(),
        ),
        "Anthropic's own": Shape(
            whole=written(message),
            stream=written(message),
            stream_type="application/json",
            read=read,
            reasoning=THOUGHT,
        ),
        "a call by the former name": Shape(
            whole=written(
                body({"content": None, "function_call": former}, finish="function_call")
            ),
            stream=sse(
                *said(
                    {"function_call": {"name": "weather", "arguments": ""}},
                    {"function_call": {"arguments": '{"city": '}},
                    {"function_call": {"arguments": '"Uji"}'}},
                    finish="function_call",
                )
            ),
            read=plain(
                text="",
                tool_calls=({"type": "function", "function": former},),
                finish_reason="function_call",
            ),
            text="",
        ),
    }


def _lines(*events: Json) -> bytes:
    return b"".join(written(event) + b"\n" for event in events)


SHAPES: dict[str, Shape] = (
    _openai()
    | _azure()
    | _compatible_endpoints()
    | _openrouter()
    | _vllm_and_llama_cpp()
    | _local_servers()
    | _deepseek()
    | _proxies()
    | _own_words()
    | _native()
    | _bare_errors()
)
"""By server, and what is odd about the answer."""
