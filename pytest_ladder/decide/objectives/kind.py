"""A kind of objective: what all that depends on the kind is asked of.

The `[objective]` of a configuration names its kind, and `objectives/table.py` has the
object for each name. No other file asks which kind it is: it asks the object.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.climb.course import Course
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.cost import PER, is_over
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import RungResult
from pytest_ladder.decide.view import Candidate, View
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text import numbers


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What an objective comes to before the rest is worked out."""

    rung: Candidate | None
    verdict: Verdict
    reason: str
    """One sentence with the numbers."""
    rivals: tuple[Candidate, ...] = ()
    """All that would do; the cheapest of them is chosen."""
    competed: int = 1
    """Rungs of which the quality decided; 1 where that of no other did."""


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """How good a rung must be to take the place of another."""

    quality: float | None
    """In [0, 1]; None: no quality would do."""
    why: str
    """Why so good, or why none would do: a part of a sentence."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line that charts draw where the objective wants a rung to be."""

    of: Literal["quality", "cost", "latency"]
    at: float
    """A quality in [0, 1], USD per 1,000 calls above 0, or seconds."""
    label: str


class Kind(ABC):
    """One kind of objective, the same object for all objectives of the kind.

    `choose` and `climb` are its own; the rest is what most kinds answer.
    """

    needs: tuple[str, ...] = ()
    """Keys of `[objective]` that must be given; another kind does not take them over
    where an objective is changed."""

    @abstractmethod
    def choose(self, view: View) -> Choice:
        """Choose a rung, or none, of those that fit, with verdict and reason."""

    @abstractmethod
    def climb(self, objective: Objective, terms: Terms) -> Course:
        """Open the climb that finds out what `choose` would say of all rows.

        Rungs beyond the cap are left out by the caller. Raises `ConfigError` for an
        objective that no climb can decide.
        """

    def cap(self, objective: Objective) -> float | None:
        """Return what 1,000 calls may cost, in USD, build included; None: no cap."""
        return None

    def fits(self, result: RungResult, objective: Objective) -> Iterator[str]:
        """Say what a rung lacks beside quality, cap and criteria, to follow "it".

        Nothing where it fits, and where nothing is known: `unknowns` says that.
        """
        hours, longest = result.cost.build_hours, objective.build_hours
        if longest is not None and hours > longest:
            yield f"takes {hours:,g} h to build (at most {longest:,g} h)"

    def unknowns(self, result: RungResult, objective: Objective) -> Iterator[str]:
        """Say what is not known of a rung that `fits` would hold against it."""
        yield from ()

    def problem(self, objective: Objective) -> tuple[str, str] | None:
        """Name a key of `[objective]` that makes no sense, and say why; None: none."""
        if objective.best != "quality":
            why = '`best` is a word of kind = "budget"; choose that, or remove it.'
            return "best", why
        return None

    def good_answer_usd(self, objective: Objective) -> float | None:
        """Return what one more good answer may cost, in USD; None: nobody says."""
        return None

    def need(self, view: View, rival: Candidate, usd: float) -> Need:
        """Say how good a rung must be that is to take the place of `rival`.

        It would cost `usd` per 1,000 calls at the volume, build included; the quality
        and the cost of `rival` are known. By what a good answer may cost, where the
        kind says that; else as good where it is cheaper, and a step up where it is
        dearer, as the tolerance and a bar have it.
        """
        cap, tolerance = self.cap(view.objective), view.objective.tolerance
        if cap is not None and is_over(usd, cap):
            over = f"{numbers.dollars(usd)} is over the budget of"
            return Need(quality=None, why=f"{over} {numbers.dollars(cap)}")
        quality, cost = rival.quality or 0.0, rival.usd_per_1k or 0.0
        good = self.good_answer_usd(view.objective)
        if good is None:
            need = need_beside(quality, cost, usd, tolerance)
        else:
            need = need_by_value(quality, cost, usd, good)
        if need.quality is not None and need.quality < view.bar:
            return Need(quality=view.bar, why="the bar")
        return need

    def goal(self, objective: Objective) -> str:
        """Say what a rung has to do, to be read after "no rung"."""
        parts = []
        if objective.quality is not None:
            parts.append(f"meets the bar of {numbers.bar(objective.quality)}")
        cap = self.cap(objective)
        if cap is not None:
            parts.append(f"keeps within {numbers.dollars(cap)} per 1,000 calls")
        if objective.requirements or objective.build_hours is not None:
            parts.append("keeps to the limits")
        return " and ".join(parts) or "can be recommended"

    def summary(self, objective: Objective) -> str:
        """Say what the team is after: `good enough: quality ≥ 85.0 % at cheap`."""
        wanted = []
        if objective.quality is not None:
            bar = numbers.bar(objective.quality)
            wanted.append(f"quality ≥ {bar} at {objective.level}")
        if (most := self.cap(objective)) is not None:
            cap = numbers.dollars(most)
            wanted.append(f"at most {cap} per 1,000 calls")
        for require in objective.requirements:
            asked = f"≤ {numbers.seconds(require.latency_p95_s)}"
            if require.at_least is not None:
                asked = f"≥ {numbers.bar(require.at_least)}"
            wanted.append(f"{require.name} {asked}")
        if objective.build_hours is not None:
            wanted.append(f"built within {objective.build_hours:g} h")
        if objective.min_n is not None:
            wanted.append(f"n ≥ {objective.min_n:,}")
        kind = objective.kind.replace("-", " ")
        return f"{kind}: {', '.join(wanted)}" if wanted else kind

    def lines(self, objective: Objective) -> Iterator[Line]:
        """Yield the lines for charts."""
        bar, cap = objective.quality, self.cap(objective)
        if bar is not None:
            yield Line(of="quality", at=bar, label=f"bar {numbers.bar(bar)}")
        if cap:
            yield Line(of="cost", at=cap, label=f"budget {numbers.dollars(cap)}")
        for require in objective.requirements:
            p95 = require.latency_p95_s
            # One of some rows only says nothing of what the chart shows.
            if p95 is not None and not require.where:
                yield Line(of="latency", at=p95, label=f"p95 ≤ {numbers.seconds(p95)}")


def need_beside(quality: float, usd: float, own_usd: float, step: float) -> Need:
    """Ask for the same quality for less, and for a `step` up at a higher price.

    `quality` and `usd` are those of the rung whose place is to be taken, `own_usd` what
    the other would cost, both per 1,000 calls.
    """
    if own_usd <= usd:
        return Need(quality=quality, why="the same quality for less")
    better = f"{100 * step:.6g} points better"
    if quality + step > 1 + TINY:
        return Need(quality=None, why=f"it would be dearer, and cannot be {better}")
    wanted = min(1.0, quality + step)
    return Need(quality=wanted, why=f"{better}, for it would be dearer")


def need_by_value(quality: float, usd: float, own_usd: float, good_usd: float) -> Need:
    """Ask for as many more good answers as the higher price is worth.

    Likewise, `good_usd` being what one of them may cost; fewer will do for less.
    """
    wanted = quality + (own_usd - usd) / (PER * good_usd)
    priced = f"an extra good answer is worth {numbers.dollars(good_usd)}"
    if wanted > 1 + TINY:
        return Need(quality=None, why=f"it would be dearer, and {priced}")
    return Need(quality=min(1.0, max(0.0, wanted)), why=priced)
