"""Estimates: what rungs that are not built yet would cost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from pytest_ladder.core.rung import Rung, Tier
from pytest_ladder.decide.cost import PER, Cost, Tokens, spread


class PlannedRung(msgspec.Struct, frozen=True, kw_only=True):
    """A rung whose model is not built yet, with what it is expected to cost."""

    model: str
    strategy: str
    tier: Tier
    build_usd: float | None
    """None: nobody said."""
    build_hours: float
    """Calendar time."""
    serve_usd_per_1k: float | None
    """Of 1,000 calls, building left out; None: it has no price."""

    @property
    def id(self) -> str:
        """`model/strategy`, as of a rung that is built."""
        return f"{self.model}/{self.strategy}"

    def cost(self, volume: int) -> Cost:
        """Return the cost at a volume, unknown where a part of it is.

        Raises ValueError for a volume below 1.
        """
        known = self.build_usd is not None
        estimate = Cost(
            usd_per_1k=None,
            serve_usd_per_1k=self.serve_usd_per_1k if known else None,
            build_usd=self.build_usd or 0.0,
            build_hours=self.build_hours,
            known=False,
        )
        return spread(estimate, volume)


class Expected(Protocol):
    """USD that one reply of a rung is expected to cost; None: unknown.

    Lengths that are not given are guessed from the configuration.
    """

    def __call__(
        self, rung: Rung, prompt_tokens: float | None, reply_tokens: float | None, /
    ) -> float | None:
        """Return it by the mean tokens of all prompts and of what comes back."""


def planned_rungs(
    rungs: Sequence[Rung],
    measured: Iterable[tuple[str, Tokens | None]],
    expected_usd: Expected,
) -> tuple[PlannedRung, ...]:
    """Estimate what each planned rung would cost.

    `measured` are the strategies of rungs that ran, each with the mean tokens of a
    reply: prompts of one strategy are about as long whatever the model, and so are
    replies, of all rungs where none has the strategy.
    """
    by_strategy: defaultdict[str, list[Tokens]] = defaultdict(list)
    for strategy, tokens in measured:
        if tokens is not None:
            by_strategy[strategy].append(tokens)
    whole = [tokens for group in by_strategy.values() for tokens in group]
    planned = []
    for rung in rungs:
        alike = by_strategy.get(rung.strategy.name, [])
        prompt = _mean([tokens.input for tokens in alike])
        reply = _mean([tokens.output for tokens in alike or whole])
        usd, build = expected_usd(rung, prompt, reply), rung.model.build
        planned.append(
            PlannedRung(
                model=rung.model.name,
                strategy=rung.strategy.name,
                tier=rung.tier,
                build_usd=None if build is None else build.total_usd,
                build_hours=0.0 if build is None else build.hours,
                serve_usd_per_1k=None if usd is None else PER * usd,
            )
        )
    return tuple(planned)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
