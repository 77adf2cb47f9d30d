"""How far a judge and people agree, and people with each other.

See docs/methods.md §5.1.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from pytest_ladder.judging.calibration.labels import JudgedReply, Label
from pytest_ladder.stats.agreement import (
    gwet_ac1,
    gwet_ac1_interval,
    kappa,
    kappa_interval,
    smoothed,
)
from pytest_ladder.stats.intervals import Interval, wilson

Table = list[list[int]]
"""Counts: rows by one rater, columns by the other."""


class IntervalEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """A number with its 95 % interval."""

    value: float
    low: float | None
    """None where no interval can be given."""
    high: float | None
    n: int
    """What it was counted in: labels, or replies."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far two who graded the same replies agree."""

    n: int
    table: tuple[tuple[int, int], tuple[int, int]]
    """Counts: rows pass and fail by the judge, columns by people."""
    accuracy: IntervalEstimate
    kappa: IntervalEstimate | None
    """With quadratic weights for grades; None: both only ever gave one answer."""
    ac1: IntervalEstimate
    """Gwet's AC1 of pass and fail: holds where most replies pass and kappa does not."""


class JudgeAgreement(Agreement, frozen=True, kw_only=True):
    """How far a judge agrees with people."""

    sensitivity: IntervalEstimate | None
    """Share of what people pass that the judge passes; None: they passed nothing."""
    specificity: IntervalEstimate | None
    """Share of what people fail that the judge fails; None: they failed nothing."""
    baseline: float
    """Accuracy of always giving the answer that people give more often."""

    @property
    def commoner(self) -> str:
        """The answer that people give more often: `pass` or `fail`."""
        (k11, _), (k01, _) = self.table
        return "pass" if 2 * (k11 + k01) >= self.n else "fail"

    @property
    def power(self) -> float | None:
        """Sensitivity + specificity, as a correction takes them: half a case added.

        A coin has 1, a perfect judge nearly 2; None where either is.
        """
        shares = (self.sensitivity, self.specificity)
        if None in shares:
            return None
        return sum((s.value * s.n + 0.5) / (s.n + 1) for s in shares if s is not None)


class Pair(NamedTuple):
    """A judged reply and what people say of it."""

    judged: JudgedReply
    value: float
    passed: bool


def pair_of(judged: JudgedReply, labels: Sequence[Label]) -> Pair:
    """Unite what several raters say of one reply."""
    share = statistics.fmean(label.passed for label in labels)
    passed = labels[0].passed if share == 0.5 else share > 0.5
    value = statistics.fmean(label.value for label in labels)
    return Pair(judged, value if judged.verdict.graded else float(passed), passed)


def judge_agreement(pairs: Sequence[Pair]) -> JudgeAgreement:
    """Compare a judge with people; raises ValueError without a labelled reply."""
    verdicts = [(p.judged.verdict.score, p.judged.verdict.passed) for p in pairs]
    both = _agreement(
        verdicts,
        [(pair.value, pair.passed) for pair in pairs],
        graded=pairs[0].judged.verdict.graded,
    )
    (k11, k10), (k01, k00) = both.table
    return JudgeAgreement(
        **msgspec.structs.asdict(both),
        sensitivity=_share(k11, k11 + k01) if k11 + k01 else None,
        specificity=_share(k00, k00 + k10) if k00 + k10 else None,
        baseline=max(k11 + k01, k10 + k00) / both.n,
    )


def people_agreement(labelled: Iterable[Sequence[Label]]) -> Agreement | None:
    """Compare the first rater of each reply with the second."""
    doubles = [labels[:2] for labels in labelled if len(labels) > 1]
    if not doubles:
        return None
    graded = any(isinstance(label.verdict, int) for two in doubles for label in two)
    first, second = (
        [(two[rater].value, two[rater].passed) for two in doubles] for rater in (0, 1)
    )
    return _agreement(first, second, graded=graded)


def cross_table(rows: Sequence[int], columns: Sequence[int], size: int) -> Table:
    """Count how often each category of `rows` meets each of `columns`."""
    table = [[0] * size for _ in range(size)]
    for row, column in zip(rows, columns, strict=True):
        table[row][column] += 1
    return table


def _agreement(
    first: Sequence[tuple[float, bool]],
    second: Sequence[tuple[float, bool]],
    *,
    graded: bool,
) -> Agreement:
    """Compare two raters, who gave each reply a score and passed it or not."""
    table = cross_table([not p for _, p in first], [not p for _, p in second], 2)
    n = len(first)
    grades = table
    if graded:
        grades = cross_table(
            [round(4 * score) for score, _ in first],
            [round(4 * score) for score, _ in second],
            5,
        )
    return Agreement(
        n=n,
        table=((table[0][0], table[0][1]), (table[1][0], table[1][1])),
        accuracy=_share(table[0][0] + table[1][1], n),
        kappa=_kappa(grades, n, graded=graded),
        ac1=_around(gwet_ac1(table), gwet_ac1_interval(smoothed(table)), n),
    )


def _kappa(table: Table, n: int, *, graded: bool) -> IntervalEstimate | None:
    weights: Literal["quadratic"] | None = "quadratic" if graded else None
    value, interval = kappa(table, weights), kappa_interval(smoothed(table), weights)
    if value is None or interval is None:
        return None
    return _around(value, interval, n)


def _around(value: float, interval: Interval, n: int) -> IntervalEstimate:
    """Return a value with an interval that smoothing may have moved off it."""
    low, high = min(value, interval.low), max(value, interval.high)
    return IntervalEstimate(value=value, low=low, high=high, n=n)


def _share(part: int, n: int) -> IntervalEstimate:
    return IntervalEstimate(value=part / n, **wilson(part, n)._asdict(), n=n)
