"""Budget: the most quality, or speed, that can be had within a cap on cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.climb.halving import Halving
from pytest_ladder.decide.climb.races import BySpeed
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.cost import distinct, is_over, latencies
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import RungResult
from pytest_ladder.decide.objectives import reasons
from pytest_ladder.decide.objectives.kind import Choice, Kind, Need
from pytest_ladder.decide.objectives.near_best import NearBest
from pytest_ladder.decide.view import NO_PRICE, Candidate, View
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.latency import percentile_interval
from pytest_ladder.text import numbers

_NOT_LIVE = "no latency that was measured live"


class Budget(NearBest):
    """The best rung within the cap, or what comes near it for less.

    With `best = "speed"` it is the one with the lowest median latency of live calls
    (docs/methods.md §3.12) of those that meet the bar and all criteria.
    """

    needs = ("usd_per_1k",)

    def cap(self, objective: Objective) -> float | None:
        """Return the objective's own."""
        return objective.usd_per_1k

    def problem(self, objective: Objective) -> tuple[str, str] | None:
        """Want to know what is right before what is fast."""
        asked = [objective.quality, *(one.at_least for one in objective.require)]
        if objective.best == "speed" and not any(asked):
            return "best", (
                "the fastest rung need not be right; add `quality`, or an `at_least` "
                "in [[objective.require]]."
            )
        return None

    def unknowns(self, result: RungResult, objective: Objective) -> Iterator[str]:
        """Say that the speed of a rung is not known."""
        yield from super().unknowns(result, objective)
        latency = result.latency
        is_timed = latency.n_live > 0 and latency.p50_s is not None
        if objective.best == "speed" and result.levels and not is_timed:
            yield _NOT_LIVE

    def summary(self, objective: Objective) -> str:
        """Say also what is best."""
        if objective.best == "quality":
            return super().summary(objective)
        return f"{Kind.summary(self, objective)}, the fastest"

    def pool(self, view: View) -> list[Candidate]:
        """Leave out what may be over the cap."""
        return [rung for rung in super().pool(view) if NO_PRICE not in rung.doubts]

    def gained(
        self, view: View, chosen: Candidate, ranked: Sequence[Candidate]
    ) -> tuple[Verdict, str]:
        """Pass: what is chosen is within the cap."""
        return "pass", ""

    def choose(self, view: View) -> Choice:
        """Choose the cheapest rung that comes near the best, or the fastest."""
        if view.objective.best == "quality":
            return super().choose(view)
        passing = [rung for rung in view.fitting if rung.status == "pass"]
        if not passing:
            return reasons.nothing(view)
        least = min(map(_median, passing))
        # Of two that are as fast the cheaper comes first.
        chosen = next(rung for rung in passing if _median(rung) <= least + TINY)
        rank = "the only rung" if len(passing) == 1 else "the fastest of"
        rungs = "" if len(passing) == 1 else f" {len(passing)} rungs"
        bar = view.objective.quality
        against = "" if bar is None else f" against {numbers.bar(bar)}"
        untimed = [rung.id for rung in view.fitting if _NOT_LIVE in rung.doubts]
        left = f"; {_NOT_LIVE} on {numbers.few(untimed)}" if untimed else ""
        reason = (
            f"{chosen.id} is {rank}{rungs} within {numbers.dollars(view.cap)} per "
            f"1,000 calls that will do: p50 latency {_timed(view, chosen)}, "
            f"{reasons.quality(chosen)}{against}{reasons.terms(view, chosen)}{left}."
        )
        return Choice(rung=chosen, verdict="pass", reason=reason)

    def need(self, view: View, rival: Candidate, usd: float) -> Need:
        """Ask for no more than the bar where the best is the fastest."""
        need = super().need(view, rival, usd)
        over = view.cap is not None and is_over(usd, view.cap)
        if over or view.objective.best == "quality":
            return need
        return Need(quality=view.bar, why="the bar, if it is faster")

    def climb(self, objective: Objective, terms: Terms) -> Halving:
        """Let the rungs within the cap race for what is best."""
        if objective.best == "speed":
            return BySpeed(terms, objective)
        return super().climb(objective, terms)


def _median(rung: Candidate) -> float:
    return rung.result.latency.p50_s or 0.0


def _timed(view: View, rung: Candidate) -> str:
    """Write the median with its interval: `0.80 s (0.70 s-0.95 s, 60 live calls)`."""
    rows = view.evidence.rows_of(rung.id)
    bills = distinct(bill for row in rows for bill in row.replies)
    values = latencies(bills, live=True)
    low, high = percentile_interval(values, 0.5)
    bounds = ""
    # Of fewer than six calls there is none.
    if low is not None and math.isfinite(high):
        bounds = f"{numbers.seconds(low)}-{numbers.seconds(high)}, "
    calls = numbers.count(len(values), "live call")
    return f"{numbers.seconds(_median(rung))} ({bounds}{calls})"
