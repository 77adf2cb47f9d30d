"""Verdicts: from an answer, from several votes, and from functions that judge."""

from __future__ import annotations

import functools
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.calls.asker import Talk
from pytest_ladder.calls.contract import Request
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Model
from pytest_ladder.core.score import PASSES_FROM, Verdict, score_from, score_of_verdict
from pytest_ladder.errors import JudgeError, ReplyNotJson
from pytest_ladder.judging.answers import read
from pytest_ladder.judging.prompts import FORMS, Form, form_of, repair_of, said_in
from pytest_ladder.judging.rubrics import Rubric

Function = Callable[[Reply, Case | None], Any]
"""A judge that is code: `f(reply, case)` returns bool, number, `Verdict` or dict."""

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


Unusable = Callable[[Sequence[Reply]], None]
"""Is told of answers that gave no verdict, so that they are not recorded."""


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


def ask(
    request: Request, form: Form, subject: str, unusable: Unusable
) -> Talk[JudgeAnswer]:
    """Ask a judge, once more if its answer cannot be used.

    Where both answers are stored and neither can be used, a live run asks for new ones.
    `subject` is what it judges, for the message of the `JudgeError` that is raised
    when there is no verdict.
    """
    data = said_in(request.messages[1])
    for fresh in (False, True):
        asked, answers = msgspec.structs.replace(request, fresh=fresh), list[Reply]()
        while len(answers) < _ATTEMPTS:
            answers.append((yield asked))
            if fresh and answers[-1].replayed:
                # A replay, which has no other answers than those.
                break
            answer = answers[-1]
            try:
                value, reason = read(form, answer, data)
            except ReplyNotJson as error:
                problem, text = str(error), answer.text
            else:
                cost_usd = total(each.cost_usd for each in answers)
                return JudgeAnswer(value, reason, cost_usd)
            asked = repair_of(asked, answer, problem, form)
        unusable(answers)
        are_new = not any(each.replayed for each in answers)
        if are_new:
            break
    advice = "" if are_new else " That is stored; --ladder-live asks again."
    if len(text) > _LONGEST_QUOTE:
        text = f"{text[:_LONGEST_QUOTE]}…"
    fix = "take a judge that can write JSON, or allow it more `max_tokens`"
    if answer.flag == "filtered":
        # The request for a repair says otherwise: its words are a part of a key.
        problem = "It was filtered: a content filter stopped it."
        fix = "take a judge without that filter"
    raise JudgeError(
        f"The judge {judge_id(request.model)} gave no usable verdict on {subject}, not "
        f"even when asked again. {problem} Its last answer was {text!r}; {fix}.{advice}"
    )


def has_verdict(request: Request, find: Callable[[Request], Reply | None]) -> bool:
    """Tell whether stored answers, which `find` looks up, hold a judge's verdict."""
    form = form_of(request.messages)
    assert form is not None
    talk = ask(request, form, "", lambda _: None)
    try:
        asked = next(talk)
        while (answer := find(asked)) is not None:
            asked = talk.send(answer)
    except StopIteration:
        return True
    except JudgeError:
        return False
    return False


def vote(
    request: Request, rubric: Rubric, subject: str, unusable: Unusable
) -> Talk[Verdict]:
    """Ask one judge for one verdict."""
    form = FORMS[rubric.scale]
    value, reason, cost_usd = yield from ask(request, form, subject, unusable)
    graded = rubric.scale == "graded"
    score = score_of_verdict(value)
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
        graded=rubric.is_graded,
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
