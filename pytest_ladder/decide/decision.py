"""What an objective decides: the recommended rung, why, and what the next one costs."""

from __future__ import annotations

from typing import Literal

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.text import numbers
from pytest_ladder.text.numbers import count, few

Verdict = Literal["pass", "fail", "undecided"]

MARGIN = 0.03
"""Quality that a dearer rung must at least add to be worth a thought, where the
objective does not say."""


ESCALATED = 3
"""Samples of a case from which on more are not worth their price.

See docs/methods.md §2.5.
"""

MoreSamples = Literal["", "run", "budget"]
"""What became of the samples that a gate asks for by itself: none were asked for, they
were taken, or the budget did not allow them all."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How much of its suite a run is about, where that is not all of it."""

    items: int
    """Rows that it has: a test on a rung, with its case and sample."""
    of: int | None
    """Rows of all tests of the levels that were asked for, on all rungs.

    None: not known, for files of the suite were not collected.
    """
    without: tuple[str, ...] = ()
    """Test files that were not collected, as node ids name them."""
    skipped: int = 0
    """Rows that are in neither number, for tests skipped them by themselves."""
    shard: str = ""
    """Which shards it is, such as `shard 3 of 20`; empty: it is not for them."""

    def __str__(self) -> str:
        named = f"{self.shard}: " if self.shard else ""
        if self.of is None:
            return f"{named}{count(self.items, 'item')}, without {few(self.without)}"
        return f"{named}{self.items:,} of {count(self.of, 'item')}"


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
    only_cases: int | None = None
    """Cases that `points` rests on, where a rung was stopped or one ran more."""


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
    """One-sided 95 % lower bound of the rung's quality, in [0, 1].

    Where the best was chosen it holds for each rung that competed.
    """
    switch: Roi | None = None
    """Of moving from the current rung to `rung`; None: it is the current one."""


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a criterion on one rung."""

    name: str
    """As of `Require`."""
    where: str
    """The rows that it is about, to be read after a figure; empty: all."""
    verdict: Verdict
    at_least: float | None = None
    """The quality that is asked for, in [0, 1]; None: it is about latency."""
    quality: float | None = None
    """In [0, 1], corrected by labels where it can be; None: unknown."""
    low: float | None = None
    """95 % interval of `quality`; None: too few clusters, or unknown."""
    high: float | None = None
    n: int = 0
    """Units that have a score."""
    latency_p95_s: float | None = None
    """The latency that is allowed; None: it is about quality."""
    p95_s: float | None = None
    """In seconds; None: unknown."""
    why: str = ""
    """Why it is undecided, to be read after "undecided with"; empty: it is not."""

    def __str__(self) -> str:
        return f"{self.name} {self.outcome}"

    @property
    def outcome(self) -> str:
        """What was measured of what is asked for: `96.0 % against 98 %: fails`."""
        found, asked = numbers.seconds(self.p95_s), numbers.seconds(self.latency_p95_s)
        if self.at_least is not None:
            found = numbers.percent(self.quality)
            asked = numbers.bar(self.at_least)
        verb = {"pass": "meets", "fail": "fails", "undecided": "undecided"}
        why = f" ({self.why})" if self.why else ""
        return f"{found} against {asked}: {verb[self.verdict]}{why}"

    @property
    def lack(self) -> str:
        """What a rung lacks that fails it, to be read after "it"."""
        if self.at_least is None:
            slow = f"has a p95 latency of {numbers.seconds(self.p95_s)}{self.where}"
            return f"{slow} (at most {numbers.seconds(self.latency_p95_s)})"
        scores = f"scores {numbers.percent(self.quality)}{self.where}"
        return f"{scores} (at least {numbers.bar(self.at_least)})"

    @property
    def doubt(self) -> str:
        """What keeps it undecided, to be read after "undecided with"."""
        if self.at_least is None:
            return f"{self.why}{self.where}"
        if self.quality is None:
            return self.why
        return f"{self.why}{self.where}, whose bar is {numbers.bar(self.at_least)}"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rung stands in quality against cost."""

    rung: str
    on_front: bool
    """Whether no measured rung is both cheaper and better."""
    dominated_by: str | None
    """A cheaper rung that is at least as good, where that is established."""
    comparable: bool
    """False for rungs without a quality or with an unknown cost: shown apart."""


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """A measured rung that a planned one would take the place of."""

    rung: str
    recommended: bool
    """Whether the objective recommends it; else it is the current one."""
    is_open: bool = False
    """Whether that recommendation is undecided."""
    quality: float
    """In [0, 1], corrected by labels where it can be."""
    low: float | None
    high: float | None
    n: int
    usd_per_1k: float
    """At the volume, build included."""
    worth_from: float | None
    """Quality in [0, 1] from which on the planned rung is worth its build; None: none
    would do."""
    why: str
    """By what rule; a part of a sentence."""
    break_even_volume: float | None
    """Calls from which on the planned rung costs less; None: never, or always."""


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What a planned rung would have to be, to be worth its build."""

    rung: str
    model: str
    build_usd: float | None
    """None: nobody said."""
    build_hours: float
    serve_usd_per_1k: float | None
    """None: it has no price."""
    usd_per_1k: float | None
    """At the volume, build included; None: a part of it is unknown."""
    rival: Rival | None
    """The recommended rung, else the one that ships; None: neither is measured, or its
    own cost is unknown."""

    @property
    def quality(self) -> float | None:
        """Quality in [0, 1] from which on it is worth it; None: none, or unknown."""
        return None if self.rival is None else self.rival.worth_from


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """All that follows from the matrix and an objective, at one level and volume."""

    level: Level
    volume: int
    """Calls over which build cost is spread."""
    verdicts: dict[str, Verdict]
    """Of each rung with rows at the level, against the bar; empty without one."""
    rung_verdicts: dict[str, Verdict] = {}
    """Of the same rungs, against all that the objective asks: bar, criteria, limits and
    budget. What is recommended goes by these."""
    lacks: dict[str, tuple[str, ...]] = {}
    """What those lack that are out though they do not fail the bar, to be read after
    "it"."""
    requirements: dict[str, tuple[Requirement, ...]] = {}
    """What became of each criterion on each rung that has rows."""
    recommendation: Recommendation | None
    """None without an objective."""
    standings: tuple[Standing, ...]
    """Cheapest first, as in the matrix."""
    steps: tuple[Roi, ...]
    """Between successive rungs of the front."""
    planned: tuple[Worth, ...] = ()
    """Of each planned rung, those of a model cheapest first; of a part of the suite
    nothing is said."""
