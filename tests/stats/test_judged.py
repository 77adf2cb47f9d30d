"""What labels and clusters say of a judge."""

from __future__ import annotations

import math
import random

import pytest

from pytest_ladder.stats.agreement import graded_quality, poststratified
from pytest_ladder.stats.judged import (
    design_effect,
    judge_line,
    poststratified_parts,
    widening,
)


def counted(labels: list[tuple[bool, bool]]) -> list[int]:
    """Count labels that judge and people pass, only one of them, and neither."""
    return [labels.count((j, h)) for j in (True, False) for h in (True, False)]


def test_the_line_of_pass_and_fail_is_sensitivity_and_specificity() -> None:
    people = [1] * 50 + [0] * 30
    judge = [1] * 45 + [0] * 5 + [1] * 6 + [0] * 24
    line = judge_line(people, judge, range(80))
    assert line is not None
    hit, false = 45.5 / 51, 6.5 / 31
    assert (line.base, line.slope) == pytest.approx((false, hit - false))
    variances = hit * (1 - hit) / 50, false * (1 - false) / 30
    assert line.var_base == pytest.approx(variances[1])
    assert line.var_slope == pytest.approx(sum(variances))
    assert line.covariance == pytest.approx(-variances[1])
    # As Rogan and Gladen's formula has it, with q = .8.
    expected = (0.2**2 * variances[1] + 0.8**2 * variances[0]) / line.slope**2
    assert line.variance(0.8, 1.0) == pytest.approx(expected)


def test_the_line_of_grades_is_that_of_least_squares() -> None:
    numpy = pytest.importorskip("numpy")
    draw = random.Random(3)
    people = [draw.choice((0, 0.25, 0.5, 0.75, 1)) for _ in range(60)]
    judge = [0.3 + 0.6 * y + draw.gauss(0, 0.1) for y in people]
    line = judge_line(people, judge, range(60))
    assert line is not None
    slope, base = numpy.polyfit(people, judge, 1)
    assert (line.base, line.slope) == pytest.approx((base, slope))
    # Sandwich variances (White 1980) with n / (n - 2).
    x = numpy.column_stack([numpy.ones(60), people])
    inverse = numpy.linalg.inv(x.T @ x)
    left = numpy.array(judge) - x @ numpy.array([base, slope])
    sandwich = inverse @ (x.T * left**2) @ x @ inverse * 60 / 58
    found = [line.var_base, line.var_slope, line.covariance]
    assert found == pytest.approx([sandwich[0, 0], sandwich[1, 1], sandwich[0, 1]])


def test_people_of_one_answer_give_no_line() -> None:
    assert judge_line([1, 1, 1], [1, 0, 1], range(3)) is None


def test_labels_of_few_clusters_are_worth_less() -> None:
    people = [1, 0] * 30
    judge = [*people[:50], *(1 - y for y in people[50:])]
    alone = judge_line(people, judge, range(60))
    together = judge_line(people, judge, [at // 10 for at in range(60)])
    assert alone is not None
    assert together is not None
    assert alone.effect == 1
    assert together.effect > 3
    assert together.var_slope == pytest.approx(together.effect * alone.var_slope)


@pytest.mark.parametrize(
    ("parts", "clusters", "effect"),
    [
        ([0.1, -0.1, 0.2, -0.2], [0, 1, 2, 3], 1.0),
        ([0.0, 0.0, 0.0], [0, 0, 1], 1.0),
        ([0.1, 0.1, -0.1, -0.1], [0, 0, 0, 0], 1.0),
        # Two clusters of two like parts: twice the variance, times (2 / 1)².
        ([0.1, 0.1, -0.1, -0.1], [0, 0, 1, 1], 8.0),
        # Parts that cancel out in their cluster are not worth more than alone.
        ([0.1, -0.1, 0.1, -0.1], [0, 0, 1, 1], 1.0),
    ],
)
def test_a_design_effect_by_hand(
    parts: list[float], clusters: list[int], effect: float
) -> None:
    assert design_effect(parts, clusters) == pytest.approx(effect)


def test_parts_of_a_pass_rate_add_up_to_its_variance() -> None:
    # With many labels the posterior's variance is that of the parts.
    draw = random.Random(1)
    people = [draw.random() < 0.8 for _ in range(2000)]
    said = [good if draw.random() < 0.8 else not good for good in people]
    labels = [*zip(said, people, strict=True)][:1000]
    parts = poststratified_parts([float(one) for one in said], labels)
    k11, k10, k01, k00 = counted(labels)
    found = poststratified(sum(said), 2000 - sum(said), k11, k10, k01, k00)
    assert math.fsum(part * part for part in parts) == pytest.approx(
        found.sd**2, rel=0.01
    )
    assert math.fsum(parts) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("groups", [40, 20])
def test_a_calibrated_pass_rate_of_clusters_holds_as_often_as_it_says(
    groups: int,
) -> None:
    # 82 and 74 % before clusters counted; benchmarks/bench_coverage.py has the rest.
    draw, held, draws = random.Random(groups), 0, 300
    names = [at % groups for at in range(200)]
    for _ in range(draws):
        chances = [draw.betavariate(0.8 / 0.43, 0.2 / 0.43) for _ in range(groups)]
        people = [draw.random() < chances[name] for name in names]
        said = [draw.random() < (0.9 if good else 0.3) for good in people]
        picked = draw.sample(range(200), 100)
        labels = [(said[at], people[at]) for at in picked]
        k11, k10, k01, k00 = counted(labels)
        parts = poststratified_parts([float(one) for one in said], labels)
        wider = widening(parts, [*names, *(names[at] for at in picked)], 200)
        passed = sum(said)
        found = poststratified(passed, 200 - passed, k11, k10, k01, k00, widening=wider)
        held += found.low <= 0.8 <= found.high
    assert held / draws >= 0.92


def test_grades_of_clusters_have_a_wider_interval() -> None:
    labels = [0.75, 1.0, 0.5, 0.25] * 10
    judged = [0.75, 0.75, 0.5, 0.5] * 10
    rest = [0.5, 1.0] * 40
    alone = graded_quality(labels, judged, rest)
    clusters = [at % 4 for at in range(40)] + [at % 2 for at in range(80)]
    together = graded_quality(labels, judged, rest, clusters)
    assert alone.mean == together.mean
    assert alone.low is not None
    assert together.low is not None
    assert together.low < alone.low
    assert graded_quality(labels, judged, rest, range(120)) == alone


def test_a_variance_beyond_every_beta_leaves_all_open() -> None:
    found = poststratified(8, 2, 6, 1, 1, 2, widening=1000)
    assert (found.low, found.high) == pytest.approx((0, 1), abs=1e-6)
