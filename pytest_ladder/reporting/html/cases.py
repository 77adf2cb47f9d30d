"""The rows as columns, for the part of the page in which people look at cases.

What filters and grid need comes first; replies, bills and prompts, which are most of
the page, apart from it: a page is usable before it has read them. Texts are kept once:
prompts, which repeat instructions, examples and passages, line by line, since the
window of gzip is too small to find them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from pytest_ladder.core.row import Exchange, Outcome, Row, UsedReply
from pytest_ladder.reporting.report import Report, content_text
from pytest_ladder.reporting.without_texts import LEFT_OUT
from pytest_ladder.stats.sums import total

Columns = dict[str, Any]

COST_DIGITS = 4
"""Significant digits of costs and latencies of single replies."""
LEAST_ASKED = 400
"""Characters that are kept of what a case asks and expects, however many replies."""
OUTCOMES = (Outcome.PASSED, Outcome.MISSED, Outcome.ERROR)


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the texts goes into the page."""

    prompts: Literal["all", "missed", "none"] = "all"
    """`missed`: of replies that some test did not pass."""
    clip: int | None = None
    """Longest text, or line of a prompt, in characters; None: whole."""

    @property
    def note(self) -> str:
        """What a reader of the page has to know about it; empty: all is there."""
        left = []
        if self.prompts == "missed":
            left.append("prompts of cases that passed are left out")
        if self.prompts == "none":
            left.append("prompts are left out")
        if self.clip == 0:
            left.append("replies are left out")
        elif self.clip is not None:
            left.append(f"texts are cut at {self.clip:,} characters")
        if not left:
            return ""
        return (
            f"To keep this page small, {' and '.join(left)}; rows.jsonl and the store "
            "have all of it."
        )


class _Numbered:
    """Values by number, each kept once."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    @property
    def values(self) -> list[Any]:
        return list(self._numbers)

    def number_of(self, value: Any) -> int:
        return self._numbers.setdefault(value, len(self._numbers))


def case_columns(report: Report, keep: Keep) -> tuple[Columns, Columns]:
    """Turn the rows into columns: of cases and results, and of all that was said.

    Texts are numbers of `texts`, which go on from the first columns to the second, and
    of `lines`.
    """
    return _Writer(report, keep).columns()


class _Writer:
    """Writes the columns of one report."""

    def __init__(self, report: Report, keep: Keep) -> None:
        self.report, self.keep = report, keep
        self.rungs = {rung.id: n for n, rung in enumerate(report.matrix.rungs)}
        self.rows = sorted(
            report.rows,
            key=lambda row: (row.source, row.case, row.test, row.sample, row.rung),
        )
        self.exchanges: Mapping[str, Exchange] = report.exchanges
        self.wanted = _wanted(self.rows, keep)
        self.texts, self.lines, self.cases = _Numbered(), _Numbered(), _Numbered()
        self.tests, self.sources, self.levels = _Numbered(), _Numbered(), _Numbered()
        self.talks = _Numbered()
        self.talk_of: dict[str, int] = {}

    def columns(self) -> tuple[Columns, Columns]:
        """Give the columns with their tables."""
        facts = {row.unit: (list(row.tags), row.cluster or "") for row in self.rows}
        # Of an earlier version's cases, misses say what they ask and expect.
        texts = {row.unit: (row.input, row.expected) for row in self.rows if row.input}
        kept = self.report.cases
        texts |= {unit: (case.asked, case.wanted) for unit, case in kept.items()}
        results = self._results()
        cases = [
            [*unit, *facts[unit], *map(self._asked, texts.get(unit, ("", "")))]
            for unit in self.cases.values
        ]
        first = len(self.texts.values)
        before = list(self._before())
        said = self._said()
        return {
            "rows": results,
            "before": before,
            "cases": cases,
            "levels": self.levels.values,
            "texts": self.texts.values[:first],
            "note": self.keep.note if self.report.info.texts else f"{LEFT_OUT}.",
        }, {
            "rows": said,
            "tests": self.tests.values,
            "sources": self.sources.values,
            "texts": self.texts.values[first:],
            "lines": self.lines.values,
            "talks": self.talks.values,
        }

    def _before(self) -> Iterator[list[Any]]:
        """Give what another run has of each case that moved: scores and reply."""
        known = {row.unit for row in self.rows}
        for rung in self.report.against.rungs if self.report.against else ():
            for flip in rung.flips:
                if (flip.source, flip.case) in known:
                    yield [
                        self.cases.number_of((flip.source, flip.case)),
                        self.rungs[rung.rung],
                        self.tests.number_of(flip.test),
                        round(flip.before.score, 4),
                        round(flip.after.score, 4),
                        self._text(flip.before.text),
                        self._text(flip.before.reason),
                    ]

    def _results(self) -> Columns:
        """Give what came of each row, column by column."""
        rows = self.rows
        return {
            "case": [self.cases.number_of((row.source, row.case)) for row in rows],
            "rung": [self.rungs[row.rung] for row in rows],
            "level": [self.levels.number_of(row.level.value) for row in rows],
            "outcome": [OUTCOMES.index(row.outcome) for row in rows],
            "score": [row.score for row in rows],
            "why": [row.why or "" for row in rows],
        }

    def _said(self) -> Columns:
        """Give what was said in each row and what it took, column by column."""
        rows = self.rows
        bills = [row.replies for row in rows]
        usages = [[bill.usage for bill in of_row if bill.usage] for of_row in bills]
        return {
            "test": [self.tests.number_of(row.test) for row in rows],
            "sample": [row.sample for row in rows],
            "scores": [row.scores or 0 for row in rows],
            "reason": [self._text(row.reason) for row in rows],
            "text": [self._text(row.text) for row in rows],
            "flag": [
                next((bill.flag for bill in of_row if bill.flag), 0) for of_row in bills
            ],
            "live": [int(any(bill.live for bill in of_row)) for of_row in bills],
            "cost": [_sum([bill.cost_usd for bill in of_row]) for of_row in bills],
            "latency": [_sum([bill.latency_s for bill in of_row]) for of_row in bills],
            "ttft": [_sum([bill.ttft_s for bill in of_row]) for of_row in bills],
            "input": [sum([usage.input for usage in of_row]) for of_row in usages],
            "output": [sum([usage.output for usage in of_row]) for of_row in usages],
            "judging": [
                _sum([bill.cost_usd for bill in row.evaluations]) for row in rows
            ],
            "retrieved": [
                [self.sources.number_of(source) for source in row.retrieved]
                for row in rows
            ],
            "said": [self._conversations(of_row) for of_row in bills],
            "judged": [self._conversations(row.evaluations) for row in rows],
        }

    def _conversations(self, bills: Sequence[UsedReply]) -> list[int]:
        """Give the numbers of the conversations in `talks`, a list of messages each."""
        return [
            self._talk(key)
            for bill in bills
            for key in bill.calls or (bill.key,)
            if key in self.exchanges and key in self.wanted
        ]

    def _talk(self, key: str) -> int:
        if key not in self.talk_of:
            exchange = self.exchanges[key]
            talk: list[tuple[str | int, ...]] = [
                (str(message.get("role", "")), *self._lines(content_text(message)))
                for message in exchange.messages
            ]
            # Its answer too: of several calls, a row keeps only the last one's.
            talk.append(("", *self._lines(exchange.text)))
            self.talk_of[key] = self.talks.number_of(tuple(talk))
        return self.talk_of[key]

    def _lines(self, text: str) -> list[int]:
        clip, number_of = self.keep.clip, self.lines.number_of
        return [number_of(_cut(line, clip)) for line in text.split("\n")]

    def _asked(self, text: str) -> int:
        clip = self.keep.clip
        limit = None if clip is None else max(clip, LEAST_ASKED)
        return self.texts.number_of(_cut(text, limit))

    def _text(self, text: str) -> int:
        return self.texts.number_of(_cut(text, self.keep.clip))


def _wanted(rows: Iterable[Row], keep: Keep) -> set[str]:
    """Give the keys of the calls whose prompts are kept."""
    if keep.prompts == "none":
        return set()
    return {
        key
        for row in rows
        if keep.prompts == "all" or row.outcome is not Outcome.PASSED
        for bill in (*row.replies, *row.evaluations)
        for key in bill.calls or (bill.key,)
    }


def _cut(text: str, limit: int | None) -> str:
    return text if limit is None or len(text) <= limit else f"{text[:limit]}…"


def _sum(values: Iterable[float | None]) -> float | None:
    """Return the total in the digits that a page shows."""
    whole = total(values)
    return None if whole is None else float(f"{whole:.{COST_DIGITS}g}")
