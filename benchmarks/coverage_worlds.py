"""Worlds of which `bench_coverage` asks whether the truth lies in an interval.

Each function returns a setting: intervals without end, each with the truth, or for what
can be enumerated all intervals that hold, each with its chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_ladder.stats.agreement import (
    graded_quality,
    gwet_ac1,
    gwet_ac1_interval,
    kappa,
    kappa_interval,
    poststratified,
    rogan_gladen,
    smoothed,
)
from pytest_ladder.stats.intervals import (
    exact_lower,
    quality_interval,
    skewed_interval,
)
from pytest_ladder.stats.judged import poststratified_parts, widening
from pytest_ladder.stats.latency import percentile_interval
from pytest_ladder.stats.paired import gain_interval, score_interval
from pytest_ladder.stats.sequential import confidence_sequence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Random = np.random.Generator
    Floats = NDArray[np.float64]

Bounds = tuple[float | None, float | None]
Draws = Iterator[tuple[Bounds, float]]
"""An interval and the truth, endlessly; of an exact row those intervals that hold, each
with its chance."""
Setting = Callable[["Random", int], Draws]


def rate(p: float, interval: Callable[[int, int], Bounds]) -> Setting:
    """All outcomes of n cases that each pass with chance p."""

    def outcomes(random: Random, n: int) -> Draws:
        for k in range(n + 1):
            chance = math.comb(n, k) * p**k * (1 - p) ** (n - k)
            yield from _covered(interval(k, n), p, chance)

    return outcomes


def pairs(better: float, worse: float) -> Setting:
    """All outcomes of n cases of which shares turn better and worse."""

    def outcomes(random: Random, n: int) -> Draws:
        for b in range(n + 1):
            for w in range(n - b + 1):
                ways = math.lgamma(n + 1) - math.lgamma(b + 1) - math.lgamma(w + 1)
                log = ways - math.lgamma(n - b - w + 1)
                log += (n - b - w) * math.log1p(-better - worse)
                log += b * math.log(better) + (w * math.log(worse) if worse else 0.0)
                if (w and not worse) or log < -20:
                    continue
                found = score_interval(b, w, n)
                yield from _covered(found, better - worse, math.exp(log))

    return outcomes


def scores_of(draw: Callable[[Random, int], Floats], truth: float) -> Setting:
    def drawn(random: Random, n: int) -> Draws:
        while True:
            yield quality_interval([float(x) for x in draw(random, n)])[1:3], truth

    return drawn


def flaky(share: float) -> Setting:
    """Means of 3 samples; a share of the cases is flaky, .8 pass on average."""

    def draw(random: Random, n: int) -> Floats:
        sure = (random.random(n) < 0.8).astype(float)
        chances = [
            random.beta(4, 1) if random.random() < share else one for one in sure
        ]
        return random.binomial(3, chances) / 3

    return scores_of(draw, 0.8)


def clustered(p: float, icc: float, skewed: bool) -> Setting:
    """N clusters, of 5 cases or with lognormal sizes; cases of one are alike."""

    def drawn(random: Random, n: int) -> Draws:
        a, b = p * (1 / icc - 1), (1 - p) * (1 / icc - 1)
        while True:
            sizes = [5] * n
            if skewed:
                sizes = [max(1, round(5 * math.exp(x))) for x in random.normal(size=n)]
            scores: list[float] = []
            for size in sizes:
                chance = random.beta(a, b)
                scores += [float(x < chance) for x in random.random(size)]
            names = [name for name, size in enumerate(sizes) for _ in range(size)]
            yield quality_interval(scores, names)[1:3], p

    return drawn


def graded_pairs(gain: float, sd: float) -> Setting:
    def drawn(random: Random, n: int) -> Draws:
        while True:
            steps = random.normal(gain, sd, n).clip(-1, 1)
            yield gain_interval(steps.tolist()), gain

    return drawn


def best_floor(n_rungs: int, p: float) -> Setting:
    """Floor of the best of equal rungs, as a one-sided interval."""

    def drawn(random: Random, n: int) -> Draws:
        while True:
            most = int(random.binomial(n, p, n_rungs).max())
            yield (exact_lower(most, n, 1 - 0.05 / n_rungs), None), p

    return drawn


def stopped(q: float) -> Setting:
    def drawn(random: Random, n: int) -> Draws:
        while True:
            scores = (random.random(n) < q).astype(float).tolist()
            yield confidence_sequence(scores), q

    return drawn


def cost(sd: float) -> Setting:
    def drawn(random: Random, n: int) -> Draws:
        while True:
            costs = random.lognormal(0, sd, n).tolist()
            yield skewed_interval(costs, range(n)) or (None, None), math.exp(sd**2 / 2)

    return drawn


def p95(sd: float) -> Setting:
    def drawn(random: Random, n: int) -> Draws:
        truth = math.exp(1.6448536 * sd)
        while True:
            yield percentile_interval(random.lognormal(0, sd, n).tolist(), 0.95), truth

    return drawn


def judge(q: float, se: float, sp: float, cases: int = 500) -> Setting:
    """Post-stratified pass rate; n labels of 500 judged cases."""

    def drawn(random: Random, n: int) -> Draws:
        while True:
            people = random.random(cases) < q
            said = random.random(cases) < [se if good else 1 - sp for good in people]
            k11, k10, k01, k00 = (
                int(sum((said[:n] == j) & (people[:n] == h)))
                for j in (True, False)
                for h in (True, False)
            )
            passed = int(said.sum())
            found = poststratified(passed, cases - passed, k11, k10, k01, k00)
            yield (found.low, found.high), q

    return drawn


def judge_of_clusters(q: float, se: float, sp: float, groups: int) -> Setting:
    """The same with 200 cases in so many clusters."""

    def drawn(random: Random, n: int) -> Draws:
        while True:
            people, names, picked = _in_clusters(random, q, groups, n)
            said = random.random(200) < [se if good else 1 - sp for good in people]
            labels = [(bool(said[at]), bool(people[at])) for at in picked]
            k11, k10, k01, k00 = (
                labels.count((j, h)) for j in (True, False) for h in (True, False)
            )
            parts = poststratified_parts(said.astype(float).tolist(), labels)
            found = poststratified(
                int(said.sum()),
                200 - int(said.sum()),
                *(k11, k10, k01, k00),
                widening=widening(parts, [*names, *(names[at] for at in picked)], 200),
            )
            yield (found.low, found.high), q

    return drawn


def grades_of_clusters(q: float, noise: float, groups: int) -> Setting:
    """Grades of 200 cases in so many clusters: each case has four items to pass."""

    def drawn(random: Random, n: int) -> Draws:
        while True:
            chances, names, picked = _in_clusters(random, q, groups, n, chances=True)
            people = random.binomial(4, chances)
            off = random.laplace(0, noise, 200).round()
            judged = ((people + off).clip(0, 4) / 4).tolist()
            rest = [at for at in range(200) if at not in set(picked)]
            yield (
                graded_quality(
                    [people[at] / 4 for at in picked],
                    [judged[at] for at in picked],
                    [judged[at] for at in rest],
                    [names[at] for at in (*picked, *rest)],
                )[1:3],
                q,
            )

    return drawn


def _in_clusters(
    random: Random, q: float, groups: int, n: int, *, chances: bool = False
) -> tuple[Floats, list[int], list[int]]:
    """Draw 200 cases in clusters of one size (ICC .3), and n of them to label."""
    names = [at % groups for at in range(200)]
    alike = random.beta(q * (1 / 0.3 - 1), (1 - q) * (1 / 0.3 - 1), groups)[names]
    drawn = alike if chances else (random.random(200) < alike).astype(float)
    return drawn, names, random.permutation(200)[:n].tolist()


def transferred(q: float, se: float, sp: float) -> Setting:
    """Rogan-Gladen with errors from n labels of other rungs of like quality."""

    def drawn(random: Random, n: int) -> Draws:
        while True:
            good = min(n - 1, max(1, int(random.binomial(n, 0.7))))
            hits, rejects = random.binomial(good, se), random.binomial(n - good, sp)
            passed = random.binomial(500, q * se + (1 - q) * (1 - sp))
            shares = hits / good, rejects / (n - good)
            try:
                found = rogan_gladen(
                    passed / 500, 500, shares[0], good, shares[1], n - good
                )
            except ValueError:
                continue  # a judge this poor transfers nothing, and is not shown
            yield (found.low, found.high), q

    return drawn


def grades(q: float, noise: float) -> Setting:
    """N labels of 400 graded replies; the judge is off by some grades."""

    def drawn(random: Random, n: int) -> Draws:
        while True:
            people = random.binomial(4, q, 400)
            off = random.laplace(0, noise, 400).round()
            judged = ((people + off).clip(0, 4) / 4).tolist()
            labels = (people[:n] / 4).tolist()
            yield graded_quality(labels, judged[:n], judged[n:])[1:3], q

    return drawn


def agreed(se: float, sp: float, q: float, *, ac1: bool) -> Setting:
    def drawn(random: Random, n: int) -> Draws:
        cells = [[q * se, (1 - q) * (1 - sp)], [q * (1 - se), (1 - q) * sp]]
        truth = gwet_ac1(cells) if ac1 else kappa(cells) or 0.0
        flat = [share for row in cells for share in row]
        while True:
            table = random.multinomial(n, flat).reshape(2, 2).tolist()
            interval = gwet_ac1_interval if ac1 else kappa_interval
            yield interval(smoothed(table)) or (None, None), truth

    return drawn


def likert(shares: Sequence[float]) -> Setting:
    truth = math.fsum(place / 4 * share for place, share in enumerate(shares))
    return scores_of(lambda random, n: random.choice(5, n, p=shares) / 4, truth)


def _covered(interval: Bounds, truth: float, chance: float) -> Draws:
    if holds(interval, truth):
        yield interval, chance


def holds(interval: Bounds, truth: float) -> bool:
    low, high = interval
    return (low is None or low <= truth + 1e-12) and (
        high is None or truth <= high + 1e-12
    )
