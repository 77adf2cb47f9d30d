"""Ladders with made-up truths, climbed and run in full: what either comes to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.bounds import cheap_bar_of
from pytest_ladder.decide.candidates import view_of
from pytest_ladder.decide.climb.climb import Climb
from pytest_ladder.decide.climb.course import Course, Stage
from pytest_ladder.decide.climb.opening import climb_of, criteria_of
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.funnel import funnelled
from pytest_ladder.decide.matrix import Unit, build_matrix
from pytest_ladder.decide.objectives.table import kind_of

CHEAP, JUDGED = Level.CHEAP, Level.JUDGED
_PROBE = 5


class Decided(NamedTuple):
    """The decision."""

    rung: str | None
    verdict: Verdict


class World(msgspec.Struct, frozen=True, kw_only=True):
    """All rows that a ladder has in it, each with what its reply cost."""

    rows: Sequence[Row]
    usd: Mapping[str, float]
    """What a call of each rung really costs, in run order."""
    objective: Objective
    guessed: Mapping[str, float] = {}
    """What calls were expected to cost, by which the run is ordered; empty: as much."""
    graded: bool = False
    funnel: bool = False

    def __repr__(self) -> str:
        parts: defaultdict[tuple[str, Level], list[float | None]] = defaultdict(list)
        for row in self.rows:
            parts[row.rung, row.level].append(row.score)
        bars = cheap_bar_of(Evidence(self.rows)), self.objective.quality
        wanted = self.objective.require
        return (
            f"World({dict(parts)}, {bars=}, {wanted=}, {self.graded=}, {self.funnel=})"
        )

    @property
    def order(self) -> tuple[str, ...]:
        """The rungs in the order of the run."""
        guess = self.guessed or self.usd
        return tuple(sorted(self.usd, key=guess.__getitem__))

    def in_full(self) -> Decided:
        """Decide by all rows."""
        rows = funnelled(list(self.rows)) if self.funnel else list(self.rows)
        return self._decided(rows, {}, {})

    def climbed(self, **terms: Any) -> Decided:
        """Decide by the rows that a climb asks for."""
        return self.decided_by(*self.walk(**terms))

    def decided_by(self, course: Course, rows: Sequence[Row]) -> Decided:
        """Decide by what `walk` returned."""
        assert isinstance(course, Climb)
        return self._decided(rows, course.states, course.settled)

    def walk(self, **terms: Any) -> tuple[Course, list[Row]]:
        """Climb, and return what was asked for."""
        by_unit: defaultdict[tuple[str, Level, Unit], list[Row]] = defaultdict(list)
        units: dict[Level, dict[Unit, None]] = {}
        clusters: dict[Unit, str] = {}
        for row in self.rows:
            unit = row.source, row.case
            by_unit[row.rung, row.level, unit].append(row)
            units.setdefault(row.level, {})[unit] = None
            if row.cluster:
                clusters[unit] = row.cluster
        ordered = {level: tuple(some) for level, some in units.items()}
        course = climb_of(
            self.objective,
            Terms(
                criteria=criteria_of(
                    self.objective,
                    self.rows,
                    lambda level, some: tuple(u for u in ordered[level] if u in some),
                ),
                rungs=self.order,
                units=ordered,
                graded=dict.fromkeys(Level, self.graded),
                cheap_bar=cheap_bar_of(Evidence(self.rows)),
                clusters=clusters,
                least=self.objective.min_n or 0,
                usd=dict(self.guessed or self.usd),
                **{"every": 5, **terms},
            ),
        )
        taken: dict[tuple[str, Level, Unit], list[Row]] = {}
        seen: defaultdict[str, int] = defaultdict(int)
        while (stage := course.stage) is not None:
            seen[stage.rung] += len(stage.units)
            course.reprice(self._prices(seen))
            course.close(self._run(stage, by_unit, taken))
        rows = [row for some in taken.values() for row in some]
        return course, funnelled(rows) if self.funnel else rows

    def _run(
        self,
        stage: Stage,
        by_unit: Mapping[tuple[str, Level, Unit], list[Row]],
        taken: dict[tuple[str, Level, Unit], list[Row]],
    ) -> list[Row]:
        """Run a stage, with the cheap checks of its cases where there is a funnel."""
        levels = (CHEAP, stage.level) if self.funnel else (stage.level,)
        keys = [(stage.rung, level, unit) for level in levels for unit in stage.units]
        taken.update({key: by_unit[key] for key in keys})
        rows = [row for key in dict.fromkeys(keys) for row in by_unit[key]]
        rows = funnelled(rows) if self.funnel else rows
        return [row for row in rows if row.level is stage.level]

    def _prices(self, seen: Mapping[str, int]) -> dict[str, float | None]:
        """Return the truth of rungs that a few calls were made on, and guesses."""
        tried = {rung for rung, units in seen.items() if units >= _PROBE}
        guess = self.guessed or self.usd
        return {r: self.usd[r] if r in tried else guess[r] for r in self.usd}

    def _decided(
        self,
        rows: Sequence[Row],
        states: Mapping[str, str],
        settled: Mapping[str, Verdict],
    ) -> Decided:
        rungs = [_rung(name) for name in self.order]
        matrix = build_matrix(rows, rungs, states, settled=settled)
        view = view_of(matrix, Evidence(rows), self.objective, settled)
        choice = kind_of(self.objective).choose(view)
        return Decided(choice.rung.id if choice.rung else None, choice.verdict)


def rows_for(
    rung: str, scores: Sequence[float | None], usd: float, **fields: Any
) -> list[Row]:
    """Return a row a score; None: an error."""
    sizes, kinds = fields.pop("clusters_of", 0), fields.pop("tags_of", 0)
    return [
        Row(
            **{
                "test": "t.py::test_a",
                "rung": rung,
                "level": CHEAP,
                "source": "cases.jsonl",
                "case": f"c{place:04}",
                "cluster": f"k{place // sizes:03}" if sizes else None,
                "tags": (f"t{place % kinds}",) if kinds else (),
                "outcome": _outcome(score),
                "score": score,
                "replies": (
                    UsedReply(
                        key=f"{rung}-{place}-{fields.get('sample', 1)}",
                        live=True,
                        cost_usd=usd,
                    ),
                ),
                **fields,
            }
        )
        for place, score in enumerate(scores)
    ]


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _outcome(score: float | None) -> Outcome:
    if score is None:
        return Outcome.ERROR
    return Outcome.PASSED if score == 1 else Outcome.MISSED


def _rung(name: str) -> Rung:
    model, strategy = name.split("/")
    return Rung(
        model=Model(name=model, tier=Tier.OFF_THE_SHELF, id="scripted/x"),
        strategy=Strategy(name=strategy),
    )
