"""Calibration: how far a judge agrees with people, and quality corrected for it.

See docs/methods.md §5. Every number stands beside its interval and its n, and the
judge beside the trivial one that always gives the commoner answer.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import PASSES_FROM, Level, Verdict
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.decide.judge_errors import NEEDED, Asked, JudgeErrors
from pytest_ladder.judging.calibration.agreement import (
    Agreement,
    JudgeAgreement,
    Pair,
    judge_agreement,
    people_agreement,
)
from pytest_ladder.judging.calibration.corrected import (
    MIN_LABELS,
    MeasuredJudge,
    RungQuality,
    rung_quality,
)
from pytest_ladder.judging.calibration.labels import MIN_STRATUM, JudgedReply, Label
from pytest_ladder.judging.calibration.needed import (
    errors_of,
    missing_to_gate,
    strata_missing,
)
from pytest_ladder.judging.calibration.pairing import paired
from pytest_ladder.stats.agreement import MIN_JUDGE
from pytest_ladder.text.numbers import count

LITTLE_GAIN = 1.5
"""A judge whose sensitivity and specificity add up to less saves hardly any labels."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How far one judge can be trusted on one test."""

    test: str
    judge: str
    rubric: str
    labels: int
    """Labelled replies of this run that count."""
    elsewhere: int = 0
    """Labelled replies of other runs that measure the judge as well."""
    voided: int
    """Labels that were compared with another judge or rubric."""
    unmatched: int
    """Labels of replies that were not judged: the reply has changed, or did not run."""
    agreement: JudgeAgreement | None
    """By labels of any run; None without one."""
    errors: JudgeErrors = JudgeErrors()
    """The judge's errors by the same labels, and whether a gate may rest on them."""
    people: Agreement | None
    """Of the first rater with the second, where two labelled the same replies."""
    rungs: tuple[RungQuality, ...]
    disagreement: float | None
    """Chance that two votes on the same reply differ; None with single votes."""
    length_correlation: float | None
    """Of score and length of the reply, in [-1, 1]; None where either is constant."""
    notes: tuple[str, ...]
    """What a reader must know, in sentences."""

    @property
    def calibrated(self) -> bool:
        """Whether there are enough labels to say anything."""
        return self.labels + self.elsewhere >= MIN_LABELS

    @property
    def asked(self) -> Asked:
        """What names it: no two of a run are the same."""
        return self.test, self.judge, self.rubric


class FunnelSavings(msgspec.Struct, frozen=True, kw_only=True):
    """What the funnel left unjudged."""

    replies: int
    """Replies that nobody judged, because a cheap check of their case missed."""
    saved_usd: float | None
    """What judging them would have cost, as the others did on average; None: unknown.

    At the price when they were judged, also where their verdicts were replayed.
    """


def calibrations_of(
    rows: Iterable[Row],
    labels: Sequence[Label],
    rungs: Sequence[str],
    others: Iterable[Row] = (),
) -> tuple[Calibration, ...]:
    """Calibrate the judges of a run, with or without labels.

    Tests come sorted, and each has its rungs in the order of `rungs`. Functions that
    judge need no labels: they count only where labels name their test. `others` are
    rows of another run, such as a baseline: labels of its replies measure the same
    judge.
    """
    position = {rung: index for index, rung in enumerate(rungs)}
    ordered = sorted(
        rows,
        key=lambda row: (
            row.test,
            position[row.rung],
            row.source,
            row.case,
            row.sample,
        ),
    )
    return calibrate_all(measurable(ordered, labels), labels, judged_of(others))


def measurable(rows: Iterable[Row], labels: Iterable[Label]) -> list[JudgedReply]:
    """Return the replies whose judge labels can measure: a model, or one they name."""
    named = {label.test for label in labels}
    return [
        reply
        for reply in judged_of(rows)
        if reply.verdict.rubric or reply.test in named
    ]


def calibrate_all(
    judged: Sequence[JudgedReply],
    labels: Sequence[Label],
    others: Iterable[JudgedReply] = (),
) -> tuple[Calibration, ...]:
    """Calibrate every judge on every test, in order of appearance."""
    groups, elsewhere = _by_subject(judged), _by_subject(others)
    return tuple(
        calibrate(labels, group, elsewhere.get(subject, ()))
        for subject, group in groups.items()
    )


def calibrate(
    labels: Sequence[Label],
    judged: Sequence[JudgedReply],
    others: Sequence[JudgedReply] = (),
) -> Calibration:
    """Compare the verdicts of one judge on one test with labels.

    Of several raters the majority counts, and the first where there is none; of grades
    the mean. The unit is a reply. `others` are replies of other runs. Raises ValueError
    without a verdict, or for verdicts of several tests, judges or rubrics.
    """
    subjects = _by_subject(judged)
    if len(subjects) != 1:
        raise ValueError(
            "Verdicts of one test by one judge and rubric can be calibrated together, "
            f"got {len(subjects)} of them."
        )
    (test, judge, rubric), *_ = subjects
    found = paired(labels, judged, others)
    pairs = [*found.here, *found.elsewhere]
    agreement = judge_agreement(pairs) if pairs else None
    errors = errors_of([*judged, *others], pairs, agreement, found.voided)
    measured = None
    if agreement is not None:
        known = not missing_to_gate([*judged, *others], pairs).all
        helpless = known and bool(errors.why_not)
        measured = MeasuredJudge(agreement, errors.line, helpless)
    replies = {reply.key: reply for reply in judged}
    return Calibration(
        test=test,
        judge=judge,
        rubric=rubric,
        labels=len(found.here),
        elsewhere=len(found.elsewhere),
        voided=found.voided,
        unmatched=found.unmatched,
        agreement=agreement,
        errors=errors,
        people=people_agreement(found.raters),
        rungs=tuple(
            rung_quality(rung, members, found.here, pairs, measured)
            for rung, members in _by_rung(judged).items()
        ),
        disagreement=_disagreement(judged),
        length_correlation=_length_correlation(judged),
        notes=tuple(_notes(pairs, agreement, [*replies.values()], found.voided)),
    )


def errors_before(
    asked: Asked, labels: Sequence[Label], others: Iterable[Row], *, graded: bool
) -> JudgeErrors:
    """Say what is known of a judge before a run has any reply, as a climb must.

    By labels that tell what the judge said, and by those of the replies of `others`.
    """
    test, judge, rubric = asked
    nothing = Verdict(
        passed=False, score=0.0, graded=graded, judge=judge, rubric=rubric
    )
    unasked = JudgedReply(test=test, case="", rung="", text="", verdict=nothing)
    same = _by_subject(judged_of(others)).get(asked, [])
    found = paired(labels, [unasked], same)
    pairs = found.elsewhere
    agreement = judge_agreement(pairs) if pairs else None
    return errors_of(same, pairs, agreement, found.voided)


def judged_of(rows: Iterable[Row]) -> list[JudgedReply]:
    """Return the replies with a verdict on them; errors have none that counts."""
    return [
        JudgedReply(
            test=row.test,
            source=row.source,
            case=row.case,
            rung=row.rung,
            text=row.text,
            said=row.said,
            cluster=row.cluster,
            verdict=row.verdict,
        )
        for row in rows
        if row.level is Level.JUDGED
        and row.verdict is not None
        and row.outcome is not Outcome.ERROR
    ]


def funnel_savings(rows: Sequence[Row]) -> FunnelSavings:
    """Count what the funnel left unjudged, and what that saved."""
    left = sum(is_held_back(row) and not row.evaluations for row in rows)
    costs = [
        [bill.cost_usd for bill in row.evaluations]
        for row in rows
        if row.level is Level.JUDGED and row.evaluations
    ]
    known = [
        math.fsum(usd for usd in row if usd is not None)
        for row in costs
        if None not in row
    ]
    mean = math.fsum(known) / len(known) if known else None
    return FunnelSavings(replies=left, saved_usd=None if mean is None else left * mean)


def _by_subject(judged: Iterable[JudgedReply]) -> dict[Asked, list[JudgedReply]]:
    groups: defaultdict[Asked, list[JudgedReply]] = defaultdict(list)
    for reply in judged:
        groups[reply.test, reply.verdict.judge, reply.verdict.rubric].append(reply)
    return dict(groups)


def _by_rung(judged: Iterable[JudgedReply]) -> dict[str, list[JudgedReply]]:
    rungs: defaultdict[str, list[JudgedReply]] = defaultdict(list)
    for reply in judged:
        rungs[reply.rung].append(reply)
    return rungs


def _disagreement(judged: Iterable[JudgedReply]) -> float | None:
    """Return how often two votes differ in pass or fail (docs/methods.md §2.9)."""
    rates = []
    for reply in judged:
        votes = [score >= PASSES_FROM for score in reply.verdict.votes]
        k, x = len(votes), sum(votes)
        if k > 1:
            rates.append(2 * x * (k - x) / (k * (k - 1)))
    return statistics.fmean(rates) if rates else None


def _length_correlation(judged: Sequence[JudgedReply]) -> float | None:
    scores = [reply.verdict.score for reply in judged]
    # With thoughts in the text, where judges were once shown them.
    lengths = [float(len(reply.said or reply.text)) for reply in judged]
    if len(set(scores)) < 2 or len(set(lengths)) < 2:
        return None
    return statistics.correlation(scores, lengths)


def _notes(
    pairs: Sequence[Pair],
    agreement: JudgeAgreement | None,
    judged: Sequence[JudgedReply],
    voided: int,
) -> Iterator[str]:
    n = len(pairs)
    if voided:
        yield (
            f"Not counted: {count(voided, 'label')} of another judge or rubric; label "
            "again."
        )
    if n < MIN_LABELS:
        yield (
            f"Uncalibrated: {count(n, 'label')}; {MIN_LABELS} are needed to say how "
            f"far the judge can be trusted, {NEEDED} to gate."
        )
    elif n < NEEDED:
        yield f"{count(n, 'label')}; {NEEDED} are needed to gate."
    lacks = zip(("passed", "failed"), strata_missing(pairs, judged), strict=True)
    for said, lacking in lacks:
        if lacking:
            have = sum(
                pair.judged.verdict.passed is (said == "passed") for pair in pairs
            )
            yield (
                f"{count(have, 'label')} of replies that the judge {said}; "
                f"{MIN_STRATUM} are needed."
            )
    if agreement is not None and n >= MIN_LABELS:
        yield from _warnings(agreement)


def _warnings(agreement: JudgeAgreement) -> Iterator[str]:
    """Say when a judge is poor."""
    accuracy, baseline = agreement.accuracy, agreement.baseline
    common = agreement.commoner
    if accuracy.value <= baseline:
        yield (
            f"The judge agrees with the labels on {accuracy.value:.0%}; always saying "
            f"{common} agrees on {baseline:.0%}."
        )
    elif accuracy.low is not None and accuracy.low <= baseline:
        yield (
            f"The judge is not shown to be better than always saying {common} "
            f"({accuracy.value:.0%} against {baseline:.0%})."
        )
    power = agreement.power
    if power is not None and power < LITTLE_GAIN:
        worth = "nothing" if power < MIN_JUDGE else "hardly anything"
        yield (
            f"Sensitivity + specificity is {power:.2f} (a coin has 1, a perfect judge "
            f"2): the judge adds {worth} to the labels alone."
        )
