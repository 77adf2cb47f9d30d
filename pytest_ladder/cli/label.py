"""`pytest-ladder label`: people's verdicts on replies that were judged."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from pytest_ladder.cli.arguments import Given, Subparsers, add_command, whole
from pytest_ladder.cli.judge_arguments import (
    add_arguments,
    check_rater,
    labels_path,
    missing_labels,
    nothing_judged,
    report_folder,
)
from pytest_ladder.cli.printing import say
from pytest_ladder.core.review import LabelVerdict
from pytest_ladder.judging.calibration.labels import label_of
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.sentences.judges import judge_command
from pytest_ladder.review.questions import (
    Question,
    picked_of,
    questions_of,
    shown_for,
)
from pytest_ladder.review.store import labels_kept_in
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
        if question.standard != standard:
            say("")
            say(f"Does the reply meet this? ({question.judged.test})")
            standard = question.standard
            _show(standard)
        say("")
        say(f"--- {number} of {len(questions)} ---")
        parts = [*shown_for(question)]
        if len(parts) == 1:
            # Whoever sits at a terminal can look it up.
            parts.insert(0, ("case", question.judged.case))
        for name, data in parts:
            say(f"{name}:")
            _show(data)
        answer = _answer(graded=question.judged.verdict.graded)
        if answer == "quit":
            return
        if answer != "skip":
            yield question, answer


def _run(given: Given) -> int:
    given.folder = report_folder(given)
    if given.rater:
        check_rater(given.rater)
    report, answers = read_report(given.folder), labels_kept_in(labels_path(given))
    questions = questions_of(report, given.test)
    if not questions:
        raise nothing_judged(given, report)
    labels = list(answers.now().values())
    if not given.rater:
        # Who gives no name is not asked again what anybody labelled.
        labels = [msgspec.structs.replace(label, rater="") for label in labels]
    picked = picked_of(
        questions, labels, given.count, rater=given.rater, seed=given.seed
    )
    if not picked:
        say(f"All of it is labelled in {shown(answers.path)}.")
        return 0
    written = 0
    # Ctrl-C is a way to stop as well: every answer is kept already.
    with contextlib.suppress(KeyboardInterrupt):
        for question, answer in ask(picked):
            answers.give(label_of(question.judged, answer, given.rater))
            written += 1
    say("")
    say(f"{count(written, 'label')} added to {shown(answers.path)}.")
    for sentence in missing_labels(report, answers.now().values(), given.test):
        say(sentence)
    say(judge_command("calibrate", given.folder, answers.path))
    return 0


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
