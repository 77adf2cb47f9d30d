from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ladder.stats.agreement import (
    Weights,
    gwet_ac1,
    gwet_ac1_interval,
    kappa,
    kappa_interval,
    poststratified,
    ppi,
    rogan_gladen,
    smoothed,
)

EVEN = [[40, 10], [5, 45]]
SKEWED = [[90, 4], [5, 1]]
GRADES = [[11, 4, 1, 0], [3, 12, 4, 1], [1, 3, 15, 4], [0, 1, 4, 16]]
EVERY_WEIGHT: list[Weights | None] = [None, "linear", "quadratic"]

V12_LABELS = [int(label) for label in "11011011101101110111"]
V12_JUDGED = [int(score) for score in "11011111101111010111"]
V12_OTHERS = [1] * 156 + [0] * 44

tables = st.integers(2, 4).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 30), min_size=size, max_size=size),
        min_size=size,
        max_size=size,
    ).filter(lambda table: sum(map(sum, table)) > 0)
)
shares = st.floats(0, 1)
labelled = st.lists(st.tuples(shares, shares), min_size=2, max_size=25)


@pytest.mark.parametrize(
    ("table", "weights", "expected"),
    [
        (EVEN, None, 0.70),
        (GRADES, "quadratic", 0.792944),
        (GRADES, "linear", 0.685782),
        (GRADES, None, 0.563667),
        (SKEWED, None, 0.134615),
        ([[10, 0], [0, 10]], None, 1),
        ([[5, 5], [5, 5]], None, 0),
        ([[0, 10], [10, 0]], None, -1),
    ],
)
def test_kappa_matches_the_published_figures(
    table: list[list[int]], weights: Weights | None, expected: float
) -> None:
    assert kappa(table, weights) == pytest.approx(expected, abs=1e-6)


def test_the_interval_of_kappa_matches_the_published_figures() -> None:
    assert kappa_interval(EVEN) == pytest.approx((0.560732, 0.839268), abs=1e-6)


@pytest.mark.parametrize("weights", EVERY_WEIGHT)
def test_the_interval_of_kappa_is_as_wide_as_resampling_says(
    weights: Weights | None,
) -> None:
    import numpy as np

    counts = np.array(GRADES)
    draws = np.random.default_rng(3).multinomial(
        counts.sum(), counts.ravel() / counts.sum(), size=2000
    )
    kappas = [kappa(draw.reshape(4, 4).tolist(), weights) for draw in draws]
    interval = kappa_interval(GRADES, weights)
    assert interval is not None
    se = (interval.high - interval.low) / (2 * 1.959964)
    spread = float(np.std(np.array(kappas, dtype=float)))
    assert se == pytest.approx(spread, rel=0.06)


@pytest.mark.parametrize(
    ("table", "expected"),
    [(EVEN, 0.700748), (SKEWED, 0.899559), ([[20, 0], [0, 0]], 1)],
)
def test_gwets_ac1_matches_the_published_figures(
    table: list[list[int]], expected: float
) -> None:
    assert gwet_ac1(table) == pytest.approx(expected, abs=1e-6)


@given(table=tables)
def test_agreement_does_not_depend_on_which_rater_is_in_the_rows(
    table: list[list[int]],
) -> None:
    turned = [list(column) for column in zip(*table, strict=True)]
    assert gwet_ac1(turned) == pytest.approx(gwet_ac1(table), abs=1e-9)
    for weights in EVERY_WEIGHT:
        assert kappa(turned, weights) == pytest.approx(kappa(table, weights), abs=1e-6)


@given(table=tables)
def test_agreement_is_at_most_one_and_lies_in_its_interval(
    table: list[list[int]],
) -> None:
    assert gwet_ac1(table) <= 1
    for weights in EVERY_WEIGHT:
        value, interval = kappa(table, weights), kappa_interval(table, weights)
        assert (value is None) == (interval is None)
        if value is not None and interval is not None:
            assert -1 <= interval.low <= value <= interval.high <= 1


@pytest.mark.parametrize("weights", EVERY_WEIGHT)
@pytest.mark.parametrize("table", [[[20, 0], [0, 0]], [[0, 0, 0], [0, 7, 0], [0] * 3]])
def test_kappa_is_unknown_when_both_raters_only_used_one_category(
    table: list[list[int]], weights: Weights | None
) -> None:
    assert kappa(table, weights) is None
    assert kappa_interval(table, weights) is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "Categories must be 2 or more, got 0"),
        ([[3]], "Categories must be 2 or more, got 1"),
        ([[1, 2], [3]], "Rows and columns must have equal lengths, got 2 and 1"),
        ([[1, -2], [3, 4]], "Cells must be counts of 0 or more, got -2"),
        ([[0, 0], [0, 0]], "1 or more cases, got a table of zeros"),
    ],
)
def test_what_is_no_table_of_counts_is_refused(
    table: list[list[int]], message: str
) -> None:
    for agreement in (kappa, gwet_ac1):
        with pytest.raises(ValueError, match=message):
            agreement(table)


def test_unknown_weights_are_refused_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r'None, "linear" or "quadratic", got .cubic'):
        kappa(EVEN, "cubic")  # type: ignore[arg-type]


def test_rogan_gladen_can_be_checked_by_hand() -> None:
    found = rogan_gladen(0.8, 500, 0.9, 30, 0.8, 20, smooth=False)
    quality = (0.8 + 0.8 - 1) / 0.7
    variance = 0.16 / 500 + (1 - quality) ** 2 * 0.16 / 20 + quality**2 * 0.09 / 30
    se = math.sqrt(variance) / 0.7
    assert found == pytest.approx(
        (quality, se, quality - 1.959964 * se, min(1, quality + 1.959964 * se))
    )


def test_rogan_gladen_smooths_a_judge_that_made_no_error() -> None:
    smooth = rogan_gladen(0.8, 500, 1.0, 16, 1.0, 4)
    se, sp = 16.5 / 17, 4.5 / 5
    assert smooth.quality == pytest.approx((0.8 + sp - 1) / (se + sp - 1))
    plain = rogan_gladen(0.8, 500, 1.0, 16, 1.0, 4, smooth=False)
    assert plain.quality == pytest.approx(0.8)
    assert plain.se < smooth.se


@given(
    quality=shares,
    sensitivity=st.floats(0.7, 1),
    specificity=st.floats(0.7, 1),
)
def test_rogan_gladen_undoes_the_errors_of_the_judge(
    quality: float, sensitivity: float, specificity: float
) -> None:
    passed = quality * sensitivity + (1 - quality) * (1 - specificity)
    found = rogan_gladen(passed, 500, sensitivity, 50, specificity, 50, smooth=False)
    assert found.quality == pytest.approx(quality, abs=1e-9)
    assert 0 <= found.low <= found.quality <= found.high <= 1


def test_rogan_gladen_clips_to_possible_rates() -> None:
    assert rogan_gladen(1.0, 500, 0.8, 50, 0.8, 50).quality == 1
    assert rogan_gladen(0.0, 500, 0.8, 50, 0.8, 50).quality == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.8, 500, 0.7, 50, 0.5, 50), "must add up to 1.3 or more"),
        ((0.8, 500, 0.95, 0, 0.9, 9), "must be 1 or more, got 500, 0 and 9"),
        ((1.8, 500, 0.95, 9, 0.9, 9), "Shares must be between 0 and 1, got 1.8"),
    ],
)
def test_a_judge_that_cannot_be_corrected_is_refused(
    arguments: tuple[float, int, float, int, float, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rogan_gladen(*arguments)


def test_one_labelled_case_of_each_kind_is_little_but_possible() -> None:
    found = rogan_gladen(0.5, 1, 1.0, 1, 1.0, 1)
    assert (found.quality, found.low, found.high) == (0.5, 0, 1)


def test_a_judge_at_the_limit_is_accepted() -> None:
    assert rogan_gladen(0.5, 500, 0.65, 50, 0.65, 50, smooth=False).quality == (
        pytest.approx(0.5)
    )


def test_the_poststratified_rate_matches_the_published_figures() -> None:
    assert poststratified(156, 44, 14, 2, 1, 3) == pytest.approx(
        (0.730524, 0.078973, 0.563064, 0.869462), abs=1e-6
    )


def test_the_poststratified_beta_is_close_to_the_posterior_it_sums_up() -> None:
    draw = random.Random(5).betavariate
    posterior = sorted(
        share * draw(14.5, 2.5) + (1 - share) * draw(1.5, 3.5)
        for share in (draw(156.5, 44.5) for _ in range(40_000))
    )
    found = poststratified(156, 44, 14, 2, 1, 3)
    assert found.low == pytest.approx(posterior[1_000], abs=0.01)
    assert found.high == pytest.approx(posterior[39_000], abs=0.01)


@given(counts=st.tuples(*[st.integers(0, 300)] * 2, *[st.integers(0, 40)] * 4))
@settings(deadline=None)
def test_the_poststratified_rate_mirrors_and_stays_possible(
    counts: tuple[int, ...],
) -> None:
    n_pass, n_fail, k11, k10, k01, k00 = counts
    if n_pass + n_fail == 0:
        return
    mean, sd, low, high = poststratified(n_pass, n_fail, k11, k10, k01, k00)
    assert 0 < low < mean < high < 1
    mirror = poststratified(n_fail, n_pass, k00, k01, k10, k11)
    assert mirror == pytest.approx((1 - mean, sd, 1 - high, 1 - low), abs=1e-7)


def test_more_labels_narrow_the_poststratified_rate() -> None:
    few, many = (
        poststratified(400, 100, 8, 2, 0, 2),
        poststratified(400, 100, 80, 20, 5, 20),
    )
    assert many.sd < few.sd / 2


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((0, 0, 1, 1, 1, 1), "1 or more judged cases, got 0"),
        ((9, 9, 1, -1, 1, 1), "Cases must be counts of 0 or more, got -1"),
    ],
)
def test_impossible_strata_are_refused(
    counts: tuple[int, int, int, int, int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        poststratified(*counts)


@pytest.mark.parametrize(
    ("lam", "expected"),
    [
        (0, (0, 0.75, 0.560227, 0.939773)),
        (1, (1, 0.73, 0.552161, 0.907839)),
        (None, (0.530523, 0.739390, 0.580610, 0.898170)),
    ],
)
def test_prediction_powered_means_match_the_published_figures(
    lam: float | None, expected: tuple[float, ...]
) -> None:
    found = ppi(V12_LABELS, V12_JUDGED, V12_OTHERS, lam, student=False)
    assert found == pytest.approx(expected, abs=1e-6)


@given(pairs=labelled, others=st.lists(shares, min_size=1, max_size=30))
@settings(deadline=None)
def test_without_the_judge_only_the_t_interval_of_the_labels_is_left(
    pairs: list[tuple[float, float]], others: list[float]
) -> None:
    from scipy import stats

    labels, judged = map(list, zip(*pairs, strict=True))
    n = len(labels)
    mean = sum(labels) / n
    se = math.sqrt(sum((label - mean) ** 2 for label in labels) / (n - 1) / n)
    half = stats.t.ppf(0.975, n - 1) * se
    found = ppi(labels, judged, others, lam=0)
    assert found == pytest.approx((0, mean, mean - half, mean + half), abs=1e-9)


@given(pairs=labelled, others=st.lists(shares, min_size=1, max_size=30))
@settings(deadline=None)
def test_the_weight_of_the_judge_lies_between_zero_and_one(
    pairs: list[tuple[float, float]], others: list[float]
) -> None:
    labels, judged = map(list, zip(*pairs, strict=True))
    lam, mean, low, high = ppi(labels, judged, others)
    assert 0 <= lam <= 1
    assert low <= mean <= high
    narrow = ppi(labels, judged, others, student=False)
    assert narrow[:2] == (lam, mean)
    assert narrow.high - narrow.low <= high - low + 1e-12


@pytest.mark.parametrize(
    ("judged", "others"),
    [([0.5] * 4, [0.5] * 9), ([1, 1, 0, 0], [0, 1] * 9)],
    ids=["constant", "contrary"],
)
def test_a_judge_that_says_nothing_gets_no_weight(
    judged: list[float], others: list[float]
) -> None:
    assert ppi([0, 0, 1, 1], judged, others)[:2] == (0, 0.5)


def test_a_judge_that_is_right_narrows_the_interval() -> None:
    labels = [0.2, 0.4, 0.6, 0.8] * 5
    found = ppi(labels, labels, labels * 20)
    alone = ppi(labels, labels, labels * 20, lam=0)
    assert found.high - found.low < (alone.high - alone.low) / 2


def test_a_t_interval_covers_graded_labels_where_a_z_interval_falls_short() -> None:
    import numpy as np

    rng, hits = np.random.default_rng(1), {True: 0, False: 0}
    for _ in range(1000):
        truth = rng.beta(4, 1.5, 110)
        judge = np.clip(truth + rng.normal(0, 0.15, 110), 0, 1)
        for student in hits:
            _, _, low, high = ppi(
                truth[:10].tolist(),
                judge[:10].tolist(),
                judge[10:].tolist(),
                student=student,
            )
            hits[student] += low <= 4 / 5.5 <= high
    assert hits[True] > 920
    assert hits[False] < 900


@pytest.mark.parametrize(
    ("labels", "judged", "others", "lam", "message"),
    [
        ([1], [1], [1], None, "Labels must be 2 or more, got 1"),
        ([1, 0], [1], [1], None, "Labels and judged scores must have equal lengths"),
        ([1, 0], [1, 0], [], None, "Unlabelled scores must be 1 or more, got 0"),
        ([1, math.nan], [1, 0], [1], None, "Scores must be finite numbers, got nan"),
        ([1, 0], [1, 0], [1], 1.5, "lam must be between 0 and 1, got 1.5"),
    ],
)
def test_labels_that_support_no_mean_are_refused(
    labels: list[float],
    judged: list[float],
    others: list[float],
    lam: float | None,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        ppi(labels, judged, others, lam)


JUDGES = [(0.9, 0.8, 0.5), (0.95, 0.6, 0.9), (0.9, 0.7, 0.8)]
"""Sensitivity, specificity and the share that people pass."""


@pytest.mark.parametrize(("labels", "least"), [(20, 0.92), (50, 0.92), (100, 0.925)])
@pytest.mark.parametrize(("hits", "rejects", "passed"), JUDGES)
def test_agreement_lies_in_its_intervals_with_few_labels_too(
    hits: float, rejects: float, passed: float, labels: int, least: float
) -> None:
    """An audit found kappa in 60 to 86 % of its intervals with 20 labels, not 95 %."""
    cells = [
        [passed * hits, (1 - passed) * (1 - rejects)],
        [passed * (1 - hits), (1 - passed) * rejects],
    ]
    truth = kappa(cells), gwet_ac1(cells)
    random = np.random.default_rng(4)
    inside = np.zeros(2)
    for draw in random.multinomial(labels, np.ravel(cells), 1000):
        table = smoothed(draw.reshape(2, 2).tolist())
        for place, interval in enumerate(
            (kappa_interval(table), gwet_ac1_interval(table))
        ):
            value = truth[place]
            assert value is not None
            inside[place] += (
                interval is not None and interval[0] <= value <= interval[1]
            )
    assert (inside / 1000 >= least).all()


def test_two_cases_more_are_spread_over_a_table() -> None:
    assert smoothed([[9, 1], [0, 4]]) == [[9.5, 1.5], [0.5, 4.5]]
    assert sum(map(sum, smoothed([[1] * 5] * 5))) == pytest.approx(27)
