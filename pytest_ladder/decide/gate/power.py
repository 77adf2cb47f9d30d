"""Power: which true drop the gate would see 4 times in 5, by the rule that it runs.

Changes are made up from the rows at hand, with a fixed seed: the same cases are drawn
again on both sides, a share of those that pass is broken for good, and the rule (test,
Holm, points, two further samples) is asked what it says (docs/methods.md §2.3).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from statistics import fmean, stdev, variance
from typing import TYPE_CHECKING, NamedTuple

from pytest_ladder.decide.decision import ESCALATED, MoreSamples
from pytest_ladder.decide.evidence import MANY
from pytest_ladder.decide.gate.pairs import Pairs, Scores
from pytest_ladder.decide.gate.within import (
    LEAST_RUNS,
    LEAST_SAMPLES,
    Draws,
    Tested,
)
from pytest_ladder.decide.matrix import Unit, score_of
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.clusters import clustered_se, degrees_of_freedom
from pytest_ladder.stats.exact import stratified_midp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SEEN = 0.8
"""4 times in 5."""
_SEED = 18
_CELLS, _MOST, _LEAST = 40_000, 400, 60
"""Cases of all made-up changes together, and how many changes there may be.

Of larger suites so much is looked at together, for the sake of memory.
"""
_SMALLEST, _FACTOR, _HALVINGS = 0.01, 1.6, 4
"""Drops that are tried: from 1 point up by this factor, then halved so often."""
_FLIPS = 1_000
"""Random sign flips, for suites of few cases, which have the fewest changes."""


class Rule(NamedTuple):
    """What a suite is held to, beside its test."""

    drop: float
    """Smallest drop that blocks, in [0, 1]."""
    block_at: float
    """Largest p-value that blocks, of one suite among those that are tested."""
    escalate_at: float
    """Largest one for which two further samples are taken."""
    escalation: MoreSamples | None
    """Whether they were taken, or would be; None: neither."""
    cases: int
    """Those of all suites: they share the time that there is."""


def detectable(
    pairs: Pairs, scores: Scores, found: Tested, rule: Rule, *, alike: bool = False
) -> float:
    """Return the true drop that is seen 4 times in 5, in [0, 1]; 1: none is.

    Of cases that break, or of all that get worse `alike`, as grades may.
    """
    if scores.samples[0] < LEAST_SAMPLES and 0.5 ** len(scores.before) > rule.block_at:
        # Not even if every case broke.
        return 1.0
    made = _MadeUp(pairs, scores, found, rule)
    # A drop that just blocks is seen every other time at most.
    low, high = rule.drop, max(_SMALLEST, rule.drop * _FACTOR)
    while made.seen(high, alike=alike) < SEEN:
        if high >= made.quality:
            return 1.0
        low, high = high, min(high * _FACTOR, made.quality)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_seen = made.seen(middle, alike=alike) >= SEEN
        low, high = (low, middle) if is_seen else (middle, high)
    return (low + high) / 2


class _MadeUp:
    """Changes that break nothing yet: arrays with a line for each, a column a case."""

    def __init__(self, pairs: Pairs, scores: Scores, found: Tested, rule: Rule) -> None:
        import numpy as np

        draws = found.draws if found.kind in ("within", "both") else ()
        n = len(draws) or len(scores.before)
        few = len(set(scores.clusters or range(n))) < MANY
        number = _LEAST if few else max(_LEAST, min(_MOST, _CELLS // rule.cases))
        self._found, self._rule = found, rule
        self._clusters = scores.clusters
        self._random = np.random.default_rng(_SEED)
        self._order = self._random.random((number, n))
        """From which share of broken cases on each is one of them."""
        taken = scores.samples[1]
        # The last look first: few changes need the other then.
        self._looks: tuple[int, ...] = (taken,)
        if rule.escalation == "run" and taken == ESCALATED:
            self._looks = (ESCALATED, 1)
        elif rule.escalation == "" and taken < ESCALATED:
            self._looks = (ESCALATED, taken)
        self._squares: Floats | None = None
        """Mean square of the samples of a case before; None: of several 0/1 tests."""
        if found.strata:
            self._draw_passes(found)
        elif draws:
            self._draw_samples(draws)
        else:
            self._draw_scores(pairs, scores)
        if few:
            self._flips = self._random.integers(0, 2, (n, _FLIPS)) * 2 - 1.0
        self._draw_runs(found.runs, number)

    def seen(self, drop: float, *, alike: bool) -> float:
        """Return how often a true drop is found."""
        import numpy as np

        number, cases = self._order.shape
        size = max(1, _CELLS // cases)
        blocks = (np.arange(number)[at : at + size] for at in range(0, number, size))
        seen = sum(self._seen_of(block, drop, alike=alike) for block in blocks)
        return seen / float(number)

    def _seen_of(self, left: NDArray[np.int64], drop: float, *, alike: bool) -> int:
        """Count the changes, of these, in which a true drop is found."""
        import numpy as np

        share = drop / max(self.quality, TINY)
        for samples in self._looks:
            if not len(left):
                break
            after = self._after[samples][left]
            broken = self._order[left] < share
            after = after - drop if alike else np.where(broken, 0.0, after)
            p, change = self._judged(left, after, samples)
            if samples == self._looks[0]:
                large = change <= -self._rule.drop + TINY
                left = left[(p <= self._rule.block_at) & large]
            else:
                left = left[p <= self._rule.escalate_at]
        return len(left)

    def _judged(
        self, which: NDArray[np.int64], after: Floats, samples: int
    ) -> tuple[Floats, Floats]:
        """Return p-value and mean change of some of the changes."""
        import numpy as np
        import scipy.special

        before, kind = self._before[which], self._found.kind
        changes = after - before
        change = changes.mean(axis=1)
        if kind == "within" and samples > 1 and self._samples.max() < LEAST_SAMPLES:
            # So far there was one sample on each side.
            kind = "both"
        if kind in ("within", "both"):
            if self._squares is None:
                within = self._within(before, after, samples)
            else:
                within = self._permuted(which, after, samples)
            if kind == "within":
                return within, change
        across = self._across(changes)
        if kind == "both":
            across = np.maximum(across, within)
        elif kind == "runs" and self._sd is not None:
            df = len(self._found.runs) - 1
            beyond = (change + self._luck[which]) / self._sd[which]
            across = np.maximum(across, scipy.special.stdtr(df, beyond))
        return across, change

    def _within(self, before: Floats, after: Floats, samples: int) -> Floats:
        import numpy as np

        k = np.broadcast_to(self._samples, before.shape)
        m = np.full(before.shape, samples)
        return stratified_midp(
            np.stack([np.rint(before * k), k, np.rint(after * m), m], axis=-1)
        )

    def _permuted(
        self, which: NDArray[np.int64], after: Floats, samples: int
    ) -> Floats:
        """P-values of the permutation test, by the normal one with its moments.

        Which samples broke is told by their mean, which is 0 then.
        """
        import numpy as np
        import scipy.special

        assert self._squares is not None
        k, m = self._samples, samples
        total = k * self._before[which] + m * after
        squares = np.where(after > 0, self._after_squares[samples][which], 0.0)
        squares = k * self._squares[which] + m * squares
        spread = (squares - total**2 / (k + m)) / (k + m - 1)
        variance = (k * m / (k + m) * spread).sum(axis=1)
        low = (m * after - m / (k + m) * total).sum(axis=1)
        z = np.divide(
            low, np.sqrt(variance), out=np.full(len(low), 9.0), where=variance > TINY
        )
        return np.asarray(scipy.special.ndtr(z))

    def _across(self, changes: Floats) -> Floats:
        """P-values of the paired t test, or of sign flips, as `quality` has them."""
        import numpy as np
        import scipy.special

        sums, total = changes, changes.sum(axis=1)
        units: Sequence[Hashable] = range(changes.shape[1])
        sizes = np.ones(changes.shape[1])
        if self._clusters is not None:
            units = self._clusters
            names = list(dict.fromkeys(units))
            member = np.asarray([[unit == name for name in names] for unit in units])
            # Not `@`: that starts threads, which wait on a busy machine.
            sums = np.einsum("cu,ug->cg", changes, member)
            sizes = member.sum(axis=0)
        groups = sums.shape[1]
        if groups < MANY:
            flipped = np.einsum("cg,gf->cf", sums, self._flips[:groups])
            as_low = (flipped <= total[:, None] + TINY).sum(axis=1)
            return np.asarray((1 + as_low) / (1 + _FLIPS))
        spread = sums - total[:, None] / len(units) * sizes
        se = np.sqrt((spread**2).sum(axis=1) * groups / (groups - 1))
        t = np.divide(total, se, out=np.sign(total) * 1e9, where=se > TINY)
        t = np.where(np.abs(total) < TINY, 1e9, t)
        return np.asarray(scipy.special.stdtr(degrees_of_freedom(units), t))

    def _draw_passes(self, found: Tested) -> None:
        """Draw 0/1 samples by the chance of each case to pass."""
        import numpy as np

        x, k, y, m = np.asarray(found.strata).T
        if k.max() < 2:
            x, k = x + y, k + m
            self._samples = k - m
        else:
            self._samples = k
        shares = x / k
        # A case that passed 5 of 5 times need not be one that always passes: shares
        # are drawn together until the samples of a case vary as much as they do.
        within = shares * (1 - shares)
        several = k > 1
        unbiased = (within * k / np.maximum(k - 1, 1))[several].mean()
        spread = shares.var()
        kept = 1 - (unbiased - within.mean()) / spread if spread > TINY else 1.0
        self.quality = float(shares.mean())
        chances = self.quality + math.sqrt(max(0.0, kept)) * (shares - self.quality)
        chances = chances.clip(0.0, 1.0)
        draw, shape = self._random.binomial, self._order.shape
        self._before = draw(self._samples, chances, shape) / self._samples
        first = self._looks[-1]
        passes = draw(first, chances, shape)
        self._after = {first: passes / first}
        for samples in self._looks[:-1]:
            more = draw(samples - first, chances, shape)
            self._after[samples] = (passes + more) / samples

    def _draw_samples(self, draws: Sequence[Draws]) -> None:
        """Draw samples of several tests out of those at hand.

        From those of the case, or now and then of all cases: as for 0/1 samples, shares
        are drawn together until samples of a case vary as much as they do.
        """
        import numpy as np

        several = max(len(before) for before, _ in draws) > 1
        own = [before if several else [*before, *after] for before, after in draws]
        counts = np.asarray([len(scores) for scores in own])
        self._samples = np.asarray([len(before) for before, _ in draws])
        means = np.asarray([fmean(scores) for scores in own])
        self.quality, spread = float(means.mean()), means.var()
        # What the mean of so few samples is off by.
        off = fmean([variance(o) / len(o) if len(o) > 1 else 0.0 for o in own])
        kept = max(0.0, 1 - off / spread) if spread > TINY else 1.0
        padded = np.zeros((len(own), counts.max()))
        for scores, line in zip(own, padded, strict=True):
            line[: len(scores)] = scores
        pool = np.concatenate([np.asarray(scores) for scores in own])
        cases = np.arange(len(own))[:, None]
        uniform, shape = self._random.random, self._order.shape

        def drawn(samples: int) -> Floats:
            size = (*shape, samples)
            places = (uniform(size) * counts[:, None]).astype(int)
            others = pool[(uniform(size) * len(pool)).astype(int)]
            is_own = uniform(size) < math.sqrt(kept)
            return np.asarray(np.where(is_own, padded[cases, places], others))

        most = int(self._samples.max())
        is_there = np.arange(most) < self._samples[:, None]
        before = drawn(most) * is_there
        self._before = before.sum(axis=2) / self._samples
        self._squares = (before**2).sum(axis=2) / self._samples
        after = drawn(self._looks[0])
        self._after = {m: after[..., :m].mean(axis=2) for m in self._looks}
        self._after_squares = {m: (after[..., :m] ** 2).mean(2) for m in self._looks}

    def _draw_scores(self, pairs: Pairs, scores: Scores) -> None:
        """Draw scores around those of the baseline, as far apart as those at hand."""
        import numpy as np

        n, shape = len(scores.before), self._order.shape
        units: Sequence[Hashable] = scores.clusters or range(n)
        seen = 0.0
        if len(set(units)) > 1:
            seen = clustered_se(scores.differences, units) ** 2 * n
        k, m = scores.samples
        within = _within_cases(pairs)
        if within is None:
            within = seen / (1 / k + 1 / m)
        # What samples of a case do not explain is a change of the case, or its cluster.
        between = max(0.0, seen - within * (1 / k + 1 / m))
        names = {name: place for place, name in enumerate(dict.fromkeys(units))}
        member = np.asarray([names[unit] for unit in units])
        between *= n / float((np.bincount(member) ** 2).sum())
        normal = self._random.normal
        moved = normal(0, math.sqrt(between), (len(self._order), len(names)))
        means = np.asarray(scores.before)
        self.quality = float(means.mean())
        self._before = means + normal(0, math.sqrt(within / k), shape)
        means = means + moved[:, member]
        first = self._looks[-1]
        luck = normal(0, math.sqrt(within * first), shape)
        self._after = {first: means + luck / first}
        for samples in self._looks[:-1]:
            more = normal(0, math.sqrt(within * (samples - first)), shape)
            self._after[samples] = means + (luck + more) / samples

    def _draw_runs(self, runs: Sequence[float], number: int) -> None:
        """Draw how runs differ, and how much of that the baseline shows."""
        import numpy as np

        self._sd: Floats | None = None
        if len(runs) >= LEAST_RUNS and stdev(runs) > TINY:
            df, error = len(runs) - 1, stdev(runs) * math.sqrt(1 + 1 / len(runs))
            self._luck = self._random.normal(0, error, number)
            self._sd = error * np.sqrt(self._random.chisquare(df, number) / df)


def _within_cases(pairs: Pairs) -> float | None:
    """Mean variance of the samples of a case; None: no case has several."""
    for groups in (pairs.before, pairs.after):
        draws: defaultdict[Unit, defaultdict[int, list[float]]]
        draws = defaultdict(lambda: defaultdict(list))
        for key, rows in groups.items():
            for row in rows:
                draws[key[2:]][row.sample].append(score_of(row))
        several = [
            variance(map(fmean, samples.values()))
            for samples in draws.values()
            if len(samples) > 1
        ]
        if several:
            return fmean(several)
    return None
