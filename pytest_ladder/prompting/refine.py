"""Refine: the model drafts an answer, says what is wrong with it, and writes it anew.

Madaan et al., *Self-Refine: Iterative Refinement with Self-Feedback* (2023).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import BYTES_PER_TOKEN, Reply
from pytest_ladder.core.rung import Strategy
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.prompter import (
    Conversation,
    Estimate,
    Prompt,
    StrategyNeeds,
)
from pytest_ladder.prompting.templates import Template, compile_template
from pytest_ladder.prompting.think import AnswerOptions, Think, out_of_range
from pytest_ladder.text.phrases import shown

_MOST_ROUNDS = 10


class RefineOptions(AnswerOptions, frozen=True, kw_only=True):
    """What a strategy that refines may set."""

    critique: str = (
        "What is wrong in your answer, missing, or not asked for? Name each fault in a "
        "line, and do not answer again yet."
    )
    """What asks for the faults of a draft: a template as `prompt` is."""
    revise: str = (
        "Now answer again without these faults, in the form that was asked for, and "
        "write nothing else."
    )
    """What asks for the next draft, a template too."""
    rounds: int = 1
    """How often a draft is criticised and written anew, 1 to 10."""


class Refine(Think):
    """A draft, and in each round a critique and the next draft; the last one counts."""

    options = RefineOptions
    strategy: RefineOptions
    is_known = False

    def __init__(self, strategy: RefineOptions, needs: StrategyNeeds) -> None:
        super().__init__(strategy, needs)
        where = f'{shown(needs.path)}: strategy "{strategy.name}"'
        self._critique = compile_template(strategy.critique, f"{where}: critique")
        self._revise = compile_template(strategy.revise, f"{where}: revise")

    @classmethod
    def problem(cls, strategy: Strategy) -> tuple[str, str] | None:
        """Say what is wrong with the options."""
        assert isinstance(strategy, RefineOptions)
        if wrong := out_of_range("rounds", strategy.rounds, 1, _MOST_ROUNDS):
            return wrong
        for key in ("critique", "revise"):
            if not getattr(strategy, key).strip():
                return key, "it is empty; write what to ask, or remove the key."
            try:
                compile_template(getattr(strategy, key), "")
            except ConfigError as error:
                return key, str(error).removeprefix(": ")
        return super().problem(strategy)

    @classmethod
    def estimate(cls, strategy: Strategy, folder: Path) -> Estimate:
        """Say what a conversation takes: each prompt holds all that was said before."""
        assert isinstance(strategy, RefineOptions)
        asked = [strategy.critique, strategy.revise]
        added = max(len(text.encode()) for text in asked) / BYTES_PER_TOKEN
        first = super().estimate(strategy, folder).prompt_tokens
        return grown(first, 1 + 2 * strategy.rounds, added)

    def known(self, case: Case) -> list[Prompt]:
        """Return the prompt for the draft."""
        return [self.prompt(case)]

    def converse(self, case: Case) -> Conversation:
        """Ask for a draft, and then for critiques and drafts in turn."""
        first = self.prompt(case)
        draft = yield first
        for _ in range(self.strategy.rounds):
            if not draft.text.strip():
                # Nothing was said that anybody could criticise.
                break
            # Faults are told in plain words, whatever form a reply has.
            form = ("response_format",)
            asked = self._after(draft, self._critique, case, first)
            faults = yield msgspec.structs.replace(asked, without=form)
            if not faults.text.strip():
                # No fault was told by which it could be written anew.
                break
            draft = yield self._after(faults, self._revise, case, first)
        return self.answered(draft)

    def _after(
        self, reply: Reply, template: Template, case: Case, first: Prompt
    ) -> Prompt:
        """Make the prompt that goes on after a reply."""
        more = {
            "role": "user",
            "content": self.rendered(template, case, first.retrieved),
        }
        return Prompt(messages=[*reply.messages, more])


def grown(first: float, calls: int, added: float, said: float = 50) -> Estimate:
    """Estimate a conversation of which each prompt holds all that was said before.

    `first` are the tokens of its first prompt, `added` those that the strategy adds to
    each later one, and `said` those of a reply.
    """
    more = (added + said) * calls * (calls - 1) / 2
    return Estimate(prompt_tokens=first * calls + more, calls=calls, added_tokens=added)
