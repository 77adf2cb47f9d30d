"""A case: one input with what is expected of the reply."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

Message = dict[str, Any]
"""One chat message in OpenAI's form: `{"role": …, "content": …}`."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


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
    """Labels to group cases by."""
    metadata: dict[str, Any] = {}
    """Everything else that a row of a case file says."""
    source: str = ""
    """Where the case comes from: a file relative to the ladder, or a test."""

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
    def content_hash(self) -> str:
        """Short hash of `input` and `expected`: it tells whether a case was changed."""
        parts = self.input, self.expected
        try:
            data = msgspec.json.encode(
                parts, enc_hook=_described, order="deterministic"
            )
        except (TypeError, ValueError, RecursionError):
            # `expected` may be of any type, also of one that JSON lacks.
            data = _described(parts).encode(errors="backslashreplace")
        return hashlib.sha256(data).hexdigest()[:12]


def _described(value: object) -> str:
    """Return the `repr` of an object without its address, which differs in each run."""
    return _ADDRESS.sub("", repr(value))
