"""The terms of a climb: all that it depends on beside its objective."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pytest_ladder.core.ladder import Require
from pytest_ladder.core.score import Level
from pytest_ladder.decide.judge_errors import JudgeErrors
from pytest_ladder.decide.matrix import Unit


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """A share that some rows of a level must reach, and the units that have any."""

    require: Require
    level: Level
    units: tuple[Unit, ...]
    """In the order of the climb."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to climb, how often it is looked at, and how often it may err.

    Raises ValueError for repeated rungs or units and `every` below 1.
    """

    rungs: tuple[str, ...]
    """Cheapest first."""
    units: Mapping[Level, tuple[Unit, ...]]
    """In random order, the same for all rungs."""
    graded: Mapping[Level, bool]
    """Levels whose units score anything but 0 and 1."""
    cheap_bar: float | None
    """A bar on the way for an objective that decides above cheap."""
    every: int
    """Units from look to look."""
    criteria: tuple[Criterion, ...] = ()
    """What a rung must meet beside its bar."""
    alpha: float = 0.05
    """Chance over the whole ladder, at most, of an early false pass."""
    beta: float = 0.05
    """Chance on the average rung, at most, of an early false fail."""
    again: float = 0.02
    """The same on rungs cheaper than the one that passes: those are looked at again."""
    least: int = 0
    """Units that a verdict needs at least."""
    usd: Mapping[str, float | None] = {}
    """What a call is expected to cost in USD, building included; None: not known."""
    finish_winner: bool = True
    """Whether the rung that passes is run to its end."""
    price_cap_ok: Mapping[str, bool | None] | None = None
    """Which rungs are within a cap on cost, None where the price is unknown."""
    judge: JudgeErrors | None = None
    """What labels say of the judges of the deciding level; None: no model judges it."""
    clusters: Mapping[Unit, str] = {}
    """Units that share a name must follow each other."""

    def __post_init__(self) -> None:
        if len(set(self.rungs)) != len(self.rungs) or not self.rungs:
            raise ValueError(f"A climb needs rungs that differ, got {self.rungs}.")
        for level, given in self.units.items():
            if len(set(given)) != len(given):
                raise ValueError(f"Units at the {level} level are given twice.")
        if self.every < 1:
            raise ValueError(f"Looks must be 1 or more units apart, got {self.every}.")
