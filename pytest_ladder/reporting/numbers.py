"""Numbers and foreign text as people read them; every function is pure.

Text of models, cases and judges is hostile: nothing of it reaches a terminal, a
Markdown page or a spreadsheet but through `plain`, `markdown_text` or `csv_cell`.
"""

from __future__ import annotations

import math
import re
import unicodedata

UNKNOWN = "unknown"
"""What stands for a cost nobody knows; never 0."""
NOT_AVAILABLE = "n/a"
"""What stands for a number there is none of."""
SIGNIFICANT = 3
"""Significant digits of small amounts of money."""
WHOLE_DOLLARS = 100
"""From here on cents are noise."""
SMALLEST_DOLLARS = 1e-6
"""Smaller amounts are only said to be smaller."""
MINUTE_S, HOUR_S = 60, 3600
CLIP_AT = 200
"""Columns that foreign text may take where nothing else limits it."""

CHARACTERS_PER_COLUMN = 8
"""Marks and escape sequences take no column; more of them is mischief."""

# Each limit is where rounding would reach the next unit.
_DURATIONS = (
    (0.0995, 1e-3, "{:.0f} ms"),
    (0.995, 1, "{:.2f} s"),
    (9.95, 1, "{:.1f} s"),
    (59.5, 1, "{:.0f} s"),
    (9.95 * MINUTE_S, MINUTE_S, "{:.1f} min"),
    (59.5 * MINUTE_S, MINUTE_S, "{:.0f} min"),
    (math.inf, HOUR_S, "{:,.1f} h"),
)
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x1b\x07]*(?:\x07|\x1b\\)|[@-Z\\-_]?)"
)
_JOINERS = "\u200c\u200d"
"""Format characters that some scripts and emoji cannot be written without."""
_MARKDOWN = re.compile(
    r"""
    [\\`*\[\]<>&|~$]
    | (?<![^\W_])_ | _(?![^\W_])              # emphasis, which needs a word's edge
    | (?:(?<=mailto)|(?<=xmpp)): | :(?=//|[\w+-]+:)   # a bare link, an emoji
    | (?<=www)\.                              # a bare link
    | @(?=\w) | \#(?=\d)                     # a mention, an issue
    | \A[-+=\#] | (?<=\d)[.)](?!\S)          # a list, a heading, a rule
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ISSUE = re.compile(r"\b(GH)-(?=\d)", re.IGNORECASE)
_BREAK = "\u200b"
"""Zero-width space: keeps GitHub from reading a mention or a reference."""
# The last four are full-width, which some locales take for formulas too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", *"\uff1d\uff0b\uff0d\uff20")


def percent(share: float | None) -> str:
    """Write a share in [0, 1]: `84.0 %`; only all is `100.0 %`, only none `0.0 %`."""
    return NOT_AVAILABLE if share is None else f"{_percent(share)} %"


def interval(low: float | None, high: float | None) -> str:
    """Write bounds in [0, 1] in per cent: `75.3-90.1`."""
    if low is None or high is None:
        return NOT_AVAILABLE
    return f"{_percent(low)}-{_percent(high)}"


def quality(share: float | None, low: float | None, high: float | None, n: int) -> str:
    """Write a quality with its interval and n: `84.0 % (75.3-90.1, n=100)`."""
    if share is None:
        return NOT_AVAILABLE
    return f"{percent(share)} ({interval(low, high)}, n={n:,})"


def dollars(usd: float | None) -> str:
    """Write USD: `$0.0312`, `$1.20`, `$12,300`, or `unknown`."""
    if usd is None or not math.isfinite(usd):
        return UNKNOWN
    if usd < 0:
        return "-" + dollars(-usd)
    if usd == 0:
        return "$0"
    if usd < SMALLEST_DOLLARS:
        return f"<${SMALLEST_DOLLARS:f}"
    if usd >= WHOLE_DOLLARS:
        return f"${usd:,.0f}"
    decimals = max(2, SIGNIFICANT - 1 - math.floor(math.log10(usd)))
    whole, _, cents = f"{usd:.{decimals}f}".partition(".")
    return f"${whole}.{cents[:2]}{cents[2:].rstrip('0')}"


def seconds(duration: float | None) -> str:
    """Write seconds: `12 ms`, `0.12 s`, `1.3 s`, `13 s`, `2 min`, `1.5 h`, or `n/a`."""
    if duration is None or not math.isfinite(duration):
        return NOT_AVAILABLE
    if duration < 0.0005:
        return "0 ms" if duration == 0 else "<1 ms"
    scale, form = next(
        (scale, form) for limit, scale, form in _DURATIONS if duration < limit
    )
    text = form.format(duration / scale)
    return text.replace(".0 min", " min").replace(".0 h", " h")


def count(number: int, noun: str) -> str:
    """Write a number with its noun: `1 call`, `1,200 calls`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def display_width(text: str) -> int:
    """Count the columns of `text`: wide characters take two, marks none."""
    return sum(_columns(character) for character in text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill `text` with spaces to `width` columns, on its left if `right`."""
    space = " " * max(0, width - display_width(text))
    return space + text if right else text + space


def clip(text: str, width: int, ellipsis: str = "…") -> str:
    """Shorten `text` to `width` columns; an ellipsis shows that something is gone."""
    if display_width(text) <= width:
        return text
    room = width - display_width(ellipsis)
    kept = ""
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        kept += character
    return kept.rstrip() + ellipsis


def plain(text: str, width: int = CLIP_AT) -> str:
    """Put foreign text on one line of most `width` columns, without controls.

    Removes escape sequences, control and direction characters and lone surrogates,
    and folds white space.
    """
    start = text[: CHARACTERS_PER_COLUMN * width]
    visible = "".join(
        " " if character.isspace() else character
        for character in _ESCAPE_SEQUENCE.sub("", start)
        if character.isspace() or character in _JOINERS or _is_visible(character)
    )
    line = " ".join(visible.split())
    return clip(line if start == text else f"{line}…", width)


def markdown_text(text: str, width: int = CLIP_AT) -> str:
    """Write foreign text so that GitHub's Markdown shows it as it is, on one line.

    No markup, link, image, HTML, fence, table cell, formula, emoji, mention or issue
    reference comes of it. Character references never act as markup (CommonMark 2.5);
    mentions are found after they are resolved, hence the zero-width spaces.
    """
    line = _ISSUE.sub(rf"\1-{_BREAK}", plain(text, width))
    return _MARKDOWN.sub(lambda found: _reference(found.group()), line)


def csv_cell(text: str) -> str:
    """Put a `'` before text that a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _percent(share: float) -> str:
    text = f"{100 * share:.1f}"
    if text == "100.0" and share < 1:
        return "99.9"
    if text == "0.0" and share > 0:
        return "0.1"
    return text


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _is_visible(character: str) -> bool:
    # Cc control, Cf format (among them the direction overrides), Cs lone surrogate.
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs")


def _reference(character: str) -> str:
    return f"&#{ord(character)};" + (_BREAK if character in "@#" else "")
