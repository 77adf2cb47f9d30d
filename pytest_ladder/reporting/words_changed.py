"""Which words of a prompt are others than in an earlier run, as a short excerpt."""

from __future__ import annotations

from itertools import takewhile

from pytest_ladder.core.row import Row
from pytest_ladder.reporting.report import Report, content_text
from pytest_ladder.text.untrusted import without_middle

_MOST = 80
"""Characters of an excerpt, about."""
_AROUND = 2
"""Words before those that changed, by which a reader finds the place."""


def words_changed(base: Report, head: Report, rung: str) -> str:
    """Say what the first case of a rung that was asked otherwise was asked before.

    Empty: the texts of no such case are known of both runs.
    """
    before = {row.place: row for row in base.rows if row.rung == rung}
    for row in head.rows:
        old = before.get(row.place)
        if row.rung != rung or old is None:
            continue
        if not (old.replies and row.replies):
            continue
        if old.replies[0].request_key == row.replies[0].request_key:
            continue
        texts = _asked(old, base), _asked(row, head)
        if all(texts):
            return _difference(*texts)
    return ""


def _asked(row: Row, report: Report) -> list[str]:
    """Return the words of the first call of a row; none where they are not known."""
    exchange = report.exchanges.get(row.replies[0].key)
    messages = () if exchange is None else exchange.messages
    return " ".join(content_text(message) for message in messages).split()


def _difference(old: list[str], new: list[str]) -> str:
    if old == new:
        return "the words are the same, so a parameter"
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    was, now = (_excerpt(words, start, len(words) - end) for words in (old, new))
    return f"{was} → {now}"


def _alike(one: list[str], other: list[str]) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _excerpt(words: list[str], start: int, end: int) -> str:
    shown = words[max(0, start - _AROUND) : end]
    before = "… " if start > _AROUND else ""
    after = " …" if end < len(words) else ""
    return f'"{before}{without_middle(" ".join(shown), _MOST)}{after}"'
