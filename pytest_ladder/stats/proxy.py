"""Do scores of a suite predict what users did: the order of rungs, a pick, replies.

A proxy is a cheap or judged score of a rung, an outcome what its users did. See
docs/methods.md §6; each function is one of four statements, and none of them alone
makes a proxy good.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections import Counter
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from pytest_ladder.stats.checks import (
    check_counts,
    check_finite,
    check_inside,
    check_paired,
    check_passes,
    check_size,
)
from pytest_ladder.stats.distributions import student, student_tails
from pytest_ladder.stats.intervals import Interval, wilson

DRAWS = 20_000
"""Random outcomes for a regret, and random orders where there are too many."""

EXACT_RUNGS = 8
"""Up to this many rungs all orders of the proxy are counted (8! = 40,320)."""

SEED = 2024
"""Of all draws, so that a report says the same each time."""

_Z95 = NormalDist().inv_cdf(0.975)


class Kendall(NamedTuple):
    """Rank correlation in [-1, 1] and its two-sided p; None if a side is constant."""

    tau: float | None
    p: float | None


class Superiority(NamedTuple):
    """P(first > second) + P(tie) / 2, in [0, 1], its 95 % interval, two-sided p."""

    superiority: float
    low: float
    high: float
    p: float


class OrderedPairs(NamedTuple):
    """How many pairs of rungs users tell apart, and what the proxy says of them."""

    established: int
    agree: int
    contradict: int
    p_agree: float
    """Share of all orders of the proxy that agree at least as well."""
    p_contradict: float
    """Share of all orders of the proxy that agree at most as well."""


class Regret(NamedTuple):
    """How much worse a pick is than the rung that is best for users."""

    mean: float
    """In the unit of the outcome; 0 where the pick is the best."""
    p_within: float
    """Probability that it is no more than the tolerance."""


_MOST_GROUPS = 50
"""Parts of the data that are left out in turn."""
_LEAST_GROUPS = 10


class SameRungAuc(NamedTuple):
    """P(a liked reply has the higher score) + half the ties; None without pairs."""

    within: float | None
    """Over pairs of replies of the same rung."""
    pooled: float | None
    """Over all pairs: differences of rungs count too (Simpson)."""


class TrackRecord(NamedTuple):
    """How often a proxy foretold the sign of an established difference."""

    share: float
    interval: Interval
    p: float
    """One-sided: that a coin would have done as well."""


def kendall(proxy: Sequence[float], outcome: Sequence[float]) -> Kendall:
    """Kendall's tau-b of the rungs' proxy scores and real outcomes.

    See docs/methods.md §6.1. p is two-sided, exact without ties; below 4 rungs even
    perfect agreement proves nothing. Raises ValueError for unequal lengths, fewer than
    two rungs or a value that is not finite.
    """
    tau = tau_b(proxy, outcome)
    if tau is None:
        return Kendall(None, None)
    import scipy.stats

    return Kendall(tau, float(scipy.stats.kendalltau(proxy, outcome).pvalue))


def tau_b(proxy: Sequence[float], outcome: Sequence[float]) -> float | None:
    """Return Kendall's tau-b alone, which takes no scipy; raises as `kendall`."""
    check_paired("Proxy and outcome", proxy, outcome)
    check_size("Rungs", proxy, 2)
    check_finite("Scores", [*proxy, *outcome])
    signs = [
        ((a > b) - (a < b), (c > d) - (c < d))
        for (a, c), (b, d) in itertools.combinations(
            zip(proxy, outcome, strict=True), 2
        )
    ]
    untied = [sum(map(abs, side)) for side in zip(*signs, strict=True)]
    if not all(untied):
        return None
    return sum(x * y for x, y in signs) / math.sqrt(math.prod(untied))


def superiority(a: Sequence[float], b: Sequence[float]) -> Superiority:
    """Compare two groups of ratings: the chance that one of `a` beats one of `b`.

    Raises ValueError for an empty group or a value that is not finite.
    """
    check_finite("Ratings", [*a, *b])
    grades = sorted({*a, *b})
    return superiority_of(*([*map(Counter(of).__getitem__, grades)] for of in (a, b)))


def superiority_of(a: Sequence[int], b: Sequence[int]) -> Superiority:
    """Compare two groups by how many ratings of each grade they have, lowest first.

    Brunner and Munzel 2000: spread and shape of the groups may differ. Where the groups
    do not overlap at all, or each rating is the same, there is no variance to go by:
    the p is then exact over all ways to deal the ratings out, and the interval Wilson's
    over as many pairs as the smaller group has ratings. Raises ValueError for an empty
    group, unequal lengths or a negative count.
    """
    check_paired("Grades", a, b)
    for group in (a, b):
        check_counts("Ratings of a grade", group)
        if not sum(group):
            raise ValueError("Ratings of a group must be 1 or more, got 0.")
    n = sum(a), sum(b)
    # Of each rating of a group the share of the other that it beats, ties for half.
    better, first = _beaten(a, b)
    _, second = _beaten(b, a)
    parts = first / n[0], second / n[1]
    se = math.sqrt(sum(parts))
    if se == 0 or min(n) < 2:
        low, high = wilson(better * min(n), min(n))
        return Superiority(better, low, high, _permuted_p(n, better))
    df = sum(parts) ** 2 / sum(
        part**2 / (size - 1) for part, size in zip(parts, n, strict=True)
    )
    half = student(df, 0.05) * se
    p = student_tails((better - 0.5) / se, df)
    return Superiority(better, max(0.0, better - half), min(1.0, better + half), p)


def _beaten(group: Sequence[int], other: Sequence[int]) -> tuple[float, float]:
    """Return mean and variance, over the ratings of a group, of what each one beats."""
    n, below = sum(group), 0.0
    shares = []
    for same in other:
        shares.append((below + same / 2) / sum(other))
        below += same
    mean = math.fsum(map(operator.mul, shares, group)) / n
    spread = (of * (share - mean) ** 2 for share, of in zip(shares, group, strict=True))
    return mean, math.fsum(spread) / (n - 1) if n > 1 else 0.0


def _permuted_p(n: tuple[int, int], better: float) -> float:
    """Two-sided p over all ways to deal out ratings that do not overlap, or one."""
    extreme, every = min(better, 1 - better), sum(n)
    if min(n) == 1:
        return min(1.0, 2 * (extreme * (every - 1) + 1) / every)
    return 1.0 if extreme else min(1.0, 2 / math.comb(every, n[0]))


def promoter_score(
    promoters: int, passives: int, detractors: int
) -> tuple[float, float]:
    """Return the net promoter score in [-1, 1] and its standard error.

    A mean of +1, 0 and -1. Raises ValueError for fewer than two answers.
    """
    check_counts("Answers", [promoters, passives, detractors])
    n = promoters + passives + detractors
    if n < 2:
        raise ValueError(f"Answers must be 2 or more, got {n}.")
    score = (promoters - detractors) / n
    return score, math.sqrt(((promoters + detractors) / n - score**2) / (n - 1))


def ordered_pairs(
    proxy: Sequence[float], outcome: Sequence[float], se: Sequence[float] | float
) -> OrderedPairs:
    """Count the pairs of rungs that users tell apart, and test the proxy's order.

    A pair is established where outcomes differ by more than 1.96 standard errors (a
    running experiment passes wider errors). The statistic is pairs that agree minus
    pairs that contradict; p is exact over all orders of the proxy's scores, over
    `DRAWS` random ones above `EXACT_RUNGS`. With 3 rungs no p is below 1/6. Raises
    ValueError for unequal lengths, fewer than two rungs, or negative errors.
    """
    import numpy as np

    errors = [se] * len(outcome) if isinstance(se, int | float) else list(se)
    check_paired("Proxy and outcome", proxy, outcome)
    check_paired("Outcomes and errors", outcome, errors)
    check_size("Rungs", proxy, 2)
    check_finite("Scores", [*proxy, *outcome])
    check_counts("Standard errors", errors)
    pairs = told_apart(outcome, errors)
    if not pairs:
        return OrderedPairs(0, 0, 0, 1.0, 1.0)
    better, worse = (np.array(side) for side in zip(*pairs, strict=True))
    # Only their order counts, and ranks of one byte are compared fastest.
    small = np.int16 if len(proxy) > 100 else np.int8
    values = np.unique(proxy, return_inverse=True)[1].astype(small)
    signs = np.sign(values[better] - values[worse])
    if len(proxy) <= EXACT_RUNGS:
        orders = np.array(list(itertools.permutations(values)))
    else:
        rng = np.random.default_rng(SEED)
        orders = rng.permuted(np.tile(values, (DRAWS, 1)), axis=1)
        # What was seen is one of the orders, so that no p is 0.
        orders[0] = values
    sums = np.sign(orders[:, better] - orders[:, worse]).sum(axis=1)
    return OrderedPairs(
        len(pairs),
        int((signs > 0).sum()),
        int((signs < 0).sum()),
        float((sums >= signs.sum()).mean()),
        float((sums <= signs.sum()).mean()),
    )


def told_apart(outcome: Sequence[float], se: Sequence[float]) -> list[tuple[int, int]]:
    """Return the pairs that differ by more than 1.96 errors, the higher one first."""
    return [
        (i, j) if outcome[i] > outcome[j] else (j, i)
        for i, j in itertools.combinations(range(len(outcome)), 2)
        if abs(outcome[i] - outcome[j]) > _Z95 * math.hypot(se[i], se[j])
    ]


def regret(
    pick: int, means: Sequence[float], ses: Sequence[float], tolerance: float = 0.03
) -> Regret:
    """Return what users lose by the rung that a proxy picks.

    Outcomes are drawn `DRAWS` times from their normal distributions; the regret of a
    draw is the best of them minus the pick's. Higher is better. Raises ValueError for a
    pick that is no index, unequal lengths, negative errors or a negative tolerance.
    """
    import numpy as np

    check_paired("Means and errors", means, ses)
    check_finite("Means", means)
    check_counts("Standard errors", ses)
    check_counts("The tolerance", [tolerance])
    if not 0 <= pick < len(means):
        raise ValueError(f"The pick must be one of {len(means)} rungs, got {pick}.")
    draws = np.random.default_rng(SEED).normal(means, ses, (DRAWS, len(means)))
    lost = draws.max(axis=1) - draws[:, pick]
    return Regret(float(lost.mean()), float((lost <= tolerance).mean()))


def same_rung_auc(
    proxy: Sequence[float], outcome: Sequence[int], rungs: Sequence[Hashable]
) -> SameRungAuc:
    """Return how well scores tell liked replies (1) from disliked ones (0).

    Raises ValueError for unequal lengths and an outcome that is neither 0 nor 1.
    """
    check_paired("Proxy and outcome", proxy, outcome)
    check_paired("Outcomes and rungs", outcome, rungs)
    check_finite("Scores", proxy)
    for value in outcome:
        if value not in (0, 1):
            raise ValueError(f"An outcome of a reply is 0 or 1, got {value}.")
    groups: dict[Hashable, tuple[list[float], list[float]]] = {}
    for score, liked, rung in zip(proxy, outcome, rungs, strict=True):
        groups.setdefault(rung, ([], []))[int(liked)].append(score)
    together = [
        [score for group in groups.values() for score in group[liked]]
        for liked in (0, 1)
    ]
    return SameRungAuc(_auc(list(groups.values())), _auc([(together[0], together[1])]))


def same_rung_interval(
    proxy: Sequence[float],
    outcome: Sequence[int],
    rungs: Sequence[Hashable],
    clusters: Sequence[Hashable],
) -> Interval | None:
    """Return a 95 % interval for `same_rung_auc`, clusters (users) taken as a whole.

    Wilson's, at the number of replies that a jackknife says they are worth, leaving out
    a group of clusters at a time. None for fewer than 10, and where a part has no pair.
    """
    check_paired("Outcomes and clusters", outcome, clusters)
    number = {name: n for n, name in enumerate(dict.fromkeys(clusters))}
    groups = min(_MOST_GROUPS, len(number))
    if groups < _LEAST_GROUPS:
        return None
    parts = []
    for left_out in range(groups):
        kept = [n for n, who in enumerate(clusters) if number[who] % groups != left_out]
        part = same_rung_auc(
            [proxy[n] for n in kept],
            [outcome[n] for n in kept],
            [rungs[n] for n in kept],
        )
        if part.within is None:
            return None
        parts.append(part.within)
    auc = same_rung_auc(proxy, outcome, rungs).within or 0.0
    mean = math.fsum(parts) / groups
    variance = math.fsum((part - mean) ** 2 for part in parts) * (groups - 1) / groups
    # As many independent replies would err as much; of no more than there are.
    effective: float = len(number)
    if variance and 0 < auc < 1:
        effective = min(len(proxy), auc * (1 - auc) / variance)
    return wilson(auc * effective, effective)


def record(agree: int, of: int, confidence: float = 0.95) -> TrackRecord | None:
    """Sum up past experiments: in how many did the proxy foretell the winner.

    Sign test, one-sided (five of five: p = 1/32), with Wilson's interval. None without
    an experiment. Raises ValueError unless 0 <= agree <= of.
    """
    check_passes(agree, of)
    check_inside("Confidence", confidence)
    if not of:
        return None
    p = sum(math.comb(of, k) for k in range(agree, of + 1)) / 2**of
    return TrackRecord(agree / of, wilson(agree, of, confidence), p)


def _auc(groups: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float | None:
    """Return the share of pairs (disliked, liked) of a group in the right order."""
    import scipy.stats

    won, pairs = 0.0, 0
    for disliked, liked in groups:
        if disliked and liked:
            ranks = scipy.stats.rankdata([*liked, *disliked])
            won += float(ranks[: len(liked)].sum()) - len(liked) * (len(liked) + 1) / 2
            pairs += len(disliked) * len(liked)
    return won / pairs if pairs else None
