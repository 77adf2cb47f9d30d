"""Stored replies: what is kept of a reply, written as JSON and read back.

The same JSON stands in the store and in recordings. Files of older versions must stay
readable: fields are only ever added, and each has a default.
"""

import contextlib
from typing import Any, TypeVar

import msgspec

from pytest_ladder.calls.contract import Request
from pytest_ladder.core.case import has_parts
from pytest_ladder.core.reply import Reply, Timing, Usage, called
from pytest_ladder.core.thoughts import joined, split_thoughts

UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What is raised over text that is no reply, or that cannot be written as one."""

_Kind = TypeVar("_Kind", bound=msgspec.Struct)
_NESTED: dict[str, type[msgspec.Struct]] = {"usage": Usage, "timing": Timing}


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One failed attempt of a call that was tried again."""

    problem: str
    status: int | None = None
    took_s: float = 0.0
    """Seconds from sending it to its failure."""
    cost_usd: float | None = 0.0
    """None: it may have been billed, and nobody said how much."""


class StoredReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a reply: all but what its request already says."""

    text: str
    """As it came: thoughts in it are taken out where it is read."""
    reasoning: str = ""
    refusal: str | None = None
    model: str = ""
    finish_reason: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    usage: Usage | None = None
    cost_usd: float | None = None
    price_source: str | None = None
    timing: Timing | None = None
    failed: tuple[Attempt, ...] = ()
    """Attempts before the one that succeeded."""
    native: dict[str, Any] | None = None
    response_format: str | None = None
    """What was asked for where the server did not take what stands in the key.

    `json_object`, or `text` for no format.
    """

    @property
    def said(self) -> str:
        """What was really said, with thoughts, or with the words of a refusal."""
        return self.text or self.refusal or ""

    @property
    def shown(self) -> str:
        """What people read of it: what was said, and the tools that were called."""
        return "\n".join([*filter(None, [self.said]), *called(self.tool_calls)])

    def reply_to(self, request: Request, key: str, *, replayed: bool) -> Reply:
        """Rebuild the reply to the request that it answers.

        The conversation holds what was really said, so that the keys of what follows in
        it do not depend on where thoughts are taken to end.
        """
        answer: dict[str, Any] = {"role": "assistant", "content": self.said}
        if self.tool_calls:
            answer["tool_calls"] = list(self.tool_calls)
        thoughts = split_thoughts(answer["content"])
        return Reply(
            text=thoughts.answer,
            reasoning=joined([self.reasoning, thoughts.reasoning]),
            refusal=self.refusal,
            messages=[*request.messages, answer],
            usage=self.usage,
            cost_usd=self.cost_usd,
            price_source=self.price_source,
            timing=self.timing,
            finish_reason=self.finish_reason,
            tool_calls=self.tool_calls,
            model=self.model,
            native=self.native,
            replayed=replayed,
            key=key,
            images=request.images,
        )


StoreRow = tuple[str, str, str, str]
"""A reply as the store writes it: key, identity, request and reply, both as JSON."""
_READER = msgspec.json.Decoder(StoredReply)


def store_row(
    key: str, identity: str, request: Request, reply: StoredReply
) -> tuple[StoreRow, StoredReply]:
    """Return what will be written, and the reply as it is read back from there.

    Tests get the one that was read back, so that a replay shows the same. Raises one of
    `UNREADABLE` where it cannot be written or read back.
    """
    messages = request.messages
    if has_parts(messages):
        from pytest_ladder.core.attachments import shortened

        messages = shortened(messages)
    sent = {
        "messages": messages,
        "params": request.params,
        "sample": request.sample,
    }
    if request.draw:
        sent["draw"] = request.draw
    if request.embeds:
        sent["embeds"] = True
    if request.native is not None:
        sent["native"] = request.native
    if request.asked_by:
        sent["asked_by"] = request.asked_by
    asked, answered = msgspec.json.encode(sent), msgspec.json.encode(reply)
    row = (key, identity, asked.decode(), answered.decode())
    return row, _READER.decode(answered)


def read_reply(written: str | bytes) -> StoredReply:
    """Read a reply; a field of a wrong type counts as absent.

    An older version wrote such fields as providers sent them. Raises one of
    `UNREADABLE` where there is no text.
    """
    try:
        return _READER.decode(written)
    except msgspec.ValidationError:
        return _mended(msgspec.json.decode(written), StoredReply)


def _mended(fields_read: Any, kind: type[_Kind]) -> _Kind:
    """Convert what can be converted of an object, field by field."""
    fields = {}
    for field in msgspec.structs.fields(kind):
        inner = _NESTED.get(field.name)
        with contextlib.suppress(msgspec.ValidationError, TypeError, KeyError):
            value = fields_read[field.name]
            if inner is not None and isinstance(value, dict):
                value = _mended(value, inner)
            fields[field.name] = msgspec.convert(value, field.type)
    return msgspec.convert(fields, kind)
