"""A key that no traceback shows."""

from __future__ import annotations


class Secret:
    """Text that hides itself, because a traceback may show all locals.

    It is opened only where it is written into a request, and where it is looked for in
    what others say.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        # The text of an object is this as well.
        return "<a key>"

    def open(self) -> str:
        """Return the text."""
        return self._text
