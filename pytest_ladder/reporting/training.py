"""Chat rows to fine-tune on: cases of a report with the replies that scored best.

Pure. That no case of the exam is among them, `exam_cases` tells; a command refuses it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.case import Case, Message, WrittenCase, written_case
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.decide.matrix import Unit, score_of
from pytest_ladder.reporting.report import Report

ChatRow = dict[str, Any]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A case with a reply to learn from."""

    case: WrittenCase
    rung: str
    text: str
    score: float
    """Weighted mean of its tests, in [0, 1]."""


class TrainingSet(msgspec.Struct, frozen=True, kw_only=True):
    """What a report gives to train on."""

    examples: tuple[Example, ...]
    too_low: int
    """Cases left out, for no reply reached the score that was asked for."""
    without_reply: int
    """Cases left out, for nothing but errors and flagged or empty replies came."""


def training_set(report: Report, least: float) -> TrainingSet:
    """Choose the best reply to each case, of those that scored `least` or more.

    Errors, empty, truncated, filtered and refused replies are never taken. Of equally
    good replies that of the rung which is better on the whole is taken.
    """
    level = report.decision.level
    quality = {
        rung.id: rung.levels[level].quality or 0.0 if level in rung.levels else 0.0
        for rung in report.matrix.rungs
    }
    replies: defaultdict[Unit, defaultdict[tuple[str, int, str], list[Row]]]
    replies = defaultdict(lambda: defaultdict(list))
    for row in report.rows:
        replies[row.unit][row.rung, row.sample, row.text].append(row)
    examples, too_low, without = [], 0, 0
    for unit, case in sorted(report.cases.items()):
        found = [
            Example(case=case, rung=rung, text=text, score=_score(rows))
            for (rung, _, text), rows in replies[unit].items()
            if text.strip() and all(map(_is_usable, rows))
        ]
        if not found:
            without += 1
            continue
        best = max(found, key=lambda one: (one.score, quality[one.rung], one.rung))
        if best.score < least:
            too_low += 1
        else:
            examples.append(best)
    return TrainingSet(examples=tuple(examples), too_low=too_low, without_reply=without)


def exam_cases(cases: Iterable[WrittenCase], exam: Iterable[Case]) -> list[WrittenCase]:
    """Return the cases that an exam has too: by source and id, or by what they ask.

    Capitals, punctuation, spacing and the file of a case make no difference.
    """
    theirs = [written_case(case) for case in exam]
    units = {(case.source, case.case) for case in theirs}
    asked = {_plain(case.asked) for case in theirs} | {
        _plain(_last(case)) for case in theirs
    }
    return [
        case
        for case in cases
        if (case.source, case.case) in units
        or _plain(case.asked) in asked
        or _plain(_last(case)) in asked
    ]


def openai_row(example: Example, system: str | None) -> ChatRow:
    """Write a row as OpenAI's fine-tuning and most other services take it."""
    return {"messages": [*_prompt(example, system), _answer(example)]}


def trl_row(example: Example, system: str | None) -> ChatRow:
    """Write a row for TRL's `SFTTrainer`: prompt and completion, both conversations."""
    return {"prompt": _prompt(example, system), "completion": [_answer(example)]}


FORMS: Mapping[str, Callable[[Example, str | None], ChatRow]] = {
    "openai": openai_row,
    "trl": trl_row,
}
"""By the name of who takes them; a new one is one more line."""


def _prompt(example: Example, system: str | None) -> list[Message]:
    said = example.case.input
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    if system is None:
        return list(messages)
    others = [message for message in messages if message.get("role") != "system"]
    return [{"role": "system", "content": system}, *others]


def _answer(example: Example) -> Message:
    return {"role": "assistant", "content": example.text}


def _is_usable(row: Row) -> bool:
    flagged = any(bill.flag for bill in row.replies)
    return row.outcome is not Outcome.ERROR and not flagged


def _score(rows: Sequence[Row]) -> float:
    weighed = [(row.weight, score_of(row)) for row in rows if row.weight > 0]
    if not weighed:
        return 0.0
    return sum(w * score for w, score in weighed) / sum(w for w, _ in weighed)


def _last(case: WrittenCase) -> str:
    """Return the last thing that a user says in a case."""
    if isinstance(case.input, str):
        return case.input
    said = [m.get("content") for m in case.input if m.get("role") == "user"]
    return said[-1] if said and isinstance(said[-1], str) else case.asked


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()
