"""What labels and clusters say of a judge: its errors, and how sure a correction is.

See docs/methods.md §5.2 to §5.4. Every label and every judged case is a draw of its
cluster, or of itself where it names none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from pytest_ladder.stats.checks import TINY, check_paired, check_size
from pytest_ladder.stats.clusters import degrees_of_freedom
from pytest_ladder.stats.distributions import student


class JudgeLine(NamedTuple):
    """How a judge scores what people score y: `base` + `slope` * y, on average.

    Of pass and fail `base` is 1 - specificity and `slope` sensitivity + specificity
    - 1. With the variances of both, and their covariance.
    """

    base: float
    slope: float
    var_base: float
    var_slope: float
    covariance: float
    effect: float
    """How much larger clusters of labels make the variances, from 1."""

    def variance(self, gain: float, judged: float) -> float:
        """Variance that the errors of the line give a corrected mean or difference.

        It is `gain`, and rests on a share `judged` of cases that the judge saw: 1 for
        the quality of a rung, for a difference what one side has more of them.
        """
        return (
            judged**2 * self.var_base
            + gain**2 * self.var_slope
            + 2 * judged * gain * self.covariance
        ) / self.slope**2


def judge_line(
    people: Sequence[float], judged: Sequence[float], clusters: Sequence[Hashable]
) -> JudgeLine | None:
    """Fit the line of a judge to labels; None where people only ever gave one answer.

    Least squares (docs/methods.md §5.4); of pass and fail half a case is added to both
    shares, so that no judge is taken for perfect. Raises ValueError for unequal lengths
    or no label.
    """
    check_size("Labels", people, 1)
    check_paired("Labels and judged scores", people, judged)
    check_paired("Labels and clusters", people, clusters)
    n, middle = len(people), math.fsum(people) / len(people)
    spread = math.fsum((y - middle) ** 2 for y in people)
    if spread < TINY:
        return None
    mean = math.fsum(judged) / n
    slope = math.fsum((y - middle) * f for y, f in zip(people, judged, strict=True))
    slope /= spread
    base = mean - slope * middle
    left = [f - base - slope * y for y, f in zip(people, judged, strict=True)]
    pulls = [(y - middle) / spread * r for y, r in zip(people, left, strict=True)]
    if all(score in (0, 1) for score in (*people, *judged)):
        good = round(math.fsum(people))
        hit = _smoothed(people, judged, 1)
        base = _smoothed(people, judged, 0)
        var_hit, var_base = hit * (1 - hit) / good, base * (1 - base) / (n - good)
        effect = design_effect(pulls, clusters)
        return JudgeLine(
            base,
            hit - base,
            effect * var_base,
            effect * (var_hit + var_base),
            -effect * var_base,
            effect,
        )
    # How much each label moves the base: that of its residual, less that of the slope.
    drops = [r / n - middle * pull for r, pull in zip(left, pulls, strict=True)]
    few = n / max(1, n - 2)
    first, second = _sums(drops, clusters), _sums(pulls, clusters)
    return JudgeLine(
        base,
        slope,
        few * math.fsum(a * a for a in first),
        few * math.fsum(b * b for b in second),
        few * math.fsum(a * b for a, b in zip(first, second, strict=True)),
        design_effect(pulls, clusters),
    )


def design_effect(parts: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """How much larger clusters make the variance of a sum of `parts`; 1 at least.

    `parts` are what single labels and cases add to an estimate, 0 on average (its
    influence function). 1 where nothing varies, where there are no clusters, and where
    everything is of one.
    """
    check_paired("Parts and clusters", parts, clusters)
    alone = math.fsum(part * part for part in parts)
    sums = _sums(parts, clusters)
    if alone < TINY**2 or not 1 < len(sums) < len(parts):
        return 1.0
    together = math.fsum(total * total for total in sums)
    # The jackknife's factor (CR3): that of CR1 leaves the variance of few too small.
    few = (len(sums) / (len(sums) - 1)) ** 2
    return max(1.0, few * together / alone)


def poststratified_parts(
    shares: Sequence[float], labels: Sequence[tuple[bool, bool]]
) -> list[float]:
    """What each judged case, then each label, adds to a post-stratified pass rate.

    `shares` are those of the samples of a case that the judge passed; `labels` say
    whether judge and people passed a reply (docs/methods.md §5.2).
    """
    share = math.fsum(shares) / len(shares)
    counts = {said: sum(j is said for j, _ in labels) for said in (True, False)}
    passed = {said: sum(h for j, h in labels if j is said) for said in (True, False)}
    right, wrong = ((passed[said] + 0.5) / (counts[said] + 1) for said in (True, False))
    weights = {True: (share, right), False: (1 - share, wrong)}
    cases = [(right - wrong) * (one - share) / len(shares) for one in shares]
    return cases + [weights[j][0] / counts[j] * (h - weights[j][1]) for j, h in labels]


def widening(
    parts: Sequence[float], clusters: Sequence[Hashable], judged: int
) -> float:
    """By how much clusters widen a variance behind a normal interval.

    1 without any, and where all cases are of one: nobody can tell then.

    The first `judged` of the `parts` are cases, the rest labels. With the square of
    Student's t over z, for as many clusters as there are.
    """
    cases = clusters[:judged]
    # Of one cluster alone nothing is known of how clusters differ.
    if len(set(cases)) in (1, judged):
        return 1.0
    t = student(degrees_of_freedom(cases), 0.05)
    return design_effect(parts, clusters) * (t / NormalDist().inv_cdf(0.975)) ** 2


def _smoothed(people: Sequence[float], judged: Sequence[float], said: int) -> float:
    """Share that the judge passes of what people pass (1) or fail (0)."""
    given = [f for y, f in zip(people, judged, strict=True) if y == said]
    return (math.fsum(given) + 0.5) / (len(given) + 1)


def _sums(parts: Sequence[float], clusters: Sequence[Hashable]) -> list[float]:
    members: defaultdict[Hashable, list[float]] = defaultdict(list)
    for part, cluster in zip(parts, clusters, strict=True):
        members[cluster].append(part)
    return [math.fsum(group) for group in members.values()]
