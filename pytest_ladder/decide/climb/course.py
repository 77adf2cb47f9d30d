"""What all climbs share: a stage is run, and its rows decide what runs next."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.hurdle import Hurdle
from pytest_ladder.decide.climb.tally import Tally
from pytest_ladder.decide.climb.terms import Criterion
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import State, Unit

Decided = Literal["go on", "keep", "drop", "set aside"] | Verdict
"""What may follow from a look."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What runs in one go: units of one level on one rung."""

    rung: str
    level: Level
    units: tuple[Unit, ...]


class ClimbLook(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen at one look, and what followed from it."""

    rung: str
    level: Level
    where: str = ""
    """Which rows of the level it is about, to be read after it; empty: all."""
    seen: int
    """Units run so far, of `n`."""
    n: int
    unfinished: int
    """Units of the `seen` that did not finish: errors, or no budget."""
    total: float
    """Sum of the scores so far."""
    held_back: int = 0
    """Units of the `seen` that cheap checks held back from the judge."""
    held_back_total: float = 0.0
    """Their part of `total`, which is what its judge gives to what people fail."""
    upper: int | None = None
    """Passes from which the rung passes early; None: no boundary at this look."""
    lower: int | None = None
    """Passes up to which the rung fails early; None: no boundary at this look."""
    decision: Decided
    """`keep` and `drop` where rungs are compared with each other."""

    def __str__(self) -> str:
        total = self.total - self.held_back_total
        passed = f"{total:.6g} of {self.seen} ({self.n} in all)"
        parts = [f"{self.rung}, {self.level}{self.where}: {passed}"]
        if self.held_back:
            count_as = f"{self.held_back_total:.3g} together"
            counted = f" (they count {count_as})" if self.held_back_total else ""
            parts.append(f"{self.held_back} held back by cheap checks{counted}")
        if self.unfinished:
            parts.append(f"{self.unfinished} did not finish")
        if self.upper is not None:
            parts.append(f"pass from {self.upper}")
        if self.lower is not None:
            parts.append(f"fail up to {self.lower}")
        return f"{', '.join(parts)}: {self.decision}"


class ClimbResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a climb came to, for the report of its ladder."""

    states: dict[str, State]
    settled: dict[str, Verdict]
    """Verdicts that were decided on the way, by rung."""
    reasons: dict[str, str]
    """Why a rung was stopped or not run, by rung."""
    kept_out: dict[str, tuple[str, str]] = {}
    """By rung, the criterion that it was dropped at, and why."""
    looks: tuple[ClimbLook, ...]
    seeds: tuple[int, ...]
    """Seeds that these cases were climbed with; the last one is in use."""
    summary: str
    """What was decided and left unspent, a sentence."""
    expected: dict[str, float | None] = {}
    """What 1,000 calls of rungs that were not tried may cost, in USD; None: they have
    no price."""


class Course(ABC):
    """Says which units of which rung run next, cheapest rung first, as few as will do.

    It reads no clock and draws no random numbers: the same rows give the same stages,
    in whatever order the rows of a stage come.
    """

    caveat = ""
    """What its decision lacks beside that of a matrix, for reports; empty: nothing."""

    def __init__(
        self,
        rungs: Sequence[str],
        units: Mapping[Level, Sequence[Unit]],
        level: Level,
        criteria: Sequence[Criterion] = (),
    ) -> None:
        self.rungs = tuple(rungs)
        self.level = level
        """The level that decides."""
        self._out: dict[str, str] = {}
        self._settled: dict[str, Verdict] = {}
        self._dropped_at: dict[str, str] = {}
        """Names of the hurdles that rungs are out, or set aside, for."""
        self._looks: list[ClimbLook] = []
        self._tallies = {
            rung: {graded: Tally(units[graded]) for graded in self._levels(units)}
            for rung in rungs
        }
        self._parts = {
            rung: [(one, Tally(one.units)) for one in criteria] for rung in rungs
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
        for criterion, tally, units in self._touched(stage):
            covers = criterion.require.covers
            some = [row for row in rows if covers(row.test, row.tags)]
            tally.add(units, some, [unit for unit in skipped if unit in units])
        self._judge(stage)
        self.stage = self._advance()

    def reprice(self, usd: Mapping[str, float | None]) -> None:  # noqa: B027 - may be
        """Take in what a call of each rung costs, as is known by now, in USD.

        Before a stage is closed. A course that runs every rung of the ladder, whatever
        it costs, has no use for it.
        """

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
        expected = self._expected(self.stage)
        tally.expect(len(self.stage.units), expected)
        for _, part, units in guess._touched(self.stage):
            part.expect(len(units), expected)
        guess._judge(self.stage)
        return guess._advance()

    def _touched(
        self, stage: Stage
    ) -> Iterator[tuple[Criterion, Tally, tuple[Unit, ...]]]:
        """Yield the criteria that a stage tells something of, with its units of each.

        These are the next ones of theirs, as a stage is the next of its level.
        """
        wanted = set(stage.units)
        for criterion, tally in self._parts[stage.rung]:
            if criterion.level is stage.level:
                found = sum(1 for unit in criterion.units if unit in wanted)
                if found:
                    yield criterion, tally, tally.rest(found)

    def _tally(self, rung: str, hurdle: Hurdle) -> Tally:
        """Return what a rung scored of what a hurdle is about."""
        for criterion, tally in self._parts[rung]:
            if criterion is hurdle.criterion:
                return tally
        return self._tallies[rung][hurdle.level]

    def _is_told(self, stage: Stage, hurdle: Hurdle) -> bool:
        """Whether a stage told something of what a hurdle is about."""
        if hurdle.criterion is None:
            return hurdle.level is stage.level
        wanted = set(stage.units)
        units = hurdle.criterion.units
        return hurdle.level is stage.level and not wanted.isdisjoint(units)

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
    def kept_out(self) -> dict[str, tuple[str, str]]:
        """Rungs that a criterion beside the bar keeps out: its name, and why."""
        return {
            rung: (name, why)
            for rung, name in self._dropped_at.items()
            if name and (why := self.reason(rung))
        }

    @property
    def looks(self) -> tuple[ClimbLook, ...]:
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
        self, stage: Stage, decision: Decided, hurdle: Hurdle | None = None
    ) -> ClimbLook:
        tally = self._tallies[stage.rung][stage.level]
        if hurdle is not None:
            tally = self._tally(stage.rung, hurdle)
        criterion = hurdle.criterion if hurdle is not None else None
        where = ""
        if criterion is not None:
            # The level is said before it.
            where = msgspec.structs.replace(criterion.require, level=None).where
        return ClimbLook(
            rung=stage.rung,
            level=stage.level,
            where=where,
            seen=tally.seen,
            n=tally.n,
            unfinished=tally.unfinished,
            total=tally.total,
            held_back=len(tally.held_back),
            held_back_total=math.fsum(tally.held_back),
            decision=decision,
        )
