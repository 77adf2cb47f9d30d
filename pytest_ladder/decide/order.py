"""Run order: rungs from the cheapest to the dearest, before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pytest_ladder.core.rung import Model, Price, Rung

DEFAULT_VOLUME = 100_000
"""Calls over which build cost is spread when no objective says."""
# What a reply is taken to be long where `max_tokens` is not set.
_DEFAULT_MAX_TOKENS = 256


def run_order(
    rungs: Sequence[Rung],
    volume: int,
    price_of: Callable[[Model], Price | None],
    prompt_tokens: Callable[[Rung], float],
) -> tuple[Rung, ...]:
    """Sort rungs by expected USD per call, building spread over `volume` calls.

    Unknown prices come last; ties keep the order of the file. `prompt_tokens` is
    the length of a rung's prompt, in tokens.
    """

    def expected(rung: Rung) -> float:
        use = use_usd(rung.model, price_of(rung.model), prompt_tokens(rung))
        return math.inf if use is None else use + build_usd(rung.model, volume)

    return tuple(sorted(rungs, key=expected))


def build_usd(model: Model, volume: int) -> float:
    """USD of building the model for each of `volume` calls."""
    return model.build.usd / volume if model.build else 0.0


def use_usd(model: Model, price: Price | None, prompt_tokens: float) -> float | None:
    """Expected USD of one call; None when its price is unknown."""
    output: int = model.params.get("max_tokens", _DEFAULT_MAX_TOKENS)
    if model.serve is not None:
        speed = model.serve.tokens_per_second
        if speed is None:
            return None
        seconds = (prompt_tokens + output) / speed
        return model.serve.usd_per_hour / 3600 * seconds / model.serve.utilisation
    if price is None:
        return None
    return (prompt_tokens * price.input + output * price.output) / 1_000_000
