"""Drift: ten small drops are noticed, noise and a single bad run are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pytest_ladder.stats.drift import drift_evidence

N = 100
ENOUGH = 20.0


class World:
    """100 cases, .85 of them right, of which 20 % may go either way."""

    def __init__(self, seed: int, samples: int = 5) -> None:
        self.random = np.random.default_rng([seed, 5])
        flaky = self.random.random(N) < 0.2
        steady = (self.random.random(N) < 0.85).astype(float)
        self.chances = np.where(flaky, self.random.beta(1.7, 0.3, N), steady)
        self.first = self.run(samples)

    def run(self, samples: int = 1) -> dict[Any, list[float]]:
        drawn = self.random.random((N, samples)) < self.chances[:, None]
        return {case: [float(one) for one in row] for case, row in enumerate(drawn)}

    def break_one(self) -> None:
        alive = np.flatnonzero(self.chances > 0.5)
        self.chances[self.random.choice(alive)] = 0.0


def highest(seed: int, baselines: int, *, breaks: bool) -> float:
    world = World(seed)
    later = []
    for _ in range(baselines):
        if breaks:
            world.break_one()
        later.append(world.run())
    return max(drift_evidence(world.first, later))


def test_ten_times_one_point_is_noticed_in_most_worlds() -> None:
    found = [highest(seed, 10, breaks=True) >= ENOUGH for seed in range(15)]
    assert sum(found) >= 12


def test_without_drift_fifty_baselines_are_noticed_in_few_worlds() -> None:
    found = [highest(seed, 50, breaks=False) >= ENOUGH for seed in range(8)]
    assert sum(found) <= 1


def test_no_single_run_is_a_drift_however_bad() -> None:
    world = World(1)
    bad = {case: [0.0] * 5 for case in world.first}
    (evidence,) = drift_evidence(world.first, [bad])
    assert 1.9 > evidence > 1.4
    # Where it stays bad, it is one in the end.
    assert drift_evidence(world.first, [bad] * 4)[-1] < ENOUGH
    assert drift_evidence(world.first, [bad] * 12)[-1] > 1


def test_better_runs_are_no_drift() -> None:
    world = World(2)
    better = {case: [1.0] for case in world.first}
    assert max(drift_evidence(world.first, [better] * 10)) < 1


@pytest.mark.parametrize(
    "later",
    [
        [],
        [{}],
        [{"other": [0.0]}],  # a case that the first run lacks
        [{"a": []}],
        [{"a": [1.0]}],  # nothing varies
    ],
)
def test_what_says_nothing_is_no_evidence(later: Sequence[Any]) -> None:
    evidence = drift_evidence({"a": [1.0, 1.0]}, later)
    assert evidence == pytest.approx([1.0] * len(later))


def test_graded_scores_and_several_samples_count() -> None:
    random = np.random.default_rng(3)

    def run(mean: float, samples: int) -> dict[Any, list[float]]:
        drawn = random.normal(mean, 0.1, (60, samples)).clip(0, 1)
        return {case: list(map(float, row)) for case, row in enumerate(drawn)}

    falling = [run(0.7 - 0.01 * step, 3) for step in range(1, 11)]
    level = [run(0.7, 3) for _ in range(10)]
    assert max(drift_evidence(run(0.7, 3), falling)) > ENOUGH
    assert max(drift_evidence(run(0.7, 3), level)) < ENOUGH


def test_the_same_runs_give_the_same_evidence() -> None:
    world = World(4)
    runs = [world.run() for _ in range(3)]
    assert drift_evidence(world.first, runs) == drift_evidence(world.first, runs)


def test_scores_outside_0_to_1_are_refused() -> None:
    with pytest.raises(ValueError, match="Scores"):
        drift_evidence({"a": [0.5]}, [{"a": [1.5]}])
