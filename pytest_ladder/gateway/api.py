"""What an API that the gateway speaks has to say: requests read, replies written.

An API is an object in a table of `server.py`; it knows nothing of tests, keys or
limits. What it does not know is refused with a sentence, for a reply to half of a
question would be scored as one to all of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import AppError
from pytest_ladder.gateway.app_request import AppRequest

Body = dict[str, Any]
Memory = dict[str, Any]
"""What an API keeps of the answers to one test, by their ids."""
# A few words a piece, as models stream them, with the spaces that follow.
_PIECE = re.compile(r"(?:\S+\s*|\s+){1,3}")
# As litellm translates it.
_EFFORTS = ((10_000, "high"), (5_000, "medium"), (0, "low"))
_ARGUMENTS = 24
"""Characters of a piece of a tool's arguments."""


class Api(Protocol):
    """One API of a provider, at one route."""

    def asked(self, body: Body, memory: Memory) -> AppRequest:
        """Read a request; raises `AppError`."""

    def whole(self, asked: AppRequest, reply: Reply) -> Body:
        """Write a reply in one piece."""

    def events(self, asked: AppRequest, reply: Reply) -> Iterator[bytes]:
        """Write a reply as server-sent events, as its model would have."""

    def problem(self, status: int, message: str) -> Body:
        """Write an error."""

    def problem_event(self, status: int, message: str) -> bytes:
        """Write an error in a stream that has begun."""


def pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces of a few words, which join to the same text."""
    for found in _PIECE.finditer(text):
        yield found[0]


def fragments(arguments: str) -> Iterator[str]:
    """Yield the arguments of a tool in fragments, none of them JSON by itself."""
    for begin in range(0, len(arguments), _ARGUMENTS):
        yield arguments[begin : begin + _ARGUMENTS]


def data(event: Any) -> bytes:
    """Write an event without a name."""
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


def named_event(event: Mapping[str, Any]) -> bytes:
    """Write an event that is named by its `type`."""
    return f"event: {event['type']}\n".encode() + data(event)


def refuse(what: str) -> AppError:
    """Return the error for what the gateway cannot do."""
    return AppError(f"The gateway cannot do {what} yet.", status=501)


def malformed(problem: str) -> AppError:
    """Return the error for a request that is none."""
    return AppError(f"The app sent a request that is none: {problem}.", status=400)


def text_of(body: Body, name: str) -> str:
    """Return a text of a request; raises `AppError` for anything else."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise malformed(f"`{name}` has to be a text")
    return value


def messages_of(body: Body, name: str = "messages") -> list[Message]:
    """Return the messages of a request; raises `AppError` for anything else."""
    messages = body.get(name)
    if not isinstance(messages, list) or not messages:
        raise malformed(f"`{name}` has to be a list of messages")
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise malformed(f"each of `{name}` has to be an object with a `role`")
    return messages


def without(body: Body, names: Collection[str]) -> Body:
    """Return what is left of a request: parameters."""
    return {name: value for name, value in body.items() if name not in names}


def effort_of(budget: Any) -> str | None:
    """Return the effort of thinking that a budget in tokens stands for; None: none."""
    if not isinstance(budget, int) or budget <= 0:
        return None
    return next(effort for least, effort in _EFFORTS if budget >= least)


def said_by(reply: Reply) -> tuple[str, str]:
    """Return what a reply said, and thoughts that came apart, as its model sent them.

    Thoughts that stand in the text stay there: the app would meet them, too.
    """
    text = reply.whole_text
    if reply.refusal is not None and text == reply.refusal:
        text = ""
    return text, "" if text != reply.text else reply.reasoning


def content_of(parts: list[Body]) -> Any:
    """Return parts of a message as one text, if all of them are text."""
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def given_to(call: Mapping[str, Any]) -> Any:
    """Return what a tool is called with.

    Where the model wrote no JSON, the app is to see what it did write.
    """
    written = arguments_of(call)
    try:
        return msgspec.json.decode(written)
    except msgspec.DecodeError:
        return {"arguments": written}


def arguments_of(call: Mapping[str, Any]) -> str:
    """Return the arguments of a call of a tool, as text."""
    function = call.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    return arguments if isinstance(arguments, str) else "{}"
