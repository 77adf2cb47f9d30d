from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ladder.stats.clusters import clustered_se, degrees_of_freedom
from pytest_ladder.stats.intervals import (
    Interval,
    certified_floor,
    clopper_pearson,
    clustered_mean,
    effective_wilson,
    exact_lower,
    jeffreys,
    quality_interval,
    resampled_mean,
    skewed_interval,
    wilson,
)

Rate = Callable[[int, int], Interval]
RATES: list[Rate] = [wilson, jeffreys, clopper_pearson]

V2_CASES = ["1110", "0010", "1111", "1000", "11", "01"]
V2_SCORES = [int(score) for cluster in V2_CASES for score in cluster]
V2_CLUSTERS = [name for name, cluster in enumerate(V2_CASES) for _ in cluster]

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
scores = st.lists(st.floats(0, 1), min_size=1, max_size=40)
binary = st.lists(st.sampled_from([0, 1]), min_size=1, max_size=40)


def chances(n: int, p: float) -> list[float]:
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


@pytest.mark.parametrize(
    ("interval", "passes", "n", "low", "high"),
    [
        (wilson, 42, 50, 0.714858, 0.916626),
        (wilson, 8, 10, 0.490162, 0.943318),
        (wilson, 5, 5, 0.565518, 1),
        (wilson, 0, 8, 0, 0.324408),
        (wilson, 91, 100, 0.837738, 0.951927),
        (jeffreys, 42, 50, 0.720674, 0.921333),
        (jeffreys, 8, 10, 0.497226, 0.955941),
        (clopper_pearson, 42, 50, 0.708874, 0.928299),
        (clopper_pearson, 8, 10, 0.443905, 0.974789),
        (clopper_pearson, 5, 5, 0.478176, 1),
    ],
)
def test_intervals_of_a_rate_match_the_published_figures(
    interval: Rate, passes: int, n: int, low: float, high: float
) -> None:
    assert interval(passes, n) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("interval", RATES)
def test_no_cases_leave_every_rate_possible(interval: Rate) -> None:
    assert interval(0, 0) == (0, 1)


@pytest.mark.parametrize("interval", RATES)
@pytest.mark.parametrize("n", [1, 8, 300])
def test_all_passes_reach_one_and_no_pass_reaches_zero(interval: Rate, n: int) -> None:
    assert interval(n, n).high == 1
    assert interval(0, n).low == 0
    assert interval(n, n).low > 0
    assert interval(0, n).high < 1


@pytest.mark.parametrize("interval", [*RATES, exact_lower])
@pytest.mark.parametrize(
    ("passes", "n"), [(11, 10), (-1, 10), (0, -1), (math.nan, 3), (1, math.inf)]
)
def test_impossible_counts_are_refused(
    interval: Callable[[float, float], object], passes: float, n: float
) -> None:
    with pytest.raises(ValueError, match="Passes must be between 0 and n"):
        interval(passes, n)


@pytest.mark.parametrize("interval", [*RATES, exact_lower])
@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95])
def test_a_confidence_that_is_no_level_is_refused(
    interval: Callable[[int, int, float], object], confidence: float
) -> None:
    with pytest.raises(ValueError, match="Confidence must be strictly between"):
        interval(1, 2, confidence)


@given(count=counts)
@settings(deadline=None)
def test_intervals_contain_the_rate_and_stay_within_zero_and_one(
    count: tuple[int, int],
) -> None:
    for interval in RATES:
        low, high = interval(*count)
        assert 0 <= low <= count[0] / count[1] <= high <= 1


@given(count=counts)
@settings(deadline=None)
def test_misses_mirror_passes(count: tuple[int, int]) -> None:
    passes, n = count
    for interval in RATES:
        low, high = interval(n - passes, n)
        assert interval(passes, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(count=counts)
@settings(deadline=None)
def test_one_more_pass_raises_both_bounds(count: tuple[int, int]) -> None:
    passes, n = count
    for interval in RATES:
        before, after = interval(passes, n + 1), interval(passes + 1, n + 1)
        assert before.low < after.low
        assert before.high < after.high


@given(count=counts)
@settings(deadline=None)
def test_the_exact_interval_is_the_widest(count: tuple[int, int]) -> None:
    wide = clopper_pearson(*count)
    narrow = jeffreys(*count)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


@pytest.mark.parametrize("n", [5, 10, 20])
def test_the_exact_interval_covers_every_rate_as_promised(n: int) -> None:
    intervals = [clopper_pearson(passes, n) for passes in range(n + 1)]
    for step in range(1, 100):
        p = step / 100
        covered = [low <= p <= high for low, high in intervals]
        assert sum(c for c, hit in zip(chances(n, p), covered, strict=True) if hit) >= (
            0.95
        )


@pytest.mark.parametrize(
    ("n", "mean", "least"),
    [
        *[(5, 0.954, 0.837), (10, 0.954, 0.860), (20, 0.954, 0.912)],
        *[(50, 0.951, 0.911), (100, 0.950, 0.921), (200, 0.950, 0.933)],
    ],
)
def test_wilson_covers_as_the_method_note_says(
    n: int, mean: float, least: float
) -> None:
    intervals = [wilson(passes, n) for passes in range(n + 1)]
    coverage = []
    for step in range(99):
        p = 0.5 + step * 0.005
        covered = [low <= p <= high for low, high in intervals]
        coverage.append(
            sum(c for c, hit in zip(chances(n, p), covered, strict=True) if hit)
        )
    assert sum(coverage) / len(coverage) == pytest.approx(mean, abs=0.001)
    assert min(coverage) == pytest.approx(least, abs=0.001)


@pytest.mark.parametrize(
    ("passes", "n", "low"),
    [(163, 200, 0.763920), (160, 200, 0.747750), (14, 14, 0.05 ** (1 / 14)), (0, 9, 0)],
)
def test_the_one_sided_exact_bound_matches_the_published_figures(
    passes: int, n: int, low: float
) -> None:
    assert exact_lower(passes, n) == pytest.approx(low, abs=1e-6)


def test_the_lower_end_of_a_90_percent_wilson_interval_is_one_sided_95() -> None:
    assert wilson(163, 200, confidence=0.9).low == pytest.approx(0.765739, abs=1e-6)


@given(count=counts.filter(lambda count: count[0] > 0))
@settings(deadline=None)
def test_at_its_exact_bound_a_result_this_good_has_a_chance_of_5_percent(
    count: tuple[int, int],
) -> None:
    passes, n = count
    bound = exact_lower(passes, n)
    assert sum(chances(n, bound)[passes:]) == pytest.approx(0.05, abs=1e-6)


def test_clustered_scores_match_the_published_figures() -> None:
    mean, se, n_eff, df = clustered_mean(V2_SCORES, V2_CLUSTERS)
    assert (mean, se) == pytest.approx((0.6, 0.153811), abs=1e-6)
    assert (n_eff, df) == pytest.approx((10.1447, 3.9282), abs=1e-4)
    assert effective_wilson(mean, n_eff, df=df) == pytest.approx(
        (0.230318, 0.882616), abs=1e-6
    )
    assert quality_interval(V2_SCORES, V2_CLUSTERS)[1:3] == pytest.approx(
        (0.230318, 0.882616), abs=1e-6
    )


def test_equal_clusters_have_the_cr1_standard_error_and_one_degree_less() -> None:
    scores, clusters = V2_SCORES[:16], V2_CLUSTERS[:16]
    mean, se, _, df = clustered_mean(scores, clusters)
    sums = [sum(scores[at : at + 4]) - 4 * mean for at in range(0, 16, 4)]
    assert se == pytest.approx(math.sqrt(sum(s * s for s in sums) * 4 / 3) / 16)
    assert df == pytest.approx(3)


def test_degrees_of_freedom_are_those_of_the_matrices() -> None:
    """Satterthwaite's formula, written with the matrices it is about."""
    sizes = [20, 5, 5, 1, 3, 2]
    shares = np.array(sizes) / sum(sizes)
    squares = float(shares @ shares)
    left = np.eye(6) - shares[None] - shares[:, None] + squares
    form = np.diag(shares**2 / np.diag(left)) @ left
    expected = np.trace(form) ** 2 / np.trace(form @ form)
    clusters = [name for name, size in enumerate(sizes) for _ in range(size)]
    assert degrees_of_freedom(clusters) == pytest.approx(expected)
    assert degrees_of_freedom(range(30)) == pytest.approx(29)


def test_one_large_document_is_hardly_more_than_one_opinion() -> None:
    """Of 12 documents one has half of the cases: an audit found 88 % for 95 %."""
    scores = [1.0] * 11 + [1.0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1]
    skewed = quality_interval(scores, [0] * 11 + list(range(1, 12)))
    even = quality_interval(scores, [place // 2 for place in range(22)])
    assert skewed.low is not None
    assert even.low is not None
    assert skewed.low < 0.35 < 0.6 < even.low


@given(values=st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_a_cluster_each_gives_the_usual_standard_error(values: list[float]) -> None:
    n, mean = len(values), sum(values) / len(values)
    usual = math.sqrt(sum((value - mean) ** 2 for value in values) / (n * (n - 1)))
    assert clustered_se(values, range(n)) == pytest.approx(usual, abs=1e-9)


def test_the_usual_standard_error_of_the_clustered_example_is_too_small() -> None:
    apart = clustered_se(V2_SCORES, range(20))
    assert apart == pytest.approx(0.112390, abs=1e-6)
    assert apart < clustered_se(V2_SCORES, V2_CLUSTERS)


@given(
    values=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 9)), min_size=8, max_size=30
    ).filter(lambda pairs: len({cluster for _, cluster in pairs}) > 1),
)
def test_the_order_of_cases_and_the_names_of_clusters_do_not_matter(
    values: list[tuple[float, int]],
) -> None:
    shuffled = sorted(values, key=lambda pair: (pair[1] * 7 % 10, pair[0]))
    before = clustered_mean(*zip(*values, strict=True))
    after = clustered_mean(
        [score for score, _ in shuffled], [f"doc-{name}" for _, name in shuffled]
    )
    assert after == pytest.approx(before, abs=1e-6)


def test_copies_of_a_case_in_its_cluster_add_no_evidence() -> None:
    once = [1, 1, 0, 1, 0, 1, 1, 1]
    copied = clustered_mean(once * 5, list(range(8)) * 5)
    assert copied == pytest.approx(clustered_mean(once, range(8)))


@pytest.mark.parametrize(
    ("values", "clusters", "n_eff"),
    [
        ([1] * 12, [0, 1, 2, 3, 4, 5] * 2, 6),
        ([0] * 12, [0, 1, 2, 3, 4, 5] * 2, 6),
        ([0] * 6 + [1] * 6, [0, 1, 2, 3, 4, 5] * 2, 6),
        ([1, 0, 0] * 6, [name for name in range(6) for _ in range(3)], 6),
        ([0] * 6 + [1] * 5 + [0.9], [0, 1, 2, 3, 4, 5] * 2, 11.340304),
    ],
    ids=["all pass", "none passes", "equal clusters", "equal thirds", "cap"],
)
def test_effective_n_counts_clusters_without_spread_and_is_at_most_that_of_single_cases(
    values: list[float], clusters: list[int], n_eff: float
) -> None:
    assert clustered_mean(values, clusters).n_eff == pytest.approx(n_eff)
    assert quality_interval(values, clusters).n_eff == pytest.approx(n_eff)


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([], [], "Scores must be 1 or more, got 0"),
        ([1, 0], [1], "Values and clusters must have equal lengths, got 2 and 1"),
        ([1, 0], [1, 1], "Clusters for a standard error must be 2 or more, got 1"),
        ([1, 2], [1, 2], "Scores must be between 0 and 1, got 2"),
        ([1, math.nan], [1, 2], "Scores must be between 0 and 1, got nan"),
    ],
)
def test_clustered_scores_without_a_standard_error_are_refused(
    values: list[float], clusters: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        clustered_mean(values, clusters)


def test_a_standard_error_needs_a_value() -> None:
    with pytest.raises(ValueError, match="Values must be 1 or more"):
        clustered_se([], [])


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([[1, 0], [1, 1], [0, 0]], (1 / 2, math.sqrt(1 / 12), 1 / 6, 1 / 6)),
        ([[1, 0], [0, 1], [1, 0]], (1 / 2, 0, 1 / 2, 0)),
        ([[1, 1], [0, 0]], (1 / 2, 1 / 2, 0, 1 / 2)),
        ([[1], [0], [1], [1]], (3 / 4, 1 / 4, None, None)),
        ([[1, 0], [1], [0]], (1 / 2, math.sqrt(1 / 12), 1 / 2, 0)),
    ],
    ids=["both", "only within", "only between", "one sample", "unequal"],
)
def test_resampled_variance_is_split_within_and_between_cases(
    samples: list[list[float]], expected: tuple[float | None, ...]
) -> None:
    for found, wanted in zip(resampled_mean(samples), expected, strict=True):
        assert found is None if wanted is None else found == pytest.approx(wanted)


@given(
    samples=st.integers(2, 5).flatmap(
        lambda k: st.lists(
            st.lists(st.floats(0, 1), min_size=k, max_size=k), min_size=2, max_size=15
        )
    )
)
def test_the_parts_of_a_resampled_variance_add_up(samples: list[list[float]]) -> None:
    n, k = len(samples), len(samples[0])
    _, se, within, between = resampled_mean(samples)
    assert within is not None
    assert between is not None
    assert between == pytest.approx(max(0.0, se**2 * n - within / k), abs=1e-9)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "Cases for a standard error must be 2 or more, got 0"),
        ([[1, 0, 1]], "Cases for a standard error must be 2 or more, got 1"),
        ([[1], []], "Samples of a case must be 1 or more, got 0"),
        ([[1], [1.5]], "Scores must be between 0 and 1, got 1.5"),
    ],
)
def test_samples_without_a_standard_error_are_refused(
    samples: list[list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        resampled_mean(samples)


@given(values=binary)
def test_quality_of_plain_passes_and_misses_is_a_wilson_interval(
    values: list[int],
) -> None:
    mean, low, high, n_eff = quality_interval(values)
    assert n_eff == len(values)
    assert mean == sum(values) / len(values)
    assert (low, high) == pytest.approx(wilson(sum(values), len(values)))


@given(values=scores)
def test_quality_of_graded_scores_lies_in_its_interval(values: list[float]) -> None:
    mean, low, high, n_eff = quality_interval(values)
    assert low is not None
    assert high is not None
    assert 0 <= low <= mean <= high <= 1
    assert n_eff >= len(values) - 1 - 1e-6


@pytest.mark.parametrize(("confidence", "reach"), [(0.95, 0.0099), (0.9, 0.0083)])
def test_grades_that_lie_close_together_have_a_narrow_interval(
    confidence: float, reach: float
) -> None:
    """An audit found .739 to .850, as wide as for passes and misses."""
    values = [0.7] * 50 + [0.8] * 100 + [0.9] * 50
    mean, low, high, _ = quality_interval(values, confidence=confidence)
    assert (low, high) == pytest.approx((mean - reach, mean + reach), abs=3e-4)


def test_more_samples_of_a_case_narrow_the_interval() -> None:
    """Of 100 cases at .8: once 0 or 1, then means of ten samples near .8."""
    once = quality_interval([1.0] * 80 + [0.0] * 20)
    ten = quality_interval([0.6, 0.7, 0.8, 0.9, 1.0] * 20)
    assert (ten.low, ten.high) == pytest.approx((0.770, 0.826), abs=2e-3)
    assert once.low is not None
    assert once.low < 0.72


def test_few_degrees_of_freedom_take_students_t() -> None:
    wide = effective_wilson(0.8, 40, df=4)
    assert (wide.low, wide.high) == pytest.approx((0.5836, 0.9195), abs=1e-4)
    assert effective_wilson(0.8, 40, df=1e9) == pytest.approx(wilson(32, 40))
    for df in (1, 1.5, 2, 3.3, 7, 29, 300, 1e5):
        for confidence in (0.9, 0.95, 0.997):
            t = float(scipy.stats.t.ppf((1 + confidence) / 2, df))
            square = t * t / 40
            half = math.sqrt(square * 0.16 + square * square / 4) / (1 + square)
            expected = (0.8 + square / 2) / (1 + square) - half
            found = effective_wilson(0.8, 40, confidence, df)
            assert found.low == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="Degrees of freedom must be 1 or more"):
        effective_wilson(0.8, 40, df=0)


@given(values=scores)
def test_graded_scores_are_at_least_as_precise_as_passes_of_the_same_mean(
    values: list[float],
) -> None:
    mean, low, high, n_eff = quality_interval(values)
    assert low is not None
    assert high is not None
    # Popoviciu: no scores in [0, 1] spread more than passes and misses do.
    assert n_eff >= len(values) - 1 - 1e-6
    worst = effective_wilson(mean, n_eff, df=max(1, len(values) - 1))
    assert high - low <= worst.high - worst.low + 1e-6


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1], wilson(1, 1)),
        ([0.5], wilson(0.5, 1)),
        ([0.5] * 8, wilson(4, 8)),
        ([0.25, 0.75] * 4, effective_wilson(0.5, 28, df=7)),
        ([1, 0.5, 0, 0.5], effective_wilson(0.5, 6, df=3)),
    ],
)
def test_quality_of_grades_goes_by_their_spread_where_there_is_one(
    values: list[float], expected: Interval
) -> None:
    assert quality_interval(values)[1:3] == pytest.approx(expected)


def test_quality_of_the_clustered_example_uses_its_effective_n() -> None:
    found = quality_interval(V2_SCORES, V2_CLUSTERS)
    assert found == pytest.approx((0.6, 0.230318, 0.882616, 10.144658), abs=1e-6)


@pytest.mark.parametrize("groups", [1, 2, 5])
def test_fewer_than_six_clusters_get_no_interval(groups: int) -> None:
    found = quality_interval([1, 0, 1, 1, 1, 0], [i % groups for i in range(6)])
    assert found.mean == pytest.approx(2 / 3)
    assert found[1:] == (None, None, groups)


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([], None, "Scores must be 1 or more"),
        ([0.5, -0.1], None, "Scores must be between 0 and 1, got -0.1"),
        ([0.5, 1], [1], "Scores and clusters must have equal lengths"),
    ],
)
def test_quality_of_impossible_scores_is_refused(
    values: list[float], clusters: Sequence[int] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        quality_interval(values, clusters)


@pytest.mark.parametrize(
    ("n", "points"), [(50, 9.3), (100, 6.6), (200, 4.7), (400, 3.3), (1000, 2.1)]
)
def test_the_certified_floor_matches_the_published_figures(
    n: int, points: float
) -> None:
    assert 100 * (0.8 - certified_floor(n, 0.8)) == pytest.approx(points, abs=0.05)


def test_the_certified_floor_of_a_perfect_bar_is_the_exact_bound() -> None:
    assert certified_floor(14, 1) == pytest.approx(exact_lower(14, 14))


def test_the_certified_floor_never_falls_below_zero() -> None:
    assert certified_floor(1, 0.5) == 0


@pytest.mark.parametrize(
    ("n", "bar", "message"), [(0, 0.8, "1 or more cases"), (9, 80, "The bar must be")]
)
def test_an_impossible_certified_floor_is_refused(
    n: int, bar: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        certified_floor(n, bar)


@pytest.mark.parametrize(("n", "least"), [(10, 0.92), (50, 0.93), (200, 0.94)])
def test_what_skewed_calls_cost_lies_in_the_interval(n: int, least: float) -> None:
    """Lognormal with sd 1.5: a percentile bootstrap covered 67 % of 10, 83 % of 50."""
    random = np.random.default_rng(11)
    draws = random.lognormal(0, 1.5, (1000, n))
    intervals = [skewed_interval(draw.tolist(), range(n)) for draw in draws]
    truth = math.exp(1.5**2 / 2)
    found = sum(one is not None and one.low <= truth <= one.high for one in intervals)
    assert found / 1000 >= least


def test_costs_that_do_not_vary_are_certain_and_some_may_be_nothing() -> None:
    assert skewed_interval([2.0] * 9, range(9)) == pytest.approx((2, 2))
    assert skewed_interval([0.0] * 9, range(9)) == (0, 0)
    low, high = skewed_interval([0.0] * 5 + [1.0] * 5, range(10)) or (0, 0)
    assert 0 < low < 0.5 < high < 1.2
    # Ten calls of five cases are five costs.
    calls = [float(place // 2 + 1) for place in range(10)]
    pairs = skewed_interval(calls, [place // 2 for place in range(10)])
    assert pairs == pytest.approx(skewed_interval([1, 2, 3, 4, 5], range(5)))
    assert skewed_interval([1.0, 2.0, 3.0, 4.0], range(4)) is None
    with pytest.raises(ValueError, match="Skewed values must be 0 or more, got -1"):
        skewed_interval([-1.0] * 9, range(9))


@given(
    values=st.lists(st.floats(1e-9, 1e3), min_size=5, max_size=30),
    scale=st.floats(1e-3, 1e3),
)
def test_the_cost_lies_in_its_interval_in_any_currency(
    values: list[float], scale: float
) -> None:
    found = skewed_interval(values, range(len(values)))
    other = skewed_interval([scale * value for value in values], range(len(values)))
    assert found is not None
    assert other is not None
    mean = sum(values) / len(values)
    assert found.low * (1 - 1e-9) <= mean <= found.high * (1 + 1e-9)
    assert math.isfinite(found.high)
    assert other == pytest.approx((scale * found.low, scale * found.high), rel=1e-6)
