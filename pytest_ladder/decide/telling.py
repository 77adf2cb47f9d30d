"""Telling: how much more data would tell two rungs apart, and what that would cost.

From the rows at hand: how their scores differ from case to case, how much samples of a
case differ, and how far a judge errs. See docs/methods.md §2.3.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import Comparison
from pytest_ladder.decide.cost import calls_of, distinct, usd_of
from pytest_ladder.decide.evidence import MANY, Evidence
from pytest_ladder.decide.matrix import Unit, unit_scores
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.clusters import clustered_se
from pytest_ladder.stats.intervals import (
    MIN_CLUSTERS,
    quality_interval,
    resampled_mean,
)
from pytest_ladder.stats.paired import minimum_detectable
from pytest_ladder.stats.planning import (
    binary_cases_to_tell,
    cases_to_tell,
    draws_to_tell,
    reach,
)
from pytest_ladder.stats.sums import total
from pytest_ladder.text import numbers

LEAST_LABELS = 25
"""Labels of each of two rungs, below which a judge decides nothing (docs/methods.md
§5.5: 50 in all)."""
ASSUMED_DISCORDANCE = 0.2
"""Share of cases on which two rungs are taken to differ before anything was run."""
_ONE_OF_TWO_TAILS = 0.025


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """What one more reply of each of the two rungs takes, judges included."""

    calls: float
    usd: float | None
    """None: a price is unknown."""


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """How far a judge errs, as labels have it."""

    sensitivity: float
    specificity: float
    labels: tuple[int, int]
    """Labels that each of the two rungs has."""
    assumed: bool
    """Whether nobody labelled enough, so that both shares are made up."""
    missing: tuple[str, ...] = ()
    """Sentences on labels that the rungs lack before their judged level may decide."""
    graded: bool = False
    """Whether it gives grades, of which the two shares say nothing."""

    @property
    def shows(self) -> float:
        """How much of a difference the judge's verdicts show, in (-1, 1]."""
        if self.graded:
            return 1.0
        return self.sensitivity + self.specificity - 1


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one thing it takes."""

    needed: int | None
    """None: no number will do, or nobody knows: `why_not`."""
    now: float
    why_not: str = ""
    calls: int = 0
    """Calls for what is not there yet."""
    usd: float | None = 0.0
    """What these cost; None: unknown."""


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to tell two rungs apart with 80 % power."""

    level: Level
    rungs: tuple[str, str]
    gap: float
    """The difference that is to be told, in (0, 1]."""
    n: int
    """Cases that both finished; 0: nothing was run, and all is assumed."""
    clusters: int | None
    """How many clusters these are in; None: in none."""
    differ: int
    """Those of them on which the two rungs differ."""
    gain: Comparison | None
    """How they compare by now; None: no case in common."""
    sees: float | None
    """The difference that the cases at hand tell with that power; None: no cases."""
    cases: Amount
    cases_between: tuple[int, int] | None
    """The same by the ends of a 95 % interval; None: too few to say."""
    samples: Amount
    """Of each case, with the cases at hand."""
    labels: Amount | None
    """Of each rung, with the cases at hand; None: no judge decides the level."""
    judge: Judge | None
    stopped: tuple[str, ...] = ()
    """Which of the two rungs were stopped before all cases ran."""


class _Spread(NamedTuple):
    """How the differences of single cases spread."""

    variance: float
    """Of a mean over n cases it is this by n; of 0/1 scores the share that differs."""
    low: float | None
    """Lower end of its 95 % interval; None: nothing is known."""
    high: float | None
    size: float = 1.0
    """By how much a case differs that does; of 0/1 scores 1."""
    is_binary: bool = True

    def cases(self, gap: float, variance: float | None = None) -> int:
        """Return how many cases tell `gap`.

        Rungs that hardly ever differed would do so more often with such a gap.
        """
        given = self.variance if variance is None else variance
        if self.is_binary:
            return max(MANY, binary_cases_to_tell(min(1.0, given), gap))
        least = gap * self.size - gap * gap
        return max(MANY, cases_to_tell(max(given, least), gap))


class _Hand(NamedTuple):
    """What there is to plan from."""

    spread: _Spread
    n: int
    per_case: float
    """Samples of a case."""
    draw: Draw
    shown: float
    """The difference, in (0, 1], as the scores show it."""


def pair_of(
    qualities: Mapping[str, float], recommended: str | None
) -> tuple[str, str] | None:
    """Return the recommended rung, or the best, and the best of the others.

    None with fewer than two measured rungs.
    """
    ranked = sorted(qualities, key=lambda rung: (-qualities[rung], rung))
    if len(ranked) < 2:
        return None
    first = next((rung for rung in ranked if rung == recommended), ranked[0])
    return first, next(rung for rung in ranked if rung != first)


def telling(
    rows: Sequence[Row],
    evidence: Evidence,
    level: Level,
    rungs: tuple[str, str],
    gap: float,
    judge: Judge | None = None,
) -> Telling:
    """Plan from rows: `gap` is the difference in (0, 1] that is to be told.

    `judge` is given where a model's word is the score. Raises ValueError where the two
    rungs share no case.
    """
    first, second = rungs
    own, others = evidence.scores(level, first), evidence.scores(level, second)
    units = [unit for unit in own if unit in others]
    if not units:
        raise ValueError(f"{first} and {second} share no case at the {level} level.")
    gains = [own[unit] - others[unit] for unit in units]
    clusters = evidence.clusters(level, units)
    graded = [
        [row for row in rows if row.rung == rung and row.level is level]
        for rung in rungs
    ]
    drawn = [_samples(group) for group in graded]
    samples = sum(len(of) for by_case in drawn for of in by_case.values())
    hand = _Hand(
        spread=_spread(gains, clusters),
        n=len(units),
        per_case=samples / sum(map(len, drawn)),
        draw=_draw(graded),
        shown=gap if judge is None else gap * judge.shows,
    )
    return Telling(
        level=level,
        rungs=rungs,
        gap=gap,
        n=hand.n,
        clusters=None if clusters is None else len(set(clusters)),
        differ=sum(abs(change) > TINY for change in gains),
        gain=evidence.compare(level, first, second),
        sees=_sees(hand.spread, hand.n) * gap / hand.shown,
        cases=_cases(hand),
        cases_between=_between(hand),
        samples=_more_samples(hand, drawn, gap / hand.shown),
        labels=None if judge is None else _labels(evidence, level, rungs, gap, judge),
        judge=judge,
    )


def assumed_telling(
    level: Level,
    rungs: tuple[str, str],
    gap: float,
    draw: Draw,
    judge: Judge | None = None,
) -> Telling:
    """Plan before anything was run: one case in five is taken to differ."""
    hand = _Hand(
        spread=_Spread(ASSUMED_DISCORDANCE, None, None),
        n=0,
        per_case=1.0,
        draw=draw,
        shown=gap if judge is None else gap * judge.shows,
    )
    nothing = Amount(needed=None, now=0, why_not="known after the first run")
    return Telling(
        level=level,
        rungs=rungs,
        gap=gap,
        n=0,
        clusters=None,
        differ=0,
        gain=None,
        sees=None,
        cases=_cases(hand),
        cases_between=None,
        samples=nothing,
        labels=None if judge is None else nothing,
        judge=judge,
    )


def _spread(gains: Sequence[float], clusters: Sequence[Hashable] | None) -> _Spread:
    n = len(gains)
    mean = math.fsum(gains) / n
    varies = any(abs(gain - mean) > TINY for gain in gains)
    if not varies or (clusters is None and all(gain in (-1, 0, 1) for gain in gains)):
        share, low, high, _ = quality_interval([gain**2 for gain in gains], clusters)
        return _Spread(share, low, high)
    # Halved, they lie in [0, 1] when they are squared.
    squares = [((gain - mean) / 2) ** 2 for gain in gains]
    _, low, high, _ = quality_interval(squares, clusters)
    variance = alone = math.fsum(squares) * 4 / (n - 1)
    if clusters is not None and len(set(clusters)) >= MIN_CLUSTERS:
        variance = n * clustered_se(gains, clusters) ** 2
    size = math.fsum(gain**2 for gain in gains) / math.fsum(map(abs, gains))
    # What clusters add to a variance they add to the ends of its interval.
    low, high = (
        None if end is None else 4 * end * variance / alone for end in (low, high)
    )
    return _Spread(variance, low, high, size, is_binary=False)


def _sees(spread: _Spread, n: int) -> float:
    """Return the difference that n cases tell, at most 1."""
    sees = minimum_detectable(min(1.0, spread.variance), n, _ONE_OF_TWO_TAILS)
    return max(sees, spread.size / (1 + n / reach() ** 2))


def _cases(hand: _Hand) -> Amount:
    needed = hand.spread.cases(hand.shown)
    more = max(0, needed - hand.n) * hand.per_case
    return _amount(needed, hand.n, more, hand.draw)


def _between(hand: _Hand) -> tuple[int, int] | None:
    low, high = hand.spread.low, hand.spread.high
    if low is None or high is None:
        return None
    fewest, most = (hand.spread.cases(hand.shown, end) for end in (low, high))
    return fewest, most


def _more_samples(
    hand: _Hand, drawn: Sequence[Mapping[Unit, list[float]]], unshown: float
) -> Amount:
    """Say how many samples it takes with the cases at hand (docs/methods.md §1.3).

    `unshown` is how much larger a difference is than the scores show it.
    """
    now, n = hand.per_case, hand.n
    each, by_now = 0.0, 0.0
    for by_case in drawn:
        samples = list(by_case.values())
        within = resampled_mean(samples).within if len(samples) > 1 else None
        if within is None:
            why = "with a single sample of each case nobody knows how much these differ"
            return Amount(needed=None, now=now, why_not=why)
        each += within
        by_now += within * math.fsum(1 / len(of) for of in samples) / len(samples)
    variance = hand.spread.variance
    if hand.spread.is_binary:
        variance = max(0.0, variance - hand.shown**2)
    floor = max(0.0, variance - by_now) / n
    needed = draws_to_tell(each / n, floor, hand.shown)
    if needed is None:
        least = min(1.0, reach() * math.sqrt(floor) * unshown)
        told = numbers.points(least).removeprefix("+")
        why = f"no number will do: {n:,} cases tell {told} at best"
        return Amount(needed=None, now=now, why_not=why)
    return _amount(needed, now, max(0.0, needed - now) * n, hand.draw)


def _labels(
    evidence: Evidence,
    level: Level,
    rungs: tuple[str, str],
    gap: float,
    judge: Judge,
) -> Amount:
    """Say how many labels of each rung it takes, drawn at random.

    Of a rung with the true quality q labels within the judge's passes and fails leave
    the variance E[Var(right | verdict)] by their number, and its n verdicts leave
    Var(E[right | verdict]) by n (docs/methods.md §5.2); the two add up to q (1 - q).
    """
    now = min(judge.labels)
    if judge.graded:
        why = "planned for verdicts of pass and fail only, and this judge gives grades"
        return Amount(needed=None, now=now, why_not=why)
    each = floor = 0.0
    for rung in rungs:
        scores = evidence.scores(level, rung).values()
        passed = math.fsum(scores) / len(scores)
        right = evidence.quality(level, rung)
        if evidence.calibrated(level, rung) is None:
            right = (passed + judge.specificity - 1) / judge.shows
        right = min(1.0, max(0.0, right))
        hits, false = right * judge.sensitivity, (1 - right) * (1 - judge.specificity)
        parts = ((hits, false), (right - hits, 1 - right - false))
        left = math.fsum(a * b / (a + b) for a, b in parts if a + b > TINY)
        each += left
        floor += (right * (1 - right) - left) / len(scores)
    needed = draws_to_tell(each, max(0.0, floor), gap)
    if needed is None:
        return Amount(needed=None, now=now, why_not="no number will do: add cases")
    return Amount(needed=max(LEAST_LABELS, needed), now=now)


def _amount(needed: int, now: float, draws: float, draw: Draw) -> Amount:
    usd = None if draw.usd is None else draws * draw.usd
    # What rounding adds to a whole number of calls must not make it the next one.
    calls = math.ceil(round(draws * draw.calls, 6))
    return Amount(needed=needed, now=now, calls=calls, usd=usd if calls else 0.0)


def _samples(rows: Sequence[Row]) -> dict[Unit, list[float]]:
    """Return the score of each sample of each case."""
    by_sample: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_sample[row.sample].append(row)
    found: defaultdict[Unit, list[float]] = defaultdict(list)
    for of_sample in by_sample.values():
        for unit, score in unit_scores(of_sample).items():
            found[unit].append(score)
    return found


def _draw(graded: Sequence[Sequence[Row]]) -> Draw:
    """Return what a sample of a case takes on both rungs, by the rows of each."""
    calls, usd = 0.0, []
    for rows in graded:
        draws = len({(row.source, row.case, row.sample) for row in rows})
        bills = distinct(
            bill for row in rows for bill in (*row.replies, *row.evaluations)
        )
        made = calls_of(bills)
        calls += (made.live + made.replayed) / draws
        cost = total(usd_of(bill) for bill in bills) if bills else 0.0
        usd.append(None if cost is None else cost / draws)
    return Draw(calls=calls, usd=total(usd))
