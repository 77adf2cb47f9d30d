"""Successive halving: the best of many rungs, where no bar says what is enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.course import Course, Stage
from pytest_ladder.decide.decision import MARGIN, Verdict
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.stats.checks import TINY

FIRST_ROUND = 25
"""Units on which the first half is left behind; each round doubles them."""

FINALISTS = 2


class Halving(Course):
    """All rungs on 25 units, the better half on 50, and so on; two run to their end.

    Rungs are compared on the same units, those that all of them finished; of equals the
    cheaper stays (docs/methods.md §3.12; Karnin et al. 2013). Cheap, but without an
    error guarantee: the best rung may be left behind. Which of the finalists is
    recommended is for the objective to say.
    """

    def __init__(
        self,
        rungs: Sequence[str],
        units: Mapping[Level, Sequence[Unit]],
        level: Level,
        *,
        over: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(rungs, units, level)
        self._out.update(over or {})
        self._goal = min(FIRST_ROUND, len(units[level]))
        self.stage = self._advance()

    @property
    def _left(self) -> tuple[str, ...]:
        """Rungs in the running: those dearer than one without room above it are not."""
        left = super()._left
        for index, rung in enumerate(left):
            if self._no_room_above(rung):
                return left[: index + 1]
        return left

    def reason(self, rung: str) -> str | None:
        """Say why a rung was stopped or not run; None: it was run, or may yet be."""
        left = self._left
        if rung in self._out or rung in left:
            return super().reason(rung)
        tally = self._tallies[left[-1]][self.level]
        said = f"has room for less than {MARGIN:g} more quality"
        return f"climb: {left[-1]} {said} ({tally})"

    def _advance(self) -> Stage | None:
        while len(self._left) > FINALISTS:
            for rung in self._left:
                tally = self._tallies[rung][self.level]
                if tally.seen < self._goal:
                    units = tally.rest(self._goal - tally.seen)
                    return Stage(rung=rung, level=self.level, units=units)
            self._halve()
        rests = (self._rest(rung) for rung in self._left)
        return next((stage for stage in rests if stage), None)

    def _judge(self, stage: Stage) -> None:
        if stage.level is not self.level:
            return
        rung, tally = stage.rung, self._tallies[stage.rung][stage.level]
        if not tally.covered:
            self._out[rung] = f"climb: {tally}, {tally.shortfall}"
        said: Verdict | Literal["go on"] = "go on" if tally.covered else "undecided"
        self._looks.append(self._look(stage, said))

    def _halve(self) -> None:
        left = self._left
        keep = (len(left) + 1) // 2
        # Sorting is stable: of equals the cheaper comes first.
        ranked = sorted(left, key=self._totals(left).__getitem__, reverse=True)
        for rung in left:
            tally = self._tallies[rung][self.level]
            stage = Stage(rung=rung, level=self.level, units=())
            stays = rung in ranked[:keep]
            self._looks.append(self._look(stage, "keep" if stays else "drop"))
            if not stays:
                self._out[rung] = (
                    f"climb: {tally}, not among the best {keep} of {len(left)} "
                    f"(successive halving on {self._goal} cases, no error guarantee)"
                )
        self._goal = min(2 * self._goal, self._tallies[left[0]][self.level].n)

    def _totals(self, rungs: Sequence[str]) -> dict[str, float]:
        """Sum the scores of each rung over the units that all of them finished."""
        columns = [self._tallies[rung][self.level].scores for rung in rungs]
        shared = [
            index
            for index, scores in enumerate(zip(*columns, strict=False))
            if None not in scores
        ]
        return {
            rung: math.fsum(scores[index] or 0.0 for index in shared)
            for rung, scores in zip(rungs, columns, strict=True)
        }

    def _no_room_above(self, rung: str) -> bool:
        """Whether nothing can be better than this rung by the margin."""
        tally = self._tallies[rung][self.level]
        # What is not known to have passed may yet miss.
        return tally.n - tally.total < MARGIN * tally.n - TINY
