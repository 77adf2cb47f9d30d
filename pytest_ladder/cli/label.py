"""`pytest-ladder label`: people's verdicts on replies that were judged."""

from __future__ import annotations

import contextlib
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from pytest_ladder.cli.arguments import Given, Subparsers, add_command, whole
from pytest_ladder.cli.judge_arguments import (
    add_arguments,
    labels_in,
    labels_path,
    nothing_judged,
    report_folder,
)
from pytest_ladder.cli.printing import say
from pytest_ladder.core.row import Row
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.judging.calibration.calibrate import judged_of
from pytest_ladder.judging.calibration.labels import (
    JudgedReply,
    Label,
    LabelVerdict,
    label_of,
    line_of,
    next_labels,
)
from pytest_ladder.judging.prompts import Asked, asked_in, defused
from pytest_ladder.judging.retrieval_metrics import METRICS
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.judges import judge_command
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown
from pytest_ladder.text.untrusted import plain_lines

_DESCRIPTION = """\
Ask for your verdict on replies that a judge has graded: those that are worth most, as
many of each rung, and enough of what the judge passed and of what it failed. You see
neither the rung nor the judge's verdict. Each answer is kept at once, so stop when you
like and go on another day; what is labelled is not asked again.
"""
_EXAMPLES = """\
Answer p (pass), f (fail), s (skip) or q (quit); grades from 1 to 5 where the judge
gives them. 20 labels tell something of a judge, 50 may hold a gate. Two people who
give their names label the same replies, which shows how far people agree.

examples:
  pytest-ladder label
  pytest-ladder label --count 50 --rater ann
  pytest-ladder label ladder-report/current --test test_tone
"""
_COUNT = 20

_WORDS: dict[str, LabelVerdict] = {
    "p": "pass",
    "pass": "pass",
    "f": "fail",
    "fail": "fail",
}
_GRADES: dict[str, LabelVerdict] = {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5}
_SKIP, _QUIT = ("s", "skip"), ("q", "quit")
_CHOICES = "p(ass), f(ail), s(kip) or q(uit)"

_Subject = tuple[str, str, str]
"""Test, judge and rubric: what can be measured together."""


class Question(NamedTuple):
    """A reply, and what its judge was asked about it."""

    judged: JudgedReply
    asked: Asked | None
    """None: that was not kept, or no model was asked."""


def add_to(commands: Subparsers) -> None:
    """Add the command with its arguments."""
    parser = add_command(
        commands,
        "label",
        "ask for your verdict on judged replies, to measure the judge by",
        _DESCRIPTION,
        _EXAMPLES,
    )
    add_arguments(parser)
    add = parser.add_argument
    add("--count", type=whole, metavar="N", default=_COUNT, help="replies (default 20)")
    add("--rater", metavar="NAME", default="", help="who you are; needed where several")
    add("--seed", type=int, metavar="N", default=0, help="for another choice of them")
    add("--test", metavar="TEXT", default="", help="only tests with this in their id")
    parser.set_defaults(run=_run)


def ask(questions: Sequence[Question]) -> Iterator[tuple[Question, LabelVerdict]]:
    """Ask each question in turn, until somebody quits or the input ends.

    Neither the rung nor the judge's verdict is shown.
    """
    standard = None
    for number, question in enumerate(questions, start=1):
        wanted = _standard(question)
        if wanted != standard:
            say("")
            say(f"Does the reply meet this? ({question.judged.test})")
            _show(wanted)
            standard = wanted
        say("")
        say(f"--- {number} of {len(questions)} ---")
        for name, data in _shown(question):
            say(f"{name}:")
            _show(data)
        answer = _answer(graded=question.judged.verdict.graded)
        if answer == "quit":
            return
        if answer != "skip":
            yield question, answer


def _run(given: Given) -> int:
    given.folder = report_folder(given)
    report, path = read_report(given.folder), labels_path(given)
    questions = _questions(report, given.test)
    if not questions:
        if given.test:
            raise ConfigError(
                f"{shown(given.folder)}: no judged reply is of a test with "
                f"{given.test!r} in its id; correct --test or leave it out."
            )
        raise nothing_judged(given, report)
    labels = _as_rater(labels_in(path), given.rater)
    picked = list(_picked(questions, labels, given))
    if not picked:
        say(f"All of it is labelled in {shown(path)}.")
        return 0
    written = 0
    # Ctrl-C is a way to stop as well: every answer is kept already.
    with contextlib.suppress(KeyboardInterrupt):
        for question, answer in ask(picked):
            _append(path, label_of(question.judged, answer, given.rater))
            written += 1
    say("")
    say(f"{count(written, 'label')} added to {shown(path)}.")
    say(judge_command("calibrate", given.folder, path))
    return 0


def _questions(report: Report, test: str) -> dict[_Subject, list[Question]]:
    """Return what can be asked about, by subject.

    Functions that judge need no measuring, so they are taken only when named.
    """
    questions: defaultdict[_Subject, list[Question]] = defaultdict(list)
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
                questions[subject].append(Question(judged, asked))
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
    return ("reply", defused(judged.text)) in asked.blocks


def _as_rater(labels: Sequence[Label], rater: str) -> list[Label]:
    """Return the labels; who gives no name is not asked again what anybody labelled."""
    if rater:
        return list(labels)
    return [msgspec.structs.replace(label, rater="") for label in labels]


def _picked(
    questions_of: Mapping[_Subject, Sequence[Question]],
    labels: Sequence[Label],
    given: Given,
) -> Iterator[Question]:
    """Choose what to ask: of each subject as much, those with fewest labels first."""
    for subject, share in _shares(questions_of, labels, given).items():
        questions = {
            question.judged.key: question for question in questions_of[subject]
        }
        replies = [question.judged for question in questions_of[subject]]
        for judged in next_labels(
            replies, labels, share, rater=given.rater, seed=given.seed
        ):
            yield questions[judged.key]


def _shares(
    questions_of: Mapping[_Subject, Sequence[Question]],
    labels: Sequence[Label],
    given: Given,
) -> dict[_Subject, int]:
    unlabelled, have = {}, {}
    for subject, questions in questions_of.items():
        replies = [question.judged for question in questions]
        left = next_labels(replies, labels, len(replies), rater=given.rater)
        unlabelled[subject] = len(left)
        have[subject] = len({judged.key for judged in replies}) - len(left)
    shares = dict.fromkeys(questions_of, 0)
    for _ in range(min(given.count, sum(unlabelled.values()))):
        free = [
            subject for subject in questions_of if shares[subject] < unlabelled[subject]
        ]
        neediest = min(free, key=lambda subject: have[subject] + shares[subject])
        shares[neediest] += 1
    return shares


def _append(path: Path, label: Label) -> None:
    """Add a label at once, so that none is lost."""
    try:
        with path.open("a+b") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(line_of(label).encode())
    except OSError as error:
        raise LadderError(
            f"{shown(path)}: the label could not be written ({error.strerror or error})"
            "; free the place, or name another file with --labels."
        ) from error


def _standard(question: Question) -> str:
    if question.asked is not None:
        return question.asked.rubric
    return question.judged.verdict.rubric or question.judged.verdict.judge


def _shown(question: Question) -> Iterator[tuple[str, str]]:
    """Yield what the judge was shown, the reply as the last and as it came."""
    if question.asked is not None:
        for name, data in question.asked.blocks:
            if name != "reply":
                yield name, data
    else:
        yield "case", question.judged.case
    yield "reply", question.judged.text


def _show(text: str) -> None:
    for line in plain_lines(text):
        say(f"  {line}")


def _answer(*, graded: bool) -> LabelVerdict | Literal["skip", "quit"]:
    """Read until there is an answer; the end of the input quits."""
    known = {**_WORDS, **_GRADES} if graded else _WORDS
    choices = f"1 to 5, {_CHOICES}" if graded else _CHOICES
    while True:
        sys.stdout.write(f"{choices}: ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        word = line.strip().lower()
        if not line or word in _QUIT:
            return "quit"
        if word in _SKIP:
            return "skip"
        if word in known:
            return known[word]
