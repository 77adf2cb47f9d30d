"""Documents cut into passages that fit a prompt and can be read by themselves."""

from __future__ import annotations

import itertools
import operator
import re

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
        for paragraph in _cut(body, _ENDS[0]) or [""]:
            passages.add(headings, paragraph)
    return passages.done()


class _Passages:
    """Passages in the making: pieces are put together while they fit."""

    def __init__(self) -> None:
        self._finished: list[str] = []
        self._text = ""
        self._words = 0.0
        self._headings: tuple[str, ...] = ()

    def add(self, headings: tuple[str, ...], paragraph: str) -> None:
        new_section = headings != self._headings
        whole = self._words + _size(paragraph) <= MOST_WORDS
        if self._words >= ENOUGH_WORDS and (new_section or not whole):
            self._finish()
        for piece in _pieces(paragraph, 1):
            if self._words + _size(piece) > MOST_WORDS:
                self._finish()
            self._append(headings, piece)

    def _append(self, headings: tuple[str, ...], piece: str) -> None:
        opening = headings
        if self._text:
            # Headings that both sections stand under are above already.
            same = itertools.takewhile(bool, map(operator.eq, headings, self._headings))
            opening = headings[len([*same]) :]
        if opening:
            self._text = f"{self._text.rstrip()}\n\n" + "\n".join(opening) + "\n\n"
        self._headings = headings
        self._text += piece
        self._words += _size(piece)

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
        heading = None if fenced else _HEADING.match(line)
        if heading:
            # The title of a plain text has no `#`, and is above all headings.
            level = len(heading.group(1))
            headings = [h for h in headings if len(h) - len(h.lstrip("#")) < level]
        if heading or (number == 0 and _is_title(text)):
            headings.append(line.strip())
            sections.append((tuple(headings), []))
        else:
            sections[-1][1].append(line)
    bodies = [(trail, "\n".join(body).strip("\n")) for trail, body in sections]
    following = [*(trail for trail, _ in bodies[1:]), ()]
    # Without text, a section whose heading stands in the next one is left out.
    return [
        (trail, body)
        for (trail, body), after in zip(bodies, following, strict=True)
        if body.strip() or after[: len(trail)] != trail
    ]


def _is_title(text: str) -> bool:
    first, _, rest = text.partition("\n")
    short = _size(first) <= _TITLE_WORDS and not first.rstrip().endswith(".")
    return short and rest.startswith("\n")


def _pieces(text: str, fineness: int) -> list[str]:
    """Cut a text that is too long, as coarsely as it can be.

    Put together, the pieces are the text again.
    """
    if _size(text) <= MOST_WORDS or fineness == len(_ENDS):
        return [text]
    parts = _cut(text, _ENDS[fineness])
    return [piece for part in parts for piece in _pieces(part, fineness + 1)]


def _cut(text: str, end: re.Pattern[str]) -> list[str]:
    ends = [match.end() for match in end.finditer(text)]
    cuts = [0, *(at for at in ends if 0 < at < len(text)), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(cuts) if a < b]


def _size(text: str) -> float:
    words = len(_WORD.findall(text))
    return words - len(_UNSPACED.findall(text)) / 2
