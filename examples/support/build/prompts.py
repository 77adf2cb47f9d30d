"""Prompts: training sees the very messages that the rungs send.

The strategies are those of `ladder.toml`, which `four-tiers.toml` repeats, and
pytest-ladder itself makes the messages; only what is retrieved may be given by the
data.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from pytest_ladder.config import load
from pytest_ladder.prompting.strategies import Strategies
from pytest_ladder.prompting.search import Index
from pytest_ladder.core.case import Case, Message
from pytest_ladder.core.rung import Strategy

from .data.cores import document, shown_documents
from .rows import EXAMPLE, Row

CONFIG = EXAMPLE / "ladder.toml"
EXAMPLES = EXAMPLE / "examples.jsonl"
END = "<|im_end|>"

_DOCUMENTS: dict[str, str] = {}
"""Passages by the input they belong to. A strategy names its retriever by a text, so
that the retriever is a function of this module and finds them here."""


Mix = Mapping[str, Mapping[str, float]]
"""By the first tag of a row: how often it is put into the prompt of each strategy; in
what is left to 1 it is left out."""


class Chat(NamedTuple):
    """Messages with the answer to them, and which strategy made them."""

    messages: list[Message]
    answer: str
    strategy: str

    @property
    def prompt(self) -> str:
        """The messages as the chat template of the models writes them."""
        turns = (
            f"<|im_start|>{turn['role']}\n{turn['content']}{END}\n"
            for turn in self.messages
        )
        return "".join(turns) + "<|im_start|>assistant\n"


class Kitchen:
    """Makes prompts of training rows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        _DOCUMENTS.update({row.input: row.document for row in rows if row.document})
        ladder = load(CONFIG)
        self._strategies = {s.name: _with_given(s) for s in ladder.strategies}
        self._at_work = Strategies(ladder)

    def chat(self, row: Row, strategy: str) -> Chat:
        """Return the prompt of a row by a strategy of the configuration."""
        case = Case(id=row.id, input=row.input, expected=row.expected)
        (prompt,) = self._at_work.prompter(self._strategies[strategy]).known(case)
        messages = prompt.messages
        return Chat(messages, row.expected, strategy)

    def mixed(self, rows: Sequence[Row], mix: Mix, chance: random.Random) -> list[Chat]:
        """Return prompts of rows by strategies drawn from a mix."""
        drawn = [(row, _drawn(mix[row.tags[0]], chance)) for row in rows]
        return [self.chat(row, strategy) for row, strategy in drawn if strategy]


def passages(query: str, top_k: int) -> list[tuple[str, str]]:
    """Return the passage that belongs to an input, else what a search finds.

    The retriever of the training prompts: (source, text) pairs.
    """
    if query in _DOCUMENTS:
        return [("given", _DOCUMENTS[query])]
    names, index = _search()
    return [(names[n], document(names[n])) for n in index.best(query, top_k)]


@functools.cache
def _search() -> tuple[list[str], Index]:
    """Return a search of the documents that training may see, and their names.

    These are the shown ones and those of the few-shot examples. All others hold facts
    that only retrieval can bring.
    """
    examples = [json.loads(line) for line in EXAMPLES.read_text("utf-8").splitlines()]
    told = {name for example in examples for name in example.get("relevant", ())}
    names = sorted({*shown_documents(), *told})
    return names, Index([document(name) for name in names])


def _drawn(shares: Mapping[str, float], chance: random.Random) -> str | None:
    at = chance.random()
    for strategy, share in shares.items():
        at -= share
        if at < 0:
            return strategy
    return None


def _with_given(strategy: Strategy) -> Strategy:
    """Return the strategy with `passages` in place of its corpus."""
    if strategy.corpus is None:
        return strategy
    spec = f"{__name__}:{passages.__name__}"
    return msgspec.structs.replace(strategy, corpus=None, retriever=spec)
