"""The questions of judges, put to people: what is asked, and with what beside it.

`pytest-ladder label` asks them in a terminal, `review --ask labels` on a page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pytest_ladder.core.row import Row
from pytest_ladder.judging.calibration.calibrate import judged_of
from pytest_ladder.judging.calibration.labels import (
    JudgedReply,
    Label,
    label_of,
    next_labels,
    unlabelled,
)
from pytest_ladder.judging.prompts import Asked, asked_in, defused
from pytest_ladder.judging.retrieval_metrics import METRICS
from pytest_ladder.judging.rubrics import shows_expected, text_of
from pytest_ladder.reporting.missed import asked as asked_of
from pytest_ladder.reporting.missed import wanted as wanted_of
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.without_texts import check_replies
from pytest_ladder.review.queue import Item

Subject = tuple[str, str, str]
"""Test, judge and rubric: what can be measured together."""


class Question(NamedTuple):
    """A reply, and what its judge was asked about it."""

    judged: JudgedReply
    asked: Asked | None
    """None: that was not kept, or no model was asked."""
    told: str = ""
    """What the case asks."""
    expected: str = ""
    """What it expects, where judges by this rubric are shown that."""

    @property
    def standard(self) -> str:
        """What the reply is to meet: the rubric, else the name of the judge."""
        verdict = self.judged.verdict
        kept = self.asked.rubric if self.asked else ""
        return kept or text_of(verdict.rubric) or verdict.rubric or verdict.judge


def questions_of(report: Report, test: str) -> dict[Subject, list[Question]]:
    """Return what can be asked about, by subject.

    Functions that judge need no measuring, so they are taken only when named. Raises
    `ConfigError` for a report that keeps no reply.
    """
    check_replies(report)
    questions: defaultdict[Subject, list[Question]] = defaultdict(list)
    for row in report.rows:
        for judged in judged_of([row]):
            verdict = judged.verdict
            by_model = bool(verdict.rubric)
            wanted = test in judged.test if test else by_model
            if not wanted or (not by_model and verdict.judge in METRICS):
                continue
            asked = _asked(row, report)
            # A free-form test may have had another text judged than its last reply.
            if asked is None or _is_about(asked, judged):
                subject = judged.test, verdict.judge, verdict.rubric
                with_expected = shows_expected(verdict.rubric)
                expected = wanted_of(row, report) if with_expected else ""
                questions[subject].append(
                    Question(judged, asked, asked_of(row, report), expected)
                )
    return questions


def _asked(row: Row, report: Report) -> Asked | None:
    """Return what the row's judge was asked last, with all that it was shown for it.

    None where that was not kept, or no model was asked.
    """
    keys = [key for bill in row.evaluations for key in bill.calls or (bill.key,)]
    exchanges = [report.exchanges[key] for key in keys if key in report.exchanges]
    talks = [asked_in(exchange.messages) for exchange in exchanges]
    asked = [talk for talk in talks if talk is not None]
    if not asked:
        return None
    rubric = asked[-1].rubric
    # Where each passage was judged by itself, together they are what was shown.
    blocks = dict.fromkeys(
        block for part in asked if part.rubric == rubric for block in part.blocks
    )
    return Asked(rubric, tuple(blocks))


def _is_about(asked: Asked, judged: JudgedReply) -> bool:
    # The judge may have been asked when thoughts were part of the text.
    texts = {judged.text, judged.said or judged.text}
    return any(("reply", defused(text)) in asked.blocks for text in texts)


def picked_of(
    questions: Mapping[Subject, Sequence[Question]],
    labels: Sequence[Label],
    most: int,
    *,
    rater: str = "",
    seed: int = 0,
) -> list[Question]:
    """Choose what to ask: of each subject as much, those with fewest labels first."""
    picked = []
    for subject, share in _shares(questions, labels, most, rater).items():
        by_key = {question.judged.key: question for question in questions[subject]}
        replies = [question.judged for question in questions[subject]]
        next_ones = next_labels(replies, labels, share, rater=rater, seed=seed)
        picked += [by_key[judged.key] for judged in next_ones]
    return picked


def _shares(
    questions_of: Mapping[Subject, Sequence[Question]],
    labels: Sequence[Label],
    most: int,
    rater: str,
) -> dict[Subject, int]:
    left, have = {}, {}
    for subject, questions in questions_of.items():
        replies = [question.judged for question in questions]
        left[subject] = len(unlabelled(replies, labels, rater))
        have[subject] = len({judged.key for judged in replies}) - left[subject]
    shares = dict.fromkeys(questions_of, 0)
    for _ in range(min(most, sum(left.values()))):
        free = [subject for subject in questions_of if shares[subject] < left[subject]]
        neediest = min(free, key=lambda subject: have[subject] + shares[subject])
        shares[neediest] += 1
    return shares


def shown_for(question: Question) -> Iterator[tuple[str, str]]:
    """Yield what the judge was shown, the reply as the last and as it came."""
    if question.asked is not None:
        for name, data in question.asked.blocks:
            if name != "reply":
                yield name, data
    else:
        known = (("input", question.told), ("expected", question.expected))
        yield from ((name, data) for name, data in known if data)
    yield "reply", question.judged.text


def item_of(question: Question, rater: str) -> Item:
    """Make of a question what a page asks."""
    *blocks, (_, text) = shown_for(question)
    return Item(
        # The verdict is put in place of this one when there is an answer.
        about=label_of(question.judged, "fail", rater),
        question="Does the reply meet this?",
        standard=question.standard,
        graded=question.judged.verdict.graded,
        blocks=tuple(blocks),
        texts=(text,),
    )
