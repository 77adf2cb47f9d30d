"""OpenAI's chat completions, whole or streamed, read into an `Answer`.

Both lanes read through here, so that the same exchange gives the same answer. A paid
reply is never dropped for an odd detail: a field that is missing or of the wrong type
counts as not sent. Only without a choice there is no reply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.contract import Answer
from pytest_ladder.calls.lanes import faults
from pytest_ladder.calls.lanes.bodies import in_utf8
from pytest_ladder.calls.lanes.events import Event, EventReader, is_done
from pytest_ladder.calls.lanes.native import as_completion
from pytest_ladder.calls.lanes.payloads import (
    FILTERED,
    Payload,
    as_dict,
    calls_of,
    choice_of,
    content_of,
    error_of,
    index_of,
    is_filter,
    later_usage,
    message_of,
    reasoning_of,
    refusal_of,
    server_s_of,
    tidy,
    usage_of,
    with_logprobs,
    word,
)
from pytest_ladder.calls.lanes.storable import plain, whole_characters
from pytest_ladder.core.reply import Usage
from pytest_ladder.errors import CallError

_LONGEST_QUOTE = 120
_BOM = b"\xef\xbb\xbf"
_COMMENTS = re.compile(rb"\A(?:\s*:[^\r\n]*[\r\n]+)+")
"""Signs of life of a server that has no event yet, and may answer in one piece."""
_NOTHING = re.compile(r"[\s\0\x1e\ufeff]*")
"""What may stand between objects: RFC 7464 begins each with \\x1e."""


def from_body(name: str, body: bytes, content_type: str = "") -> Answer:
    """Read a completion that came in one piece; raises `CallError`.

    A stream that is called something else, as some proxies do, is read as one.
    """
    body = _COMMENTS.sub(b"", body, count=1)
    if _begins_as_stream(body):
        return from_events(name, [(clock.monotonic(), body)], content_type)
    return _from_json(name, body, content_type)


def _from_json(name: str, body: bytes, content_type: str = "") -> Answer:
    """Read a completion in one piece, or one whose pieces follow each other as JSON."""
    objects = _objects_in(name, body, content_type)
    if len(objects) == 1:
        return whole(name, objects[0])
    stream = Stream(name)
    for piece in objects:
        stream.add(piece, clock.monotonic())
    # All pieces had come when they were read: nobody knows when the first did.
    return msgspec.structs.replace(stream.answer(), first_token_at=None)


def _objects_in(name: str, data: bytes, content_type: str = "") -> list[Payload]:
    """Decode one object, or several: lines of JSON, as Ollama's, or a list of pieces.

    What follows them and is no JSON is left out: padding, or the page of a gateway that
    gave up on a connection whose answer was whole. Raises `CallError`.
    """
    try:
        return [decode(name, data, content_type)]
    except CallError:
        objects = _leading_objects(data)
        has_choice = any(choice_of(as_completion(one)) for one in objects)
        if not (has_choice or len(objects) == 1):
            raise
        return objects


def _leading_objects(data: bytes) -> list[Payload]:
    """Return the objects with which a text begins; empty: it begins otherwise."""
    text = data.decode(json.detect_encoding(data), errors="replace")
    decoder = json.JSONDecoder(strict=False)
    objects: list[Payload] = []
    at = _NOTHING.match(text).end()  # type: ignore[union-attr]
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            if isinstance(value, list) and not objects:
                return value if all(isinstance(one, dict) for one in value) else []
            if not isinstance(value, dict):
                break
            objects.append(value)
            at = _NOTHING.match(text, at).end()  # type: ignore[union-attr]
    except (ValueError, RecursionError):
        pass
    return objects


def _begins_as_stream(body: bytes) -> bool:
    start = body[:_LONGEST_QUOTE].removeprefix(_BOM).lstrip().lower()
    return start.startswith((b"data:", b"event:", b"id:", b"retry:", b":"))


def decode(name: str, body: bytes, content_type: str = "") -> Payload:
    """Decode a body or an event; raises a transient `CallError` for anything else."""
    try:
        try:
            payload = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            payload = _decode_odd(name, body, content_type)
        if isinstance(payload, str) and payload.lstrip().startswith("{"):
            # A gateway has packed it up as a text.
            payload = _decode_odd(name, payload.encode(), content_type)
    except RecursionError:
        problem = "it is not usable JSON (it is nested too deeply)"
        raise faults.unusable(name, problem) from None
    if not isinstance(payload, dict):
        raise faults.unusable(name, "it is JSON, but not an object")
    return payload


def _decode_odd(name: str, body: bytes, content_type: str) -> Any:
    """Decode JSON with what msgspec refuses: NaN, UTF-16, half a character."""
    body = in_utf8(body, content_type)
    text = body.decode(json.detect_encoding(body), errors="replace")
    try:
        # Lenient about line breaks within a text, too.
        return json.loads(text, strict=False)
    except ValueError:
        raise faults.not_json(name, text, content_type) from None


def filtered(status: int, body: bytes) -> Answer | None:
    """Return the reply of a content filter that answers with an error; None: no filter.

    Azure's does so for prompts, and OpenRouter's with a 403. It is what the model makes
    of that prompt, so it counts as a reply, as it does where the filter stops the model
    in the middle.
    """
    if not 400 <= status < 500:
        return None
    try:
        payload = decode("", body)
    except CallError:
        return None
    if not is_filter(error_of(payload, None)):
        return None
    return Answer(text="", finish_reason=FILTERED, usage=usage_of(payload))


def whole(name: str, payload: Payload) -> Answer:
    """Read a completion that came in one piece.

    Raises `CallError` for an error in its place, and where there is no choice.
    """
    payload = as_completion(payload)
    usage = usage_of(payload)
    choice = choice_of(payload)
    problem = error_of(payload, choice)
    if is_filter(problem):
        choice = {"finish_reason": FILTERED} | (choice or {})
    elif problem is not None:
        raise faults.reported(name, problem, usage)
    if choice is None:
        begin = repr(plain(payload))[:_LONGEST_QUOTE]
        raise faults.unusable(name, f"it holds no choice: {begin}", usage)
    # A stream may consist of one piece.
    message = message_of(choice, "message") or message_of(choice, "delta")
    return Answer(
        # Servers of plain completions call it so.
        text=whole_characters(content_of(message)) or word(choice.get("text")),
        reasoning=whole_characters(reasoning_of(message)),
        refusal=whole_characters(refusal_of(message) or "") or None,
        model=word(payload.get("model")),
        finish_reason=word(choice.get("finish_reason")) or None,
        tool_calls=tuple(tidy(call) for call in calls_of(message)),
        usage=usage,
        native=with_logprobs(as_dict(choice.get("logprobs"))),
        server_s=server_s_of(payload),
    )


def from_events(
    name: str, pieces: Iterable[tuple[float, bytes]], content_type: str = ""
) -> Answer:
    """Read a streamed completion from all its bytes; raises `CallError`.

    They come in pieces, each with its arrival in seconds of `clock.monotonic`.
    """
    reader = StreamReader(name, content_type)
    for at, piece in pieces:
        reader.feed(piece, at)
        if reader.done:
            break
    return reader.answer()


class StreamReader:
    """Reads a streamed completion from bytes, as they arrive."""

    def __init__(self, name: str, content_type: str = "") -> None:
        self.done = False
        """Whether the stream has said that it is over."""
        self._name = name
        self._content_type = content_type
        self._odd: CallError | None = None
        """What is wrong with the first event that was no object; None: all were."""
        self._stream = Stream(name)
        self._events = EventReader()
        self._eventless: list[bytes] | None = []
        """All bytes so far; None: there was an event in them."""
        self._at = 0.0
        """When the last bytes came."""

    def feed(self, piece: bytes, at: float) -> None:
        """Take the next bytes; raises `CallError` where they report an error."""
        self._at = at
        if self._eventless is not None:
            self._eventless.append(piece)
        self._take(self._events.feed(piece))

    def answer(self) -> Answer:
        """Return the answer after the last bytes; raises `CallError`.

        Some servers answer in one piece, and still call it a stream.
        """
        if not self.done:
            self._take(self._events.end())
        body = _COMMENTS.sub(b"", b"".join(self._eventless or ()), count=1)
        if body and not _begins_as_stream(body):
            return _from_json(self._name, body, self._content_type)
        try:
            return self._stream.answer()
        except CallError as error:
            # That may have been the words with which somebody broke it off.
            if self._odd is None or error.usage is not None:
                raise
        raise self._odd

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            self._eventless = None
            if is_done(event.data):
                self._stream.end()
                self.done = True
                return
            for payload in self._objects_in(event):
                if event.kind == "error" and "error" not in payload:
                    payload = {"error": payload}
                self._stream.add(payload, self._at)

    def _objects_in(self, event: Event) -> list[Payload]:
        """Decode an event; what never was an object is a sign that the server lives."""
        try:
            return _objects_in(self._name, event.data, self._content_type)
        except CallError as error:
            if event.kind == "error" or event.data.startswith(b"{"):
                raise
            self._odd = self._odd or error
            return []


class Stream:
    """A completion that arrives event by event."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._refusals: list[str] = []
        self._calls: dict[int, Payload] = {}
        self._logprobs: Payload = {}
        self._model = ""
        self._index: int | None = None
        """Which of several choices is read: the first that comes."""
        self._finished = False
        self._begun = False
        self._finish_reason = ""
        self._usage: Usage | None = None
        self._server_s: float | None = None
        self._first_token_at: float | None = None

    def add(self, event: Payload, at: float) -> None:
        """Add one event that arrived at `at`, in seconds of `clock.monotonic`.

        Raises `CallError` where the event reports an error.
        """
        event = as_completion(event)
        self._usage = later_usage(self._usage, usage_of(event))
        choice = choice_of(event)
        problem = error_of(event, choice)
        if is_filter(problem):
            choice = {"finish_reason": FILTERED}
        elif problem is not None:
            raise faults.reported(self._name, problem, self._usage)
        self._model = self._model or word(event.get("model"))
        self._server_s = server_s_of(event) or self._server_s
        if choice is None:
            return
        if self._index is None:
            self._index = index_of(choice)
        if index_of(choice) == self._index:
            self._add_piece(choice, at)

    def end(self) -> None:
        """Note the event `[DONE]`; after a usage it is an end, alone it proves nothing.

        Some servers write it also where they were cut off, but then without a usage.
        """
        self._finished |= self._begun and self._usage is not None

    def _add_piece(self, choice: Payload, at: float) -> None:
        self._begun = True
        reason = choice.get("finish_reason")
        self._finished |= bool(reason)
        self._finish_reason = word(reason) or self._finish_reason
        # Some servers repeat the whole at the end; others send it as the only piece.
        delta = message_of(choice, "delta")
        if not delta and not self._texts:
            delta = message_of(choice, "message")
        text = content_of(delta) or word(choice.get("text"))
        calls = calls_of(delta)
        thought, refusal = reasoning_of(delta), refusal_of(delta) or ""
        if self._first_token_at is None and (text or calls or thought or refusal):
            self._first_token_at = at
        for parts, part in (
            (self._texts, text),
            (self._thoughts, thought),
            (self._refusals, refusal),
        ):
            if part:
                parts.append(part)
        for call in calls:
            self._extend(call)
        for name, tokens in as_dict(choice.get("logprobs")).items():
            if isinstance(tokens, list):
                self._logprobs.setdefault(name, []).extend(tokens)

    def _extend(self, part: Payload) -> None:
        """Add a part to its tool call: arguments come in pieces, all else at once."""
        index = part.get("index")
        if type(index) is not int:
            # Without a number, what has no id belongs to the call before it.
            goes_on = bool(self._calls) and not part.get("id")
            index = max(self._calls, default=-1) + (not goes_on)
        fields = tidy(part)
        call = self._calls.setdefault(index, {"function": {}})
        new, so_far = as_dict(fields.pop("function", None)), call["function"]
        arguments = word(so_far.get("arguments")) + word(new.pop("arguments", None))
        call["function"] = new | so_far | {"arguments": arguments}
        self._calls[index] = fields | call

    def answer(self, *, complete: bool = True) -> Answer:
        """Return the whole; raises `CallError` when the stream was cut off.

        It is complete when it held a finish reason, of whatever type, or ended with a
        usage and `[DONE]`. `complete=False`: the caller saw it end too early.
        """
        if not self._finished or not complete:
            problem = "the stream ended in the middle"
            raise faults.unusable(self._name, problem, self._usage)
        return Answer(
            text=whole_characters("".join(self._texts)),
            reasoning=whole_characters("".join(self._thoughts)),
            refusal=whole_characters("".join(self._refusals)) or None,
            model=self._model,
            finish_reason=self._finish_reason or None,
            tool_calls=tuple(call for _, call in sorted(self._calls.items())),
            usage=self._usage,
            native=with_logprobs(self._logprobs),
            first_token_at=self._first_token_at,
            server_s=self._server_s,
        )
