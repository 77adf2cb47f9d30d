"""A case: one input with what is expected of the reply."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

Message = dict[str, Any]
"""One chat message in OpenAI's form: `{"role": …, "content": …}`."""

_MOST_CHOICES = 26
"""Answers to choose from: each has a letter."""
_ADDRESS = " at 0x[0-9a-fA-F]+"

TEXT = "text/plain"
"""The media type of a file of text, whatever it is called."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is sent with a case."""

    name: str
    """Its path as the row says it, relative to the file of the case."""
    path: str
    """Where it lies on this machine."""
    media_type: str
    """As its content tells, such as `image/png`."""
    sha256: str
    """Of its content."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One input with what is expected of the reply; identified by (source, id)."""

    id: str
    """Its name in test ids; made from the input where a file does not say."""
    input: str | list[Message]
    """The user's text, or a whole conversation."""
    expected: Any = None
    """What a good reply contains, in any form the test understands."""
    context: tuple[str, ...] = ()
    """Passages that hold the answer (gold context), not shown to the model."""
    relevant: tuple[str, ...] = ()
    """Sources that a good retrieval finds, by the names the corpus gives them."""
    cluster: str | None = None
    """Cases that share an origin (a document, a conversation) share a cluster."""
    tags: tuple[str, ...] = ()
    """Labels to group cases by: reports have quality by tag, markers shares of one."""
    images: tuple[str, ...] = ()
    """Paths of images that are shown below the input, relative to the case's file."""
    files: tuple[str, ...] = ()
    """Paths of other files that are sent with it: audio, PDF, text."""
    attachments: tuple[Attachment, ...] = ()
    """What these and the images in its messages are, as they were loaded."""
    metadata: dict[str, Any] = {}
    """Everything else that a row of a case file says."""
    source: str = ""
    """Where the case comes from: a file relative to the ladder, or a test."""
    former_hash: str = ""
    """`content_hash` as release 0.1 read the file; empty: it read the same."""

    def __repr__(self) -> str:
        # Short, because pytest prints it in front of every failed assertion.
        return f"Case({self.id!r})"

    @property
    def text(self) -> str:
        """The input as text: the last user message of a conversation."""
        if isinstance(self.input, str):
            return self.input
        texts = [m["content"] for m in self.input if m.get("role") == "user"]
        return str(texts[-1]) if texts else ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The answers to choose from, which a row says as `choices`; often none."""
        given = self.metadata.get("choices")
        if isinstance(given, dict):
            # As ARC has them: the texts beside their labels.
            given = given.get("text")
        if not isinstance(given, list | tuple) or not 2 <= len(given) <= _MOST_CHOICES:
            return ()
        texts = [
            each.get("text", each) if isinstance(each, dict) else each for each in given
        ]
        if not all(isinstance(text, str | int | float) for text in texts):
            return ()
        return tuple(map(str, texts))

    @property
    def attached(self) -> tuple[tuple[str, str], ...]:
        """Names of its images and files with the hashes of their contents."""
        return tuple((each.name, each.sha256) for each in self.attachments)

    @property
    def content_hash(self) -> str:
        """Short hash of `input` and `expected`: it tells whether a case was changed.

        What is attached counts as well.
        """
        parts: tuple[Any, ...] = self.input, self.expected
        if self.attachments:
            parts = *parts, self.attached
        try:
            data = msgspec.json.encode(
                parts, enc_hook=_described, order="deterministic"
            )
        except (TypeError, ValueError, RecursionError):
            # `expected` may be of any type, also of one that JSON lacks.
            data = _described(parts).encode(errors="backslashreplace")
        return hashlib.sha256(data).hexdigest()[:12]


def has_parts(messages: Iterable[Message]) -> bool:
    """Whether the content of a message is a list, which may hold images and files."""
    return any(isinstance(message.get("content"), list) for message in messages)


class WrittenCase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a case asks and expects, as a report keeps it: once, beside its rows."""

    source: str
    case: str
    """With `source` the unit of analysis that its rows name."""
    input: str | list[Message] = ""
    expected: Any = None
    """As JSON has it, what JSON lacks by its `repr`; None: nothing is expected."""

    @property
    def asked(self) -> str:
        """The input as text: of a conversation all of it, who says what."""
        if isinstance(self.input, str):
            return self.input
        if len(self.input) == 1 and isinstance(self.input[0].get("content"), str):
            return str(self.input[0]["content"])
        return "\n\n".join(
            f"{message.get('role', '')}: {_content(message)}" for message in self.input
        )

    @property
    def wanted(self) -> str:
        """What is expected, as text; empty: nothing is."""
        if self.expected is None or isinstance(self.expected, str):
            return self.expected or ""
        return json.dumps(self.expected, ensure_ascii=False)


def written_case(case: Case) -> WrittenCase:
    """Return what a report keeps of a case."""
    try:
        expected = msgspec.to_builtins(
            case.expected, str_keys=True, enc_hook=_described, order="deterministic"
        )
        # JSON has no bytes, no sets and no NaN; what comes back is what it has.
        expected = msgspec.json.decode(msgspec.json.encode(expected))
    except (TypeError, ValueError, RecursionError):
        # Of any type, as a function of the user made it.
        expected = _described(case.expected)
    return WrittenCase(
        source=case.source, case=case.id, input=case.input, expected=expected
    )


def _content(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return json.dumps(content, ensure_ascii=False, default=repr)


def _described(value: object) -> str:
    """Return the `repr` of an object without its address, which differs in each run."""
    return re.sub(_ADDRESS, "", repr(value))
