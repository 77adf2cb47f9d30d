"""Races: successive halving by something else than quality: value, or speed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row, UsedReply
from pytest_ladder.decide.climb.halving import Halving
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.cost import PER, distinct, latency_of
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.decide.value import value_of, worth_of_quality
from pytest_ladder.stats.checks import TINY


class ByValue(Halving):
    """The half of greater expected value stays, at what calls cost as is known by now.

    A rung of unknown price has no value, and goes first.
    """

    @property
    def _unit(self) -> float:
        return worth_of_quality(self._objective)

    @property
    def _no_room(self) -> str:
        return "{} is worth more than a dearer rung that is always right"

    def _worths(self, rungs: Sequence[str]) -> dict[str, float]:
        quality = super()._worths(rungs)
        return {rung: self._value(rung, quality[rung]) for rung in rungs}

    def _value(self, rung: str, quality: float) -> float:
        usd = self._usd.get(rung)
        if usd is None:
            return -math.inf
        return value_of(self._objective, min(1.0, max(0.0, quality)), PER * usd)

    def _is_worse(self, rung: str, best: str) -> bool:
        places = self._shared([rung, best])
        both = zip(self._scores(best, places), self._scores(rung, places), strict=True)
        saved = PER * ((self._usd.get(rung) or 0.0) - (self._usd.get(best) or 0.0))
        people = self._errors.people_score
        gains = [
            self._unit * (people(high) - people(low)) + saved for high, low in both
        ]
        return self._is_gain(gains, places, bounded=False)

    def _no_room_above(self, rung: str, dearer: Sequence[str]) -> bool:
        tally = self._tallies[rung][self.level]
        own = self._value(rung, self._errors.people_score(tally.total / tally.n))
        # Costs are what calls may cost at the least.
        most = (self._value(other, 1.0) for other in dearer)
        return bool(dearer) and own > max(most) + TINY


class BySpeed(Halving):
    """The half of the lower median latency stays, of live calls; unknown goes first."""

    def __init__(self, terms: Terms, objective: Objective) -> None:
        """Open it for an objective that wants the fastest."""
        self._bills: defaultdict[str, list[UsedReply]] = defaultdict(list)
        super().__init__(terms, objective)

    def close(self, rows: Sequence[Row], skipped: Collection[Unit] = ()) -> None:
        """Take in also how long its replies took."""
        for row in rows:
            self._bills[row.rung] += row.replies
        super().close(rows, skipped)

    @property
    def _unit(self) -> float:
        # Nothing is as fast as the fastest but what is as fast.
        return 0.0

    def _worths(self, rungs: Sequence[str]) -> dict[str, float]:
        found = {rung: latency_of(distinct(self._bills[rung])) for rung in rungs}
        return {
            rung: -one.p50_s if one.n_live and one.p50_s is not None else -math.inf
            for rung, one in found.items()
        }

    def _is_worse(self, rung: str, best: str) -> bool:
        return False

    def _no_room_above(self, rung: str, dearer: Sequence[str]) -> bool:
        return False
