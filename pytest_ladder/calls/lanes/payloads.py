"""Fields of OpenAI's payloads, each read as what it should be, or as not said.

A paid reply is never dropped for an odd detail: a field that is missing or of the wrong
type counts as not sent. Servers have names of their own for some.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pytest_ladder.calls.lanes.storable import plain, whole_characters
from pytest_ladder.core.reply import Usage

Payload = dict[str, Any]

# No call has more tokens or takes longer: a higher number is a provider's mistake.
_MOST_TOKENS = 10**9
_LONGEST_MS = 10**9
# Some gateways write numbers as texts.
_DIGITS = re.compile(r"([0-9]{1,10})(?:\.0*)?")
_SNAKE = {
    "promptTokens": "prompt_tokens",
    "completionTokens": "completion_tokens",
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "totalTokens": "total_tokens",
}
"""Names of a usage as gateways in JavaScript and Java write them."""
_PROMPT = ("prompt_tokens", "input_tokens")
_COMPLETION = ("completion_tokens", "output_tokens")
FILTERED = "content_filter"
"""The finish reason of a reply that a content filter ended."""
# Codes of content filters: Azure's, OpenAI's, Alibaba's, gateways'.
_FILTERS = frozenset(
    {FILTERED, "content_policy_violation", "responsibleaipolicyviolation"}
    | {"data_inspection_failed", "datainspectionfailed"}
    | {"content_moderation", "moderation_blocked", "moderation_error"}
)
# DeepSeek's has no code of its own.
_FILTER_WORDS = "content exists risk"
_SUCCESS = (0, "0", 200, "200")
# Finish reasons where the server broke off: OpenRouter's, vLLM's, DeepSeek's, Zhipu's,
# and LM Studio's.
_BROKEN_OFF = frozenset(
    {"error", "abort", "insufficient_system_resource", "network_error", "failed"}
)
_OF_PARTS = frozenset({"text", "type"})
# Parts of a content that are no answer: Mistral's, Anthropic's, OpenAI's.
_THOUGHTS = frozenset(
    {"thinking", "redacted_thinking", "reasoning", "reasoning_text"}
    | {"reasoning_content", "think", "thought", "thoughts"}
)


def usage_of(payload: Payload) -> Usage | None:
    """Read OpenAI's usage, by the names of either API of it, and by those of others.

    None when there is none, when a number of it makes no sense (half a bill is of no
    use), or when all of it is zero (no call has an empty prompt).
    """
    # Moonshot's streams put it into the choice, and Groq's into a corner.
    sent = (
        as_dict(payload.get("usage"))
        or as_dict((choice_of(payload) or {}).get("usage"))
        or as_dict(as_dict(payload.get("x_groq")).get("usage"))
    )
    sent = {_SNAKE.get(name, name): number for name, number in sent.items()}
    for name in (*_PROMPT, *_COMPLETION):
        if sent.get(name) is not None and _number(sent[name], _MOST_TOKENS) is None:
            return None
    prompt, completion = (
        as_dict(sent.get(f"{ours}_details") or sent.get(f"{theirs}_details"))
        for ours, theirs in (_PROMPT, _COMPLETION)
    )
    read, output = _count(sent, *_PROMPT), _count(sent, *_COMPLETION)
    reasoning = _count(completion, "reasoning_tokens")
    # xAI counts reasoning apart from the completion, and in the total alone.
    if reasoning and _count(sent, "total_tokens") == read + output + reasoning:
        output += reasoning
    cached = _count(sent, "cache_read_input_tokens", "prompt_cache_hit_tokens")
    written = _count(sent, "cache_creation_input_tokens")
    if not _count(sent, "prompt_tokens"):
        # Where Anthropic speaks for itself, these are no part of its `input_tokens`.
        read += cached + written
    usage = Usage(
        input=read,
        cached_input=_count(prompt, "cached_tokens") or cached,
        cache_write=_count(prompt, "cache_creation_tokens", "cache_write_tokens")
        or written,
        output=output,
        reasoning=reasoning,
    )
    return usage if usage.input or usage.output else None


def later_usage(so_far: Usage | None, usage: Usage | None) -> Usage | None:
    """Return the usage of a stream after a piece that told `usage`; None: it did not.

    Most tell the whole again; Anthropic's last piece tells the output alone.
    """
    if so_far is None or usage is None or usage.input:
        return usage or so_far
    names = ("input", "cached_input", "cache_write")
    return msgspec.structs.replace(usage, **{n: getattr(so_far, n) for n in names})


def error_of(payload: Payload, choice: Payload | None) -> Any:
    """Return the error that an answer reports in place of a reply; None: none.

    OpenRouter puts it into the choice, DeepSeek and vLLM tell of it by the finish
    reason alone, and most put it beside the choices, or in their place.
    """
    if choice is None and (bare := _bare_error(payload)) is not None:
        return bare
    # MiniMax's, beside a choice without text.
    told = as_dict(payload.get("base_resp"))
    if _number(told.get("status_code"), _MOST_TOKENS):
        return {"code": told["status_code"], "message": told.get("status_msg")}
    choice = choice or {}
    for holder in (payload, choice):
        # Some send an empty one with every proper answer, or one that tells of success.
        error = holder.get("error")
        if _says_something(error) and as_dict(error).get("code", 1) not in _SUCCESS:
            return error
    reason = choice.get("finish_reason")
    if isinstance(reason, str) and reason.lower() in _BROKEN_OFF:
        return {"message": f"it ended with finish_reason {reason!r}"}
    return None


def _bare_error(payload: Payload) -> Any:
    """Return an error without the name `error`, in an answer without a choice.

    vLLM and FastChat say that it is one, Cloudflare has a list of them, FastAPI calls
    it `detail`, and DashScope has a code beside its message.
    """
    if _says_something(payload.get("error")):
        return None
    errors = payload.get("errors")
    if isinstance(errors, list) and errors:
        return errors[0]
    is_one = payload.get("object") == "error" or bool(payload.get("detail"))
    has_code = isinstance(payload.get("message"), str) and bool(payload.get("code"))
    return payload if is_one or has_code else None


def is_filter(error: Any) -> bool:
    """Tell a content filter from all other errors, by its code.

    OpenRouter's has none, and quotes what was flagged.
    """
    if not isinstance(error, dict):
        return False
    codes = [error.get("code"), error.get("type")]
    codes.append(as_dict(error.get("innererror")).get("code"))
    told = {word(code).lower().replace("-", "_") for code in codes}
    flagged = "flagged_input" in as_dict(error.get("metadata"))
    by_words = word(error.get("message")).strip(" .").lower() == _FILTER_WORDS
    return flagged or by_words or not told.isdisjoint(_FILTERS)


def _says_something(error: Any) -> bool:
    if isinstance(error, dict):
        return any(value not in (None, "", 0, False) for value in error.values())
    return bool(error)


def reasoning_of(message: Payload) -> str:
    """Return thoughts that were sent apart, by the names that servers use.

    Some send them under two names at once.
    """
    names = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thoughts")
    told = (_joined(message[name]) for name in names if name in message)
    sent = next(filter(None, told), "")
    # OpenRouter sends them in pieces of several kinds, of which one is encrypted;
    # Mistral and Anthropic send them as parts of the content.
    details = as_dicts(message.get("reasoning_details"))
    details = details or list(filter(_is_thought, as_dicts(message.get("content"))))
    inside = ("thinking", "text", "summary", "content", "reasoning", "thought")
    return sent or "".join(
        next(filter(None, (_joined(part.get(name)) for name in inside)), "")
        for part in details
    )


def refusal_of(message: Payload) -> str | None:
    """Return the words of a refusal, if there is one, also as parts of the content."""
    parts = as_dicts(message.get("content"))
    refusals = [message.get("refusal"), *(part.get("refusal") for part in parts)]
    return "".join(map(_joined, refusals)) or None


def choice_of(payload: Payload) -> Payload | None:
    """Return the first choice, if there is one: that with the lowest index."""
    choices = payload.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], str):
        return {"text": choices[0]}
    return min(as_dicts(choices), key=index_of, default=None)


def message_of(choice: Payload, name: str) -> Payload:
    """Return what a choice holds as `message` or as `delta`.

    Some gateways write its text alone, or a list of messages, of which the last is the
    answer, as Azure did where it had read documents.
    """
    value = choice.get(name)
    if isinstance(value, str):
        return {"content": value}
    if value is None:
        value = next(reversed(as_dicts(choice.get(f"{name}s"))), None)
    return as_dict(value)


def index_of(choice: Payload) -> int:
    """Return the number of a choice, from 0, where several come; 0 if it has none."""
    index = choice.get("index")
    return index if type(index) is int else 0


def server_s_of(payload: Payload) -> float | None:
    """Return the seconds of computing in llama.cpp's `timings`; None: it sent none."""
    timings = as_dict(payload.get("timings"))
    parts = [timings.get("prompt_ms"), timings.get("predicted_ms")]
    spent = [_number(part, _LONGEST_MS) for part in parts]
    valid = [part for part in spent if part is not None]
    return sum(valid) / 1000 if valid else None


def with_logprobs(logprobs: Payload) -> Payload | None:
    """Return what is kept of logprobs; None: none came, for none were asked for."""
    said = {name: tokens for name, tokens in logprobs.items() if tokens}
    return {"logprobs": plain(said)} if said else None


def calls_of(message: Payload) -> list[Payload]:
    """Return tool calls, or pieces of them; also a call by OpenAI's former name.

    Anthropic's are parts of the content.
    """
    if calls := as_dicts(message.get("tool_calls")):
        return calls
    if former := as_dict(message.get("function_call")):
        return [{"type": "function", "function": former}]
    parts = as_dicts(message.get("content"))
    return [
        {
            "id": part.get("id"),
            "type": "function",
            "function": {"name": part.get("name"), "arguments": part.get("input")},
        }
        for part in parts
        if part.get("type") == "tool_use"
    ]


def tidy(call: Payload) -> Payload:
    """Drop what only says how a tool call was sent, keep all else as it came.

    Arguments are JSON as text; Ollama's own are an object.
    """
    fields: Payload = plain(call)
    function = fields.get("function")
    arguments = function.get("arguments", "") if isinstance(function, dict) else ""
    if not isinstance(arguments, str):
        # Of a call without arguments some send null.
        written = "" if arguments is None else msgspec.json.encode(arguments).decode()
        fields["function"] = {**fields["function"], "arguments": written}
    return {k: v for k, v in fields.items() if v is not None and k != "index"}


def _count(usage: Payload, *names: str) -> int:
    """Return the first of these numbers that is a positive one, else 0."""
    for name in names:
        if name in usage and (number := _number(usage[name], _MOST_TOKENS)):
            return int(number)
    return 0


def _number(value: Any, most: int) -> float | None:
    """Return `value` if it is a number from 0 to `most`, else None."""
    if value is None:
        return None
    if type(value) is int:  # as nearly all are
        return value if 0 <= value <= most else None
    if isinstance(value, str) and (digits := _DIGITS.fullmatch(value)):
        value = int(digits[1])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= most else None


def content_of(message: Payload) -> str:
    """Return what a message says, without the thoughts among its parts.

    Held to a schema, some servers send the value itself, and not its text.
    """
    content = message.get("content")
    if isinstance(content, list):
        content = [part for part in content if not _is_thought(part)]
    if _is_value(content):
        return msgspec.json.encode(plain(content)).decode()
    # A model that speaks has the words of its voice beside it.
    return _joined(content) or _joined(as_dict(message.get("audio")).get("transcript"))


def _is_value(content: Any) -> bool:
    """Tell the value of a JSON answer from a text, and from parts of one."""
    if isinstance(content, dict):
        return bool(content) and "text" not in content
    if isinstance(content, list):
        return bool(content) and not any(
            isinstance(part, str) or not _OF_PARTS.isdisjoint(as_dict(part))
            for part in content
        )
    return isinstance(content, int | float)


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and word(part.get("type")) in _THOUGHTS


def _joined(value: Any) -> str:
    """Return text as it is, that of a part or of a list of parts, and nothing else.

    Halves of characters stay: a stream may send the other half later.
    """
    if value is None or isinstance(value, str):  # as nearly all are
        return value or ""
    parts = value if isinstance(value, list) else [value]
    texts = (part.get("text") if isinstance(part, dict) else part for part in parts)
    # OpenAI's assistants have another object there.
    texts = (text.get("value") if isinstance(text, dict) else text for text in texts)
    return "".join(text for text in texts if isinstance(text, str))


def word(value: Any) -> str:
    """Return text as it is, and nothing else."""
    return whole_characters(value) if isinstance(value, str) else ""


def as_dict(value: Any) -> Payload:
    """Return an object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> list[Payload]:
    """Return the objects of a list, or the only one; none of anything else."""
    if value is None or isinstance(value, str):  # as most are that may be a list
        return []
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]
