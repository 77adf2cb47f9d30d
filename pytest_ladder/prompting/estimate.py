"""How long a strategy's prompts are, before any case is known."""

from __future__ import annotations

from pathlib import Path

from pytest_ladder.core.reply import BYTES_PER_TOKEN
from pytest_ladder.core.rung import Strategy

_CASE_BYTES = 200
_PASSAGE_BYTES = 800


def prompt_tokens(strategy: Strategy, folder: Path) -> float:
    """Estimate the tokens of one prompt; the same on every machine.

    A stand-in of 50 tokens takes the place of the case and 200 that of a retrieved
    passage, so that the answer depends on the configuration alone.
    """
    turn = len(strategy.prompt.encode()) + _CASE_BYTES
    if strategy.retrieves:
        turn += strategy.top_k * _PASSAGE_BYTES
    total = len((strategy.system or "").encode()) + turn
    if strategy.examples is not None:
        lines = (folder / strategy.examples).read_bytes().splitlines()
        shots = min(strategy.shots, len(lines))
        total += shots * (turn - _CASE_BYTES)
        total += shots * sum(map(len, lines)) // max(1, len(lines))
    return total / BYTES_PER_TOKEN
