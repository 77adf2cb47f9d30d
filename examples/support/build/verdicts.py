"""Prompts of the judge: the very messages that verdicts are asked with."""

from __future__ import annotations

import json

from pytest_ladder.config import load
from pytest_ladder.judging.jury import judge_models
from pytest_ladder.judging.prompts import request_of
from pytest_ladder.judging.rubrics import load as load_rubric
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply

from .prompts import CONFIG, Chat
from .rows import Pair

RUBRIC = "correctness"
STRATEGY = "judge"


def asked(pair: Pair) -> Chat:
    """Return what the judge is asked about a reply, and what it should answer.

    Before it decides it writes down what was expected and what was said, side by side.
    """
    case = Case(id="pair", input=pair.question, expected=pair.expected)
    judge = load(CONFIG).judge
    assert judge is not None, f"{CONFIG} has a judge"
    model, rubric = judge_models([judge])[0], load_rubric(RUBRIC)
    request = request_of(model, rubric, case, Reply(text=pair.reply))
    verdict = {
        "reason": f"Expected: {pair.expected}. Said: {_short(pair.reply)}",
        "verdict": "pass" if pair.verdict == "yes" else "fail",
    }
    return Chat(
        list(request.messages), json.dumps(verdict, ensure_ascii=False), STRATEGY
    )


def _short(reply: str) -> str:
    """Return the beginning of a reply, in one line."""
    return " ".join(reply.split())[:100]
