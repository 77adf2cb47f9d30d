"""What is known of one rung at one level while a climb is under way."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Sequence
from typing import Any

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.decide.matrix import Unit, unit_scores

LEAST_COVERAGE = 0.95
"""Share of what was run that must have finished for a verdict to count."""


class Tally:
    """Scores of the first units of a level, in the order of the climb."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = tuple(units)
        self.scores: list[float | None] = []
        """One per unit that was run; None for one that has no score."""
        self.unfinished = 0
        """Units without a single finished row, skipped ones left out."""
        self._rows = 0
        self._errors = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Tally:
        # The units are the same for ever, and far too many to be copied for a guess.
        twin = copy.copy(self)
        twin.scores = list(self.scores)
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

    def rest(self, most: int | None = None) -> tuple[Unit, ...]:
        """Return the units still to run, `most` of them at most."""
        end = None if most is None else self.seen + most
        return self._units[self.seen : end]

    def add(
        self, units: Sequence[Unit], rows: Sequence[Row], skipped: Collection[Unit] = ()
    ) -> None:
        """Take the rows, in any order, of the next `units`.

        Those of the `skipped` that have no row are no part of the suite: they lower no
        coverage. That is known only now, so early verdicts reckon with both.
        """
        scores = unit_scores(rows)
        finished = [row for row in rows if row.outcome is not Outcome.ERROR]
        self.scores += [scores.get(unit) for unit in units]
        left_out = set(skipped) - {(row.source, row.case) for row in rows}
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
        self.scores += [1.0] * passes + [0.0] * (count - passes)

    @property
    def coverage(self) -> float:
        """Finished share of what was run, of units or of rows if lower; 1 of none."""
        units = 1 - self.unfinished / self.seen if self.seen else 1.0
        rows = 1 - self._errors / self._rows if self._rows else 1.0
        return min(units, rows)

    @property
    def covered(self) -> bool:
        """Whether enough of what was run has finished."""
        return self.coverage >= LEAST_COVERAGE - 1e-9

    @property
    def beyond_cover(self) -> bool:
        """Whether too many units are unfinished, whatever the rest brings."""
        return self.unfinished > (1 - LEAST_COVERAGE) * self.n + 1e-9

    @property
    def shortfall(self) -> str:
        """Say that too little has finished."""
        if not self.known and not self.unfinished:
            return "undecided: nothing has a score"
        least = f"{LEAST_COVERAGE:.0%} must finish"
        return f"undecided: {self.coverage:.0%} finished, {least}"

    def __str__(self) -> str:
        known = self.known
        if all(score in (0, 1) for score in known):
            said = f"{round(self.total)} of {len(known)} passed"
        else:
            said = f"mean score {self.total / len(known):.3f} over {len(known)} cases"
        if self.unfinished:
            said += f", {self.unfinished} did not finish"
        return said
