"""Evidence: what the rows say about quality, prepared once for every decision.

Nothing here depends on cost or volume. Rungs are compared on the cases that both
finished, without an error; clusters stay together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.cost import PER, distinct
from pytest_ladder.decide.matrix import (
    Unit,
    cluster_labels,
    cluster_names,
    unit_scores,
)
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.intervals import MIN_CLUSTERS, Interval
from pytest_ladder.stats.paired import paired_t, sign_flip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

DRAWS = 2000
"""Bootstrap draws over cases (docs/methods.md §4.3)."""
SEED = 20240607
"""Draws must not differ from one rendering to the next."""
MANY = 20
"""From so many differences on the paired t interval holds (docs/methods.md §2.2)."""
_ONE_SIDED = 0.05


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of a rung less that of another, on the cases that both finished."""

    n: int
    """Cases that both finished."""
    mean: float
    """In [-1, 1]."""
    low: float | None
    """Paired 95 % interval of `mean`; None: too few cases or clusters for one."""
    high: float | None
    established: bool
    """Whether the difference is one: the interval leaves 0 out."""
    at_least: bool
    """Whether it is established, one-sided at 95 %, that it is not below 0."""


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """How far what a model said of a rung's replies may decide anything."""

    why_not: str = ""
    """Why it may not, to be read after "undecided with"; empty: it may."""
    value: float = 0.0
    """Quality corrected by labels, in [0, 1], with its 95 % interval."""
    low: float = 0.0
    high: float = 1.0


class Draws(NamedTuple):
    """Rung against rung in each bootstrap draw; draw 0 is the cases as they are.

    Both are indexed by rung, rival and draw.
    """

    index_of: dict[str, int]
    """Index of each rung."""
    at_least: Flags
    """Whether the rung's mean reached the rival's."""
    better: Flags
    """Whether it was above it."""


class Evidence:
    """Unit scores of rungs and what follows from them, whatever the volume."""

    def __init__(
        self, rows: Sequence[Row], trust: Mapping[str, Trust] | None = None
    ) -> None:
        """Take the rows of one ladder, in any order.

        `trust` is about the judged level of rungs that models judged, by rung.
        """
        self.trust = trust or {}
        self._rows: defaultdict[str, list[Row]] = defaultdict(list)
        graded: defaultdict[tuple[Level, str], list[Row]] = defaultdict(list)
        for row in rows:
            self._rows[row.rung].append(row)
            graded[row.level, row.rung].append(row)
        self._scores = {key: unit_scores(group) for key, group in graded.items()}
        self._whole = {
            key: _without_errors(self._scores[key], group)
            for key, group in graded.items()
        }
        self._clusters = {
            level: cluster_names(row for row in rows if row.level is level)
            for level in Level
        }
        self._compared: dict[tuple[Level, str, str], Comparison | None] = {}
        self._drawn: dict[Level, Draws] = {}
        self._serving: dict[str, Interval | None] = {}

    def scores(self, level: Level, rung: str) -> Mapping[Unit, float]:
        """Score of each unit that the rung finished, sorted; empty: not measured."""
        return self._scores.get((level, rung), {})

    def clusters(self, level: Level, units: Iterable[Unit]) -> list[Hashable] | None:
        """Cluster of each unit, itself where it names none; None when none does."""
        return cluster_labels(units, self._clusters[level])

    def means(self, level: Level, rungs: Sequence[str]) -> tuple[list[float], int]:
        """Quality of each rung on the n cases that all of them finished, and n.

        Without such a case each is taken on its own cases, and n is 0.
        """
        whole = [self._whole.get((level, rung), {}) for rung in rungs]
        common = set.intersection(*map(set, whole)) if whole else set()
        if not common:
            own = [list(self.scores(level, rung).values()) for rung in rungs]
            return [math.fsum(scores) / len(scores) for scores in own], 0
        return [
            math.fsum(scores[unit] for unit in common) / len(common) for scores in whole
        ], len(common)

    def compare(self, level: Level, rung: str, rival: str) -> Comparison | None:
        """Compare `rung` with `rival`; None when they share no finished case."""
        key = level, rung, rival
        if key not in self._compared:
            self._compared[key] = self._compare(*key)
        return self._compared[key]

    def draws(self, level: Level) -> Draws:
        """Rungs against each other over bootstrap draws of the cases.

        See docs/methods.md §4.3.
        """
        if level not in self._drawn:
            self._drawn[level] = self._draw(level)
        return self._drawn[level]

    def serving(self, rung: str) -> Interval | None:
        """95 % interval of what 1,000 calls cost to serve, in USD.

        See docs/methods.md §4.1. A bootstrap over cases, because costs are skewed. None
        where a cost is not known, and of a rung that is the only one: there is nothing
        to hold it against.
        """
        if len(self._rows) < 2:
            return None
        if rung not in self._serving:
            self._serving[rung] = _serving(self._rows.get(rung, ()))
        return self._serving[rung]

    def _compare(self, level: Level, rung: str, rival: str) -> Comparison | None:
        own = self._whole.get((level, rung), {})
        others = self._whole.get((level, rival), {})
        units = [unit for unit in own if unit in others]
        if not units:
            return None
        gains = [own[unit] - others[unit] for unit in units]
        return comparison(gains, self.clusters(level, units))

    def _draw(self, level: Level) -> Draws:
        import numpy as np

        rungs = tuple(rung for of, rung in sorted(self._whole) if of is level)
        whole = [self._whole[level, rung] for rung in rungs]
        units = sorted({unit for scores in whole for unit in scores})
        scores = np.array(
            [[of.get(unit, np.nan) for of in whole] for unit in units]
        ).reshape(len(units), len(rungs))
        weights = _weights(self.clusters(level, units) or units)
        shape = (len(rungs), len(rungs), DRAWS + 1)
        at_least, better = np.zeros(shape, bool), np.zeros(shape, bool)
        for index in range(len(rungs)):
            gains = scores[:, [index]] - scores
            both = ~np.isnan(gains)
            # Only its sign counts, so the sum will do for the mean.
            sums = weights @ np.where(both, gains, 0.0)
            any_case = weights @ both > 0
            at_least[index] = ((sums >= -TINY) & any_case).T
            better[index] = ((sums > TINY) & any_case).T
        index_of = {rung: index for index, rung in enumerate(rungs)}
        return Draws(index_of, at_least, better)


def comparison(
    gains: Sequence[float], clusters: Sequence[Hashable] | None
) -> Comparison:
    """Compare by the gains of single cases; `clusters` may name one of each.

    See docs/methods.md §2.2. Raises ValueError for no gains, unequal lengths or one
    that is not finite.
    """
    groups = len(gains) if clusters is None else len(set(clusters))
    least = 2 if clusters is None else MIN_CLUSTERS
    low = high = None
    established = at_least = False
    if groups >= least and len(gains) >= MANY:
        _, _, low, high = paired_t(gains, clusters)
        established = low > TINY or high < -TINY
        at_least = paired_t(gains, clusters, 1 - 2 * _ONE_SIDED).low >= -TINY
    elif groups >= least:
        low, high = _bootstrap(gains, clusters)
        p_better = sign_flip([-gain for gain in gains], clusters)
        p = min(p_better, sign_flip(gains, clusters))
        # The bootstrap alone is too sure of itself with so few cases.
        established = (low > TINY or high < -TINY) and p <= _ONE_SIDED / 2
        at_least = p_better <= _ONE_SIDED
    return Comparison(
        n=len(gains),
        mean=math.fsum(gains) / len(gains),
        low=low,
        high=high,
        established=established,
        at_least=at_least,
    )


def _without_errors(
    scores: Mapping[Unit, float], rows: Iterable[Row]
) -> dict[Unit, float]:
    """Leave out units with an error: their score is not over the same tests."""
    broken = {(r.source, r.case) for r in rows if r.outcome is Outcome.ERROR}
    return {unit: score for unit, score in scores.items() if unit not in broken}


def _serving(rows: Sequence[Row]) -> Interval | None:
    owners: dict[str, Unit] = {}
    for row in rows:
        for bill in row.replies:
            unit = (row.source, row.case)
            owners[bill.key] = min(unit, owners.get(bill.key, unit))
    bills = distinct(bill for row in rows for bill in row.replies)
    costs = [PER * bill.cost_usd for bill in bills if bill.cost_usd is not None]
    if not bills or len(costs) < len(bills):
        return None
    return _bootstrap(costs, [owners[bill.key] for bill in bills])


def _bootstrap(
    values: Sequence[float], clusters: Sequence[Hashable] | None
) -> Interval:
    """Percentile bootstrap interval of the mean."""
    import numpy as np

    weights = _weights(clusters or range(len(values)))[1:]
    means = (weights @ np.array(values)) / weights.sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(low), float(high))


def _weights(clusters: Iterable[Hashable]) -> Floats:
    """How often each value is drawn, its cluster as a whole; once in draw 0."""
    import numpy as np

    labels = list(clusters)
    index_of = {label: index for index, label in enumerate(dict.fromkeys(labels))}
    weights = np.ones((DRAWS + 1, len(index_of)))
    if index_of:
        random = np.random.default_rng(SEED)
        chosen = random.integers(0, len(index_of), (DRAWS, len(index_of)))
        offsets = np.arange(DRAWS)[:, None] * len(index_of)
        counts = np.bincount((chosen + offsets).ravel(), minlength=chosen.size)
        weights[1:] = counts.reshape(chosen.shape)
    members = weights[:, [index_of[label] for label in labels]]
    return np.ascontiguousarray(members)
