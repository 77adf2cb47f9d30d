"""What a line on a terminal is made of: text, markup, glyphs that can be shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pytest_ladder.text.table import wrapped

Line = tuple[str, dict[str, bool]]
"""Text, and markup in the words of pytest's `TerminalReporter.write_line`."""

QUIET = {"light": True}
WARNING = {"yellow": True}
STRONG = {"bold": True}
VERDICT_COLOURS = {"pass": "green", "fail": "red", "undecided": "yellow"}


class Glyphs(msgspec.Struct, frozen=True, kw_only=True):
    """The characters of the table beyond letters and digits."""

    current: str
    recommended: str
    full: str
    empty: str
    ellipsis: str


# None of these is of ambiguous width, save the ellipsis, which ends a column.
UNICODE = Glyphs(current="▸", recommended="✦", full="▰", empty="▱", ellipsis="…")
ASCII = Glyphs(current=">", recommended="+", full="#", empty=".", ellipsis="...")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Glyphs that a stream of this encoding can show; ASCII where it cannot."""
    try:
        "".join(msgspec.structs.astuple(UNICODE)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def sentences(
    texts: Iterable[str], width: int, markup: dict[str, bool]
) -> Iterator[Line]:
    """Yield sentences as lines of one markup."""
    for text in texts:
        yield from ((line, markup) for line in wrapped(text, width))
