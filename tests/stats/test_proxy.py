from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ladder.stats.proxy import (
    kendall,
    ordered_pairs,
    promoter_score,
    record,
    regret,
    same_rung_auc,
    superiority,
)

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


def likert(*counts: int) -> list[float]:
    return [grade for grade, count in enumerate(counts, 1) for _ in range(count)]


def test_kendall_matches_the_vectors_of_rungs() -> None:
    found = kendall([0.42, 0.55, 0.55, 0.71], [0.30, 0.31, 0.36, 0.35])
    assert found == pytest.approx((0.547723, 0.278599), abs=1e-6)
    found = kendall(
        [0.40, 0.52, 0.61, 0.66, 0.70, 0.74], [0.31, 0.35, 0.33, 0.41, 0.40, 0.46]
    )
    assert found == pytest.approx((0.733333, 0.055556), abs=1e-6)


def test_superiority_of_two_surveys_matches_the_published_figures() -> None:
    found = superiority(likert(3, 5, 12, 30, 20), likert(6, 9, 18, 25, 12))
    assert found == pytest.approx((0.611122, 0.520980, 0.701265, 0.016062), abs=1e-6)


@given(a=ratings, b=ratings)
@settings(deadline=None, max_examples=60)
def test_superiority_counts_the_pairs_that_a_wins_and_half_the_ties(
    a: list[int], b: list[int]
) -> None:
    wins = sum((x > y) + (x == y) / 2 for x in a for y in b)
    found = superiority(a, b)
    assert found.superiority == pytest.approx(wins / (len(a) * len(b)))
    assert 0 <= found.low <= found.superiority + 1e-12
    assert found.superiority - 1e-12 <= found.high <= 1
    assert 0 <= found.p <= 1


@given(a=ratings, b=ratings)
@settings(deadline=None, max_examples=60)
def test_swapping_the_groups_mirrors_superiority(a: list[int], b: list[int]) -> None:
    found, mirrored = superiority(a, b), superiority(b, a)
    assert mirrored.superiority == pytest.approx(1 - found.superiority)
    assert (mirrored.low, mirrored.high) == pytest.approx(
        (1 - found.high, 1 - found.low)
    )
    assert mirrored.p == pytest.approx(found.p)


def test_separate_groups_have_the_exact_permutation_p_and_a_real_interval() -> None:
    found = superiority([4, 5, 6], [1, 2, 3])
    assert (found.superiority, found.p) == pytest.approx((1, 2 / 20))
    assert 0.3 < found.low < found.high == 1


def test_groups_of_ties_do_not_differ() -> None:
    found = superiority([3, 3, 3], [3, 3])
    assert (found.superiority, found.p) == (0.5, 1)
    assert found.low < 0.5 < found.high


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
        superiority(a, b)


def test_a_promoter_score_matches_the_published_figures() -> None:
    assert promoter_score(60, 25, 15) == pytest.approx((0.45, 0.074366), abs=1e-6)
    with pytest.raises(ValueError, match="Answers must be 2 or more, got 1"):
        promoter_score(1, 0, 0)


@pytest.mark.parametrize(
    ("proxy", "outcome", "se", "counts", "p"),
    [
        ((0.42, 0.55, 0.61, 0.71), (0.30, 0.33, 0.36, 0.41), 0.0065, (6, 6, 0), 1 / 24),
        (
            (0.50, 0.48, 0.61, 0.66, 0.70),
            (0.310, 0.318, 0.352, 0.349, 0.395),
            0.0068,
            (8, 8, 0),
            0.033333,
        ),
        (
            (0.40, 0.52, 0.61, 0.66, 0.70, 0.74),
            (0.31, 0.35, 0.33, 0.41, 0.40, 0.46),
            0.009,
            (12, 12, 0),
            0.008333,
        ),
        ((3, 2, 1), (0.1, 0.5, 0.9), 0.01, (3, 0, 3), 1.0),
        ((1, 2), (0.1, 0.11), 0.2, (0, 0, 0), 1.0),
    ],
)
def test_the_order_of_rungs_is_tested_over_all_orders(
    proxy: tuple[float, ...],
    outcome: tuple[float, ...],
    se: float,
    counts: tuple[int, int, int],
    p: float,
) -> None:
    found = ordered_pairs(proxy, outcome, se)
    assert found[:3] == counts
    assert found.p_agree == pytest.approx(p, abs=1e-6)


@given(
    outcome=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    proxy=st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
@settings(deadline=None, max_examples=60)
def test_three_rungs_never_establish_an_order(
    outcome: list[float], proxy: list[float]
) -> None:
    found = ordered_pairs(proxy, outcome, 0.01)
    assert min(found.p_agree, found.p_contradict) >= 1 / 6 - 1e-12


def test_many_rungs_are_tested_over_random_orders() -> None:
    scores = [rung / 20 for rung in range(12)]
    found = ordered_pairs(scores, scores, 0.001)
    assert (found.established, found.agree) == (66, 66)
    assert 0 < found.p_agree < 0.001
    assert found.p_contradict == 1


def test_the_regret_of_a_pick_matches_the_closed_form() -> None:
    assert regret(0, [0.31, 0.34], [0.009, 0.009]) == pytest.approx(
        (0.030039, 0.5), abs=0.005
    )
    assert regret(1, [0.31, 0.34], [0, 0]) == (0, 1)
    with pytest.raises(ValueError, match="The pick must be one of 2 rungs, got 2"):
        regret(2, [0.31, 0.34], [0, 0])


def test_replies_are_compared_within_their_rung() -> None:
    found = same_rung_auc(
        [0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.7, 0.8, 0.9, 0.7],
        [0, 1, 0, 1, 0, 1, 0, 1, 1, 1],
        "aaaaabbbbb",
    )
    assert found == pytest.approx((0.55, 0.708333), abs=1e-6)
    assert same_rung_auc([0.5, 0.7], [1, 1], "ab") == (None, None)
    with pytest.raises(ValueError, match="An outcome of a reply is 0 or 1, got 2"):
        same_rung_auc([0.5], [2], "a")


@pytest.mark.parametrize(
    ("agree", "of", "p", "low", "high"),
    [
        (5, 5, 0.031250, 0.565518, 1.0),
        (7, 8, 0.035156, 0.529112, 0.977583),
        (6, 8, 0.144531, 0.409275, 0.928521),
        (9, 10, 0.010742, 0.595850, 0.982124),
    ],
)
def test_the_record_of_past_experiments_is_a_sign_test(
    agree: int, of: int, p: float, low: float, high: float
) -> None:
    found = record(agree, of)
    assert found is not None
    assert found.p == pytest.approx(p, abs=1e-6)
    assert found.interval == pytest.approx((low, high), abs=1e-6)


def test_no_experiment_is_no_record() -> None:
    assert record(0, 0) is None
