"""A hurdle: the bar at one level, and the rule by which a climb stops early at it."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.course import Tally
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.stats.sequential import (
    Boundaries,
    betting_suite,
    curtailed,
    suite_boundaries,
)


class Risks(msgspec.Struct, frozen=True, kw_only=True):
    """How often a hurdle may err, and how often it is looked at."""

    alpha: float
    """Chance, at most, that a suite below the bar passes early."""
    beta: float
    """Chance, at most, that a suite at or above the bar fails early."""
    every: int
    """Units from one look to the next."""


class Hurdle(msgspec.Struct, frozen=True, kw_only=True):
    """The bar of a level, asking whether all its units would score that much.

    Certain verdicts come first (docs/methods.md §3.3). Before that 0/1 scores are held
    against exact boundaries (docs/methods.md §3.4), graded ones and clusters against
    bets (docs/methods.md §3.5). A unit without a score counts as a miss for passing and
    as a pass for failing, so that an error hides no risk; at the end the units that
    have a score decide.
    """

    level: Level
    bar: float
    """Above 0, at most 1."""
    n: int
    """Units of the level."""
    risks: Risks
    clusters: tuple[int, ...] | None = None
    """Sizes of clusters, in order, to bet on; None: 0/1 scores, each by itself."""

    def boundaries(self) -> Boundaries:
        """Return the exact boundaries; none where bets decide."""
        if self.clusters is not None:
            return Boundaries({}, {})
        risks = self.risks
        return _boundaries(self.n, self.bar, risks.alpha, risks.beta, risks.every)

    def _certain(self, tally: Tally) -> Verdict | None:
        """Return the verdict that no further unit can change, or None."""
        low, high = tally.total, tally.total + _scoreless(tally)
        if curtailed(low, tally.seen, self.n, self.bar) == "pass":
            return "pass"
        if curtailed(high, tally.seen, self.n, self.bar) == "fail":
            return "fail"
        return None

    def verdict(self, tally: Tally) -> Verdict | None:
        """Return what the units seen so far decide; None: run more of them.

        Undecided when too many of them did not finish; a pass then waits for more.
        """
        if tally.seen == self.n:
            return self._full(tally)
        if tally.cannot_be_covered:
            return "undecided"
        early = self._certain(tally) or self._early(tally)
        if early is None or tally.covered:
            return early
        return "undecided" if early == "fail" else None

    def _full(self, tally: Tally) -> Verdict:
        known = len(tally.known)
        if not known or not tally.covered:
            return "undecided"
        passed = curtailed(tally.total, known, known, self.bar) == "pass"
        return "pass" if passed else "fail"

    def _early(self, tally: Tally) -> Verdict | None:
        if self.clusters is not None:
            return self._by_bets(tally, self.clusters)
        upper, lower = self.boundaries()
        # A fraction where 0/1 was promised: down for a pass, up for a fail.
        passes = sum(math.floor(score) for score in tally.known)
        if passes >= upper.get(tally.seen, self.n + 1):
            return "pass"
        passes = sum(math.ceil(score) for score in tally.known) + _scoreless(tally)
        return "fail" if passes <= lower.get(tally.seen, -1) else None

    def _by_bets(self, tally: Tally, runs: Sequence[int]) -> Verdict | None:
        worst = self._bets([score or 0.0 for score in tally.scores], runs)
        if worst == "pass" or not _scoreless(tally):
            return worst
        best = [1.0 if score is None else score for score in tally.scores]
        return "fail" if self._bets(best, runs) == "fail" else None

    def _bets(self, scores: Sequence[float], runs: Sequence[int]) -> Verdict | None:
        """Bet on whole clusters; each is one observation, its sum over the largest."""
        most = max(runs)
        ends = itertools.takewhile(
            lambda end: end <= len(scores), itertools.accumulate(runs)
        )
        pairs = itertools.pairwise([0, *ends])
        totals = [min(1.0, math.fsum(scores[a:b]) / most) for a, b in pairs]
        # The suite reaches its bar exactly when the sums over clusters reach theirs.
        bar = self.bar * self.n / (len(runs) * most)
        return betting_suite(totals, len(runs), bar, self.risks.alpha, self.risks.beta)


def cluster_sizes(
    units: Sequence[Unit], clusters: Mapping[Unit, str]
) -> tuple[int, ...]:
    """Return the sizes of the clusters in order, 1 for a unit that is in none.

    Raises ValueError when a cluster is torn apart: clusters must be shuffled as a
    whole, or else the small ones are complete first (docs/methods.md §3.2).
    """
    names = [clusters.get(unit, unit) for unit in units]
    sizes = tuple(len(list(group)) for _, group in itertools.groupby(names))
    if len(sizes) != len(set(names)):
        raise ValueError("Units of a cluster must follow each other in the order.")
    return sizes


@functools.lru_cache(maxsize=64)
def _boundaries(
    n: int, bar: float, alpha: float, beta: float, every: int
) -> Boundaries:
    return suite_boundaries(n, bar, alpha, beta, every)


def _scoreless(tally: Tally) -> int:
    return tally.seen - len(tally.known)
