"""A tally: what a rung scored on the units of a level that were run so far."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Sequence
from typing import Any

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.decide.matrix import LEAST_COVERAGE, Unit, unit_scores
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text.numbers import count

_HOPELESS = 10
"""Units of a rung after which it is left if none of them finished."""


class Tally:
    """Scores of the first units of a level, in the order of the climb."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = tuple(units)
        self.scores: list[float | None] = []
        """One per unit that was run; None for one that has no score."""
        self._worst: list[float | None] = []
        """The same with what did not finish taken for a miss; None: no part of it."""
        self._best: list[float | None] = []
        """The same with what did not finish taken for a pass."""
        self.unfinished = 0
        """Units without a single finished row, skipped ones left out."""
        self.held_back: list[float] = []
        """Scores of the units that cheap checks held back from the judge."""
        self._rows = 0
        self._errors = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Tally:
        # The units never change, and there are too many to copy them for a guess.
        twin = copy.copy(self)
        twin.scores = list(self.scores)
        twin._worst, twin._best = list(self._worst), list(self._best)
        twin.held_back = list(self.held_back)
        return twin

    @property
    def n(self) -> int:
        """Units of the level."""
        return len(self._units)

    @property
    def seen(self) -> int:
        """Units that were run, finished or not."""
        return len(self.scores)

    @property
    def known(self) -> list[float]:
        """Scores of the units that have one."""
        return [score for score in self.scores if score is not None]

    @property
    def total(self) -> float:
        """Sum of the scores; a unit without one counts as a miss."""
        return math.fsum(self.known)

    @property
    def worst(self) -> list[float]:
        """Scores with whatever did not finish, or was left out, taken for a miss."""
        return [score or 0.0 for score in self._worst]

    @property
    def best(self) -> list[float]:
        """Scores with whatever did not finish, or was left out, taken for a pass."""
        return [1.0 if score is None else score for score in self._best]

    @property
    def suite(self) -> list[tuple[int, float, float]]:
        """Place, worst and best of the units that are part of the suite.

        Left out are those that were skipped, and those whose tests all weigh 0.
        """
        ends = enumerate(zip(self._worst, self._best, strict=True))
        return [
            (at, low, high)
            for at, (low, high) in ends
            if low is not None and high is not None
        ]

    def rest(self, most: int | None = None) -> tuple[Unit, ...]:
        """Return the units still to run, `most` of them at most."""
        end = None if most is None else self.seen + most
        return self._units[self.seen : end]

    def add(
        self, units: Sequence[Unit], rows: Sequence[Row], skipped: Collection[Unit] = ()
    ) -> None:
        """Take the rows, in any order, of the next `units`.

        Those of the `skipped` that have no row are no part of the suite: they lower no
        coverage. Which these are is known only after the stage, so early verdicts allow
        for both.
        """
        scores = unit_scores(rows)
        finished = [row for row in rows if row.outcome is not Outcome.ERROR]
        self.scores += [scores.get(unit) for unit in units]
        judged = {row.unit for row in finished if not is_held_back(row)}
        self.held_back += [
            score for unit, score in scores.items() if unit not in judged
        ]
        with_rows = {(row.source, row.case) for row in rows}
        left_out = set(skipped) - with_rows
        for known, error in ((self._worst, 0.0), (self._best, 1.0)):
            broken = len(finished) < len(rows)
            counted = unit_scores(rows, errors=error) if broken else scores
            lost = {unit: error for unit in units if unit not in with_rows | left_out}
            known += [counted.get(unit, lost.get(unit)) for unit in units]
        done = {(row.source, row.case) for row in finished}
        self.unfinished += len(units) - len(done) - len(left_out)
        self._rows += len(rows)
        self._errors += len(rows) - len(finished)

    def expect(self, count: int, quality: float) -> None:
        """Pretend that the next `count` units score as the known ones did.

        As `quality` where none is known. Only for guessing what runs next.
        """
        mean = self.total / len(self.known) if self.known else quality
        passes = round(mean * count)
        for known in (self.scores, self._worst, self._best):
            known += [1.0] * passes + [0.0] * (count - passes)

    @property
    def coverage(self) -> float:
        """Finished share of what was run, of units or of rows if lower; 1 of none."""
        units = 1 - self.unfinished / self.seen if self.seen else 1.0
        rows = 1 - self._errors / self._rows if self._rows else 1.0
        return min(units, rows)

    @property
    def covered(self) -> bool:
        """Whether enough of what was run has finished."""
        return self.coverage >= LEAST_COVERAGE - TINY

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing finished of so many units that the rest is not tried."""
        return self.seen >= _HOPELESS and self.unfinished == self.seen

    def __str__(self) -> str:
        known = self.known
        if not known:
            finished = f"none of {count(self.unfinished, 'case')} finished"
            return finished if self.unfinished else "no case has a score"
        if all(score in (0, 1) for score in known):
            text = f"{round(self.total)} of {len(known)} passed"
        else:
            over = count(len(known), "case")
            text = f"mean score {self.total / len(known):.3f} over {over}"
        if self.unfinished:
            text += f", {self.unfinished} did not finish"
        return text
