"""Votes between two rungs as strengths, and the chance that one beats another."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from pytest_ladder.stats.checks import check_counts, check_inside, check_range
from pytest_ladder.stats.distributions import student

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MIN_CASES = 6
"""With fewer cases a covariance by case tells nothing, so no interval is given."""
_STEPS = 100
"""Newton's method needs about ten; a step is halved at most this often as well."""


class PairVote(NamedTuple):
    """One verdict between two rungs on a case, or several at once."""

    first: int
    second: int
    """Indices of the two rungs."""
    share: float
    """What the first one won of it: 1, 0, or one half for a tie."""
    case: Hashable
    """Votes on the same case (or cluster of cases) are not independent."""
    votes: float = 1.0
    """How many verdicts these are, of which the first won `share`."""


class Strengths(NamedTuple):
    """What Bradley and Terry's model says of rungs that were compared in pairs."""

    strengths: tuple[float, ...]
    """Log odds, which add up to 0 among rungs that are linked."""
    covariance: tuple[tuple[float, ...], ...]
    groups: tuple[int, ...]
    """Rungs with the same number are linked by comparisons; others tell nothing of
    each other."""
    separated: bool
    """Whether half a win was added each way on every pair that was played: else a rung
    that only won, or only lost, would be infinitely strong or weak."""
    cases: int | None
    """Cases that the covariance is clustered by; None: each win is by itself."""


class MeanChance(NamedTuple):
    """Chance that a rung is preferred to another one, on average over all others.

    The ends are None where there are fewer than `MIN_CASES` cases.
    """

    chance: float
    low: float | None
    high: float | None


class Beats(NamedTuple):
    """How much stronger a rung is than another, and its chance to be preferred.

    The ends of both intervals are None where there are fewer than `MIN_CASES` cases.
    """

    difference: float
    se: float
    low: float | None
    high: float | None
    probability: float
    p_low: float | None
    p_high: float | None


def wins_of(votes: Sequence[PairVote], rungs: int) -> list[list[float]]:
    """Count votes: how often each rung (row) won against each other one (column).

    A tie is half a win of both. Raises ValueError for shares outside [0, 1] and for
    indices that are no two rungs.
    """
    check_range("Shares of a win", [vote.share for vote in votes])
    check_counts("Numbers of votes", [vote.votes for vote in votes])
    wins = [[0.0] * rungs for _ in range(rungs)]
    for vote in votes:
        if not (0 <= vote.first < rungs > vote.second >= 0) or (
            vote.first == vote.second
        ):
            raise ValueError(
                f"A vote must be between two of {rungs} rungs, got {vote.first} and "
                f"{vote.second}."
            )
        won = vote.share * vote.votes
        wins[vote.first][vote.second] += won
        wins[vote.second][vote.first] += vote.votes - won
    return wins


def bradley_terry(
    wins: Sequence[Sequence[float]], votes: Sequence[PairVote] = ()
) -> Strengths:
    """Fit strengths to a table of wins (Bradley and Terry 1952; Hunter 2004).

    `wins[i][j]` is how often rung i won against j. The covariance is the pseudo-inverse
    of the information; with the same wins as `votes` it is clustered by case (sandwich,
    times G/(G-1)). Raises ValueError unless the table is square, for 2 rungs or more,
    with counts of 0 or more, and for votes that are not these wins.
    """
    import numpy as np

    table = _checked(wins)
    if votes and not np.allclose(wins_of(votes, len(table)), table):
        raise ValueError("The votes must add up to the table of wins; they do not.")
    groups, separated = _linked(table)
    if separated:
        table = np.where(table + table.T > 0, table + 0.5, 0.0)
    beta = _maximum(table, groups)
    chances, covariance = _chances(beta), _covariance(table, beta)
    cases = None
    if votes:
        scores = _scores_by_case(votes, chances)
        cases = len(scores)
        if separated:
            scores = np.concatenate([scores, _scores_of_halves(table, chances)])
        covariance = covariance @ (scores.T @ scores) @ covariance
        covariance *= cases / max(1, cases - 1)
    return Strengths(
        tuple(beta.tolist()),
        tuple(map(tuple, covariance.tolist())),
        tuple(groups.tolist()),
        separated,
        cases,
    )


def beats(
    fit: Strengths, first: int, second: int, confidence: float = 0.95
) -> Beats | None:
    """Compare two rungs of a fit; None where no comparison links them.

    By cases the interval is t with G - 1 degrees of freedom, else normal. Raises
    ValueError unless confidence is strictly between 0 and 1.
    """
    check_inside("Confidence", confidence)
    if fit.groups[first] != fit.groups[second]:
        return None
    of = fit.covariance
    difference = fit.strengths[first] - fit.strengths[second]
    variance = of[first][first] + of[second][second] - 2 * of[first][second]
    se = math.sqrt(max(0.0, variance))
    quantile = _quantile(fit, confidence)
    if quantile is None:
        return Beats(difference, se, None, None, _logistic(difference), None, None)
    half = quantile * se
    low, high = difference - half, difference + half
    return Beats(
        difference,
        se,
        low,
        high,
        _logistic(difference),
        _logistic(low),
        _logistic(high),
    )


def mean_chance(
    fit: Strengths, rung: int, confidence: float = 0.95
) -> MeanChance | None:
    """Return the chance that a rung is preferred to another one, with its interval.

    On average over those that it is linked with; None where there are none. The
    interval is that of the log odds of the chance by the delta method, so that it stays
    within [0, 1]. Raises ValueError unless confidence is strictly between 0 and 1.
    """
    check_inside("Confidence", confidence)
    chances = {
        other: _logistic(fit.strengths[rung] - strength)
        for other, strength in enumerate(fit.strengths)
        if other != rung and fit.groups[other] == fit.groups[rung]
    }
    if not chances:
        return None
    mean = math.fsum(chances.values()) / len(chances)
    quantile = _quantile(fit, confidence)
    spread = mean * (1 - mean)
    if quantile is None or not spread:
        return MeanChance(mean, None, None)
    # How the chance moves with each strength; with all of them at once not at all.
    slopes = {other: -p * (1 - p) / len(chances) for other, p in chances.items()}
    slopes[rung] = -math.fsum(slopes.values())
    variance = math.fsum(
        one * fit.covariance[i][j] * other
        for i, one in slopes.items()
        for j, other in slopes.items()
    )
    half = quantile * math.sqrt(max(0.0, variance)) / spread
    odds = math.log(mean / (1 - mean))
    return MeanChance(mean, _logistic(odds - half), _logistic(odds + half))


def _quantile(fit: Strengths, confidence: float) -> float | None:
    """Return how many standard errors an interval reaches; None: too few cases.

    By cases Student's t with G - 1 degrees of freedom, else normal.
    """
    if fit.cases is None:
        return NormalDist().inv_cdf((1 + confidence) / 2)
    return student(fit.cases - 1, 1 - confidence) if fit.cases >= MIN_CASES else None


def _checked(wins: Sequence[Sequence[float]]) -> Floats:
    import numpy as np

    size = len(wins)
    if size < 2 or any(len(row) != size for row in wins):
        raise ValueError("Wins must be a square table of 2 rungs or more.")
    check_counts("Wins", [count for row in wins for count in row])
    if any(wins[i][i] for i in range(size)):
        raise ValueError("No rung can win against itself.")
    return np.array(wins, dtype=float)


def _linked(table: Floats) -> tuple[NDArray[np.int32], bool]:
    """Number the rungs by who was compared, and tell whether the maximum is infinite.

    It is finite where, within each number, wins lead from every rung to every other one
    (Ford 1957).
    """
    from scipy.sparse.csgraph import connected_components

    weak, groups = connected_components(table, directed=True, connection="weak")
    strong, _ = connected_components(table, directed=True, connection="strong")
    return groups, bool(strong > weak)


def _maximum(table: Floats, groups: NDArray[np.int32]) -> Floats:
    """Climb to the maximum of the likelihood by Newton's method, halving bad steps."""
    import numpy as np

    beta = np.zeros(len(table))
    best = _likelihood(table, beta)
    for _ in range(_STEPS):
        gap = (table - (table + table.T) * _chances(beta)).sum(axis=1)
        step = _covariance(table, beta) @ gap
        for _ in range(_STEPS):
            ahead = _likelihood(table, beta + step)
            if ahead >= best:
                break
            step /= 2
        else:
            break
        beta, best = beta + step, ahead
        if np.abs(step).max() < 1e-12:
            break
    for group in set(groups.tolist()):
        beta[groups == group] -= beta[groups == group].mean()
    return beta


def _likelihood(table: Floats, beta: Floats) -> float:
    import numpy as np

    return -float((table * np.logaddexp(0, beta - beta[:, None])).sum())


def _chances(beta: Floats) -> Floats:
    from scipy.special import expit

    chances: Floats = expit(beta[:, None] - beta)
    return chances


def _covariance(table: Floats, beta: Floats) -> Floats:
    """Invert the information, which says nothing of a shift of all strengths."""
    import numpy as np

    chances = _chances(beta)
    weights = (table + table.T) * chances * chances.T
    information = np.diag(weights.sum(axis=1)) - weights
    return np.asarray(np.linalg.pinv(information, hermitian=True), dtype=np.float64)


def _scores_by_case(votes: Sequence[PairVote], chances: Floats) -> Floats:
    """Sum for each case by how much every rung did better than was to be expected."""
    import numpy as np

    numbers = {case: n for n, case in enumerate(dict.fromkeys(v.case for v in votes))}
    first = np.array([vote.first for vote in votes])
    second = np.array([vote.second for vote in votes])
    case = np.array([numbers[vote.case] for vote in votes])
    better = np.array([vote.share for vote in votes]) - chances[first, second]
    better *= np.array([vote.votes for vote in votes])
    scores = np.zeros((len(numbers), len(chances)))
    np.add.at(scores, (case, first), better)
    np.add.at(scores, (case, second), -better)
    return scores


def _scores_of_halves(table: Floats, chances: Floats) -> Floats:
    """Return the same of the half wins that were added, each a case of its own.

    Without them cases that all say the same would leave nothing uncertain.
    """
    import numpy as np

    winners, losers = np.nonzero(table)
    better = (1 - chances[winners, losers]) / 2
    scores = np.zeros((len(winners), len(table)))
    row = np.arange(len(winners))
    scores[row, winners] = better
    scores[row, losers] = -better
    return scores


def _logistic(value: float) -> float:
    # Either way round the exponential cannot overflow.
    if value < 0:
        return math.exp(value) / (1 + math.exp(value))
    return 1 / (1 + math.exp(-value))
