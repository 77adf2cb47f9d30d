"""The matrix: rungs by levels with quality, cost and latency; rows in, results out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Literal, cast, get_args

import msgspec

from pytest_ladder.decide.cost import (
    Calls,
    Cost,
    Latency,
    Spend,
    Tokens,
    calls_of,
    cost_of,
    distinct,
    latency_of,
    spend_of,
    tokens_of,
)
from pytest_ladder.stats.intervals import quality_interval
from pytest_ladder.words.level import Level
from pytest_ladder.words.row import Outcome, Row
from pytest_ladder.words.rung import Rung, Tier

State = Literal["run", "stopped", "not run"]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One rung at one level."""

    quality: float | None
    """In [0, 1]; None when every row is an error."""
    low: float | None
    """Lower end of the 95 % interval; None with too few clusters to tell."""
    high: float | None
    n: int
    """Units: distinct (source, case) with at least one finished row."""
    missed: int
    """Rows that ended in a miss."""
    errors: int
    """Rows that ended in an error: in no quality."""
    coverage: float
    """Finished rows over all rows, in [0, 1]."""
    verdict: Literal["pass", "fail", "undecided"] | None = None
    """Against the objective's bar; None where no objective applies."""


class RungResult(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the matrix."""

    id: str
    model: str
    strategy: str
    tier: Tier
    levels: dict[Level, Cell]
    """Only levels with rows, in the order of `Level`."""
    cost: Cost
    latency: Latency
    tokens: Tokens | None
    calls: Calls
    state: State


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All rungs, cheapest first by measured cost, unknown cost last."""

    rungs: tuple[RungResult, ...]
    spend: Spend
    order_note: str | None = None
    """One sentence when measured cost disagrees with the order of the run."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels that at least one rung has rows of."""
        return tuple(
            level for level in Level if any(level in rung.levels for rung in self.rungs)
        )


def build_matrix(
    rows: Sequence[Row], rungs: Sequence[Rung], states: Mapping[str, str]
) -> Matrix:
    """Build the matrix of `rungs`, given in run order, from rows in any order.

    `states` maps rung ids to `run`, `stopped` or `not run`; a rung it does not name
    is `run` when it has rows. Raises ValueError for a row of a rung not in `rungs`
    and for a state of another name.
    """
    by_rung: dict[str, list[Row]] = {rung.id: [] for rung in rungs}
    for row in rows:
        if row.rung not in by_rung:
            raise ValueError(f"A row of {row.test} has the unknown rung {row.rung!r}.")
        by_rung[row.rung].append(row)
    results = [_result(rung, by_rung[rung.id], states.get(rung.id)) for rung in rungs]
    ordered = sorted(results, key=_price)
    return Matrix(
        rungs=tuple(ordered),
        spend=spend_of(
            [bill for row in rows for bill in row.replies],
            [bill for row in rows for bill in row.evaluations],
        ),
        order_note=_order_note(results, ordered),
    )


def unit_scores(rows: Sequence[Row]) -> dict[tuple[str, str], float]:
    """Score each unit, (source, case), that has a finished row.

    The weighted mean over its tests of the mean over their samples. Units come
    sorted; those whose tests all weigh 0 are left out.
    """
    tests: defaultdict[tuple[str, str], defaultdict[str, list[Row]]]
    tests = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.outcome is not Outcome.ERROR:
            tests[row.source, row.case][row.test].append(row)
    scores = {unit: _unit_score(tests[unit].values()) for unit in sorted(tests)}
    return {unit: score for unit, score in scores.items() if score is not None}


def _unit_score(tests: Iterable[Sequence[Row]]) -> float | None:
    weighted, weights = [], []
    for samples in tests:
        weight = math.fsum(row.weight for row in samples) / len(samples)
        mean = math.fsum(_score(row) for row in samples) / len(samples)
        weights.append(weight)
        weighted.append(weight * mean)
    total = math.fsum(weights)
    # Rounding must not lift a mean of ones above 1.
    return min(1.0, math.fsum(weighted) / total) if total > 0 else None


def _score(row: Row) -> float:
    return float(row.outcome is Outcome.PASSED) if row.score is None else row.score


def _cell(rows: Sequence[Row]) -> Cell:
    scores = unit_scores(rows)
    quality = low = high = None
    if scores:
        clusters = _clusters(rows, list(scores))
        quality, low, high, _ = quality_interval(list(scores.values()), clusters)
    errors = sum(row.outcome is Outcome.ERROR for row in rows)
    return Cell(
        quality=quality,
        low=low,
        high=high,
        n=len(scores),
        missed=sum(row.outcome is Outcome.MISSED for row in rows),
        errors=errors,
        coverage=(len(rows) - errors) / len(rows),
    )


def _clusters(
    rows: Sequence[Row], units: Sequence[tuple[str, str]]
) -> list[Hashable] | None:
    """Cluster of each unit, itself where it names none; None when none does."""
    pairs = sorted((row.source, row.case, row.cluster) for row in rows if row.cluster)
    named = {(source, case): cluster for source, case, cluster in pairs}
    if not any(unit in named for unit in units):
        return None
    return [named.get(unit, unit) for unit in units]


def _result(rung: Rung, rows: Sequence[Row], state: str | None) -> RungResult:
    state = state or ("run" if rows else "not run")
    if state not in get_args(State):
        raise ValueError(f"{rung.id} has the unknown state {state!r}.")
    levels = {level: [row for row in rows if row.level is level] for level in Level}
    replies = distinct(bill for row in rows for bill in row.replies)
    return RungResult(
        id=rung.id,
        model=rung.model.name,
        strategy=rung.strategy.name,
        tier=rung.tier,
        levels={level: _cell(graded) for level, graded in levels.items() if graded},
        cost=cost_of(rung.model, replies),
        latency=latency_of(replies),
        tokens=tokens_of(replies),
        calls=calls_of(replies),
        state=cast(State, state),
    )


def _price(result: RungResult) -> float:
    usd = result.cost.usd_per_1k
    return math.inf if usd is None else usd


def _order_note(
    given: Sequence[RungResult], ordered: Sequence[RungResult]
) -> str | None:
    """Name the first pair of rungs whose order the measured cost turned round."""
    expected = [result.id for result in given if result.cost.known]
    measured = [result.id for result in ordered if result.cost.known]
    for cheaper, dearer in zip(measured, expected, strict=True):
        if cheaper != dearer:
            return (
                f"By measured cost {cheaper} comes before {dearer}; "
                "the run took them the other way round."
            )
    return None
