"""Documents cut into passages that fit a prompt and stand alone."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from pytest_ladder.prompting.search import UNSPACED

MOST_WORDS = 200
"""A passage is no longer than this, its headings aside."""
ENOUGH_WORDS = 120
"""A passage of this length ends where its section ends."""

Section = tuple[tuple[str, ...], str]
"""(headings from the title down, text below the last of them)."""

_HEADING = re.compile(r"(#{1,6})\s+\S")
_FENCE = re.compile(r"\s*(```|~~~)")
_WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_TITLE_WORDS = 12

# From the coarsest to the finest. Each match ends a piece, so that nothing is lost.
_ENDS = tuple(
    re.compile(end)
    for end in (
        r"\n\s*\n",
        r"\n",
        r"(?<=[.!?])[\"')\]]*\s+|(?<=[\u3002\uff01\uff1f])",
        rf"\s+|(?<=[{UNSPACED}])",
    )
)


def chunk(text: str, title: str = "") -> list[str]:
    """Cut a document into passages of at most 200 words.

    A short document stays whole. A longer one is cut at headings, then paragraphs,
    lines, sentences and words; every passage begins with the headings it stands
    under. Two characters of an unspaced script count as a word.
    """
    text = text.strip()
    if title and not text.startswith(title):
        text = f"{title}\n\n{text}".strip()
    if not text:
        return []
    if _size(text) <= MOST_WORDS:
        return [text]
    passages = _Passages()
    for headings, body in _sections(text):
        for piece in _pieces(body, 0) or [""]:
            passages.add(headings, piece)
    return passages.done()


class _Passages:
    """Passages in the making: pieces are put together while they fit."""

    def __init__(self) -> None:
        self._finished: list[str] = []
        self._text = ""
        self._words = 0.0
        self._headings: tuple[str, ...] = ()

    def add(self, headings: tuple[str, ...], piece: str) -> None:
        words = _size(piece)
        turns = headings != self._headings
        full = self._words + words > MOST_WORDS
        if self._text and (full or (turns and self._words >= ENOUGH_WORDS)):
            self._finish()
        if not self._text:
            opening = headings
        else:
            # Headings that both sections stand under are above already.
            same = _shared(headings, self._headings) if turns else len(headings)
            opening = headings[same:]
        if opening:
            self._text = f"{self._text.rstrip()}\n\n" + "\n".join(opening) + "\n\n"
        self._headings = headings
        self._text += piece
        self._words += words

    def done(self) -> list[str]:
        self._finish()
        return self._finished

    def _finish(self) -> None:
        if self._text.strip():
            self._finished.append(self._text.strip())
        self._text, self._words = "", 0.0


def _sections(text: str) -> list[Section]:
    """Cut at Markdown headings; a short first line of plain text is a title."""
    headings: list[str] = []
    sections: list[tuple[tuple[str, ...], list[str]]] = [((), [])]
    fenced = False
    for number, line in enumerate(text.split("\n")):
        if _FENCE.match(line):
            fenced = not fenced
        found = None if fenced else _HEADING.match(line)
        if found:
            level = len(found.group(1))
            headings = [h for h in headings if _level(h) < level]
        if found or (number == 0 and _is_title(text)):
            headings.append(line.strip())
            sections.append((tuple(headings), []))
        else:
            sections[-1][1].append(line)
    return list(_with_text([(trail, "\n".join(body)) for trail, body in sections]))


def _with_text(sections: list[Section]) -> Iterator[Section]:
    """Leave out sections without text whose heading stands in the next one."""
    following = [*(trail for trail, _ in sections[1:]), ()]
    for (trail, body), after in zip(sections, following, strict=True):
        if body.strip() or after[: len(trail)] != trail:
            yield trail, body


def _level(heading: str) -> int:
    """Depth of a heading; 0 for the title of a plain text."""
    return len(heading) - len(heading.lstrip("#"))


def _is_title(text: str) -> bool:
    first, _, rest = text.partition("\n")
    short = len(first.split()) <= _TITLE_WORDS and not first.rstrip().endswith(".")
    return short and (not rest or rest.startswith("\n"))


def _pieces(text: str, fineness: int) -> list[str]:
    """Cut a text into paragraphs, and those too long into finer pieces.

    Put together, the pieces are the text again.
    """
    if not text.strip():
        return []
    small = fineness and _size(text) <= MOST_WORDS
    if small or fineness == len(_ENDS):
        return [text]
    ends = [found.end() for found in _ENDS[fineness].finditer(text)]
    cuts = [0, *(end for end in ends if 0 < end < len(text)), len(text)]
    parts = [text[a:b] for a, b in itertools.pairwise(cuts)]
    return [piece for part in parts for piece in _pieces(part, fineness + 1)]


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _size(text: str) -> float:
    words = len(_WORD.findall(text))
    return words - len(_UNSPACED.findall(text)) / 2
