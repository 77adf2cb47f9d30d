"""Think first: a model reasons before it answers, and only the answer counts.

Wei et al., *Chain-of-Thought Prompting Elicits Reasoning in Large Language Models*
(2022). Kinds that make several calls build on it: each may ask for thoughts as well.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import BYTES_PER_TOKEN, NO_ANSWER, Reply
from pytest_ladder.core.rung import Strategy
from pytest_ladder.core.thoughts import joined
from pytest_ladder.prompting.extraction import Extractor, extractor_of
from pytest_ladder.prompting.prompter import Conversation, Estimate, StrategyNeeds
from pytest_ladder.prompting.single_turn import SingleTurn

_RATIONALE = "reasoning"
"""The metadata of a few-shot example that says how it comes to its answer."""


class AnswerOptions(Strategy, frozen=True, kw_only=True):
    """How the answer is told from the thoughts before it."""

    extract: Literal["last-line", "tag", "regex", "json"] | None = None
    """Where the answer stands in what the model says; None: all of it is the answer."""
    pattern: str | None = None
    """The name of the `tag`, the `regex` (its group, or all of it; the last match
    counts), or the path in the `json`, as `steps[0].answer`; None: `answer`."""
    instruction: str | None = None
    """What is asked for below each question; None: thoughts first, and then the answer
    where `extract` looks for it."""


class ThinkOptions(AnswerOptions, frozen=True, kw_only=True):
    """What a strategy that thinks may set."""

    extract: Literal["last-line", "tag", "regex", "json"] | None = "last-line"
    """Where the answer stands in what the model says."""


class Think(SingleTurn):
    """One call, with thoughts: `reply.text` is the answer, `reply.reasoning` they."""

    options: ClassVar[type[AnswerOptions]] = ThinkOptions
    strategy: AnswerOptions

    def __init__(self, strategy: AnswerOptions, needs: StrategyNeeds) -> None:
        super().__init__(strategy, needs)
        self.extractor = extractor_of(strategy.extract, strategy.pattern)
        self.below = below_question(strategy, self.extractor)

    @classmethod
    def problem(cls, strategy: Strategy) -> tuple[str, str] | None:
        """Say what is wrong with `pattern` or `extract`."""
        assert isinstance(strategy, AnswerOptions)
        return pattern_problem(strategy)

    @classmethod
    def estimate(cls, strategy: Strategy, folder: Path) -> Estimate:
        """Say what a conversation takes, with the instruction in each turn."""
        assert isinstance(strategy, AnswerOptions)
        estimate = super().estimate(strategy, folder)
        extractor = extractor_of(strategy.extract, strategy.pattern)
        turns = 1 + (strategy.shots if strategy.examples else 0)
        below = len(below_question(strategy, extractor).encode()) * turns
        tokens = estimate.prompt_tokens + below / BYTES_PER_TOKEN
        return estimate._replace(prompt_tokens=tokens)

    def example_answer(self, example: Case, answer: str) -> str:
        """Show the answer where it is looked for, after the example's own thoughts."""
        if self.extractor is None:
            return answer
        rationale = example.metadata.get(_RATIONALE)
        thoughts = rationale if isinstance(rationale, str) else ""
        return joined([thoughts, self.extractor.written(answer)])

    def converse(self, case: Case) -> Conversation:
        """Ask once, and return the reply with the answer alone as its text."""
        return self.answered((yield self.prompt(case)))

    def answered(self, reply: Reply) -> Reply:
        """Return a reply with the answer alone as its text, and thoughts apart.

        Where there is no answer the text is empty, and the reply says so. A refusal
        stays as it is.
        """
        if self.extractor is None or reply.refusal is not None:
            return reply
        found = self.extractor.find(reply.text, cut_off=reply.flag == "truncated")
        if found is None:
            thoughts, answer, odd = reply.text, "", NO_ANSWER
        else:
            (thoughts, answer), odd = found, reply.odd or ""
        return msgspec.structs.replace(
            reply,
            text=answer,
            reasoning=joined([reply.reasoning, thoughts]),
            odd=odd or None,
        )


def below_question(strategy: AnswerOptions, extractor: Extractor | None) -> str:
    """Return what stands below each question."""
    if strategy.instruction is not None:
        return strategy.instruction
    return "" if extractor is None else extractor.instruction


def pattern_problem(strategy: AnswerOptions) -> tuple[str, str] | None:
    """Return the key that makes no extractor, and the fix."""
    kind, pattern = strategy.extract, strategy.pattern
    if kind is None or kind == "last-line":
        if pattern is not None:
            return "pattern", (
                '`pattern` needs `extract` to be "tag", "regex" or "json"; add it, or '
                "remove `pattern`."
            )
        return None
    if kind == "regex":
        return _regex_problem(pattern)
    if pattern is None:
        return None
    if kind == "tag" and not re.fullmatch(r"[A-Za-z][\w-]*", pattern):
        return "pattern", (
            f"{json.dumps(pattern)} is no name of a tag; write it without brackets, "
            'such as "answer".'
        )
    try:
        extractor_of(kind, pattern)
    except ValueError as error:
        return "pattern", f'{error}; write a path such as "steps[0].answer".'
    return None


def _regex_problem(pattern: str | None) -> tuple[str, str] | None:
    if pattern is None:
        return "extract", 'extract = "regex" needs a `pattern`; add one.'
    try:
        re.compile(pattern)
    except re.error as error:
        return "pattern", (
            f"{json.dumps(pattern)} is no regular expression ({error}); correct it."
        )
    return None


def out_of_range(key: str, value: int, least: int, most: int) -> tuple[str, str] | None:
    """Say that an option is no whole number from `least` to `most`; None: it is."""
    if least <= value <= most:
        return None
    told = f"{value} is out of range; write a whole number from {least} to {most}."
    return key, told
