"""A reply: what came back from a model, with what it cost and how long it took."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.thoughts import split_thoughts
from pytest_ladder.errors import ReplyNotJson
from pytest_ladder.text.json_in_text import value_in

_LONGEST_QUOTE = 2_000

# OpenAI's words; then Anthropic's, Mistral's and Gemini's, which gateways let through.
_FLAGS = {
    "length": "truncated",
    "content_filter": "filtered",
    "refusal": "refused",
    "max_tokens": "truncated",
    "model_length": "truncated",
    "max_length": "truncated",
    "model_context_window_exceeded": "truncated",
    "error_limit": "truncated",
    "content_filtered": "filtered",
    "guardrail_intervened": "filtered",
    "sensitive": "filtered",
    "error_toxic": "filtered",
    "image_safety": "filtered",
    "safety": "filtered",
    "prohibited_content": "filtered",
    "blocklist": "filtered",
    "recitation": "filtered",
    "spii": "filtered",
}

NO_ANSWER = "no answer"
"""What is odd about a reply in which a strategy found no answer."""
BYTES_PER_TOKEN = 4
"""For estimates only, which need no more than to rank strategies of one model."""


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Tokens of one or several calls, as the provider billed them."""

    input: int = 0
    """Prompt tokens, cached ones included."""
    cached_input: int = 0
    """The part of `input` that the provider read from its prompt cache."""
    cache_write: int = 0
    """The part of `input` that the provider wrote to its prompt cache."""
    output: int = 0
    """Completion tokens, reasoning included."""
    reasoning: int = 0
    """The part of `output` that was spent on reasoning."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input=self.input + other.input,
            cached_input=self.cached_input + other.cached_input,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
        )


class Retrieved(msgspec.Struct, frozen=True, kw_only=True):
    """One retrieved passage."""

    source: str
    """The document, by the name that corpus or retriever gives it."""
    rank: int
    """1 is the best."""
    text: str
    """What the model was shown of it."""
    id: str = ""
    """The `id` that a retriever of your own gives it; empty: none."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Moments of one live call, in seconds since it was asked for."""

    sent_s: float
    """When the last attempt was sent; until then the call waited or was tried again."""
    first_token_s: float | None = None
    """When the first token arrived; None unless the call was streamed."""
    done_s: float
    """When the last token arrived."""
    attempts: int = 1
    """Attempts until it worked, from 1."""
    in_flight: int = 1
    """Calls of this process under way when this one was sent, itself included."""
    server_s: float | None = None
    """Seconds of computing that the server reported; None when it says nothing."""

    @property
    def took_s(self) -> float:
        """Seconds from sending the last attempt to the last token."""
        return self.done_s - self.sent_s


def told_of(flag: str | None) -> str:
    """Return the last word of a `Reply.flag`: a provider's, where it said one.

    What a strategy found odd stands before it. Empty: there is no flag.
    """
    return (flag or "").rpartition(", ")[2]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a model, or a task built on it, answered."""

    text: str
    """The answer, as text, without thoughts; of a refusal its words."""
    reasoning: str = ""
    """What a reasoning model thought before it answered, as far as it was sent."""
    refusal: str | None = None
    """The words with which the model refused, where it says so; None: it did not."""
    messages: list[Message] = []
    """The conversation including this reply: append to it to go on."""
    usage: Usage | None = None
    """Tokens as they were billed; None when the provider reported none."""
    cost_usd: float | None = None
    """What the calls cost when they were made; None when a price is unknown."""
    price_source: str | None = None
    """Where the prices came from: `ladder.toml`, or litellm's table."""
    timing: Timing | None = None
    """When what happened, in seconds since it was asked for; None: unknown."""
    retrieved: tuple[Retrieved, ...] = ()
    """The passages that the model was shown, the best first."""
    finish_reason: str | None = None
    """Why the model stopped, in OpenAI's words, such as `stop` or `length`."""
    tool_calls: tuple[dict[str, Any], ...] = ()
    """Calls of tools that the model asks for, in OpenAI's form."""
    model: str = ""
    """The model as the provider names it in its answer."""
    native: dict[str, Any] | None = None
    """What the model's API sent that no other field holds, as it came: the `logprobs`
    that were asked for, or all of an answer to an app that speaks the provider's own
    API; None: nothing."""
    replayed: bool = False
    """True when the reply came from the store or a recording, not from a call."""
    agreement: float | None = None
    """Share of the votes that are for it, in [0, 1]; None: none was taken."""
    key: str = ""
    """Its key in the store, or one for all calls behind it; empty: it is not stored."""
    calls: tuple[str, ...] = ()
    """Keys of the calls behind a reply that several make; empty: it is a call."""
    images: int = 0
    """How many images were sent for it."""
    odd: str | None = None
    """What is odd about how a strategy came to it: `no answer` was found in what was
    said, votes were `tied`, a loop is `unfinished`; None: nothing."""

    def __repr__(self) -> str:
        # Short, because pytest prints it in front of every failed assertion.
        return f"Reply({self.text!r}{f', {self.odd}' if self.odd else ''})"

    @property
    def latency_s(self) -> float | None:
        """Seconds from sending the last attempt to the last token."""
        return None if self.timing is None else self.timing.took_s

    @property
    def ttft_s(self) -> float | None:
        """Seconds from sending to the first token; None unless streamed."""
        if self.timing is None or self.timing.first_token_s is None:
            return None
        return self.timing.first_token_s - self.timing.sent_s

    @property
    def flag(self) -> str | None:
        """What is odd: `truncated`, `filtered`, `refused`, `empty`, `odd`, or None.

        Both where one does not follow from the other, as in `tied, truncated`.
        """
        reason = (self.finish_reason or "").lower().replace("-", "_")
        told = _FLAGS.get(reason)
        if told is None and self.refusal is not None:
            told = "refused"
        if told is not None:
            return told if self.odd in (None, NO_ANSWER) else f"{self.odd}, {told}"
        if self.odd is not None:
            return self.odd
        return None if self.text.strip() or self.tool_calls else "empty"

    @property
    def whole_text(self) -> str:
        """The text as it was really said, with thoughts that stood in it.

        What an earlier version showed as `text`: keys and hashes were made of it.
        """
        said = self.messages[-1] if self.messages else {}
        content = said.get("content") if said.get("role") == "assistant" else None
        if content == self.text or not isinstance(content, str):
            return self.text
        # Else a test or a task made the reply, or put another text in it.
        return content if split_thoughts(content).answer == self.text else self.text

    def json(self, schema: Any = None) -> Any:
        """Parse the text as JSON: all of it, or what its fenced code blocks hold.

        `schema` is a type (dataclass, TypedDict, `msgspec.Struct`, pydantic model,
        `list[int]`, …), which is then returned, or a JSON schema as a dict.
        Raises `ReplyNotJson`, which counts as a miss, when the text does not fit.
        """
        # A task may have made the reply, with thoughts in its text.
        text = split_thoughts(self.text).answer
        try:
            value = value_in(text)
        except ValueError as error:
            quoted = (
                text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
            )
            raise ReplyNotJson(
                f"The reply is not JSON ({error}): {quoted!r}"
            ) from error
        return value if schema is None else _fit(value, schema)


def _fit(value: Any, schema: Any) -> Any:
    """Check `value` against a JSON schema, or convert it to a type."""
    if isinstance(schema, dict):
        import jsonschema

        try:
            jsonschema.validate(value, schema)
        except jsonschema.ValidationError as error:
            problem = f"The reply does not fit the schema: {error.message}"
            raise ReplyNotJson(problem) from error
        return value
    try:
        if hasattr(schema, "model_validate"):
            return schema.model_validate(value)
        return msgspec.convert(value, schema)
    except ValueError as error:
        name = getattr(schema, "__name__", str(schema))
        raise ReplyNotJson(f"The reply does not fit {name}: {error}") from error


def called(tool_calls: Iterable[Any]) -> list[str]:
    """Write calls of tools as people read them: `name(arguments)`, each on its line."""
    lines = []
    for call in tool_calls:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            arguments = function.get("arguments") or ""
            lines.append(f"{function.get('name')}({arguments})")
        else:
            lines.append(json.dumps(call, ensure_ascii=False, default=str))
    return lines
