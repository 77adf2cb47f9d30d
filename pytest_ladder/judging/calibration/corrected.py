"""Quality of a rung as a judge sees it, and corrected by labels.

See docs/methods.md §5.2 to §5.4.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import msgspec

from pytest_ladder.judging.calibration.agreement import (
    IntervalEstimate,
    JudgeAgreement,
    Pair,
    cross_table,
)
from pytest_ladder.judging.calibration.labels import JudgedReply
from pytest_ladder.judging.calibration.needed import (
    MIN_ON_RUNG,
    MissingLabels,
    missing_on,
    poor,
)
from pytest_ladder.judging.calibration.pairing import unit_of
from pytest_ladder.stats.agreement import (
    MIN_JUDGE,
    graded_quality,
    poststratified,
    rogan_gladen,
)
from pytest_ladder.stats.intervals import quality_interval
from pytest_ladder.stats.judged import JudgeLine, poststratified_parts, widening

MIN_LABELS = 20
"""With fewer labels a judge is uncalibrated (docs/methods.md §5.5)."""

Method = Literal["post-stratified", "PPI++", "labels only", "transferred"]


class MeasuredJudge(NamedTuple):
    """What all labels say of a judge."""

    agreement: JudgeAgreement
    line: JudgeLine | None
    """None: people only ever gave one answer."""
    no_labels_help: bool = False
    """Whether it is known well enough to be too poor ever to decide."""


class RungQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of a rung as the judge sees it, and corrected by labels."""

    rung: str
    labels: int
    """Labelled replies of this rung."""
    raw: IntervalEstimate
    calibrated: IntervalEstimate | None = None
    method: Method | None = None
    """`transferred`: by the judge's errors on other replies, which may differ here."""
    why_not: str = ""
    """Why there is no calibrated quality."""
    may_gate: bool = False
    """Whether the calibrated quality may decide."""
    missing: MissingLabels = MissingLabels()
    """The labels that it lacks for that."""


def rung_quality(
    rung: str,
    judged: Sequence[JudgedReply],
    here: Sequence[Pair],
    pooled: Sequence[Pair],
    measured: MeasuredJudge | None,
) -> RungQuality:
    """Return the quality of one rung, whose verdicts are `judged`, one per sample.

    `here` are the labelled replies of all rungs in this run, `pooled` those of any run,
    and `measured` what these say of the judge. The unit is the case, (source, id), as
    in the matrix.
    """
    own = [pair for pair in here if pair.judged.rung == rung]
    labelled = sum(pair.judged.rung == rung for pair in pooled)
    cases = _by_case(judged)
    mean, low, high, n_eff = quality_interval(cases.scores, cases.named)
    raw = IntervalEstimate(value=mean, low=low, high=high, n=len(cases.scores))
    missing = missing_on(judged, own, pooled, labelled)
    if measured is not None and measured.no_labels_help:
        missing = MissingLabels()
    quality = RungQuality(rung=rung, labels=len(own), raw=raw, missing=missing)
    if measured is None or len(pooled) < MIN_LABELS:
        why = f"uncalibrated: {len(pooled)} of {MIN_LABELS} labels"
        return msgspec.structs.replace(quality, why_not=why)
    may_gate = not missing.all and not poor(measured.agreement)
    graded = judged[0].verdict.graded
    if len(own) < MIN_ON_RUNG:
        quality = _transferred(quality, n_eff, measured, graded=graded)
    else:
        method, calibrated = (
            _powered(judged, own, cases) if graded else _stratified(own, cases)
        )
        quality = msgspec.structs.replace(quality, calibrated=calibrated, method=method)
    value = quality.calibrated
    if value is not None and low is None:
        # There are too few clusters for an interval of any kind.
        value = msgspec.structs.replace(value, low=None, high=None)
    may_gate = may_gate and value is not None and value.low is not None
    return msgspec.structs.replace(quality, calibrated=value, may_gate=may_gate)


def with_misses(quality: IntervalEstimate, misses: int) -> IntervalEstimate:
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
    return IntervalEstimate(value=value, low=low, high=high, n=n)


def _stratified(own: Sequence[Pair], cases: _Cases) -> tuple[Method, IntervalEstimate]:
    """Correct a pass rate by labels within passes and within fails.

    See docs/methods.md §5.2. A case of which only some samples pass is a part of a
    pass.
    """
    passes, n = math.fsum(cases.scores), len(cases.scores)
    said = [(pair.judged.verdict.passed, pair.passed) for pair in own]
    table = cross_table([not j for j, _ in said], [not h for _, h in said], 2)
    parts = poststratified_parts(cases.scores, said)
    clusters = [*cases.units, *(unit_of(pair.judged) for pair in own)]
    (k11, k10), (k01, k00) = table
    wider = widening(parts, clusters, n)
    posterior = poststratified(passes, n - passes, k11, k10, k01, k00, widening=wider)
    return "post-stratified", IntervalEstimate(
        value=posterior.mean, low=posterior.low, high=posterior.high, n=n
    )


def _powered(
    judged: Sequence[JudgedReply], own: Sequence[Pair], cases: _Cases
) -> tuple[Method, IntervalEstimate]:
    """Correct a mean grade by labels (docs/methods.md §5.3)."""
    values = [pair.value for pair in own]
    labelled = {pair.judged.key for pair in own}
    units = [unit_of(pair.judged) for pair in own]
    rest = [reply for reply in judged if reply.key not in labelled]
    if not rest:
        clusters = None if cases.named is None else units
        mean, low, high, _ = quality_interval(values, clusters)
        return "labels only", IntervalEstimate(
            value=mean, low=low, high=high, n=len(own)
        )
    scores = [pair.judged.verdict.score for pair in own]
    value, low, high, _ = graded_quality(
        values,
        scores,
        [reply.verdict.score for reply in rest],
        None if cases.named is None else [*units, *map(unit_of, rest)],
    )
    return "PPI++", IntervalEstimate(
        value=value, low=low, high=high, n=len(cases.scores)
    )


def _transferred(
    quality: RungQuality, n_eff: float, measured: MeasuredJudge, *, graded: bool
) -> RungQuality:
    """Correct a pass rate by the judge's errors on labels of other replies.

    See docs/methods.md §5.4. Of clusters as many cases count as they are worth.
    """
    why = f"{quality.labels} of {MIN_ON_RUNG} labels on this rung"
    agreement, line = measured.agreement, measured.line
    hits, rejects, power = agreement.sensitivity, agreement.specificity, agreement.power
    if graded:
        why += ", and grades cannot be transferred from others"
    elif hits is None or rejects is None or power is None or line is None:
        why += ", and on others people only ever gave one answer"
    elif power < MIN_JUDGE:
        why += (
            f", and on others sensitivity + specificity is {power:.2f}: below "
            f"{MIN_JUDGE} nothing can be transferred"
        )
    else:
        raw = quality.raw
        rate = rogan_gladen(
            raw.value,
            max(1.0, n_eff),
            line.base + line.slope,
            max(1.0, hits.n / line.effect),
            1 - line.base,
            max(1.0, rejects.n / line.effect),
            smooth=False,
        )
        moved = IntervalEstimate(
            value=rate.quality, low=rate.low, high=rate.high, n=raw.n
        )
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


class _Cases(NamedTuple):
    """The judged cases of a rung."""

    scores: list[float]
    """Mean over the samples of each."""
    units: list[Hashable]
    """Cluster of each, itself where it names none."""

    @property
    def named(self) -> list[Hashable] | None:
        """The clusters; None where no case names one."""
        return self.units if any(isinstance(unit, str) for unit in self.units) else None


def _by_case(judged: Sequence[JudgedReply]) -> _Cases:
    samples: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    units: dict[tuple[str, str], Hashable] = {}
    for reply in judged:
        verdict = reply.verdict
        score = verdict.score if verdict.graded else float(verdict.passed)
        samples[reply.source, reply.case].append(score)
        units[reply.source, reply.case] = unit_of(reply)
    return _Cases(
        [statistics.fmean(case) for case in samples.values()], [*units.values()]
    )
