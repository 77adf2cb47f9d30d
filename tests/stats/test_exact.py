"""Exact tests within cases, against brute force and published figures."""

from __future__ import annotations

import itertools
import math
import operator
import random
from collections import defaultdict

import numpy as np
import pytest

from pytest_ladder.stats.exact import (
    Stratum,
    beyond_runs,
    least_p,
    permuted_midp,
    runs_differ,
    stratified_midp,
    worse_by_chance,
)
from pytest_ladder.stats.paired import mcnemar_midp


def by_hand(strata: list[Stratum]) -> float:
    """Mid-p from the distribution of the passes after, one case at a time."""
    chances = {0: 1.0}
    for before_passes, before, after_passes, after in strata:
        passes = before_passes + after_passes
        ways = math.comb(before + after, passes)
        further: defaultdict[int, float] = defaultdict(float)
        for so_far, chance in chances.items():
            for those in range(max(0, passes - before), min(after, passes) + 1):
                share = math.comb(after, those) * math.comb(before, passes - those)
                further[so_far + those] += chance * share / ways
        chances = further
    seen = sum(stratum.passes_after for stratum in strata)
    fewer = math.fsum(chance for passes, chance in chances.items() if passes < seen)
    return fewer + chances[seen] / 2


@pytest.mark.parametrize("seed", range(20))
def test_the_stratified_test_is_that_of_all_ways_to_draw(seed: int) -> None:
    draw = random.Random(seed)
    strata = []
    for _ in range(draw.randint(2, 30)):
        before, after = draw.randint(1, 5), draw.randint(1, 3)
        chance = draw.choice([0.2, 0.9, 1.0])
        x = sum(draw.random() < chance for _ in range(before))
        y = sum(draw.random() < chance for _ in range(after))
        strata.append(Stratum(x, before, y, after))
    strata.append(Stratum(3, 5, 2, 3))
    assert stratified_midp(strata)[0] == pytest.approx(by_hand(strata), abs=1e-12)


def test_one_sample_on_each_side_is_mid_p_mcnemar_v4() -> None:
    same = [Stratum(1, 1, 1, 1)] * 80 + [Stratum(0, 1, 0, 1)] * 6
    strata = [*same, *[Stratum(1, 1, 0, 1)] * 11, *[Stratum(0, 1, 1, 1)] * 3]
    assert stratified_midp(strata)[0] == pytest.approx(mcnemar_midp(11, 3))


def test_several_suites_are_tested_at_once() -> None:
    first = [Stratum(5, 5, 0, 3), Stratum(4, 5, 3, 3)]
    second = [Stratum(5, 5, 3, 3), Stratum(1, 5, 2, 3)]
    alone = [stratified_midp(one)[0] for one in (first, second)]
    assert stratified_midp([first, second]) == pytest.approx(alone)


def test_where_nothing_could_be_drawn_otherwise_nothing_is_worse() -> None:
    assert stratified_midp([Stratum(5, 5, 3, 3), Stratum(0, 5, 0, 3)])[0] == 1.0


@pytest.mark.parametrize(
    ("stratum", "p", "least"),
    [
        (Stratum(5, 5, 0, 3), 1 / 56, 1 / 56),
        (Stratum(4, 5, 1, 3), 16 / 56, 1 / 56),
        (Stratum(3, 3, 0, 3), 1 / 20, 1 / 20),
        (Stratum(5, 5, 0, 1), 1 / 6, 1 / 6),
        (Stratum(5, 5, 3, 3), 1.0, 1.0),
    ],
)
def test_a_case_by_itself_is_tested_by_fishers_p(
    stratum: Stratum, p: float, least: float
) -> None:
    assert worse_by_chance(stratum) == pytest.approx(p)
    assert least_p(stratum) == pytest.approx(least)


@pytest.mark.parametrize("bad", [(6, 5, 0, 3), (-1, 5, 0, 3), (1, 5, 4, 3)])
def test_more_passes_than_samples_are_refused(bad: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="passes"):
        stratified_midp([bad])
    with pytest.raises(ValueError, match="Passes"):
        worse_by_chance(Stratum(*bad))


def test_runs_that_differ_are_told_by_cochrans_q() -> None:
    # Cochran's own formula; with 2 degrees of freedom p is exp(-Q / 2).
    table = np.asarray(
        [[1, 1, 0]] * 6 + [[0, 1, 0]] * 2 + [[1, 1, 1]] * 2 + [[1, 0, 0]] * 2
    )
    sums = table.sum(axis=0)
    within = float(table.var(axis=1, ddof=1).sum())
    k, rows = 3, table.sum(axis=1)
    q = (k - 1) * (k * (sums**2).sum() - sums.sum() ** 2)
    q /= k * sums.sum() - (rows**2).sum()
    assert runs_differ(sums, within) == pytest.approx(math.exp(-q / 2))
    assert runs_differ([5, 5, 5], 0.0) == 1.0


def test_a_new_run_lies_beyond_others_by_how_these_differ() -> None:
    found = beyond_runs(0.80, [0.90, 0.92, 0.88])
    # t = -.1 / (.02 sqrt(4 / 3)) = -4.33 with 2 degrees of freedom.
    assert (found.mean, found.p) == pytest.approx((-0.1, 0.0247), abs=1e-4)
    assert beyond_runs(0.80, [0.9, 0.9, 0.9]).p == 0.0
    assert beyond_runs(0.95, [0.9, 0.9, 0.9]).p == 1.0
    with pytest.raises(ValueError, match="Runs"):
        beyond_runs(0.8, [0.9])


def test_points_of_samples_are_permuted_as_their_ways_say() -> None:
    cases: list[tuple[list[int], list[int]]] = [
        ([2, 2, 1], [0, 1]),
        ([0, 3, 3], [3]),
        ([1, 1], [1]),
    ]
    observed = sum(sum(after) for _, after in cases)
    every = [
        [sum(some) for some in itertools.combinations((*before, *after), len(after))]
        for before, after in cases
    ]
    sums = [sum(chosen) for chosen in itertools.product(*every)]
    fewer, same = (
        sum(f(one, observed) for one in sums) for f in (operator.lt, operator.eq)
    )
    assert permuted_midp(cases) == pytest.approx((fewer + same / 2) / len(sums))
    assert permuted_midp([([1, 1], [1]), ([0], [0, 0])]) == 1.0


def test_of_passes_and_misses_it_is_the_test_of_strata() -> None:
    strata = [(4, 5, 1, 3), (5, 5, 0, 1), (2, 3, 2, 2)]
    cases = [
        ([1] * x + [0] * (k - x), [1] * y + [0] * (m - y)) for x, k, y, m in strata
    ]
    assert permuted_midp(cases) == pytest.approx(stratified_midp(strata)[0])
