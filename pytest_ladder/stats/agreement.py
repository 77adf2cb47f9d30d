"""Judges against people: agreement, and quality corrected for the judge's errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

from pytest_ladder.stats import distributions
from pytest_ladder.stats.checks import (
    TINY,
    check_counts,
    check_finite,
    check_inside,
    check_paired,
    check_range,
    check_size,
)
from pytest_ladder.stats.clusters import degrees_of_freedom
from pytest_ladder.stats.intervals import (
    Interval,
    QualityInterval,
    effective_wilson,
)
from pytest_ladder.stats.judged import design_effect

Weights = Literal["linear", "quadratic"]

_LEAST_SIZE = 0.01
"""Of a Beta that leaves open all of [0, 1]; none has a larger variance."""
MIN_JUDGE = 1.3
"""A judge whose sensitivity and specificity add up to less corrects nothing."""


class JudgedRate(NamedTuple):
    """A pass rate corrected for the judge's errors, its standard error and interval."""

    quality: float
    se: float
    low: float
    high: float


class Posterior(NamedTuple):
    """Mean, standard deviation and central interval of a pass rate's posterior."""

    mean: float
    sd: float
    low: float
    high: float


class PredictionPowered(NamedTuple):
    """The weight `lam` in [0, 1] given to the judge, and the mean with its interval."""

    lam: float
    mean: float
    low: float
    high: float


def kappa(
    table: Sequence[Sequence[float]], weights: Weights | None = None
) -> float | None:
    """Cohen's kappa of a square table of counts.

    See docs/methods.md §5.1 (Cohen 1960, 1968). Rows are one rater, columns the other.
    At most 1; None if both raters only ever used one and the same category. Raises
    ValueError unless the table is square, 2 by 2 or larger, with counts of 0 or more,
    not all 0.
    """
    shares, weight = _shares(table), _agreement_weights(len(table), weights)
    observed, expected = _observed(shares, weight), _expected(shares, weight)
    return None if expected == 1 else (observed - expected) / (1 - expected)


def kappa_interval(
    table: Sequence[Sequence[float]],
    weights: Weights | None = None,
    confidence: float = 0.95,
) -> Interval | None:
    """Large-sample interval of `kappa` (Fleiss, Cohen and Everitt 1969).

    Within [-1, 1]; None where kappa is. Raises ValueError as `kappa` does, and unless
    confidence is strictly between 0 and 1.
    """
    check_inside("Confidence", confidence)
    value = kappa(table, weights)
    if value is None:
        return None
    shares, weight = _shares(table), _agreement_weights(len(table), weights)
    rows, columns = _margins(shares)
    observed, expected = _observed(shares, weight), _expected(shares, weight)
    grid = range(len(shares))
    by_row = [sum(columns[j] * weight(i, j) for j in grid) for i in grid]
    by_column = [sum(rows[i] * weight(i, j) for i in grid) for j in grid]
    spread = math.fsum(
        shares[i][j]
        * (weight(i, j) * (1 - expected) - (by_row[i] + by_column[j]) * (1 - observed))
        ** 2
        for i in grid
        for j in grid
    )
    variance = spread - (observed * expected - 2 * expected + observed) ** 2
    se = math.sqrt(max(0.0, variance) / sum(map(sum, table))) / (1 - expected) ** 2
    half = NormalDist().inv_cdf((1 + confidence) / 2) * se
    return Interval(max(-1.0, value - half), min(1.0, value + half))


def gwet_ac1(table: Sequence[Sequence[float]]) -> float:
    """Gwet's AC1 of a square table of counts (Gwet 2008; docs/methods.md §5.1).

    Stays near the plain agreement where most cases pass and kappa collapses. At most 1.
    Raises ValueError as `kappa` does.
    """
    shares = _shares(table)
    observed = _observed(shares, _agreement_weights(len(shares), None))
    middle = [(row + column) / 2 for row, column in zip(*_margins(shares), strict=True)]
    chance = math.fsum(share * (1 - share) for share in middle) / (len(middle) - 1)
    return (observed - chance) / (1 - chance)


def gwet_ac1_interval(
    table: Sequence[Sequence[float]], confidence: float = 0.95
) -> Interval:
    """Large-sample interval of `gwet_ac1`, by linear approximation (Gwet 2008).

    Within [-1, 1]. Raises ValueError as `kappa` does, and unless confidence is strictly
    between 0 and 1.
    """
    check_inside("Confidence", confidence)
    shares, value = _shares(table), gwet_ac1(table)
    middle = [(row + column) / 2 for row, column in zip(*_margins(shares), strict=True)]
    others = len(middle) - 1
    chance = math.fsum(share * (1 - share) for share in middle) / others
    grid = range(len(shares))
    # What a little more of each cell adds to AC1.
    slopes = [
        [
            ((i == j) - (1 - middle[i] - middle[j]) * (1 - value) / others)
            / (1 - chance)
            for j in grid
        ]
        for i in grid
    ]
    cells = [(shares[i][j], slopes[i][j]) for i in grid for j in grid]
    mean = math.fsum(share * slope for share, slope in cells)
    variance = math.fsum(share * (slope - mean) ** 2 for share, slope in cells)
    n = math.fsum(map(math.fsum, table))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance / n)
    return Interval(max(-1.0, value - half), min(1.0, value + half))


def smoothed(table: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return a table with two cases more, spread evenly over its cells.

    Large-sample intervals are made of it (docs/methods.md §5.1): with few cases an
    empty cell would count as impossible. Raises ValueError as `kappa` does.
    """
    _shares(table)
    more = 2 / len(table) ** 2
    return [[count + more for count in row] for row in table]


def rogan_gladen(  # noqa: PLR0913 - the published formula has these inputs
    positive_rate: float,
    n: float,
    sensitivity: float,
    n_positive: float,
    specificity: float,
    n_negative: float,
    smooth: bool = True,
    confidence: float = 0.95,
) -> JudgedRate:
    """Pass rate behind a 0/1 judge with known errors.

    See docs/methods.md §5.4 (Rogan and Gladen 1978). The judge passed `positive_rate`
    of `n` cases; people passed `n_positive` labelled cases, of which it passed the
    share `sensitivity`, and failed `n_negative`, of which it failed `specificity`.
    `smooth` adds half a case to each share; counts may be effective ones, of clusters.
    Raises ValueError for shares outside [0, 1], counts below 1, or a judge whose
    sensitivity and specificity add up to less than 1.3.
    """
    check_range("Shares", [positive_rate, sensitivity, specificity])
    check_inside("Confidence", confidence)
    if min(n, n_positive, n_negative) < 1:
        raise ValueError(
            "Judged, positive and negative cases must be 1 or more, "
            f"got {n}, {n_positive} and {n_negative}."
        )
    if smooth:
        sensitivity = (sensitivity * n_positive + 0.5) / (n_positive + 1)
        specificity = (specificity * n_negative + 0.5) / (n_negative + 1)
    slope = sensitivity + specificity - 1
    if slope + 1 < MIN_JUDGE - TINY:
        raise ValueError(
            f"Sensitivity and specificity must add up to {MIN_JUDGE} or more to "
            f"correct a pass rate, got {slope + 1:.3f}."
        )
    quality = min(1.0, max(0.0, (positive_rate + specificity - 1) / slope))
    variance = (
        positive_rate * (1 - positive_rate) / n
        + (1 - quality) ** 2 * specificity * (1 - specificity) / n_negative
        + quality**2 * sensitivity * (1 - sensitivity) / n_positive
    )
    se = math.sqrt(variance) / slope
    half = NormalDist().inv_cdf((1 + confidence) / 2) * se
    return JudgedRate(quality, se, max(0.0, quality - half), min(1.0, quality + half))


def poststratified(  # noqa: PLR0913 - four counts of labels, two of verdicts
    n_pass: float,
    n_fail: float,
    k11: int,
    k10: int,
    k01: int,
    k00: int,
    confidence: float = 0.95,
    widening: float = 1.0,
) -> Posterior:
    """Pass rate by people, from a 0/1 judge and a few labels.

    See docs/methods.md §5.2 (Hofer et al. 2024). The judge passed `n_pass` cases and
    failed `n_fail`, which may be fractional where a case has several samples. Of the
    labelled ones, people passed k11 and failed k10 that it passed, passed k01 and
    failed k00 that it failed. The posterior (Jeffreys priors) is summed up as a Beta of
    equal mean and variance, which `widening` multiplies where clusters do. Raises
    ValueError for a negative count or no judged case.
    """
    import scipy.special

    check_counts("Cases", [n_pass, n_fail, k11, k10, k01, k00])
    check_inside("Confidence", confidence)
    if n_pass + n_fail == 0:
        raise ValueError("A calibrated pass rate needs 1 or more judged cases, got 0.")
    share, var_share = _beta_moments(n_pass, n_fail)
    right, var_right = _beta_moments(k11, k10)
    wrong, var_wrong = _beta_moments(k01, k00)
    mean = share * right + (1 - share) * wrong
    variance = (
        var_share * (right - wrong) ** 2
        + (share**2 + var_share) * var_right
        + ((1 - share) ** 2 + var_share) * var_wrong
    )
    variance *= widening
    size = max(_LEAST_SIZE, mean * (1 - mean) / variance - 1)
    shape, tail = (mean * size, (1 - mean) * size), (1 - confidence) / 2
    low, high = scipy.special.betaincinv(*shape, [tail, 1 - tail])
    return Posterior(mean, math.sqrt(variance), float(low), float(high))


def ppi(
    labels: Sequence[float],
    judged: Sequence[float],
    unlabelled: Sequence[float],
    lam: float | None = None,
    confidence: float = 0.95,
    student: bool = True,
) -> PredictionPowered:
    """Mean label, from a graded judge and a few labels (PPI++; docs/methods.md §5.3).

    `labels` by people and `judged` scores of the same cases; `unlabelled` are judged
    scores of further cases. `lam` is the weight of the judge, 0 for labels only; None
    picks the one of least variance. `student` takes t with n - 1 degrees of freedom and
    unbiased variances; without it, z and plain ones, as Angelopoulos, Duchi and Zrnic
    (2023) do, which covers too little with few labels. Raises ValueError for unequal
    lengths, fewer than two labels, no unlabelled case, a value that is not finite or
    lam outside [0, 1].
    """
    check_paired("Labels and judged scores", labels, judged)
    check_size("Labels", labels, 2)
    check_size("Unlabelled scores", unlabelled, 1)
    check_finite("Scores", [*labels, *judged, *unlabelled])
    check_inside("Confidence", confidence)
    if lam is None:
        lam = _best_lam(labels, judged, unlabelled)
    check_range("lam", [lam])
    gaps = [label - lam * score for label, score in zip(labels, judged, strict=True)]
    mean = lam * _mean(unlabelled) + _mean(gaps)
    ddof = int(student)
    variance = lam**2 * _variance(unlabelled, ddof) / len(unlabelled)
    variance += _variance(gaps, ddof) / len(gaps)
    half = _quantile(confidence, len(gaps), student) * math.sqrt(variance)
    return PredictionPowered(lam, mean, mean - half, mean + half)


def graded_quality(
    labels: Sequence[float],
    judged: Sequence[float],
    unlabelled: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
) -> QualityInterval:
    """Mean label in [0, 1] as `ppi` estimates it, with an interval of Wilson's shape.

    Near 1 the mean of few labels is skewed, and mean +- t SE covers too little
    (docs/methods.md §5.3). `clusters` are those of the labels, then those of the
    unlabelled. Raises ValueError as `ppi` does.
    """
    found, df = ppi(labels, judged, unlabelled), float(len(labels) - 1)
    se = (found.high - found.low) / (2 * _quantile(0.95, len(labels), student=True))
    if clusters is not None and len(set(clusters)) < len(clusters):
        gaps = [y - found.lam * f for y, f in zip(labels, judged, strict=True)]
        others = [found.lam * f for f in unlabelled]
        sides = [(side, _mean(side)) for side in (gaps, others)]
        parts = [(one - mean) / len(side) for side, mean in sides for one in side]
        se *= math.sqrt(design_effect(parts, clusters))
        own = clusters[: len(labels)]
        # Labels of one cluster alone say the least there is of others.
        df = min(df, degrees_of_freedom(own) if len(set(own)) > 1 else 1.0)
    mean = min(1.0, max(0.0, found.mean))
    varies = se > TINY and 0 < mean < 1
    n_eff = mean * (1 - mean) / se**2 if varies else float(len(labels))
    return QualityInterval(mean, *effective_wilson(mean, n_eff, df=df), n_eff)


def _best_lam(
    labels: Sequence[float], judged: Sequence[float], unlabelled: Sequence[float]
) -> float:
    pooled = _variance([*judged, *unlabelled], 1)
    if pooled == 0:
        return 0.0
    centre, middle = _mean(labels), _mean(judged)
    covariance = _mean(
        [(y - centre) * (f - middle) for y, f in zip(labels, judged, strict=True)]
    )
    best = covariance / ((1 + len(labels) / len(unlabelled)) * pooled)
    return min(1.0, max(0.0, best))


def _quantile(confidence: float, n: int, student: bool) -> float:
    if not student:
        return NormalDist().inv_cdf((1 + confidence) / 2)
    return distributions.student(n - 1, 1 - confidence)


def _beta_moments(successes: float, failures: float) -> tuple[float, float]:
    size = successes + failures + 1
    mean = (successes + 0.5) / size
    return mean, mean * (1 - mean) / (size + 1)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float], ddof: int) -> float:
    mean = _mean(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return squares / max(1, len(values) - ddof)


def _shares(table: Sequence[Sequence[float]]) -> list[list[float]]:
    check_size("Categories", table, 2)
    for row in table:
        check_paired("Rows and columns", table, row)
        check_counts("Cells", row)
    total = math.fsum(map(math.fsum, table))
    if total == 0:
        raise ValueError("Agreement needs 1 or more cases, got a table of zeros.")
    return [[count / total for count in row] for row in table]


def _margins(shares: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    return [math.fsum(row) for row in shares], [
        math.fsum(column) for column in zip(*shares, strict=True)
    ]


def _agreement_weights(
    size: int, weights: Weights | None
) -> Callable[[int, int], float]:
    """Credit for a disagreement: 1 on the diagonal, 0 in the far corner."""
    if weights is None:
        return lambda i, j: float(i == j)
    powers = {"linear": 1, "quadratic": 2}
    if weights not in powers:
        raise ValueError(
            f'Weights must be None, "linear" or "quadratic", got {weights!r}.'
        )
    return lambda i, j: float(1 - (abs(i - j) / (size - 1)) ** powers[weights])


def _observed(
    shares: Sequence[Sequence[float]], weight: Callable[[int, int], float]
) -> float:
    return math.fsum(
        weight(i, j) * share
        for i, row in enumerate(shares)
        for j, share in enumerate(row)
    )


def _expected(
    shares: Sequence[Sequence[float]], weight: Callable[[int, int], float]
) -> float:
    rows, columns = _margins(shares)
    return _observed([[row * column for column in columns] for row in rows], weight)
