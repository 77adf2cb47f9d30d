"""Ladders with made-up results, for tests of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Build, Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Matrix, build_matrix


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One rung: a score per case (None: an error) and what a call costs."""

    scores: Sequence[float | None] = ()
    usd: float | None = 0.001
    build_usd: float = 0.0
    build_hours: float = 0.0
    seconds: float | None = 1.0
    clusters: Sequence[str] = ()

    def rung(self, name: str) -> Rung:
        model, strategy = name.split("/")
        build = Build(usd=self.build_usd, hours=self.build_hours)
        return Rung(
            model=Model(
                name=model, tier=Tier.OFF_THE_SHELF, id="scripted/x", build=build
            ),
            strategy=Strategy(name=strategy),
        )

    def rows(self, name: str, level: Level) -> list[Row]:
        return [
            Row(
                test="t.py::test_a",
                rung=name,
                level=level,
                source="cases.jsonl",
                case=f"c{place:03}",
                outcome=_outcome(score),
                score=score,
                cluster=self.clusters[place] if self.clusters else None,
                replies=(
                    UsedReply(
                        key=f"{name}-{place}",
                        live=True,
                        cost_usd=self.usd,
                        latency_s=self.seconds,
                    ),
                ),
            )
            for place, score in enumerate(self.scores)
        ]


def passes(many: int, of: int) -> list[float]:
    """Return the scores of a rung that passes the first so many cases."""
    return [float(place < many) for place in range(of)]


def rows_of(made: dict[str, Made], level: Level = Level.CHEAP) -> list[Row]:
    return [row for name, one in made.items() for row in one.rows(name, level)]


def ladder(
    made: dict[str, Made], *, level: Level = Level.CHEAP, **fields: Any
) -> tuple[Matrix, Evidence]:
    """Return the matrix and the evidence of rungs in run order."""
    rows = rows_of(made, level)
    rungs = [one.rung(name) for name, one in made.items()]
    states = fields.pop("states", {})
    return build_matrix(rows, rungs, states, **fields), Evidence(rows)


def _outcome(score: float | None) -> Outcome:
    if score is None:
        return Outcome.ERROR
    return Outcome.PASSED if score == 1 else Outcome.MISSED
