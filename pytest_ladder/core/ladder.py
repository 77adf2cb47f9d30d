"""A ladder: the configured rungs with objective, judge and gate."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from pytest_ladder.core.rung import Endpoint, Model, Rung, Strategy, Table
from pytest_ladder.core.score import Level

LABELS = "labels.jsonl"
"""The file of people's labels when the configuration names none."""


class Objective(Table, frozen=True, kw_only=True):
    """What the team wants: a quality, a cost, or as much quality as can be had."""

    kind: Literal["good-enough", "budget", "step-function"]
    """A bar that is met, a cap that is kept, or as much quality as can be had."""
    quality: float | None = None
    """The quality that is good enough, in [0, 1]; required for `good-enough`."""
    level: Level = Level.CHEAP
    """The level that decides."""
    volume: int = 100_000
    """Calls over which build cost is spread, from 1."""
    latency_p95_s: float | None = None
    """Constraint: the 95th percentile of latency, in seconds, above 0."""
    usd_per_1k: float | None = None
    """The cap in USD per 1,000 calls, build included; required for `budget`."""
    build_hours: float | None = None
    """Constraint: calendar hours that building may take."""
    min_n: int | None = None
    """Constraint: units that a verdict needs at least."""


class JudgeConfig(Endpoint, frozen=True, kw_only=True):
    """The model that grades replies."""

    jury: tuple[Endpoint, ...] = ()
    """More models that vote with it."""
    labels: str | None = None
    """File of people's verdicts, relative to the ladder; None: `labels.jsonl`."""
    funnel: bool = True
    """Whether a case is left unjudged, as a miss, when a cheap check of it missed."""


class Gate(Table, frozen=True, kw_only=True):
    """What blocks a pull request: margins against the baseline."""

    undecided: Literal["pass", "fail"] = "pass"
    """What an undecided verdict does to the exit status."""
    quality_drop: float = 0.02
    """Drop of quality that blocks when it is significant, in [0, 1]."""
    cost: float | None = None
    """Rise of cost per call that blocks, as a share: 0.1 is 10 %; None: not gated."""
    latency_p95: float | None = None
    """Rise of p95 latency that blocks, as a share; None: not gated."""
    non_inferiority: float | None = None
    """Margin of the opt-in non-inferiority test, in [0, 1]; None: not tested."""


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """All rungs of one configuration file, with what is wanted of them."""

    path: Path
    """The configuration file."""
    models: tuple[Model, ...]
    strategies: tuple[Strategy, ...]
    rungs: tuple[Rung, ...]
    """In file order, models first; run and report orders come from cost."""
    current: Rung | None = None
    """The rung that ships, as declared; None when the file does not say."""
    objective: Objective | None = None
    judge: JudgeConfig | None = None
    gate: Gate = Gate()

    @property
    def folder(self) -> Path:
        """The folder that paths in the file are relative to."""
        return self.path.parent

    @property
    def labels(self) -> Path:
        """The file of people's verdicts on replies; it need not exist."""
        named = None if self.judge is None else self.judge.labels
        return self.folder / (named or LABELS)
