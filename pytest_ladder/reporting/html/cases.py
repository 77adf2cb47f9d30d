"""The rows as columns, for the part of the page in which people look at cases.

Texts are kept once: prompts, which repeat instructions, examples and passages, line by
line, since the window of gzip is too small to find them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.reporting.report import Exchange, Report

Columns = dict[str, Any]

COST_DIGITS = 4
"""Significant digits of costs and latencies of single replies."""
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
        if self.clip is not None:
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
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number_of(self, value: Any) -> int:
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number


def case_columns(report: Report, keep: Keep) -> Columns:
    """Turn the rows into columns; texts are numbers of `texts` and `lines`."""
    return _Writer(report, keep).columns()


class _Writer:
    """Writes the columns of one report."""

    def __init__(self, report: Report, keep: Keep) -> None:
        self.keep = keep
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

    def columns(self) -> Columns:
        """Give the columns with their tables."""
        rows = [self._row(row) for row in self.rows]
        facts = _case_facts(self.rows)
        return {
            "rows": {name: [row[name] for row in rows] for name in rows[0]}
            if rows
            else {},
            "cases": [[*unit, *facts[unit]] for unit in self.cases.values],
            "tests": self.tests.values,
            "levels": self.levels.values,
            "sources": self.sources.values,
            "texts": self.texts.values,
            "lines": self.lines.values,
            "talks": self.talks.values,
            "note": self.keep.note,
        }

    def _row(self, row: Row) -> Columns:
        usages = [bill.usage for bill in row.replies if bill.usage]
        return {
            "case": self.cases.number_of((row.source, row.case)),
            "rung": self.rungs[row.rung],
            "level": self.levels.number_of(str(row.level)),
            "test": self.tests.number_of(row.test),
            "sample": row.sample,
            "outcome": OUTCOMES.index(row.outcome),
            "score": row.score,
            "scores": row.scores or 0,
            "reason": self._text(row.reason),
            "text": self._text(row.text),
            "flag": next((bill.flag for bill in row.replies if bill.flag), 0),
            "live": int(any(bill.live for bill in row.replies)),
            "cost": _sum(bill.cost_usd for bill in row.replies),
            "latency": _sum(bill.latency_s for bill in row.replies),
            "ttft": _sum(bill.ttft_s for bill in row.replies),
            "input": sum(usage.input for usage in usages),
            "output": sum(usage.output for usage in usages),
            "judging": _sum(bill.cost_usd for bill in row.evaluations),
            "retrieved": [self.sources.number_of(source) for source in row.retrieved],
            "said": self._conversations(row.replies),
            "judged": self._conversations(row.evaluations),
        }

    def _conversations(self, bills: Sequence[UsedReply]) -> list[int]:
        """Give the numbers of the conversations in `talks`, a list of messages each."""
        keys = [key for bill in bills for key in bill.calls or (bill.key,)]
        return [
            self._talk(key)
            for key in keys
            if key in self.exchanges and key in self.wanted
        ]

    def _talk(self, key: str) -> int:
        if key not in self.talk_of:
            exchange = self.exchanges[key]
            talk = [self._message(message) for message in exchange.messages]
            # Its answer too: of several calls, a row keeps only the last one's.
            talk.append(("", *self._lines(exchange.text)))
            self.talk_of[key] = self.talks.number_of(tuple(talk))
        return self.talk_of[key]

    def _message(self, message: Mapping[str, Any]) -> tuple[str | int, ...]:
        return str(message.get("role", "")), *self._lines(content_text(message))

    def _lines(self, text: str) -> list[int]:
        return [self.lines.number_of(self._cut(line)) for line in text.split("\n")]

    def _text(self, text: str) -> int:
        return self.texts.number_of(self._cut(text))

    def _cut(self, text: str) -> str:
        limit = self.keep.clip
        return text if limit is None or len(text) <= limit else f"{text[:limit]}…"


def content_text(message: Mapping[str, Any]) -> str:
    """Write the content of a message as text, parts and tool calls included."""
    content = message.get("content")
    texts = [content] if isinstance(content, str) else []
    if isinstance(content, list):
        texts += [
            part["text"]
            if isinstance(part, dict) and isinstance(part.get("text"), str)
            else json.dumps(part, ensure_ascii=False, default=str)
            for part in content
        ]
    if message.get("tool_calls"):
        texts.append(json.dumps(message["tool_calls"], ensure_ascii=False, default=str))
    return "\n".join(texts)


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


def _case_facts(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[list[str], str]]:
    """Give tags and cluster of each unit."""
    return {(row.source, row.case): (list(row.tags), row.cluster or "") for row in rows}


def _sum(values: Iterable[float | None]) -> float | None:
    """Sum what is known of all; None without values or with an unknown one."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    total = sum(value for value in known if value is not None)
    return float(f"{total:.{COST_DIGITS}g}")
