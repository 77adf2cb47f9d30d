"""Verdicts: from an answer, from several votes, and from functions that judge."""

from __future__ import annotations

import functools
import re
import statistics
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from pytest_ladder.calls.contract import Request, Served
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Model
from pytest_ladder.core.score import Verdict, score_from
from pytest_ladder.errors import JudgeError, ReplyNotJson
from pytest_ladder.judging.prompts import FORMS, Form, repair_of
from pytest_ladder.judging.rubrics import Rubric

T = TypeVar("T")
Talk = Generator[Request, Served, T]
"""Yields one request after another, is sent the reply to each, and returns a result."""
Function = Callable[[Reply, Case | None], Any]
"""A judge that is code: `f(reply, case)` returns bool, number, `Verdict` or dict."""

PASSES_FROM = 0.5
"""A score that comes without pass or fail passes from here on."""

_FAMILIES = {
    "amazon": r"nova|titan",
    "anthropic": r"claude",
    "cohere": r"command|aya",
    "deepseek": r"deepseek",
    "google": r"gemini|gemma",
    "ibm": r"granite",
    "meta": r"(code)?llama",
    "microsoft": r"phi",
    "mistral": r"mistral|mixtral|\w+stral",
    "moonshot": r"kimi",
    "nvidia": r"nemotron",
    "openai": r"(chat)?gpt|o\d",
    "qwen": r"qwen|qwq",
    "smollm": r"smollm",
    "xai": r"grok",
    "zhipu": r"(chat)?glm",
}

_AND = " + "
_ATTEMPTS = 2
_LONGEST_QUOTE = 200


class JudgeAnswer(NamedTuple):
    """What a judge answered, and what that cost."""

    value: Any
    reason: str
    cost_usd: float | None


def judge_id(model: Model) -> str:
    """Name a judge's model: its id with adapter and revision."""
    adapter = f"+{model.adapter}" if model.adapter else ""
    revision = f"@{model.revision}" if model.revision else ""
    return f"{model.id}{adapter}{revision}"


def joined(judges: Iterable[str]) -> str:
    """Name several judges, each once."""
    return _AND.join(dict.fromkeys(judges))


def judges_of(verdict: Verdict) -> list[str]:
    """Return the ids of the models that judged, without adapter and revision."""
    return [
        judge.partition("+")[0].partition("@")[0] for judge in verdict.judge.split(_AND)
    ]


def same_family(judge_id: str, model_id: str) -> bool:
    """Tell whether two models are related, as far as their ids show it.

    A model that was distilled from one family into another belongs to both.
    """
    judge, model = _name(judge_id), _name(model_id)
    return judge == model or not _families(judge).isdisjoint(_families(model))


def ask(request: Request, form: Form, subject: str) -> Talk[JudgeAnswer]:
    """Ask a judge, once more if its answer cannot be used.

    `subject` is what it judges, for the message of the `JudgeError` that is raised
    when the second answer cannot be used either.
    """
    data, costs = request.messages[1]["content"], []
    problem = text = ""
    for _ in range(_ATTEMPTS):
        answer = (yield request).reply
        costs.append(answer.cost_usd)
        try:
            return JudgeAnswer(*form.read(answer, data), total(costs))
        except ReplyNotJson as error:
            problem, text = str(error), answer.text
        request = repair_of(request, answer, problem, form)
    raise JudgeError(
        f"The judge {judge_id(request.model)} gave no usable verdict on {subject}, not "
        f"even when asked again. {problem} Its last answer was {_quoted(text)}; take a "
        "judge that can write JSON, or allow it more `max_tokens`."
    )


def vote(request: Request, rubric: Rubric, subject: str) -> Talk[Verdict]:
    """Ask one judge for one verdict."""
    value, reason, cost_usd = yield from ask(request, FORMS[rubric.scale], subject)
    graded = rubric.scale == "graded"
    score = (value - 1) / 4 if graded else float(value == "pass")
    return Verdict(
        passed=score >= PASSES_FROM,
        score=score,
        graded=graded,
        reason=reason,
        judge=judge_id(request.model),
        rubric=rubric.id,
        cost_usd=cost_usd,
    )


def pooled(votes: Sequence[Verdict]) -> Verdict:
    """Return the majority of several votes, where half is none; of grades the median.

    The reason is that of the vote nearest to the outcome.
    """
    if len(votes) == 1:
        return votes[0]
    scores = [vote.score for vote in votes]
    if votes[0].graded:
        score = statistics.median(scores)
    else:
        score = float(2 * sum(scores) > len(votes))
    nearest = min(votes, key=lambda vote: abs(vote.score - score))
    return msgspec.structs.replace(
        nearest,
        passed=score >= PASSES_FROM,
        score=score,
        judge=joined(vote.judge for vote in votes),
        cost_usd=total(vote.cost_usd for vote in votes),
        votes=tuple(scores),
    )


def share(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict on all passages: the score is the share that pass."""
    score = statistics.fmean(verdict.score for verdict in verdicts)
    listed = "; ".join(
        f"({number}) {'pass' if verdict else 'fail'}: {verdict.reason}"
        for number, verdict in enumerate(verdicts, start=1)
    )
    return msgspec.structs.replace(
        verdicts[0],
        passed=score >= PASSES_FROM,
        score=score,
        graded=True,
        reason=f"{sum(map(bool, verdicts))} of {len(verdicts)} passages pass. {listed}",
        cost_usd=total(verdict.cost_usd for verdict in verdicts),
        votes=(),
    )


def nothing_retrieved(rubric: Rubric, judge: str) -> Verdict:
    """Return the verdict on a retrieval that found nothing: no model is asked."""
    return Verdict(
        passed=False,
        score=0.0,
        graded=rubric.each == "passage" or rubric.scale == "graded",
        reason="Nothing was retrieved.",
        judge=judge,
        rubric=rubric.id,
        cost_usd=0.0,
    )


def verdict_by(function: Function, reply: Reply, case: Case | None) -> Verdict:
    """Return the verdict of a judge that is code.

    It may return a bool, a number in [0, 1], a `Verdict`, or a dict with `passed` or
    `score` or both, or any result that `score()` takes. Raises `TypeError` for what
    holds no number and `ValueError` for a number outside [0, 1].
    """
    result = function(reply, case)
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(result, Verdict):
        return msgspec.structs.replace(result, judge=result.judge or name)
    passed = result.get("passed") if isinstance(result, dict) else None
    if passed is not None:
        result = {"score": passed} | result
    given = result["score"] if passed is not None else result
    score = score_from(result)
    return Verdict(
        passed=score.value >= PASSES_FROM if passed is None else bool(passed),
        score=score.value,
        graded=not isinstance(given, bool),
        reason=score.reason,
        judge=name,
    )


def total(costs: Iterable[float | None]) -> float | None:
    """Add up what calls cost; None when one is unknown."""
    known = list(costs)
    return None if None in known else sum(cost for cost in known if cost is not None)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…")


def _name(model_id: str) -> str:
    """Return what follows the provider: `azure/gpt-5` is a GPT, `ollama/phi` a Phi."""
    return model_id.lower().removesuffix(".gguf").rpartition("/")[2]


def _families(name: str) -> frozenset[str]:
    return frozenset(
        family for family, names in _patterns().items() if names.search(name)
    )


@functools.cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {
        family: re.compile(rf"(?<![a-z0-9])(?:{names})(?![a-z])", re.IGNORECASE)
        for family, names in _FAMILIES.items()
    }
