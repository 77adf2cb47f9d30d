"""A hurdle: the bar at one level, and the rule by which a climb stops early at it."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.bounds import FEW, against_bar, share_against
from pytest_ladder.decide.climb.tally import Tally
from pytest_ladder.decide.climb.terms import Criterion, Terms
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.sequential import (
    Boundaries,
    betting_suite,
    curtailed,
    suite_boundaries,
)
from pytest_ladder.text import numbers


class Risks(msgspec.Struct, frozen=True, kw_only=True):
    """How often a hurdle may err, and how often it is looked at."""

    alpha: float
    """Chance, at most, that a suite below the bar passes early."""
    beta: float
    """Chance, at most, that a suite at or above the bar fails early."""
    every: int
    """Units from one look to the next."""


class Hurdle(msgspec.Struct, frozen=True, kw_only=True):
    """The bar of a level, or of some of its rows, as the matrix asks it of all units.

    Certain verdicts come first (docs/methods.md §3.3). Before that 0/1 scores are held
    against exact boundaries (docs/methods.md §3.4), graded ones and clusters against
    bets (docs/methods.md §3.5). A unit without a score counts as a miss for passing and
    as a pass for failing, early and at the end, as it does in a matrix.
    """

    level: Level
    bar: float
    """Above 0, at most 1."""
    n: int
    """Units of the level."""
    risks: Risks
    clusters: tuple[int, ...] | None = None
    """Sizes of clusters, in order, to bet on; None: 0/1 scores, each by itself."""
    decides: bool = True
    """Whether this is the bar of the objective itself."""
    exact: bool = True
    """Whether few units need an exact bound; else a share counts as it is."""
    criterion: Criterion | None = None
    """The rows of the level that it is about; None: all."""
    where: str = ""
    """What it is about, to be read after a score; empty: the level that decides."""
    name: str = ""
    """What reports call it; empty: it is the bar of the objective itself."""
    least: int = 0
    """Units that a verdict needs at least."""

    def at(self, beta: float) -> Hurdle:
        """Return the same hurdle with another chance of a false fail."""
        risks = msgspec.structs.replace(self.risks, beta=beta)
        return msgspec.structs.replace(self, risks=risks)

    def boundaries(self) -> Boundaries:
        """Return the exact boundaries; none where bets decide, or all units must."""
        if self.clusters is not None or self._is_small:
            return Boundaries({}, {})
        risks = self.risks
        return _boundaries(self.n, self.bar, risks.alpha, risks.beta, risks.every)

    def verdict(self, tally: Tally) -> Verdict | None:
        """Return what the units seen so far decide; None: run more of them."""
        if tally.seen == self.n:
            return self._full(tally)
        known = len(tally.known)
        if known + self.n - tally.seen < self.least or tally.is_hopeless:
            return "undecided"
        if self._is_small or known < self.least:
            return None
        # What no further unit can change.
        if curtailed(math.fsum(tally.worst), tally.seen, self.n, self.bar) == "pass":
            return "pass"
        if self.is_lost(tally):
            return "fail"
        if self._is_stuck(tally, 0):
            return "undecided"
        return self._early(tally)

    def why(self, tally: Tally, verdict: Verdict) -> str:
        """Say why a rung that is not recommended stopped here."""
        said, bar = f"{tally}{self.where}", f"the bar of {numbers.bar(self.bar)}"
        if verdict == "undecided":
            return f"{said}, undecided against {bar}"
        if not tally.rest():
            return f"{said}, below {bar}"
        likely = "out of reach" if self.is_lost(tally) else "unlikely to be reached"
        return f"{said}, {bar} is {likely}"

    def until_next_look(self, tally: Tally) -> int:
        """Return how many units to run next: before that no verdict can come.

        Units that run in one go may run side by side.
        """
        rest, every = self.n - tally.seen, self.risks.every
        if self._is_small:
            return rest
        if not tally.known:
            # It may be that nothing will ever finish.
            return min(every, rest)
        low, high = _passes(tally)
        worst, best = math.fsum(tally.worst), math.fsum(tally.best)
        upper, lower = self.boundaries()
        for step in range(every, rest, every):
            seen = tally.seen + step
            if (
                self.clusters is not None
                or low + step >= upper.get(seen, self.n + 1)
                or worst + step >= self.bar * self.n - TINY
                or high <= lower.get(seen, -1)
                # With errors about, what comes may be no more than errors.
                or (worst < best and self._is_stuck(tally, step))
                or curtailed(best, seen, self.n, self.bar) == "fail"
            ):
                return step
        return rest

    @property
    def _is_small(self) -> bool:
        """Whether there are so few units that all are needed for a verdict."""
        return self.exact and self.n < FEW

    def is_lost(self, tally: Tally) -> bool:
        """Whether a tally is below the bar even if all that is left passes."""
        best = math.fsum(tally.best)
        return curtailed(best, tally.seen, self.n, self.bar) == "fail"

    def _is_stuck(self, tally: Tally, more: int) -> bool:
        """Whether errors, and `more` of them to come, keep it from any verdict.

        From a pass even if the rest passes, and from a fail even if it misses.
        """
        suite = tally.suite
        rest = self.n - tally.seen
        least = self.bar * (len(suite) + rest) - TINY
        low = math.fsum(low for _, low, _ in suite)
        high = math.fsum(high for _, _, high in suite)
        return low + rest - more < least <= high + more

    def _full(self, tally: Tally) -> Verdict:
        if not tally.known or len(tally.known) < self.least:
            return "undecided"
        suite = tally.suite
        worst, best = [low for _, low, _ in suite], [high for _, _, high in suite]
        if not self.exact:
            return share_against(worst, best, self.bar)
        labels = None
        if self.clusters is not None and max(self.clusters) > 1:
            names = [at for at, size in enumerate(self.clusters) for _ in range(size)]
            labels = [names[place] for place, *_ in suite]
        return against_bar(worst, best, self.bar, labels)

    def _early(self, tally: Tally) -> Verdict | None:
        if self.clusters is not None:
            worst, best = tally.worst, tally.best
            said = self._bets(worst, self.clusters)
            if said == "pass" or worst == best:
                return said
            return "fail" if self._bets(best, self.clusters) == "fail" else None
        upper, lower = self.boundaries()
        low, high = _passes(tally)
        if low >= upper.get(tally.seen, self.n + 1):
            return "pass"
        return "fail" if high <= lower.get(tally.seen, -1) else None

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


def bars_of(objective: Objective, terms: Terms) -> dict[Level, float]:
    """Return the bars of an objective by level, the one that decides last.

    One that decides above the cheap level has that of the cheap checks on the way.
    """
    bars = {}
    is_above = objective.level is not Level.CHEAP and terms.units.get(Level.CHEAP)
    if terms.cheap_bar and is_above:
        bars[Level.CHEAP] = terms.cheap_bar
    if objective.quality:
        bars[objective.level] = _judged_score(objective.quality, objective.level, terms)
    return bars


def _judged_score(people: float, level: Level, terms: Terms) -> float:
    """Return what a judge gives at a bar, as far as labels tell; else the bar."""
    if terms.judge is None or level is not Level.JUDGED:
        return people
    return terms.judge.judged_score(people)


def hurdles_of(
    terms: Terms, bars: Mapping[Level, float], level: Level | None = None
) -> tuple[Hurdle, ...]:
    """Return the hurdles of a rung, in the order of levels: criteria and bars.

    `level` is the one that decides; None: that of the last bar.
    """
    level = level or [*bars][-1]
    # A rung may fail at any of its hurdles, but is recommended after the last one only.
    risks = Risks(
        alpha=terms.alpha / len(terms.rungs),
        beta=terms.beta / max(1, len(bars) + len(terms.criteria)),
        every=terms.every,
    )
    hurdles = []
    for criterion in terms.criteria:
        require, some = criterion.require, criterion.require.is_partial
        hurdles.append(
            _hurdle(
                terms,
                criterion.level,
                criterion.units,
                bar=_judged_score(require.at_least or 0.0, criterion.level, terms),
                risks=risks,
                decides=False,
                criterion=criterion if some else None,
                where=require.where,
                name=require.name,
            )
        )
    for each, bar in bars.items():
        decides = each is level
        hurdles.append(
            _hurdle(
                terms,
                each,
                terms.units[each],
                bar=bar,
                risks=risks,
                decides=decides,
                exact=decides,
                least=terms.least if decides else 0,
                where="" if decides else f" at the {each} level",
                name="" if decides else each,
            )
        )
    order = list(Level)
    # Sorting is stable: at one level a criterion comes before the bar.
    return tuple(sorted(hurdles, key=lambda hurdle: order.index(hurdle.level)))


def _hurdle(terms: Terms, level: Level, units: Sequence[Unit], **fields: Any) -> Hurdle:
    # The clusters in order, a unit that is in none by itself. They must be shuffled as
    # a whole, or else the small ones are complete first (docs/methods.md §3.2).
    names = [terms.clusters.get(unit, unit) for unit in units]
    sizes = tuple(len(list(group)) for _, group in itertools.groupby(names))
    if len(sizes) != len(set(names)):
        raise ValueError("Units of a cluster must follow each other in the order.")
    bets = terms.graded[level] or max(sizes) > 1
    return Hurdle(level=level, n=len(units), clusters=sizes if bets else None, **fields)


@functools.lru_cache(maxsize=256)
def _boundaries(
    n: int, bar: float, alpha: float, beta: float, every: int
) -> Boundaries:
    return suite_boundaries(n, bar, alpha, beta, every)


def _passes(tally: Tally) -> tuple[int, int]:
    """Count passes at the least and at the most.

    A fraction where 0/1 was promised goes down for a pass, up for a fail.
    """
    return sum(map(math.floor, tally.worst)), sum(map(math.ceil, tally.best))
