"""Text from outside, made safe to show; every function is pure.

Texts of models, cases and judges may hold terminal escapes, markup or formulas. All of
it goes through `plain` before a terminal, `markdown_text` before a Markdown page, and
`csv_cell` before a spreadsheet.
"""

from __future__ import annotations

import re
import unicodedata

CLIP_AT = 200
"""Columns that a text from outside may take where nothing else limits it."""

CHARACTERS_PER_COLUMN = 8
"""Marks and escape sequences take no column; no honest text has more of them."""

_ESCAPE_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x1b\x07]*(?:\x07|\x1b\\)|[@-Z\\-_]?)"
)
_JOINERS = "\u200c\u200d"
"""Format characters that some scripts and emoji need."""
_UNSEEN = ("Cc", "Cf", "Cs")
"""Control and format characters (among them direction overrides), lone surrogates."""
# Each branch begins with its character, so that `re` looks for these characters first:
# with what stands before them in front, it tries all branches at every letter.
_MARKDOWN = re.compile(
    r"""
    \\ | ` | \* | \[ | \] | \| | ~ | \$
    | <(?!\ ) | >(?<!\ >) | >(?!\ ) | &(?=[\#\w])   # a tag, a quotation, a reference
    | _(?<![^\W_]_) | _(?![^\W_])             # emphasis, which needs a word's edge
    | :(?<=mailto:) | :(?<=xmpp:) | :(?=//|[\w+-]+:)   # a bare link, an emoji
    | \.(?<=www\.)                            # a bare link
    | @(?=\w) | \#(?=\d)                     # a mention, an issue
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MARKDOWN_START = re.compile(r"\A(?:[-+=](?!\d)|#|\d{1,9}[.)](?!\S))")
"""A list, a rule or a heading."""
_ISSUE = re.compile(r"\b(GH)-(?=\d)", re.IGNORECASE)
_BREAK = "\u200b"
"""Zero-width space: keeps GitHub from reading a mention or a reference."""
# The last four are full-width, which some locales take for formulas too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", *"\uff1d\uff0b\uff0d\uff20")


def display_width(text: str) -> int:
    """Count the columns of `text`: wide characters take two, marks none."""
    if text.isascii():
        return len(text)
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
    start = ""
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        start += character
    return start.rstrip() + ellipsis


def without_middle(text: str, most: int) -> str:
    """Shorten `text` to about `most` characters of its beginning and its end.

    Many prompts begin with instructions or passages, and end with what they ask.
    """
    if len(text) <= most:
        return text
    start, end = text[: most // 3], text[most // 3 - most :]
    # At a space, where there is one near.
    start = start.rpartition(" ")[0] or start
    end = end.partition(" ")[2] or end
    return f"{start} … {end}"


def plain(text: str, width: int = CLIP_AT) -> str:
    """Put text from outside on one line of at most `width` columns.

    Removes escape sequences, control and direction characters and lone surrogates,
    and folds white space.
    """
    start = text[: CHARACTERS_PER_COLUMN * width]
    line = " ".join(_visible(start).split())
    return clip(line if start == text else f"{line}…", width)


def plain_lines(text: str) -> list[str]:
    """Return the lines of a text from outside with their indents, made safe."""
    lines = text.replace("\r\n", "\n").expandtabs(4).split("\n")
    return [_visible(line).rstrip() for line in lines]


def with_symbols(text: str) -> str:
    """Write a text from outside with all that is not seen in it as a symbol.

    Lines, tabs and joiners stay. Direction overrides, escape sequences and hidden
    characters neither act nor hide.
    """
    return "".join(
        character
        if character in "\n\t" + _JOINERS
        or unicodedata.category(character) not in _UNSEEN
        else _symbol(ord(character))
        for character in text.replace("\r\n", "\n")
    )


def markdown_text(text: str, width: int = CLIP_AT) -> str:
    """Write text from outside so that GitHub's Markdown shows it as it is, on one line.

    None of it becomes markup, a link, an image, HTML, a fence, a table cell, a formula,
    an emoji, a mention or a reference to an issue. Character references never act as
    markup (CommonMark 2.5); but GitHub finds mentions after it has resolved them, hence
    the zero-width spaces.
    """
    line = _ISSUE.sub(rf"\1-{_BREAK}", plain(text, width))
    return _MARKDOWN_START.sub(_reference, _MARKDOWN.sub(_reference, line))


def csv_cell(text: str) -> str:
    """Put a `'` before text that a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _reference(match: re.Match[str]) -> str:
    """Write the last character of what is found as a character reference."""
    before, sign = match[0][:-1], match[0][-1]
    return f"{before}&#{ord(sign)};" + (_BREAK if sign in "@#" else "")


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _symbol(code: int) -> str:
    """Return the picture of a control character, or the number of another one."""
    if code < 0x20 or code == 0x7F:
        return chr(0x2421 if code == 0x7F else 0x2400 + code)
    return f"\u27e6U+{code:04X}\u27e7"


def _visible(text: str) -> str:
    """Remove characters that are not seen; white space becomes spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if character.isspace() else character
        for character in _ESCAPE_SEQUENCE.sub("", text)
        if character.isspace()
        or character in _JOINERS
        or unicodedata.category(character) not in _UNSEEN
    )
