"""Quality of a rung as a judge sees it, and corrected by labels.

See docs/methods.md §5.2 to §5.4.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import msgspec

from pytest_ladder.judging.calibration.agreement import (
    Estimate,
    JudgeAgreement,
    Pair,
    cross_table,
)
from pytest_ladder.judging.calibration.labels import MIN_STRATUM, JudgedReply
from pytest_ladder.stats.agreement import MIN_JUDGE, poststratified, ppi, rogan_gladen
from pytest_ladder.stats.intervals import quality_interval

MIN_LABELS = 20
"""With fewer labels a judge is uncalibrated (docs/methods.md §5.5)."""
MIN_TO_GATE = 50
"""With fewer labels no calibrated quality may hold a gate (docs/methods.md §5.5)."""
MIN_ON_RUNG = 10
"""With fewer labels of its own a rung borrows those of the others.

See docs/methods.md §5.4.
"""

Method = Literal["post-stratified", "PPI++", "labels only", "transferred"]


class RungQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of a rung as the judge sees it, and corrected by labels."""

    rung: str
    labels: int
    """Labelled replies of this rung."""
    raw: Estimate
    calibrated: Estimate | None = None
    method: Method | None = None
    """`transferred`: by the judge's errors on other rungs, which may differ here."""
    why_not: str = ""
    """Why there is no calibrated quality."""
    may_gate: bool = False
    """Whether the calibrated quality may hold a gate."""


def rung_quality(
    rung: str,
    judged: Sequence[JudgedReply],
    pairs: Sequence[Pair],
    agreement: JudgeAgreement | None,
) -> RungQuality:
    """Return the quality of one rung, whose verdicts are `judged`, one per sample.

    `pairs` are the labelled replies of all rungs, and `agreement` what they say of the
    judge. The unit is the case, (source, id), as in the matrix.
    """
    own = [pair for pair in pairs if pair.judged.rung == rung]
    scores = _by_case(judged)
    mean, low, high, _ = quality_interval(scores)
    raw = Estimate(value=mean, low=low, high=high, n=len(scores))
    quality = RungQuality(rung=rung, labels=len(own), raw=raw)
    if agreement is None or len(pairs) < MIN_LABELS:
        why = f"uncalibrated: {len(pairs)} of {MIN_LABELS} labels"
        return msgspec.structs.replace(quality, why_not=why)
    if len(own) < MIN_ON_RUNG:
        return _transferred(quality, agreement, graded=judged[0].verdict.graded)
    graded = judged[0].verdict.graded
    method, calibrated = _powered(judged, own) if graded else _stratified(judged, own)
    return msgspec.structs.replace(
        quality,
        calibrated=calibrated,
        method=method,
        may_gate=(
            len(pairs) >= MIN_TO_GATE
            and not too_few(own, judged)
            and (agreement.power or 0.0) >= MIN_JUDGE
        ),
    )


def too_few(
    pairs: Sequence[Pair], judged: Sequence[JudgedReply]
) -> list[tuple[str, int]]:
    """Return the verdicts with too few labels, as far as there are replies to label."""
    short = []
    for said, passed in (("passed", True), ("failed", False)):
        have = sum(pair.judged.verdict.passed is passed for pair in pairs)
        exist = len({j.key for j in judged if j.verdict.passed is passed})
        if have < min(MIN_STRATUM, exist):
            short.append((said, have))
    return short


def with_misses(quality: Estimate, misses: int) -> Estimate:
    """Return a quality of judged cases as one of all, where `misses` more are misses.

    Their share is estimated, too: the variance is that of a product of independent
    factors, and the interval that of a Beta of equal mean and variance, as in
    docs/methods.md §5.2, but never narrower than that of the judged part.
    """
    if misses == 0:
        return quality
    n = quality.n + misses
    share = quality.n / n
    value, low, high = share * quality.value, quality.low, quality.high
    if low is not None and high is not None:
        sd = (high - low) / (2 * NormalDist().inv_cdf(0.975))
        wobble = share * (1 - share) / n
        variance = wobble * (quality.value**2 + sd**2) + share**2 * sd**2
        bounds = _beta_bounds(value, variance)
        low, high = min(bounds[0], share * low), max(bounds[1], share * high)
    return Estimate(value=value, low=low, high=high, n=n)


def _stratified(
    judged: Sequence[JudgedReply], own: Sequence[Pair]
) -> tuple[Method, Estimate]:
    """Correct a pass rate by labels within passes and within fails.

    See docs/methods.md §5.2. A case of which only some samples pass is a part of a
    pass.
    """
    scores = _by_case(judged)
    passes = math.fsum(scores)
    table = cross_table(
        [not p.judged.verdict.passed for p in own], [not p.passed for p in own], 2
    )
    posterior = poststratified(passes, len(scores) - passes, *table[0], *table[1])
    return "post-stratified", Estimate(
        value=posterior.mean, low=posterior.low, high=posterior.high, n=len(scores)
    )


def _powered(
    judged: Sequence[JudgedReply], own: Sequence[Pair]
) -> tuple[Method, Estimate]:
    """Correct a mean grade by labels (docs/methods.md §5.3)."""
    values = [pair.value for pair in own]
    labelled = {pair.judged.key for pair in own}
    rest = [j.verdict.score for j in judged if j.key not in labelled]
    if not rest:
        mean, low, high, _ = quality_interval(values)
        return "labels only", Estimate(value=mean, low=low, high=high, n=len(own))
    estimate = ppi(values, [pair.judged.verdict.score for pair in own], rest)
    value, low, high = (min(1.0, max(0.0, x)) for x in estimate[1:])
    return "PPI++", Estimate(value=value, low=low, high=high, n=len(_by_case(judged)))


def _transferred(
    quality: RungQuality, agreement: JudgeAgreement, *, graded: bool
) -> RungQuality:
    """Correct a pass rate by the judge's errors on labels of other rungs.

    See docs/methods.md §5.4.
    """
    why = f"{quality.labels} of {MIN_ON_RUNG} labels on this rung"
    hits, rejects, power = agreement.sensitivity, agreement.specificity, agreement.power
    if graded:
        why += ", and grades cannot be transferred from others"
    elif hits is None or rejects is None or power is None:
        why += ", and on others people only ever gave one answer"
    elif power < MIN_JUDGE:
        why += (
            f", and on others sensitivity + specificity is {power:.2f}: below "
            f"{MIN_JUDGE} nothing can be transferred"
        )
    else:
        raw = quality.raw
        rate = rogan_gladen(
            raw.value, raw.n, hits.value, hits.n, rejects.value, rejects.n
        )
        moved = Estimate(value=rate.quality, low=rate.low, high=rate.high, n=raw.n)
        return msgspec.structs.replace(quality, calibrated=moved, method="transferred")
    return msgspec.structs.replace(quality, why_not=why)


def _beta_bounds(mean: float, variance: float) -> tuple[float, float]:
    import scipy.special

    if variance == 0:
        return mean, mean
    size = mean * (1 - mean) / variance - 1
    if size <= 0:
        # No Beta has such a variance: at a mean of 0, for one, none has any.
        half = NormalDist().inv_cdf(0.975) * math.sqrt(variance)
        return max(0.0, mean - half), min(1.0, mean + half)
    low, high = scipy.special.betaincinv(mean * size, (1 - mean) * size, [0.025, 0.975])
    return float(low), float(high)


def _by_case(judged: Sequence[JudgedReply]) -> list[float]:
    """Return the mean score of the samples of each case."""
    scores: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for reply in judged:
        verdict = reply.verdict
        score = verdict.score if verdict.graded else float(verdict.passed)
        scores[reply.source, reply.case].append(score)
    return [statistics.fmean(scores_of_case) for scores_of_case in scores.values()]
