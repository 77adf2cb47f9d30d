"""Few-shot examples: solved cases, and which of them a case is shown."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.core.rung import Strategy
from pytest_ladder.errors import ConfigError

if TYPE_CHECKING:
    from pytest_ladder.prompting.search import Index


class FewShot:
    """The examples of a strategy; read once, when it is made."""

    def __init__(self, examples: Sequence[Case], strategy: Strategy) -> None:
        self.examples = tuple(examples)
        self._shots = strategy.shots
        self._select = strategy.select
        self._inputs = [_plain(example.text) for example in self.examples]
        self._index = _index(self.examples) if strategy.select == "similar" else None

    def choose(self, case: Case) -> list[int]:
        """Positions of the examples for a case, in the order they are shown.

        An example with the input of the case is never among them, because its
        answer would be the case's. With `similar` the most similar comes last:
        models weigh most what stands nearest to the question. With `same-tag` and
        `same-cluster` there may be fewer than `shots`, or none.
        """
        own = _plain(case.text)
        if self._index is None:
            of_kind = (
                n
                for n, example in enumerate(self.examples)
                if self._is_of_kind(example, case)
            )
            return self._others(of_kind, own)
        similar = self._index.best(case.text, self._shots + self._inputs.count(own))
        near = set(similar)
        # Examples that share no word fill up, so that every case has as many shots.
        rest = (n for n in range(len(self._inputs)) if n not in near)
        return self._others(itertools.chain(similar, rest), own)[::-1]

    def _is_of_kind(self, example: Case, case: Case) -> bool:
        """Tell whether an example is one for a case; of another kind it may mislead."""
        if self._select == "same-tag":
            return not set(example.tags).isdisjoint(case.tags)
        if self._select == "same-cluster":
            return example.cluster is not None and example.cluster == case.cluster
        return True

    def _others(self, positions: Iterable[int], own: str) -> list[int]:
        others = (n for n in positions if self._inputs[n] != own)
        return list(itertools.islice(others, self._shots))


def read_examples(strategy: Strategy, folder: Path, where: str) -> list[Case]:
    """Read the examples of a strategy. Raises `ConfigError` for one unanswered."""
    assert strategy.examples is not None, "only asked of strategies with examples"
    examples = load_cases(strategy.examples, folder=folder, where=where)
    for example in examples:
        if example.expected is None:
            raise ConfigError(
                f'{example.source}: the example "{example.id}" has no `expected`; '
                "examples show the model an answer, so add one."
            )
    _check_kinds(strategy, examples, where)
    return examples


def _check_kinds(strategy: Strategy, examples: Sequence[Case], where: str) -> None:
    """Refuse examples that could never be shown for want of a tag or cluster."""
    named = {
        "same-tag": any(example.tags for example in examples),
        "same-cluster": any(example.cluster is not None for example in examples),
    }
    if not named.get(strategy.select, True):
        kind = strategy.select.removeprefix("same-")
        raise ConfigError(
            f'{where}: select = "{strategy.select}" shows examples with a {kind} of '
            f"the case, and no example of {strategy.examples} names one; add "
            f"`{kind}{'s' if kind == 'tag' else ''}` to them."
        )


def _index(examples: Sequence[Case]) -> Index:
    from pytest_ladder.prompting.search import Index

    return Index([example.text for example in examples])


def _plain(text: str) -> str:
    """Write an input without what does not make it another: case and white space."""
    return " ".join(text.split()).casefold()
