"""What every strategy is at work: a conversation with a model about a case."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from pytest_ladder.core.case import Case, Message
from pytest_ladder.core.reply import Reply, Retrieved
from pytest_ladder.core.rung import Model, Strategy
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import kind_of

if TYPE_CHECKING:
    from pytest_ladder.prompting.retrieval import Corpus


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What one call sends, and what was retrieved for it."""

    messages: list[Message]
    params: dict[str, Any] = {}
    """Parameters of this call, which overlay those of strategy and model."""
    without: tuple[str, ...] = ()
    """Parameters of strategy and model that this call goes without."""
    retrieved: tuple[Retrieved, ...] = ()
    """Passages that the messages show, the best first."""
    draw: int = 0
    """From 1 on where a conversation wants several replies to one prompt; 0: one."""
    alongside: tuple[Prompt, ...] = ()
    """What is asked next whatever comes of this one; `at_once` sets it."""


Conversation = Generator[Prompt, Reply, Reply]
"""Yields one prompt after another, is sent the reply to each, and returns the reply.

The reply that it returns is one of those that came, or that with another text; usage,
cost and latency of all its calls are put on it.
"""


def at_once(prompts: Sequence[Prompt]) -> Generator[Prompt, Reply, list[Reply]]:
    """Ask several prompts at the same time; a conversation does `yield from` it.

    Their replies come in the order of the prompts, and their latency is that of the
    longest. Equal prompts need a `draw` each, or they share a reply.
    """
    replies = []
    for number, prompt in enumerate(prompts, start=1):
        later = tuple(prompts[number:])
        replies.append((yield msgspec.structs.replace(prompt, alongside=later)))
    return replies


class Estimate(NamedTuple):
    """What one conversation takes, by the configuration alone."""

    prompt_tokens: float
    """Of all its calls together, for a case of 50 tokens."""
    calls: int
    """How many it makes, at most."""
    added_tokens: float = 0.0
    """What the strategy itself adds to each prompt after the first, at most."""


class StrategyNeeds(NamedTuple):
    """What a ladder has for the strategies that it makes."""

    path: Path
    """Its configuration file; paths in it start from there."""
    corpus: Callable[[Path, Strategy], Corpus]
    """Reads a corpus; one that several strategies share is read once."""


class Prompter(ABC):
    """A strategy at work; any thread may ask for conversations.

    A kind of strategy is a class: `converse` says what is asked and what comes of it,
    `estimate` what that takes. Whoever runs the conversation makes the calls: they are
    stored, paid and limited like any other, and what a conversation does may depend on
    the case and on its replies only, so that a replay takes the same way.
    """

    is_known: ClassVar[bool] = False
    """Whether `known` names all prompts of a conversation."""
    options: ClassVar[type[Strategy]] = Strategy
    """What a `[[strategy]]` that uses it may set: a subclass with more fields."""

    def __init__(self, strategy: Strategy, needs: StrategyNeeds) -> None:
        """Read what the strategy needs; raises `ConfigError` for what is wrong."""
        self.strategy = strategy

    @classmethod
    @abstractmethod
    def estimate(cls, strategy: Strategy, folder: Path) -> Estimate:
        """Say what a conversation takes, the same on every machine; reads no corpus."""

    @classmethod
    def problem(cls, strategy: Strategy) -> tuple[str, str] | None:
        """Return the key of an option that is wrong, and a sentence with the fix."""
        return None

    @classmethod
    def doubt(cls, strategy: Strategy, model: Model) -> str:
        """Say what is odd about using it with a model, a warning; empty: nothing."""
        return ""

    @abstractmethod
    def converse(self, case: Case) -> Conversation:
        """Put a case to a model; raises `ConfigError` for one that it cannot use."""

    def begun(self, case: Case) -> Conversation:
        """Begin a conversation; raises `ConfigError` where `converse` makes none."""
        conversation: Any = self.converse(case)
        if not isinstance(conversation, Generator):
            raise ConfigError(
                f'The strategy "{self.strategy.name}" does not converse: `converse` '
                f"returned {kind_of(conversation)} without asking; yield prompts."
            )
        return conversation

    def known(self, case: Case) -> list[Prompt]:
        """Return the prompts that are known before anything is asked.

        By default the first one: those after it may depend on the reply to it.
        """
        conversation = self.begun(case)
        try:
            return [next(conversation)]
        except StopIteration:
            return []
        finally:
            conversation.close()
