"""The matrix: rungs by levels with quality, cost and latency; rows in, results out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
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
from pytest_ladder.decide.decision import Requirement, Verdict
from pytest_ladder.decide.estimates import PlannedRung
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
    outcome: str = ""
    """The outcome of real use that it is; empty: rows say it."""
    doubt: str = ""
    """Why what users did decides nothing, to be read after "undecided with"."""
    unit: str = "user"
    """What an outcome counts: users, or cases that people compared replies on."""

    @property
    def noun(self) -> str:
        """What `n` counts: `case`, or `user`."""
        return self.unit if self.outcome else "case"


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
    requirements: tuple[Requirement, ...] = ()
    """What became of each criterion of the objective; empty: it names none."""
    verdict: Verdict | None = None
    """Against all that the objective asks: bar, criteria, limits and budget; None
    without a bar. That of a cell is against the bar alone."""
    lacks: tuple[str, ...] = ()
    """What keeps it out though it does not fail the bar, to be read after "it"."""


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
    kept_out: dict[str, tuple[str, str]] = {}
    """Rungs that a climb dropped at a criterion: its name, and why."""
    expected: dict[str, float | None] = {}
    """What 1,000 calls of rungs that a climb did not run may cost, in USD; None: they
    have no price."""
    planned: tuple[PlannedRung, ...] = ()
    """Rungs that are not built yet."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels that at least one rung has rows of."""
        return tuple(
            level for level in Level if any(level in rung.levels for rung in self.rungs)
        )


def outcome_at(matrix: Matrix, level: Level) -> str:
    """Return the outcome of real use that a level shows; empty: its rows say it."""
    cells = (rung.levels.get(level) for rung in matrix.rungs)
    return next((cell.outcome for cell in cells if cell is not None), "")


def build_matrix(
    rows: Sequence[Row],
    rungs: Sequence[Rung],
    states: Mapping[str, str],
    *,
    volume: int = DEFAULT_VOLUME,
    settled: Mapping[str, Verdict] | None = None,
    expected: Mapping[str, float | None] | None = None,
) -> Matrix:
    """Build the matrix of `rungs`, given in run order, from rows in any order.

    `states` maps rung ids to `run`, `stopped` or `not run`; a rung it does not name
    is `run` when it has rows. Building is spread over `volume` calls; `settled` are
    the verdicts of a climb, `expected` what it reckons that others cost. Raises
    ValueError for a row of a rung not in `rungs`, for a state of another name and for a
    volume below 1.
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
        spend=spend_of(rows),
        run_order=tuple(by_rung),
        settled=dict(settled or {}),
        expected=dict(expected or {}),
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
    ordered = sorted(
        given,
        key=lambda rung: (
            math.inf if rung.cost.usd_per_1k is None else rung.cost.usd_per_1k
        ),
    )
    return msgspec.structs.replace(
        matrix,
        rungs=tuple(ordered),
        order_note=_order_note(given, ordered),
        volume=volume,
    )


def unit_scores(rows: Sequence[Row], errors: float | None = None) -> dict[Unit, float]:
    """Score each unit, (source, case), that has a finished row.

    The weighted mean over its tests of the mean over their samples. Units come
    sorted; those whose tests all weigh 0 are left out. `errors` is what a row that did
    not finish counts for; None: nothing.
    """
    tests: defaultdict[Unit, defaultdict[str, list[tuple[float, float]]]]
    tests = defaultdict(lambda: defaultdict(list))
    for row in rows:
        score = errors if row.outcome is Outcome.ERROR else score_of(row)
        if score is not None:
            tests[row.source, row.case][row.test].append((row.weight, score))
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
    if not names:
        return None
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


def _unit_score(tests: Collection[Sequence[tuple[float, float]]]) -> float | None:
    """Weigh the tests of a unit, each given as weight and score of its samples."""
    if len(tests) == 1:
        (samples,) = tests
        weight, score = samples[0]
        if len(samples) == 1 and weight == 1:
            # Of most suites, every row; and the same number, without the sums.
            return score
    weighted, weights = [], []
    for samples in tests:
        weight, mean = samples[0]
        if len(samples) > 1:  # Most tests have one, and suites thousands of them.
            weight, mean = (
                math.fsum(x) / len(samples) for x in zip(*samples, strict=True)
            )
        weights.append(weight)
        weighted.append(weight * mean)
    total = math.fsum(weights)
    # Rounding must not lift a mean of ones above 1.
    return min(1.0, math.fsum(weighted) / total) if total > 0 else None


def cell_of(rows: Sequence[Row], *, stopped: bool) -> Cell:
    """Measure one rung at one level by its rows, one or more of them.

    `stopped`: a climb left some of its cases out.
    """
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
            level: cell_of(graded, stopped=state == "stopped")
            for level, graded in levels.items()
            if graded
        },
        cost=cost_of(rung.model, replies, volume),
        latency=latency_of(replies),
        tokens=tokens_of(replies),
        calls=calls_of(replies),
        state=cast(State, state),
    )


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
