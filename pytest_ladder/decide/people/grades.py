"""What people think of single replies: each rung's own, and against what ships."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection

import msgspec

from pytest_ladder.decide.people.sums import People
from pytest_ladder.stats.intervals import quality_interval
from pytest_ladder.stats.paired import gain_interval
from pytest_ladder.stats.preferences import MIN_CASES


class GradeGain(msgspec.Struct, frozen=True, kw_only=True):
    """A rung minus another one, on the cases that people graded of both."""

    against: str
    gain: float
    """Of scores in [0, 1]."""
    low: float | None = None
    """Lower end of the paired 95 % interval; None with fewer than 6 cases."""
    high: float | None = None
    cases: int = 0

    @property
    def better(self) -> bool | None:
        """Whether people think better of it; None: not established either way."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return None
        return self.low > 0


class RungGraded(msgspec.Struct, frozen=True, kw_only=True):
    """What people think of one rung's replies."""

    rung: str
    score: float
    """Share of yes, or the mean of grades with 1 as 0 and 5 as 1: first over the
    verdicts on a case, then over cases."""
    low: float | None = None
    """Lower end of the 95 % interval; None with too few cases or clusters."""
    high: float | None = None
    cases: int = 0
    verdicts: int = 0
    gain: GradeGain | None = None
    """Against the rung that ships; None where no case was graded of both."""


def grades_of(people: People, current: str | None) -> tuple[RungGraded, ...]:
    """Return what people think of each rung that they graded, in the order of names."""
    # The mean score of each case, by rung.
    scores: defaultdict[str, dict[int, float]] = defaultdict(dict)
    clusters = {grade.case: grade.cluster for grade in people.grades}
    verdicts: defaultdict[str, int] = defaultdict(int)
    for grade in people.grades:
        rung = people.rungs[grade.rung]
        scores[rung][grade.case] = grade.total / grade.verdicts
        verdicts[rung] += grade.verdicts
    shipped = scores.get(current or "", {})
    return tuple(
        _graded(
            rung,
            of,
            clusters,
            verdicts[rung],
            _gain(current or "", of, shipped, clusters),
        )
        for rung, of in sorted(scores.items())
    )


def _graded(
    rung: str,
    scores: dict[int, float],
    clusters: dict[int, int],
    verdicts: int,
    gain: GradeGain | None,
) -> RungGraded:
    found = quality_interval(list(scores.values()), _labels(scores, clusters))
    few = len(scores) < MIN_CASES
    return RungGraded(
        rung=rung,
        score=found.mean,
        low=None if few else found.low,
        high=None if few else found.high,
        cases=len(scores),
        verdicts=verdicts,
        gain=gain,
    )


def _gain(
    against: str,
    scores: dict[int, float],
    shipped: dict[int, float],
    clusters: dict[int, int],
) -> GradeGain | None:
    common = [case for case in scores if case in shipped]
    if not common or scores is shipped:
        return None
    gains = [scores[case] - shipped[case] for case in common]
    labels = _labels(common, clusters)
    low = high = None
    if len(set(labels or common)) >= MIN_CASES:
        low, high = gain_interval(gains, labels)
    return GradeGain(
        against=against,
        gain=math.fsum(gains) / len(gains),
        low=low,
        high=high,
        cases=len(common),
    )


def _labels(cases: Collection[int], clusters: dict[int, int]) -> list[int] | None:
    """Name the cluster of each case; None where each is one by itself."""
    names = [clusters[case] for case in cases]
    return names if len(set(names)) < len(names) else None
