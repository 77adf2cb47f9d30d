"""Vectors RW8 and RW9, and what must hold of any votes."""

from __future__ import annotations

import random
import time

import pytest

from pytest_ladder.stats.preferences import (
    PairVote,
    beats,
    bradley_terry,
    mean_chance,
    wins_of,
)

WINS = [[0, 14, 17], [6, 0, 11], [3, 9, 0]]
SEPARATED = [[0, 5, 4], [0, 0, 3], [0, 2, 0]]


def one_by_one(wins: list[list[int]]) -> list[PairVote]:
    """Return a vote for each win, each on a case of its own."""
    pairs = [
        (i, j)
        for i, row in enumerate(wins)
        for j, n in enumerate(row)
        for _ in range(n)
    ]
    return [PairVote(i, j, 1, case) for case, (i, j) in enumerate(pairs)]


def test_strengths_are_those_of_the_vector() -> None:
    fit = bradley_terry(WINS)
    assert fit.strengths == pytest.approx((0.830936, -0.228243, -0.602693), abs=1e-6)
    assert not fit.separated
    assert fit.groups == (0, 0, 0)
    chances = [found.chance for rung in range(3) if (found := mean_chance(fit, rung))]
    assert chances == pytest.approx([0.775, 0.425, 0.3], abs=1e-6)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (
            (0, 1),
            (1.059180, 0.418306, 0.239315, 1.879044, 0.742534, 0.559545, 0.867501),
        ),
        ((0, 2), (1.433630, 0.436720, None, None, 0.807466, 0.640532, 0.908011)),
        ((1, 2), (0.374450, 0.390924, None, None, 0.592534, 0.403297, 0.757799)),
    ],
)
def test_pairs_are_those_of_the_vector(
    pair: tuple[int, int], expected: tuple[float | None, ...]
) -> None:
    found = beats(bradley_terry(WINS), *pair)
    assert found is not None
    for value, wanted in zip(found, expected, strict=True):
        assert wanted is None or value == pytest.approx(wanted, abs=1e-6)


def test_a_rung_that_won_all_gets_half_a_win_against_it() -> None:
    fit = bradley_terry(SEPARATED)
    assert fit.separated
    assert fit.strengths == pytest.approx((1.547823, -0.641274, -0.906550), abs=1e-6)
    found = beats(fit, 0, 1)
    assert found is not None
    assert found[:2] == pytest.approx((2.189097, 1.093945), abs=1e-6)
    assert found[4:] == pytest.approx((0.899266, 0.511249, 0.987044), abs=1e-6)


def test_two_rungs_are_the_log_odds_of_their_wins() -> None:
    found = beats(bradley_terry([[0, 30], [10, 0]]), 0, 1)
    assert found is not None
    assert found.probability == pytest.approx(0.75)
    assert found.se == pytest.approx((1 / 30 + 1 / 10) ** 0.5)


def test_by_case_two_rungs_are_the_delta_method_of_their_share() -> None:
    """Each case votes 3 times; they agree within a case more than by chance."""
    votes = [
        PairVote(0, 1, share, case)
        for case in range(12)
        for share in ((1, 1, 1) if case % 3 else (0, 0, 1))
    ]
    found = beats(bradley_terry(wins_of(votes, 2), votes), 0, 1)
    assert found is not None
    share = 28 / 36
    sums = [(3 if case % 3 else 1) - 3 * share for case in range(12)]
    se = (sum(s * s for s in sums) * 12 / 11) ** 0.5 / (36 * share * (1 - share))
    assert found.se == pytest.approx(se)
    assert found.low == pytest.approx(found.difference - 2.200985 * se, abs=1e-4)
    alone = beats(bradley_terry(wins_of(votes, 2)), 0, 1)
    assert alone is not None
    assert found.se > 1.3 * alone.se


def test_several_verdicts_at_once_are_as_many_votes() -> None:
    """Of a case it is only the sum that counts, with its votes."""
    apart = [
        PairVote(0, 1, won, case)
        for case in range(12)
        for won in ((1, 1, 0.5) if case % 3 else (0, 0, 1))
    ]
    sums = [
        PairVote(0, 1, (2.5 if case % 3 else 1) / 3, case, votes=3)
        for case in range(12)
    ]
    one, other = (bradley_terry(wins_of(of, 2), of) for of in (apart, sums))
    assert one.strengths == pytest.approx(other.strengths)
    assert one.covariance[0] == pytest.approx(other.covariance[0])


def test_six_cases_that_all_say_the_same_are_no_certainty() -> None:
    """A coin does that once in 32 tries, and twenty times hardly ever."""
    all_six = [PairVote(0, 1, 1, case) for case in range(6)]
    found = beats(bradley_terry(wins_of(all_six, 2), all_six), 0, 1)
    assert found is not None
    assert found.p_low is not None
    assert found.p_low < 0.5
    many = [PairVote(0, 1, 1, case) for case in range(20)]
    found = beats(bradley_terry(wins_of(many, 2), many), 0, 1)
    assert found is not None
    assert found.p_low is not None
    assert found.p_low > 0.5


def test_fewer_than_six_cases_give_no_interval() -> None:
    votes = [PairVote(0, 1, n % 2, n % 5) for n in range(40)]
    found = beats(bradley_terry(wins_of(votes, 2), votes), 0, 1)
    assert found is not None
    assert (found.low, found.high, found.p_low, found.p_high) == (None,) * 4
    chance = mean_chance(bradley_terry(wins_of(votes, 2), votes), 0)
    assert chance is not None
    assert (chance.low, chance.high) == (None, None)


def test_rungs_that_no_vote_links_are_not_compared() -> None:
    wins = [[0, 3, 0, 0], [2, 0, 0, 0], [0, 0, 0, 4], [0, 0, 4, 0]]
    fit = bradley_terry(wins)
    assert not fit.separated
    assert beats(fit, 0, 2) is None
    within = beats(fit, 0, 1)
    assert within is not None
    assert within.probability == pytest.approx(0.6)
    chance = mean_chance(fit, 0)
    assert chance is not None
    assert chance == pytest.approx((0.6, within.p_low, within.p_high))


def test_a_rung_that_nobody_saw_has_no_chance_at_all() -> None:
    fit = bradley_terry([[0, 3, 0], [2, 0, 0], [0, 0, 0]])
    assert mean_chance(fit, 2) is None


def test_a_tie_is_half_a_win_of_both() -> None:
    ties = [PairVote(0, 1, 0.5, case) for case in range(8)]
    assert wins_of(ties, 2) == [[0, 4], [4, 0]]
    found = beats(bradley_terry(wins_of(ties, 2), ties), 0, 1)
    assert found is not None
    assert (found.difference, found.se) == pytest.approx((0, 0), abs=1e-9)


def test_the_order_of_rungs_does_not_matter() -> None:
    turned = [[0, 9, 3], [11, 0, 6], [17, 14, 0]]
    found = beats(bradley_terry(turned), 2, 0)
    assert found is not None
    assert found.difference == pytest.approx(1.433630, abs=1e-6)


def test_a_lopsided_table_converges() -> None:
    wins = [[0, 4000, 1], [1, 0, 3000], [3, 1, 0]]
    fit = bradley_terry(wins)
    assert not fit.separated
    strengths = fit.strengths
    assert sum(strengths) == pytest.approx(0, abs=1e-9)
    assert strengths[0] > strengths[1] > strengths[2]


@pytest.mark.parametrize(
    ("wins", "message"),
    [
        ([[0]], "2 rungs or more"),
        ([[0, 1]], "square"),
        ([[0, -1], [1, 0]], "counts of 0 or more"),
        ([[1, 1], [1, 0]], "against itself"),
    ],
)
def test_what_is_no_table_of_wins_is_refused(
    wins: list[list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        bradley_terry(wins)


def test_votes_must_be_the_wins() -> None:
    votes = one_by_one(WINS)
    assert bradley_terry(WINS, votes).cases == len(votes)
    with pytest.raises(ValueError, match="add up to the table"):
        bradley_terry(WINS, votes[1:])
    with pytest.raises(ValueError, match="two of 2 rungs"):
        wins_of([PairVote(0, 2, 1, "a")], 2)
    with pytest.raises(ValueError, match="two of 2 rungs"):
        wins_of([PairVote(-1, 1, 1, "a")], 2)


def test_twenty_rungs_and_twenty_thousand_votes_are_soon_fitted() -> None:
    draw = random.Random(1)
    votes = []
    for n in range(20_000):
        first, second = draw.sample(range(20), 2)
        won = draw.random() < 1 / (1 + 2 ** ((second - first) / 5))
        votes.append(PairVote(first, second, float(won), n % 500))
    bradley_terry(WINS)  # loads scipy
    start = time.process_time()
    fit = bradley_terry(wins_of(votes, 20), votes)
    pairs = [beats(fit, i, j) for i in range(20) for j in range(20) if i != j]
    assert time.process_time() - start < 5
    assert all(pairs)
