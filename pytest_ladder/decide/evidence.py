"""Evidence: what the rows say about quality, prepared once for every decision.

Nothing here depends on cost or volume. Rungs are compared on the cases that both
finished, without an error; clusters stay together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import (
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from pytest_ladder.core.ladder import Require
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import (
    ONE_SIDED,
    Comparison,
    Trust,
    corrected_comparison,
)
from pytest_ladder.decide.cost import PER, distinct, usd_of
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import (
    Unit,
    cluster_labels,
    cluster_names,
    unit_scores,
)
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.intervals import (
    MIN_CLUSTERS,
    Interval,
    QualityInterval,
    quality_interval,
    skewed_interval,
)
from pytest_ladder.stats.paired import gain_interval, paired_t, sign_flip

MANY = 20
"""From so many differences on their interval holds by itself (docs/methods.md §2.2)."""


P = ParamSpec("P")
T = TypeVar("T")
Of = TypeVar("Of", bound="Evidence")

_OF_THE_WHOLE = Trust(why_not="labels that correct the whole level only")


class Ends(NamedTuple):
    """Scores of units with whatever did not finish taken for the worst and the best."""

    worst: Mapping[Unit, float]
    best: Mapping[Unit, float]


def once(
    asked: Callable[Concatenate[Of, P], T],
) -> Callable[Concatenate[Of, P], T]:
    """Ask evidence the same thing only once: a page decides at sixty volumes.

    For functions and methods whose first argument is the evidence, and that depend on
    the others alone.
    """

    @wraps(asked)
    def known(evidence: Of, /, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (asked, *args, *kwargs.items())
        if key not in evidence.known:
            evidence.known[key] = asked(evidence, *args, **kwargs)
        answer: T = evidence.known[key]
        return answer

    return known


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
        self._graded = graded
        self._scores = {key: unit_scores(group) for key, group in graded.items()}
        self._whole = {
            key: _without_errors(self._scores[key], group)
            for key, group in graded.items()
        }
        self._clusters = {
            level: cluster_names(row for row in rows if row.level is level)
            for level in Level
        }
        self.known: dict[Hashable, Any] = {}

    def scores(self, level: Level, rung: str) -> Mapping[Unit, float]:
        """Score of each unit that the rung finished, sorted; empty: not measured."""
        return self._scores.get((level, rung), {})

    @once
    def interval(self, level: Level, rung: str) -> QualityInterval:
        """Return the quality of a measured rung with its interval, uncorrected."""
        units = self.scores(level, rung)
        return quality_interval([*units.values()], self.clusters(level, units))

    @once
    def ends(self, level: Level, rung: str) -> Ends:
        """Return the scores with every error as a miss, and as a pass."""
        rows = self._graded.get((level, rung), ())
        if any(row.outcome is Outcome.ERROR for row in rows):
            return Ends(*(unit_scores(rows, end) for end in (0.0, 1.0)))
        return Ends(self.scores(level, rung), self.scores(level, rung))

    def rows_at(self, level: Level) -> Iterator[Row]:
        """Yield the rows of all rungs at a level."""
        for (of, _), rows in self._graded.items():
            if of is level:
                yield from rows

    @once
    def part(self, level: Level, require: Require) -> Evidence:
        """Return the evidence of the rows of a level that a criterion is about.

        Labels correct what judges said of a whole level, and of no part of it.
        """
        rows = [*self.rows_at(level)]
        some = [row for row in rows if require.covers(row.test, row.tags)]
        trust = dict.fromkeys(self.trust, _OF_THE_WHOLE)
        return self if len(some) == len(rows) else Evidence(some, trust)

    def rows(self) -> Iterator[Row]:
        """Yield all rows."""
        for rows in self._rows.values():
            yield from rows

    def rows_of(self, rung: str) -> Sequence[Row]:
        """Return the rows of a rung at all levels."""
        return self._rows.get(rung, ())

    def clusters(self, level: Level, units: Iterable[Unit]) -> list[Hashable] | None:
        """Cluster of each unit, itself where it names none; None when none does."""
        return cluster_labels(units, self._clusters[level])

    def means(self, level: Level, rungs: Sequence[str]) -> tuple[list[float], int]:
        """Quality of each rung on the n cases that all of them finished, and n.

        Without such a case each is taken on its own cases, and n is 0. So it is where
        labels correct what judges said of one: that is about all of its cases.
        """
        if any(self.calibrated(level, rung) for rung in rungs):
            return [self.quality(level, rung) for rung in rungs], 0
        whole = [self._whole.get((level, rung), {}) for rung in rungs]
        common = set.intersection(*map(set, whole)) if whole else set()
        if not common:
            return [self.quality(level, rung) for rung in rungs], 0
        return [
            math.fsum(scores[unit] for unit in common) / len(common) for scores in whole
        ], len(common)

    def quality(self, level: Level, rung: str) -> float:
        """Quality of a measured rung, corrected by labels where it can be."""
        trust = self.calibrated(level, rung)
        if trust is not None:
            return trust.value
        scores = list(self.scores(level, rung).values())
        return math.fsum(scores) / len(scores)

    def calibrated(self, level: Level, rung: str) -> Trust | None:
        """Return what labels make of a rung's quality; None: they correct nothing."""
        trust = self.trust.get(rung) if level is Level.JUDGED else None
        return None if trust is None or trust.why_not else trust

    def real_verdict(self, rung: str, bar: float) -> Verdict | None:
        """Hold what users did against a bar; None: rows of real tests say it."""
        return None

    def real_ends(self, rung: str) -> Interval | None:
        """Return the interval of users by which a bar is decided; None: none is."""
        return None

    def real_doubt(self, rung: str) -> str:
        """Say by what interval users leave a bar open; empty: rows say it."""
        return ""

    def nothing_at(self, level: Level) -> str:
        """Say why no rung is measured at a level, as a part of a sentence."""
        return f"no test of level {level} ran"

    @once
    def compare(
        self, level: Level, rung: str, rival: str, of: int = 1
    ) -> Comparison | None:
        """Compare `rung` with `rival`; None when they share no finished case.

        Where labels correct both, it is what they make of them that is compared. Of
        several comparisons that are made at once, `of` says how many there are:
        together they then err as often as one (Bonferroni).
        """
        own = self._whole.get((level, rung), {})
        others = self._whole.get((level, rival), {})
        units = [unit for unit in own if unit in others]
        if not units:
            return None
        first, second = self.calibrated(level, rung), self.calibrated(level, rival)
        if first is not None and second is not None:
            return corrected_comparison(first, second, len(units), of)
        gains = [own[unit] - others[unit] for unit in units]
        return comparison(gains, self.clusters(level, units), of)

    @once
    def gain(self, level: Level, rung: str, rival: str) -> float | None:
        """Return the `mean` of `compare`, which is all that a front needs."""
        own = self._whole.get((level, rung), {})
        others = self._whole.get((level, rival), {})
        if own.keys().isdisjoint(others):
            return None
        if self.calibrated(level, rung) and self.calibrated(level, rival):
            return self.quality(level, rung) - self.quality(level, rival)
        if own.keys() == others.keys():
            return (self._total(level, rung) - self._total(level, rival)) / len(own)
        gains = [own[unit] - others[unit] for unit in own if unit in others]
        return math.fsum(gains) / len(gains)

    @once
    def _total(self, level: Level, rung: str) -> float:
        return math.fsum(self._whole.get((level, rung), {}).values())

    @once
    def serving(self, rung: str) -> Interval | None:
        """95 % interval of what 1,000 calls cost to serve, in USD.

        See docs/methods.md §4.1. Over cases, and for skewed costs. None
        where a cost is not known, and of a rung that is the only one: there is nothing
        to hold it against.
        """
        if len(self._rows) < 2:
            return None
        return _serving(self._rows.get(rung, ()))


def comparison(
    gains: Sequence[float],
    clusters: Sequence[Hashable] | None,
    of: int = 1,
    *,
    bounded: bool = True,
) -> Comparison:
    """Compare by the gains of single cases; `clusters` may name one of each.

    See docs/methods.md §2.2. `of` is the number of comparisons that are made at once;
    a gain that is not `bounded` is one of money, not of scores in [0, 1]. Raises
    ValueError for no gains, unequal lengths or one that is not finite.
    """
    error = ONE_SIDED / of
    groups = len(gains) if clusters is None else len(set(clusters))
    low = high = None
    established = at_least = False
    if groups >= (2 if clusters is None else MIN_CLUSTERS):
        interval = gain_interval if bounded else _unbounded
        low, high = interval(gains, clusters, 1 - error)
        established = low > TINY or high < -TINY
        at_least = interval(gains, clusters, 1 - 2 * error).low >= -TINY
        if len(gains) < MANY:
            # With so few cases an interval alone is too sure of itself.
            p_better = sign_flip([-gain for gain in gains], clusters)
            p = min(p_better, sign_flip(gains, clusters))
            established = established and p <= error / 2
            at_least = at_least and p_better <= error
    return Comparison(
        n=len(gains),
        mean=math.fsum(gains) / len(gains),
        low=low,
        high=high,
        established=established,
        at_least=at_least,
    )


def _unbounded(
    gains: Sequence[float], clusters: Sequence[Hashable] | None, confidence: float
) -> Interval:
    _, _, low, high = paired_t(gains, clusters, confidence)
    return Interval(low, high)


def _without_errors(
    scores: Mapping[Unit, float], rows: Iterable[Row]
) -> Mapping[Unit, float]:
    """Leave out units with an error: their score is not over the same tests."""
    broken = {(r.source, r.case) for r in rows if r.outcome is Outcome.ERROR}
    if not broken:
        return scores
    return {unit: score for unit, score in scores.items() if unit not in broken}


def _serving(rows: Sequence[Row]) -> Interval | None:
    owners: dict[str, Unit] = {}
    for row in rows:
        for bill in row.replies:
            unit = (row.source, row.case)
            owners[bill.key] = min(unit, owners.get(bill.key, unit))
    bills = distinct(bill for row in rows for bill in row.replies)
    costs = [PER * usd for bill in bills if (usd := usd_of(bill)) is not None]
    if not bills or len(costs) < len(bills):
        return None
    return skewed_interval(costs, [owners[bill.key] for bill in bills])
