"""What a cell says: a number however it is written, yes or no, a thumb up or down.

A text that can be read in two ways is refused with both, for nobody can tell later
which one was meant: "2,380" is 2380 here and 2.38 there. `decimal` in the outcome says.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from typing import Literal

from pytest_ladder.errors import BadRow, ConfigError

Decimal = Literal[".", ","]

_LONGEST_WORD = 24
"""Characters of a cell that a message may quote: a word, and no sentence of a user."""

_SPACES = re.compile(r"(?<=\d)[ '\u00a0\u2019\u202f](?=\d{3}(?!\d))")
"""What stands between thousands in many countries, and can be nothing else."""

_GROUPED = {
    ".": re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"),
    ",": re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?"),
}

_YES = frozenset({"1", "1.0", "true", "yes", "t", "y", "on", "x", "✓", "✔", "☑"})
_NO = frozenset({"0", "0.0", "false", "no", "f", "n", "off", "✗", "✘", "☐"})

_UP = frozenset(
    {
        *("up", "thumbs up", "thumb up", "thumbsup", "thumbup", "👍", "+1"),
        *("positive", "good", "like", "liked", "upvote", "upvoted", "helpful"),
        *("satisfied", "happy", "correct", "accepted", "pass", "passed"),
        *(_YES - {"x"}),
    }
)
_DOWN = frozenset(
    {
        *("down", "thumbs down", "thumb down", "thumbsdown", "thumbdown", "👎"),
        *("negative", "bad", "dislike", "disliked", "downvote", "downvoted"),
        *("unhelpful", "not helpful", "unsatisfied", "dissatisfied", "unhappy"),
        *("incorrect", "wrong", "rejected", "fail", "failed", "-1", "-1.0"),
        *_NO,
    }
)


def told(text: str) -> str:
    """Quote a cell in a message: a word as it is, of more only how long it is.

    What users wrote, and addresses, stay in the file.
    """
    if len(text) <= _LONGEST_WORD and "@" not in text:
        return f'"{text}"'
    return f"a text of {len(text)} characters"


def number_in(
    text: str, row: int, column: str | None, decimal: Decimal | None = None
) -> float:
    """Return a cell as a number. Raises `BadRow` that says how to write it."""
    value = _number(text, decimal)
    if value is not None:
        return value
    raise BadRow(row, f"{column} is {told(text)}{_why_no_number(text, decimal)}")


def number_at(
    error: Callable[[int, str], ConfigError],
    line: int,
    column: str | None,
    text: str,
    decimal: Decimal | None = None,
    *,
    counts: bool = False,
) -> float:
    """Return a cell as a number. Raises what `error` makes of its line.

    Nobody `counts` in thousandths: a "3.000" is then as open as "3,000" is.
    """
    is_open = counts and decimal is None and "." in text
    if is_open and _GROUPED[","].fullmatch(text.strip()):
        raise error(line, f"{column} is {told(text)}{_why_no_number(text, None)}")
    try:
        return number_in(text, 0, column, decimal)
    except BadRow as bad:
        raise error(line, bad.problem) from None


def yes_or_no(text: str) -> bool | None:
    """Return what a cell of a rate says; None: neither."""
    plain = _plain(text)
    return True if plain in _YES else False if plain in _NO else None


def is_up(text: str) -> bool | None:
    """Return whether a vote is a thumb up; None: it is neither up nor down."""
    plain = _plain(text)
    return True if plain in _UP else False if plain in _DOWN else None


def stars(text: str) -> float | None:
    """Count the stars of a grade that is drawn, such as `★★★☆☆`; None: it is not."""
    drawn = "".join(text.split()).replace("\ufe0f", "")
    full = len(drawn) - len(drawn.lstrip("★⭐🌟"))
    return float(full) if drawn and not drawn[full:].strip("☆") else None


def _plain(text: str) -> str:
    """Leave out of a word what makes no difference: case, `_`, the tone of a skin."""
    kept = "".join(
        sign for sign in text if unicodedata.category(sign) not in ("Sk", "Mn", "Cf")
    )
    words = kept.strip().strip(":").lower()
    return re.sub(r"(?<=\w)[-_](?=\w)", " ", words)


def _number(text: str, decimal: Decimal | None) -> float | None:
    text = text.strip()
    if decimal is not None:
        joined = _SPACES.sub("", text)
        if _GROUPED[decimal].fullmatch(joined):
            group = "," if decimal == "." else "."
            return float(joined.replace(group, "").replace(decimal, "."))
        if decimal == ",":
            return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _why_no_number(text: str, decimal: Decimal | None) -> str:
    """Say what was seen, and how to say it; begins with a comma or a semicolon."""
    bare = text.strip()
    if bare.endswith("%"):
        value = _number(bare[:-1], decimal)
        if value is not None:
            return (
                f", a percentage; write {value / 100:.12g}, or {value:.12g} where the "
                "outcome is counted in per cent."
            )
    if bare[:1] in "$€£¥₹" or bare[-1:] in "$€£¥₹":
        return "; write the number alone, without the currency."
    if decimal is not None:
        other: Decimal = "," if decimal == "." else "."
        if _number(bare, other) is not None:
            return (
                f', and decimal = "{decimal}" is said; write it as that is written, or '
                f'say decimal = "{other}" in the [[outcome]].'
            )
        return "; leave the cell empty or write a number."
    by_point, by_comma = _number(bare, "."), _number(bare, ",")
    say = "in the [[outcome]]"
    if by_point is not None and by_comma is not None and by_point != by_comma:
        return (
            f', which may be {by_point:.12g} or {by_comma:.12g}; say decimal = "." '
            f'({by_point:.12g}) or decimal = "," ({by_comma:.12g}) {say}, or write '
            "plain digits."
        )
    for value, sign in ((by_point, "."), (by_comma, ",")):
        if value is not None:
            return (
                f', which reads as {value:.12g}; say decimal = "{sign}" {say}, or '
                f"write {value:.12g}."
            )
    return "; leave the cell empty or write a number."
