from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ladder.stats.latency import percentile, percentile_interval

V18 = [0.8, 1.1, 0.9, 1.3, 2.4, 1.0, 1.2, 0.95, 5.1, 1.05]

seconds = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)
levels = st.floats(0, 1)


@pytest.mark.parametrize(
    ("q", "expected"), [(0.5, 1.075), (0.9, 2.67), (0.95, 3.885), (0, 0.8), (1, 5.1)]
)
def test_percentiles_match_the_published_figures(q: float, expected: float) -> None:
    assert percentile(V18, q) == pytest.approx(expected)


@given(values=seconds, q=levels)
@settings(deadline=None)
def test_percentiles_are_numpys(values: list[float], q: float) -> None:
    import numpy as np

    oracle = float(np.quantile(values, q))
    assert percentile(values, q) == pytest.approx(oracle, rel=1e-6, abs=1e-6)


@given(values=seconds, first=levels, second=levels)
def test_percentiles_rise_with_q_within_the_values(
    values: list[float], first: float, second: float
) -> None:
    low, high = sorted([first, second])
    assert min(values) <= percentile(values, low) <= percentile(values, high)
    assert percentile(values, high) <= max(values)


@pytest.mark.parametrize(
    ("q", "expected"), [(0, 1), (0.5, 3), (0.6, math.inf), (1, math.inf)]
)
def test_percentiles_among_calls_that_timed_out_are_infinite(
    q: float, expected: float
) -> None:
    assert percentile([math.inf, 3, 1, math.inf, 2], q) == expected


def test_a_single_call_is_every_percentile() -> None:
    assert [percentile([2.5], q) for q in (0, 0.5, 0.95, 1)] == [2.5] * 4


@pytest.mark.parametrize(
    ("n", "q", "ranks", "coverage"),
    [
        (100, 0.50, (40, 61), 0.964800),
        (200, 0.95, (184, 197), 0.967152),
        (50, 0.90, (41, 50), 0.970308),
        (500, 0.99, (490, 500), 0.980186),
    ],
)
def test_percentile_intervals_match_the_published_ranks_and_coverage(
    n: int, q: float, ranks: tuple[int, int], coverage: float
) -> None:
    assert tuple(percentile_interval(range(n, 0, -1), q)) == ranks
    reached = [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(*ranks)]
    assert math.fsum(reached) == pytest.approx(coverage, abs=1e-6)


@given(
    n=st.integers(1, 3000),
    q=st.floats(0.01, 0.99),
    confidence=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
@settings(deadline=None)
def test_percentile_interval_ranks_are_scipys_binomial_quantiles(
    n: int, q: float, confidence: float
) -> None:
    from scipy.stats import binom

    lower = int(binom.ppf((1 - confidence) / 2, n, q))
    upper = int(binom.ppf((1 + confidence) / 2, n, q)) + 1
    low, high = percentile_interval(range(1, n + 1), q, confidence)
    assert (low, high) == (lower or None, upper if upper <= n else math.inf)


@given(values=seconds, q=st.floats(0.02, 0.98))
def test_percentile_intervals_contain_the_percentile(
    values: list[float], q: float
) -> None:
    low, high = percentile_interval(values, q)
    assert (low or 0) <= percentile(values, q) <= high


@pytest.mark.parametrize(("q", "n"), [(0.95, 59), (0.99, 299)])
def test_a_high_percentile_needs_enough_calls_for_a_one_sided_upper_bound(
    q: float, n: int
) -> None:
    assert percentile_interval(range(n - 1), q, confidence=0.9).high == math.inf
    assert percentile_interval(range(n), q, confidence=0.9).high == n - 1


def test_too_few_calls_bound_a_percentile_on_neither_side() -> None:
    assert percentile_interval([1.0], 0.5) == (None, math.inf)
    assert percentile_interval([1.0, 2.0, 3.0], 0.1) == (None, 3.0)


def test_ties_may_close_an_interval() -> None:
    assert percentile_interval([2.0] * 100, 0.5) == (2.0, 2.0)


def test_a_million_calls_have_a_percentile_interval() -> None:
    low, high = percentile_interval(range(1_000_000), 0.5)
    assert low == pytest.approx(500_000 - 980, abs=2)
    assert high == pytest.approx(500_000 + 980, abs=2)


@pytest.mark.parametrize(
    ("values", "q", "message"),
    [
        ([], 0.5, "Values must be 1 or more, got 0"),
        ([1.0, math.nan], 0.5, "Values must be numbers, got nan"),
        ([1.0], 95, "q must be .*between 0 and 1, got 95"),
        ([1.0], -0.5, "q must be .*between 0 and 1, got -0.5"),
    ],
)
def test_impossible_percentiles_are_refused(
    values: list[float], q: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        percentile(values, q)
    with pytest.raises(ValueError, match=message):
        percentile_interval(values, q)


@pytest.mark.parametrize("q", [0, 1])
def test_the_extremes_have_no_interval(q: float) -> None:
    with pytest.raises(ValueError, match="q must be strictly between 0 and 1"):
        percentile_interval([1.0, 2.0], q)
