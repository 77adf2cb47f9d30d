from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ladder.stats.proxy import kendall, mann_whitney, two_proportions

arms = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
ratings = st.lists(st.integers(1, 5), min_size=1, max_size=25)


@pytest.mark.parametrize(
    ("proxy", "outcome", "tau", "p"),
    [
        ([1, 2, 3, 4, 5], [1, 3, 2, 4, 5], 0.8, 0.083333),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], 1, 0.016667),
        ([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4], 1, 2 / 24),
        ([1, 2, 3], [1, 2, 3], 1, 2 / 6),
        ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], -1, 0.016667),
    ],
)
def test_kendall_matches_the_published_figures(
    proxy: list[float], outcome: list[float], tau: float, p: float
) -> None:
    assert kendall(proxy, outcome) == pytest.approx((tau, p), abs=1e-6)


def test_kendall_counts_ties_as_tau_b_does() -> None:
    # 8 concordant pairs, 1 discordant, 1 tied in the outcome.
    found = kendall([1, 2, 3, 4, 5], [1, 3, 2, 4, 4])
    assert found.tau == pytest.approx(7 / math.sqrt(10 * 9))


@pytest.mark.parametrize("constant", [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [2, 2, 2])])
def test_rungs_that_all_score_the_same_have_no_rank_correlation(
    constant: tuple[list[float], list[float]],
) -> None:
    assert kendall(*constant) == (None, None)


@pytest.mark.parametrize(
    ("proxy", "outcome", "message"),
    [
        ([1], [1], "Rungs must be 2 or more, got 1"),
        ([1, 2], [1], "Proxy and outcome must have equal lengths, got 2 and 1"),
        ([1, math.nan], [1, 2], "Scores must be finite numbers, got nan"),
    ],
)
def test_kendall_refuses_what_has_no_ranks(
    proxy: list[float], outcome: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kendall(proxy, outcome)


def test_two_proportions_match_the_published_figures() -> None:
    assert two_proportions(130, 1000, 100, 1000) == pytest.approx(
        (2.102741, 0.035488, 0.002002, 0.058070), abs=1e-6
    )


@given(first=arms, second=arms)
def test_swapping_the_arms_mirrors_their_comparison(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    z, p, low, high = two_proportions(*first, *second)
    mirrored = two_proportions(*second, *first)
    assert mirrored == pytest.approx((-z, p, -high, -low), abs=1e-12)
    assert 0 <= p <= 1


@given(first=arms, second=arms)
def test_newcombes_interval_contains_the_difference_and_is_possible(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    _, _, low, high = two_proportions(*first, *second)
    difference = first[0] / first[1] - second[0] / second[1]
    assert -1 - 1e-12 <= low <= difference <= high <= 1 + 1e-12


@given(first=arms, second=arms)
@settings(deadline=None)
def test_the_squared_z_is_the_chi_square_of_the_two_by_two_table(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    from scipy.stats import chi2_contingency

    (x1, n1), (x2, n2) = first, second
    if 0 < x1 + x2 < n1 + n2:
        oracle = chi2_contingency([[x1, n1 - x1], [x2, n2 - x2]], correction=False)
        found = two_proportions(x1, n1, x2, n2)
        assert found.z**2 == pytest.approx(oracle.statistic, abs=1e-9)
        assert found.p == pytest.approx(oracle.pvalue, abs=1e-9)


@pytest.mark.parametrize("successes", [0, 1])
def test_arms_that_all_succeed_or_all_fail_do_not_differ(successes: int) -> None:
    found = two_proportions(9 * successes, 9, 20 * successes, 20)
    assert (found.z, found.p) == (0, 1)
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("x1", "n1", "x2", "n2", "message"),
    [
        (5, 4, 1, 4, "Passes must be between 0 and n, got 5 of 4"),
        (1, 4, -1, 4, "Passes must be between 0 and n, got -1 of 4"),
        (0, 0, 1, 4, "Both arms need 1 or more users, got 0 and 4"),
    ],
)
def test_impossible_arms_are_refused(
    x1: int, n1: int, x2: int, n2: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        two_proportions(x1, n1, x2, n2)


@given(a=ratings, b=ratings)
@settings(deadline=None)
def test_superiority_counts_the_pairs_that_a_wins_and_half_the_ties(
    a: list[int], b: list[int]
) -> None:
    wins = sum((x > y) + (x == y) / 2 for x in a for y in b)
    found = mann_whitney(a, b)
    assert found.superiority == pytest.approx(wins / (len(a) * len(b)))
    assert 0 <= found.p <= 1


def test_separate_groups_have_the_exact_permutation_p() -> None:
    assert mann_whitney([4, 5, 6], [1, 2, 3]) == pytest.approx((1, 2 / 20))


def test_groups_of_ties_do_not_differ() -> None:
    assert mann_whitney([3, 3, 3], [3, 3]) == (0.5, 1)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([], [1], "Ratings of a group must be 1 or more, got 0"),
        ([1], [], "Ratings of a group must be 1 or more, got 0"),
        ([1], [math.nan], "Ratings must be finite numbers, got nan"),
    ],
)
def test_groups_without_ratings_are_refused(
    a: list[float], b: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mann_whitney(a, b)
