"""What all climbs share: a stage is run, and its rows decide what runs next."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import LEAST_COVERAGE, State, Unit, unit_scores
from pytest_ladder.stats.checks import TINY


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What runs in one go: units of one level on one rung."""

    rung: str
    level: Level
    units: tuple[Unit, ...]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen at one look, and what followed from it."""

    rung: str
    level: Level
    seen: int
    """Units run so far, of `n`."""
    n: int
    unfinished: int
    """Units of the `seen` that did not finish: errors, or no budget."""
    total: float
    """Sum of the scores so far."""
    upper: int | None = None
    """Passes from which the rung passes early; None: no boundary at this look."""
    lower: int | None = None
    """Passes up to which the rung fails early; None: no boundary at this look."""
    decision: Literal["go on", "keep", "drop"] | Verdict
    """`keep` and `drop` where rungs are compared with each other."""

    def __str__(self) -> str:
        total = f"{self.total:.6g} of {self.seen} ({self.n} in all)"
        parts = [f"{self.rung}, {self.level}: {total}"]
        if self.unfinished:
            parts.append(f"{self.unfinished} did not finish")
        if self.upper is not None:
            parts.append(f"pass from {self.upper}")
        if self.lower is not None:
            parts.append(f"fail up to {self.lower}")
        return f"{', '.join(parts)}: {self.decision}"


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
        # The units never change, and there are too many to copy them for a guess.
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
        coverage. Which these are is known only after the stage, so early verdicts allow
        for both.
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
        return self.coverage >= LEAST_COVERAGE - TINY

    @property
    def cannot_be_covered(self) -> bool:
        """Whether too many units are unfinished, whatever the rest brings."""
        return self.unfinished > (1 - LEAST_COVERAGE) * self.n + TINY

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
            text = f"{round(self.total)} of {len(known)} passed"
        else:
            text = f"mean score {self.total / len(known):.3f} over {len(known)} cases"
        if self.unfinished:
            text += f", {self.unfinished} did not finish"
        return text


class ClimbResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a climb came to, for the report of its ladder."""

    states: dict[str, State]
    settled: dict[str, Verdict]
    """Verdicts that were decided on the way, by rung."""
    reasons: dict[str, str]
    """Why a rung was stopped or not run, by rung."""
    looks: tuple[Look, ...]
    seeds: tuple[int, ...]
    """Seeds that these cases were climbed with; the last one is in use."""
    summary: str
    """What was decided and left unspent, a sentence."""


class Course(ABC):
    """Says which units of which rung run next, cheapest rung first, as few as will do.

    It reads no clock and draws no random numbers: the same rows give the same stages,
    in whatever order the rows of a stage come.
    """

    def __init__(
        self, rungs: Sequence[str], units: Mapping[Level, Sequence[Unit]], level: Level
    ) -> None:
        self.rungs = tuple(rungs)
        self.level = level
        """The level that decides."""
        self._out: dict[str, str] = {}
        self._settled: dict[str, Verdict] = {}
        self._looks: list[Look] = []
        self._tallies = {
            rung: {graded: Tally(units[graded]) for graded in self._levels(units)}
            for rung in rungs
        }
        self.stage: Stage | None = None
        """What runs now; None: it is over."""

    @abstractmethod
    def _judge(self, stage: Stage) -> None:
        """Draw the consequences of a stage that was just closed."""

    @abstractmethod
    def _advance(self) -> Stage | None:
        """Open what runs next; None: it is over."""

    def close(self, rows: Sequence[Row], skipped: Collection[Unit] = ()) -> None:
        """Take all rows of the open stage, in any order, and open the next.

        `skipped` are units that need no row: they are left out of the reckoning.
        Raises ValueError without an open stage and for a row that is not of it.
        """
        stage = self.stage
        if stage is None:
            raise ValueError("The climb is over; there is no stage to close.")
        wanted = set(stage.units)
        for row in rows:
            if (row.rung, row.level) != (stage.rung, stage.level) or (
                (row.source, row.case) not in wanted
            ):
                raise ValueError(
                    f"A row of {row.test} on {row.rung}, {row.source} {row.case!r}, "
                    f"is not of the open stage of {stage.rung} at {stage.level}."
                )
        self._tallies[stage.rung][stage.level].add(stage.units, rows, skipped)
        self._judge(stage)
        self.stage = self._advance()

    def drop(self, rung: str, reason: str) -> None:
        """Take a rung out, between stages, for a reason of the caller's own.

        A latency or a measured cost out of bounds, say. The open stage may change.
        No effect on a rung that is out. Raises ValueError for an unknown rung.
        """
        if rung not in self._tallies:
            raise ValueError(f"The climb knows no rung {rung!r}.")
        self._out.setdefault(rung, reason)
        self.stage = self._advance()

    @property
    def likely(self) -> Stage | None:
        """What runs next if scores go on as they were; a hint that may be wrong."""
        if self.stage is None:
            return None
        guess = copy.deepcopy(self)
        tally = guess._tallies[self.stage.rung][self.stage.level]
        tally.expect(len(self.stage.units), self._expected(self.stage))
        guess._judge(self.stage)
        return guess._advance()

    def _expected(self, stage: Stage) -> float:
        """Quality to reckon with before any score of the stage's rung is known."""
        return 0.5

    @property
    def states(self) -> dict[str, State]:
        """`run` where nothing is left of any level, `not run` where nothing ran."""
        return {rung: self._state(rung) for rung in self.rungs}

    @property
    def settled(self) -> dict[str, Verdict]:
        """Verdicts that were decided on the way, by rung."""
        return dict(self._settled)

    @property
    def looks(self) -> tuple[Look, ...]:
        """What happened so far, in order."""
        return tuple(self._looks)

    def reason(self, rung: str) -> str | None:
        """Say why a rung was stopped or not run; None: it was run, or may yet be."""
        return self._out.get(rung)

    @property
    def _left(self) -> tuple[str, ...]:
        """Rungs that are not out, in run order."""
        return tuple(rung for rung in self.rungs if rung not in self._out)

    def _state(self, rung: str) -> State:
        tallies = self._tallies[rung].values()
        if not any(tally.seen for tally in tallies):
            return "not run"
        return "stopped" if any(tally.rest() for tally in tallies) else "run"

    def _rest(self, rung: str) -> Stage | None:
        """Return the whole rest of a level of the rung, the deciding level first."""
        for level, tally in self._tallies[rung].items():
            if tally.rest():
                return Stage(rung=rung, level=level, units=tally.rest())
        return None

    def _levels(self, units: Mapping[Level, Sequence[Unit]]) -> list[Level]:
        """Order the levels as they are completed: the deciding one, then the rest."""
        given = [level for level in Level if units.get(level)]
        return sorted(given, key=lambda level: level is not self.level)

    def _look(
        self, stage: Stage, decision: Literal["go on", "keep", "drop"] | Verdict
    ) -> Look:
        tally = self._tallies[stage.rung][stage.level]
        return Look(
            rung=stage.rung,
            level=stage.level,
            seen=tally.seen,
            n=tally.n,
            unfinished=tally.unfinished,
            total=tally.total,
            decision=decision,
        )
