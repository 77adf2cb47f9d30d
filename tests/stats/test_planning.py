"""What the planner asks for has the power that it says, by the tests that are run."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from pytest_ladder.decide.comparison import Trust, corrected_comparison
from pytest_ladder.decide.evidence import comparison
from pytest_ladder.stats.agreement import poststratified
from pytest_ladder.stats.planning import (
    binary_cases_to_tell,
    cases_to_tell,
    draws_to_tell,
)

DRAWS = 300
"""Enough to tell a power of .80 from .70 or .90."""
Draw = Callable[[np.random.Generator], bool]
"""Runs an evaluation of the size that was planned, and tells whether it told."""


def power_of(found: Draw) -> float:
    random = np.random.default_rng(18)
    return sum(found(random) for _ in range(DRAWS)) / DRAWS


def binary(share: float, gap: float) -> Draw:
    n = binary_cases_to_tell(share, gap)
    chances = [(share + gap) / 2, (share - gap) / 2, 1 - share]

    def found(random: np.random.Generator) -> bool:
        better, worse, same = random.multinomial(n, chances)
        told = comparison([1.0] * better + [-1.0] * worse + [0.0] * same, None)
        return told.established and told.mean > 0

    return found


def graded(sd: float, gap: float) -> Draw:
    n = max(20, cases_to_tell(sd * sd, gap))

    def found(random: np.random.Generator) -> bool:
        gains = np.clip(random.normal(gap, sd, n), -1, 1)
        return comparison(gains.tolist(), None).established

    return found


def clustered(within: float, between: float, size: int, gap: float) -> Draw:
    # A cluster's share of the variance counts as often as it has cases.
    n = cases_to_tell(within**2 + size * between**2, gap)
    groups = -(-n // size)
    clusters = [group for group in range(groups) for _ in range(size)]

    def found(random: np.random.Generator) -> bool:
        shared = np.repeat(random.normal(0, between, groups), size)
        gains = gap + shared + random.normal(0, within, groups * size)
        return comparison(np.clip(gains, -1, 1).tolist(), clusters).established

    return found


def sampled(within: float, between: float, n: int, gap: float) -> Draw:
    k = draws_to_tell(2 * within**2 / n, between**2 / n, gap)
    assert k is not None
    assert k > 1

    def found(random: np.random.Generator) -> bool:
        noise = random.normal(0, within, (2, k, n)).mean(axis=1)
        gains = gap + random.normal(0, between, n) + noise[0] - noise[1]
        return comparison(np.clip(gains, -1, 1).tolist(), None).established

    return found


def labelled(gap: float, n: int) -> Draw:
    """A judge of sensitivity .9 and specificity .8, and labels at random."""
    qualities = (0.8 + gap / 2, 0.8 - gap / 2)
    each = floor = 0.0
    for q in qualities:
        hits, false = q * 0.9, (1 - q) * 0.2
        left = hits * false / (hits + false)
        left += (q - hits) * (1 - q - false) / (1 - hits - false)
        each, floor = each + left, floor + (q * (1 - q) - left) / n
    m = draws_to_tell(each, floor, gap)
    assert m is not None
    assert m < n

    def trust(random: np.random.Generator, q: float) -> Trust:
        right = random.random(n) < q
        passed = np.where(right, random.random(n) < 0.9, random.random(n) < 0.2)
        table = [
            int((right[:m] == truth)[passed[:m] == said].sum())
            for said, truth in itertools.product((True, False), repeat=2)
        ]
        mean, _, low, high = poststratified(
            int(passed.sum()), int(n - passed.sum()), *table
        )
        return Trust(value=mean, low=low, high=high)

    def found(random: np.random.Generator) -> bool:
        better, worse = (trust(random, q) for q in qualities)
        return corrected_comparison(better, worse, n).established

    return found


PLANS: dict[str, Draw] = {
    "0/1, all one way": binary(0.05, 0.05),
    "0/1, nearly all one way": binary(0.12, 0.1),
    "0/1, both ways": binary(0.3, 0.1),
    "grades": graded(0.3, 0.08),
    "grades that lie close": graded(0.05, 0.03),
    "clusters": clustered(0.25, 0.15, 5, 0.1),
    "samples": sampled(0.3, 0.15, 100, 0.06),
    "labels": labelled(0.15, 600),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_planned_evaluation_tells_four_times_in_five(plan: Draw) -> None:
    assert 0.75 <= power_of(plan) <= 0.85
