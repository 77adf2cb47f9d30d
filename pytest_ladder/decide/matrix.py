"""The matrix: rungs by levels with quality, cost and latency; rows in, results out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Literal, cast, get_args

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.rung import Rung, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.cost import (
    DEFAULT_VOLUME,
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
    spread,
    tokens_of,
)
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.stats.intervals import Interval, quality_interval
from pytest_ladder.stats.sequential import confidence_sequence

LEAST_COVERAGE = 0.95
"""Share of what was run that must have finished for a verdict to count."""

State = Literal["run", "stopped", "not run"]

Unit = tuple[str, str]
"""What a score is about: (source, case)."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One rung at one level."""

    quality: float | None
    """In [0, 1]; None when every row is an error."""
    low: float | None
    """Lower end of the 95 % interval; None with too few clusters to tell.

    Of a rung that was stopped early it is the confidence sequence (docs/methods.md
    §3.11).
    """
    high: float | None
    n: int
    """Units: distinct (source, case) with at least one finished row."""
    missed: int
    """Rows that ended in a miss."""
    errors: int
    """Rows that did not finish: in no quality."""
    coverage: float
    """Finished rows over all rows, in [0, 1]."""
    verdict: Verdict | None = None
    """Against the objective's bar; None where no objective applies."""
    over_budget: int = 0
    """Those of the `errors` that are none: the budget did not allow a call."""


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
    volume: int = DEFAULT_VOLUME
    """Calls over which the cost of building is spread."""
    run_order: tuple[str, ...] = ()
    """Ids of the rungs as the run took them."""
    settled: dict[str, Verdict] = {}
    """Verdicts that a climb came to by itself, by rung."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels that at least one rung has rows of."""
        return tuple(
            level for level in Level if any(level in rung.levels for rung in self.rungs)
        )


def build_matrix(
    rows: Sequence[Row],
    rungs: Sequence[Rung],
    states: Mapping[str, str],
    *,
    volume: int = DEFAULT_VOLUME,
    settled: Mapping[str, Verdict] | None = None,
) -> Matrix:
    """Build the matrix of `rungs`, given in run order, from rows in any order.

    `states` maps rung ids to `run`, `stopped` or `not run`; a rung it does not name
    is `run` when it has rows. Building is spread over `volume` calls; `settled` are
    the verdicts of a climb. Raises ValueError for a row of a rung not in `rungs`, for
    a state of another name and for a volume below 1.
    """
    by_rung: dict[str, list[Row]] = {rung.id: [] for rung in rungs}
    for row in rows:
        if row.rung not in by_rung:
            raise ValueError(f"A row of {row.test} has the unknown rung {row.rung!r}.")
        by_rung[row.rung].append(row)
    given = Matrix(
        rungs=tuple(
            _result(rung, by_rung[rung.id], states.get(rung.id), volume)
            for rung in rungs
        ),
        spend=spend_of(
            [bill for row in rows for bill in row.replies],
            [bill for row in rows for bill in row.evaluations],
        ),
        run_order=tuple(by_rung),
        settled=dict(settled or {}),
    )
    return at_volume(given, volume)


def at_volume(matrix: Matrix, volume: int) -> Matrix:
    """Return the matrix with building spread over `volume` calls, cheapest first.

    Raises ValueError for a volume below 1.
    """
    rungs = [
        msgspec.structs.replace(rung, cost=spread(rung.cost, volume))
        for rung in matrix.rungs
    ]
    position = {name: index for index, name in enumerate(matrix.run_order)}
    given = sorted(rungs, key=lambda rung: position.get(rung.id, len(position)))
    ordered = sorted(given, key=_price)
    return msgspec.structs.replace(
        matrix,
        rungs=tuple(ordered),
        order_note=_order_note(given, ordered),
        volume=volume,
    )


def unit_scores(rows: Sequence[Row]) -> dict[Unit, float]:
    """Score each unit, (source, case), that has a finished row.

    The weighted mean over its tests of the mean over their samples. Units come
    sorted; those whose tests all weigh 0 are left out.
    """
    tests: defaultdict[Unit, defaultdict[str, list[Row]]]
    tests = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.outcome is not Outcome.ERROR:
            tests[row.source, row.case][row.test].append(row)
    scores = {unit: _unit_score(tests[unit].values()) for unit in sorted(tests)}
    return {unit: score for unit, score in scores.items() if score is not None}


def score_of(row: Row) -> float:
    """Return what a finished row counts for, in [0, 1]."""
    return float(row.outcome is Outcome.PASSED) if row.score is None else row.score


def cluster_names(rows: Iterable[Row]) -> dict[Unit, str]:
    """Cluster of each unit that names one."""
    pairs = sorted((row.source, row.case, row.cluster) for row in rows if row.cluster)
    return {(source, case): cluster for source, case, cluster in pairs}


def cluster_labels(
    units: Iterable[Unit], names: Mapping[Unit, str]
) -> list[Hashable] | None:
    """Cluster of each unit, itself where it names none; None when none does."""
    labels: list[Hashable] = [names.get(unit, unit) for unit in units]
    return labels if any(isinstance(label, str) for label in labels) else None


def stopped_interval(
    scores: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Interval of a rung that was stopped early, which no other survives.

    See docs/methods.md §3.11. A cluster is one observation, as the climb takes them;
    the mean is always inside. Raises ValueError for scores outside [0, 1].
    """
    members: defaultdict[Hashable, list[float]] = defaultdict(list)
    for score, label in zip(scores, clusters or range(len(scores)), strict=True):
        members[label].append(score)
    means = [math.fsum(group) / len(group) for group in members.values()]
    low, high = confidence_sequence(means, 1 - confidence)
    mean = math.fsum(scores) / len(scores)
    return Interval(min(low, mean), max(high, mean))


def _unit_score(tests: Iterable[Sequence[Row]]) -> float | None:
    weighted, weights = [], []
    for samples in tests:
        weight = math.fsum(row.weight for row in samples) / len(samples)
        mean = math.fsum(score_of(row) for row in samples) / len(samples)
        weights.append(weight)
        weighted.append(weight * mean)
    total = math.fsum(weights)
    # Rounding must not lift a mean of ones above 1.
    return min(1.0, math.fsum(weighted) / total) if total > 0 else None


def _cell(rows: Sequence[Row], *, stopped: bool) -> Cell:
    units = unit_scores(rows)
    scores = list(units.values())
    quality = low = high = None
    if scores:
        clusters = cluster_labels(units, cluster_names(rows))
        quality, low, high, _ = quality_interval(scores, clusters)
        if stopped and low is not None:
            low, high = stopped_interval(scores, clusters)
    errors = sum(row.outcome is Outcome.ERROR for row in rows)
    return Cell(
        quality=quality,
        low=low,
        high=high,
        n=len(scores),
        missed=sum(row.outcome is Outcome.MISSED for row in rows),
        errors=errors,
        over_budget=sum(row.over_budget for row in rows),
        coverage=(len(rows) - errors) / len(rows),
    )


def _result(
    rung: Rung, rows: Sequence[Row], state: str | None, volume: int
) -> RungResult:
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
        levels={
            level: _cell(graded, stopped=state == "stopped")
            for level, graded in levels.items()
            if graded
        },
        cost=cost_of(rung.model, replies, volume),
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
