"""The dialogue of `pytest-ladder label`: plain lines out, plain lines in."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from pytest_ladder.commands.showing import say
from pytest_ladder.judging.calibration.labels import JudgedReply
from pytest_ladder.judging.prompts import Asked
from pytest_ladder.text.untrusted import plain_lines

Answer = Literal["pass", "fail", 1, 2, 3, 4, 5]

_SAID: dict[str, Answer] = {"p": "pass", "pass": "pass", "f": "fail", "fail": "fail"}
_GRADES: dict[str, Answer] = {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5}
_SKIP, _QUIT = ("s", "skip"), ("q", "quit")
_CHOICES = "p(ass), f(ail), s(kip) or q(uit)"


class Question(NamedTuple):
    """A reply, and what its judge was asked about it."""

    judged: JudgedReply
    asked: Asked | None
    """None: that was not kept, or no model was asked."""


def ask(questions: Sequence[Question]) -> Iterator[tuple[Question, Answer]]:
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


def _answer(*, graded: bool) -> Answer | Literal["skip", "quit"]:
    """Read until there is an answer; the end of the input quits."""
    known = {**_SAID, **_GRADES} if graded else _SAID
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
