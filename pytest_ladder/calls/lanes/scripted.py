"""A scripted model for users' own tests: it gives set answers and notes its calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.core.case import Message
from pytest_ladder.core.reply import Usage
from pytest_ladder.errors import CallError

Scripted = str | Mapping[str, Any]
"""A reply: its text, or the fields of an `Answer`, such as `finish_reason`."""


class ScriptedModel:
    """A model that answers with what it was given, one after another.

        ScriptedModel(["45 days", {"text": "", "finish_reason": "content_filter"}])
        ScriptedModel([TimeoutError("too slow"), "45 days"])
        ScriptedModel(lambda messages: messages[-1]["content"].upper())

    An exception in the queue makes that call fail. Tokens are counted in words, so
    that costs can be tested. The engine's thread asks it, while tests read `calls`: a
    lock guards the queue and the list of calls. A function is called outside the lock.
    """

    def __init__(
        self,
        replies: Iterable[Scripted | Exception] | Callable[[list[Message]], Scripted],
    ) -> None:
        self.calls: list[Request] = []
        """All requests so far, in order."""
        self._function = replies if callable(replies) else None
        self._queue: Iterator[Scripted | Exception] = (
            iter(()) if callable(replies) else iter(replies)
        )
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        """Answer a request; called by the lane. Raises `CallError`."""
        with self._lock:
            self.calls.append(request)
            number = len(self.calls)
            reply = None if self._function else next(self._queue, None)
        if self._function is not None:
            try:
                reply = self._function(request.messages)
            except Exception as error:  # noqa: BLE001 - the function is the user's
                reply = error
        if reply is None:
            raise CallError(
                f"The scripted model {request.model.id!r} has no reply left for call "
                f"{number}; script one more, or script a function."
            )
        if isinstance(reply, Exception):
            raise _as_call_error(reply, request)
        return _completed(reply, request)


class ScriptedLane:
    """Looks scripted models up by name: `scripted/<name>`.

    `scripted/echo`, unless it is registered, answers with the last user message.
    """

    def __init__(self, models: Mapping[str, ScriptedModel]) -> None:
        self._models = models

    async def open(self) -> None:
        """Do nothing: there is nothing to load."""

    async def send(self, request: Request, address: str | None) -> Answer:
        """Let the scripted model answer; raises `CallError`."""
        name = request.model.id.removeprefix("scripted/")
        if name in self._models:
            return self._models[name].answer(request)
        if name == "echo":
            told = [_text_of(m) for m in request.messages if m.get("role") == "user"]
            return _completed(told[-1] if told else "", request)
        known = ", ".join(sorted({*self._models, "echo"}))
        raise CallError(
            f"No scripted model is registered as {name!r} (there are: {known}); "
            f"register a ScriptedModel under that name, or correct the id "
            f"{request.model.id!r} of model {request.model.name!r}."
        )

    async def close(self) -> None:
        """Do nothing: there are no connections."""


def _as_call_error(error: Exception, request: Request) -> CallError:
    """Let a scripted exception fail the call as the real one would."""
    if isinstance(error, CallError):
        return error
    fault = CallError(
        f"The scripted model {request.model.id!r} raised {type(error).__name__}: "
        f"{error}",
        transient=isinstance(error, TimeoutError | ConnectionError),
    )
    fault.__cause__ = error
    return fault


def _completed(reply: Scripted, request: Request) -> Answer:
    """Fill in what the script leaves out."""
    scripted = {"text": reply} if isinstance(reply, str) else dict(reply)
    prompt = sum(len(_text_of(message).split()) for message in request.messages)
    output = len(str(scripted.get("text", "")).split())
    defaults = {
        "text": "",
        "model": request.model.id,
        "finish_reason": "stop",
        "usage": Usage(input=prompt, output=output),
        "first_token_at": clock.monotonic() if request.model.stream else None,
    }
    unknown = sorted(scripted.keys() - set(Answer.__struct_fields__))
    if unknown:
        raise CallError(
            f"The scripted model {request.model.id!r} has a reply with the unknown "
            f"field {unknown[0]!r}; known are {', '.join(Answer.__struct_fields__)}."
        )
    return msgspec.convert(defaults | scripted, Answer)


def _text_of(message: Message) -> str:
    """Return a message's text, also when its content is a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    parts = (part.get("text", "") for part in content if isinstance(part, dict))
    return " ".join(map(str, parts))
