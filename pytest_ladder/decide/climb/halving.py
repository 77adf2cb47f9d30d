"""Successive halving: the best of many rungs, where no bar says what is enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.course import Course, Decided, Stage
from pytest_ladder.decide.climb.hurdle import bars_of, hurdles_of
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.evidence import comparison
from pytest_ladder.decide.judge_errors import JudgeErrors
from pytest_ladder.decide.matrix import LEAST_COVERAGE, cluster_labels
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text.numbers import bar, margin

FIRST_ROUND = 25
"""Units on which the first half is left behind; each round doubles them."""

FINALISTS = 2


class Halving(Course):
    """All rungs on 25 units, the better half on 50, and so on; two run to their end.

    Rungs are compared on the same units, those that all of them finished; of equals the
    cheaper stays (docs/methods.md §3.12; Karnin et al. 2013). The last two are the best
    and the one that the objective would recommend by now. A rung that fails a bar or a
    criterion is out, and the best of those left behind takes its place. Cheap, but
    without an error guarantee: the best rung may be left behind.
    """

    caveat = "by successive halving, which may come to another rung than a matrix"

    def __init__(self, terms: Terms, objective: Objective) -> None:
        """Open it for an objective that wants the best."""
        level = objective.level
        super().__init__(terms.rungs, terms.units, level, terms.criteria)
        self._objective = objective
        self._units, self._clusters = terms.units[level], terms.clusters
        self._usd = dict(terms.usd)
        # Of what no model judges, and of a judge without labels, scores are as they
        # are.
        judged = terms.judge if level is Level.JUDGED else None
        self._errors = judged or JudgeErrors(why_not="")
        self._hurdles = hurdles_of(terms, bars_of(objective, terms), level)
        on_the_way = {hurdle.level for hurdle in self._hurdles} | {level}
        until = list(Level).index(level) + 1
        self._raced = [each for each in list(Level)[:until] if each in on_the_way]
        """Levels that run in every round; what is above waits for the last two."""
        self._goal = min(FIRST_ROUND, len(terms.units[level]))
        self._behind: list[str] = []
        """Rungs that were left behind, the best last."""
        self.stage = self._advance()

    def reprice(self, usd: Mapping[str, float | None]) -> None:
        """Take in what calls cost, as is known by now."""
        self._usd = dict(usd)

    @property
    def _left(self) -> tuple[str, ...]:
        """Rungs in the running: those dearer than one without room above it are not."""
        left = super()._left
        for index, rung in enumerate(left):
            if self._no_room_above(rung, left[index + 1 :]):
                return left[: index + 1]
        return left

    def reason(self, rung: str) -> str | None:
        """Say why a rung was stopped or not run; None: it was run, or may yet be."""
        left = self._left
        if rung in self._out or rung in left:
            return super().reason(rung)
        tally = self._tallies[left[-1]][self.level]
        return f"{self._no_room.format(left[-1])} ({tally})"

    @property
    def _no_room(self) -> str:
        """Say why what is dearer than a rung is not tried."""
        more = margin(self._objective.tolerance)
        return f"nothing can be {more} better than {{}}"

    def _advance(self) -> Stage | None:
        while len(self._left) > FINALISTS:
            for rung in self._left:
                for level in self._raced:
                    tally = self._tallies[rung][level]
                    more = min(self._goal, tally.n) - tally.seen
                    if more > 0:
                        return Stage(rung=rung, level=level, units=tally.rest(more))
            self._halve()
        while self._behind and len(super()._left) < FINALISTS:
            del self._out[self._behind.pop()]
        rests = (self._rest(rung) for rung in self._left)
        return next((stage for stage in rests if stage), None)

    def _judge(self, stage: Stage) -> None:
        rung = stage.rung
        for hurdle in self._hurdles:
            if not self._is_told(stage, hurdle):
                continue
            tally = self._tally(rung, hurdle)
            if hurdle.verdict(tally) == "fail":
                self._looks.append(self._look(stage, "fail", hurdle))
                self._out[rung] = hurdle.why(tally, "fail")
                self._dropped_at[rung] = hurdle.name
                return
        if stage.level is not self.level:
            return
        tally = self._tallies[rung][stage.level]
        if not tally.covered:
            self._out[rung] = f"{tally}; {bar(LEAST_COVERAGE)} must finish"
        said: Decided = "go on" if tally.covered else "undecided"
        self._looks.append(self._look(stage, said))

    def _halve(self) -> None:
        left = self._left
        keep = (len(left) + 1) // 2
        worths = self._worths(left)
        # Sorting is stable: of equals the cheaper comes first.
        ranked = sorted(left, key=worths.__getitem__, reverse=True)
        near = self._recommended(left, worths)
        ranked = list(dict.fromkeys([ranked[0], near, *ranked]))
        stay = ranked[:keep]
        for rung in reversed(ranked):
            tally = self._tallies[rung][self.level]
            if rung not in stay:
                self._behind.append(rung)
                self._out[rung] = (
                    f"{tally}, not among the best {keep} of {len(left)} "
                    f"(successive halving on {self._goal} cases, no error guarantee)"
                )
        for rung in left:
            stage = Stage(rung=rung, level=self.level, units=())
            self._looks.append(self._look(stage, "keep" if rung in stay else "drop"))
        self._goal = min(2 * self._goal, self._tallies[left[0]][self.level].n)

    def _recommended(self, rungs: Sequence[str], worths: Mapping[str, float]) -> str:
        """Return the cheapest rung that comes near the best, by the objective's rule.

        As far as it is known: within the tolerance, and not established to be worse.
        """
        best = max(rungs, key=worths.__getitem__)
        least = worths[best] - self._objective.tolerance * self._unit - TINY
        near = (rung for rung in rungs if worths[rung] >= least)
        return next(r for r in near if r == best or not self._is_worse(r, best))

    @property
    def _unit(self) -> float:
        """What a quality of 1 is worth, in the unit of what rungs are ranked by."""
        return 1.0

    def _worths(self, rungs: Sequence[str]) -> dict[str, float]:
        """Return what rungs are ranked by: quality on what all of them finished.

        As people would see it, as far as labels tell that of its judge.
        """
        places = self._shared(rungs)
        return {
            rung: self._errors.people_score(
                math.fsum(self._scores(rung, places)) / max(1, len(places))
            )
            for rung in rungs
        }

    def _is_worse(self, rung: str, best: str) -> bool:
        """Whether a rung is worse than the best beyond doubt."""
        places = self._shared([rung, best])
        both = zip(self._scores(best, places), self._scores(rung, places), strict=True)
        return self._is_gain([high - low for high, low in both], places)

    def _shared(self, rungs: Sequence[str]) -> list[int]:
        """Return the places of the units that all of these rungs finished."""
        columns = [self._tallies[rung][self.level].scores for rung in rungs]
        rows = enumerate(zip(*columns, strict=False))
        return [place for place, scores in rows if None not in scores]

    def _scores(self, rung: str, places: Sequence[int]) -> list[float]:
        scores = self._tallies[rung][self.level].scores
        return [scores[place] or 0.0 for place in places]

    def _is_gain(
        self, gains: Sequence[float], places: Sequence[int], *, bounded: bool = True
    ) -> bool:
        """Whether gains on the units of these places are beyond doubt."""
        if not gains or math.fsum(gains) <= 0:
            return False
        units = [self._units[place] for place in places]
        names = cluster_labels(units, self._clusters)
        return comparison(gains, names, bounded=bounded).established

    def _no_room_above(self, rung: str, dearer: Sequence[str]) -> bool:
        """Whether nothing can be better than this rung by the tolerance, or for sure.

        What is not known to have passed may yet miss.
        """
        tally = self._tallies[rung][self.level]
        quality = self._errors.people_score(tally.total / tally.n)
        if not dearer or 1 - quality >= self._objective.tolerance - TINY:
            return False
        scores = [*tally.scores, *[None] * (tally.n - tally.seen)]
        most = self._errors.judged_score(1.0)
        gains = [most - (score or 0.0) for score in scores]
        return not self._is_gain(gains, range(tally.n))
