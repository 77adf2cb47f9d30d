"""Tools: the model calls functions, sees what they return, and answers in the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.core.case import Case, Message
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Strategy
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.functions import functions_of
from pytest_ladder.prompting.prompter import (
    Conversation,
    Estimate,
    Prompt,
    StrategyNeeds,
)
from pytest_ladder.prompting.refine import grown
from pytest_ladder.prompting.think import AnswerOptions, Think, out_of_range
from pytest_ladder.text.phrases import listed, shown

UNFINISHED = "unfinished"
"""What is odd about a reply that still asks for tools when the loop must end."""
_MOST_CALLS = 100
_MOST_AT_ONCE = 32
"""Calls of tools in one reply that are made; the model is told so of the rest."""
_RESULT_TOKENS = 100
"""What the result of a tool is taken to be long."""


class ToolOptions(AnswerOptions, frozen=True, kw_only=True):
    """What a strategy with tools may set."""

    most_calls: int = 8
    """Calls of the model for one case at most, 1 to 100."""
    most_usd: float | None = None
    """USD for one case, above 0, after which no other call is made; None: no bound."""


class Tools(Think):
    """A loop: as long as the model calls tools, it is told what they return."""

    options = ToolOptions
    strategy: ToolOptions
    is_known = False

    def __init__(self, strategy: ToolOptions, needs: StrategyNeeds) -> None:
        super().__init__(strategy, needs)
        self._where = f'{shown(needs.path)}: strategy "{strategy.name}": tools'
        self._tools = functions_of(strategy, needs.path)

    @classmethod
    def problem(cls, strategy: Strategy) -> tuple[str, str] | None:
        """Say what is wrong with the options."""
        assert isinstance(strategy, ToolOptions)
        if not strategy.tools:
            return "tools", (
                'there is no tool; write tools = ["package.module:function"].'
            )
        if wrong := out_of_range("most_calls", strategy.most_calls, 1, _MOST_CALLS):
            return wrong
        usd = strategy.most_usd
        if usd is not None and not 0 < usd < math.inf:
            return "most_usd", f"{usd} is out of range; write a number above 0."
        return super().problem(strategy)

    @classmethod
    def estimate(cls, strategy: Strategy, folder: Path) -> Estimate:
        """Say what a conversation takes at most: all calls, each with the schemas."""
        assert isinstance(strategy, ToolOptions)
        first = super().estimate(strategy, folder).prompt_tokens
        return grown(first, strategy.most_calls, _RESULT_TOKENS)

    def known(self, case: Case) -> list[Prompt]:
        """Return the first prompt."""
        return [self.prompt(case)]

    def converse(self, case: Case) -> Conversation:
        """Ask, and call what the model asks for, until it answers or a bound is met."""
        (prompt,), usd, most_usd = self.known(case), 0.0, self.strategy.most_usd
        for left in reversed(range(self.strategy.most_calls)):
            reply = yield prompt
            if not reply.tool_calls:
                return self.answered(reply)
            usd += self._usd(reply)
            if not left or (most_usd is not None and usd >= most_usd):
                break
            messages = [*reply.messages, *self._results(reply)]
            prompt = Prompt(messages=messages)
        return msgspec.structs.replace(self.answered(reply), odd=UNFINISHED)

    def _usd(self, reply: Reply) -> float:
        if self.strategy.most_usd is None:
            return 0.0
        if reply.cost_usd is None:
            raise ConfigError(
                f"{self._where}: nobody knows what a call costs, so `most_usd` cannot "
                "be kept; declare the `price` of the model, or remove `most_usd`."
            )
        return reply.cost_usd

    def _results(self, reply: Reply) -> list[Message]:
        """Call what a reply asks for; each call gets a message, an error too."""
        results: list[Message] = []
        for number, call in enumerate(reply.tool_calls):
            if number < _MOST_AT_ONCE:
                text = self._result(call)
            else:
                text = f"Error: only {_MOST_AT_ONCE} tools can be called at once."
            results.append(
                {
                    "role": "tool",
                    "tool_call_id": str(call.get("id") or f"call_{number}"),
                    "content": text,
                }
            )
        return results

    def _result(self, call: dict[str, Any]) -> str:
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        tool = self._tools.get(str(function.get("name")))
        if tool is None:
            return f"Error: there is no such tool; there are {listed(self._tools)}."
        return tool.call(str(function.get("arguments") or ""))
