"""What an objective decides: the recommended rung, why, and what the next one costs."""

from __future__ import annotations

from typing import Literal

import msgspec

from pytest_ladder.core.score import Level

Verdict = Literal["pass", "fail", "undecided"]

MARGIN = 0.03
"""Quality that a dearer rung must at least add to be worth a thought."""


class Roi(msgspec.Struct, frozen=True, kw_only=True):
    """The return of a step from one rung to a dearer one, at the stated volume."""

    from_rung: str
    to_rung: str
    points: float | None
    """Quality gained on the cases that both finished, in points (1 = 0.01)."""
    low: float | None
    """Paired 95 % interval of `points`."""
    high: float | None
    extra_usd_per_1k: float | None
    """What 1,000 calls cost more, build included; None: a cost is unknown."""
    points_per_1000_usd: float | None
    """Points per extra $1,000 of total cost at the volume."""
    usd_per_good_answer: float | None
    """USD per extra good answer."""
    points_per_build_hour: float | None
    """Points per extra hour of building; None: no extra hour."""
    break_even_volume: float | None
    """Calls from which `to_rung` is the cheaper one; None: never, or always."""
    established: bool
    """False where the paired interval covers 0 or there is none."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """Which rung to use."""

    rung: str | None
    """None when no rung meets the objective."""
    verdict: Verdict
    reason: str
    """One sentence with the numbers."""
    next_rung: str | None = None
    """The next rung worth trying; None: there is none."""
    roi: Roi | None = None
    """Of the step from `rung` to `next_rung`; None: one of them is not measured."""
    changes: tuple[str, ...] = ()
    """What would change the decision, a sentence each."""
    certified_floor: float | None = None
    """One-sided exact 95 % lower bound of the rung's quality, in [0, 1]."""
    switch: Roi | None = None
    """Of moving from the current rung to `rung`; None: it is the current one."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rung stands in quality against cost."""

    rung: str
    on_front: bool
    """Whether no measured rung is both cheaper and better."""
    front_share: float | None
    """Share of bootstrap draws over cases that have it on the front, in [0, 1]."""
    dominated_by: str | None
    """A cheaper rung that is at least as good, where that is established."""
    comparable: bool
    """False for rungs without a quality or with an unknown cost: shown apart."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """All that follows from the matrix and an objective, at one level and volume."""

    level: Level
    volume: int
    """Calls over which build cost is spread."""
    verdicts: dict[str, Verdict]
    """Of each rung with rows at the level, against the bar; empty without one."""
    recommendation: Recommendation | None
    """None without an objective."""
    standings: tuple[Standing, ...]
    """Cheapest first, as in the matrix."""
    steps: tuple[Roi, ...]
    """Between successive rungs of the front."""
