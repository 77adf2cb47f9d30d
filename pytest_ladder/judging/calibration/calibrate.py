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
from pytest_ladder.core.score import Level
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.judging.calibration.agreement import (
    Agreement,
    JudgeAgreement,
    Pair,
    judge_agreement,
    pair_of,
    people_agreement,
)
from pytest_ladder.judging.calibration.corrected import (
    MIN_LABELS,
    MIN_TO_GATE,
    RungQuality,
    rung_quality,
    too_few,
)
from pytest_ladder.judging.calibration.labels import (
    MIN_STRATUM,
    JudgedReply,
    Key,
    Label,
    holds_for,
)
from pytest_ladder.judging.verdicts import PASSES_FROM
from pytest_ladder.stats.agreement import MIN_JUDGE

LITTLE_GAIN = 1.5
"""A judge whose sensitivity and specificity add up to less saves hardly any labels."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How far one judge can be trusted on one test."""

    test: str
    judge: str
    rubric: str
    labels: int
    """Labelled replies that count."""
    voided: int
    """Labels that were compared with another judge or rubric."""
    unmatched: int
    """Labels of replies that were not judged: the reply has changed, or did not run."""
    agreement: JudgeAgreement | None
    """None without a label."""
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
        return self.labels >= MIN_LABELS


class FunnelSavings(msgspec.Struct, frozen=True, kw_only=True):
    """What the funnel left unjudged."""

    replies: int
    """Replies that nobody judged, because a cheap check of their case missed."""
    saved_usd: float | None
    """What judging them would have cost, as the others did on average; None: unknown.

    At the price when they were judged, also where their verdicts were replayed.
    """


def calibrations_of(
    rows: Iterable[Row], labels: Sequence[Label], rungs: Sequence[str]
) -> tuple[Calibration, ...]:
    """Calibrate the judges of a run, with or without labels.

    Tests come sorted, and each has its rungs in the order of `rungs`. Functions that
    judge need no labels: they count only where labels name their test.
    """
    named = {label.test for label in labels}
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
    judged = [
        reply
        for reply in judged_of(ordered)
        if reply.verdict.rubric or reply.test in named
    ]
    return calibrate_all(judged, labels)


def calibrate_all(
    judged: Sequence[JudgedReply], labels: Sequence[Label]
) -> tuple[Calibration, ...]:
    """Calibrate every judge on every test, in order of appearance."""
    groups: defaultdict[tuple[str, str, str], list[JudgedReply]] = defaultdict(list)
    for reply in judged:
        groups[reply.test, reply.verdict.judge, reply.verdict.rubric].append(reply)
    return tuple(calibrate(labels, group) for group in groups.values())


def calibrate(labels: Sequence[Label], judged: Sequence[JudgedReply]) -> Calibration:
    """Compare the verdicts of one judge on one test with labels.

    Of several raters the majority counts, and the first where there is none; of grades
    the mean. The unit is a reply. Raises ValueError without a verdict, or for verdicts
    of several tests, judges or rubrics.
    """
    test, judge, rubric = _subject(judged)
    ours = [label for label in labels if label.test in ("", test)]
    valid = [label for label in ours if holds_for(label, judged[0])]
    by_key: defaultdict[Key, list[Label]] = defaultdict(list)
    for label in valid:
        by_key[label.key].append(label)
    replies = {reply.key: reply for reply in judged}
    pairs = [
        pair_of(replies[key], given) for key, given in by_key.items() if key in replies
    ]
    agreement = judge_agreement(pairs) if pairs else None
    rungs = tuple(
        rung_quality(rung, members, pairs, agreement)
        for rung, members in _by_rung(judged).items()
    )
    voided = len(ours) - len(valid)
    return Calibration(
        test=test,
        judge=judge,
        rubric=rubric,
        labels=len(pairs),
        voided=voided,
        unmatched=sum(
            len(given) for key, given in by_key.items() if key not in replies
        ),
        agreement=agreement,
        people=people_agreement(by_key.values()),
        rungs=rungs,
        disagreement=_disagreement(judged),
        length_correlation=_length_correlation(judged),
        notes=tuple(_notes(pairs, agreement, list(replies.values()), voided)),
    )


def judged_of(rows: Iterable[Row]) -> list[JudgedReply]:
    """Return the replies with a verdict on them; errors have none that counts."""
    return [
        JudgedReply(
            test=row.test,
            source=row.source,
            case=row.case,
            rung=row.rung,
            text=row.text,
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


def _subject(judged: Sequence[JudgedReply]) -> tuple[str, str, str]:
    subjects = {(j.test, j.verdict.judge, j.verdict.rubric) for j in judged}
    if len(subjects) != 1:
        raise ValueError(
            "Verdicts of one test by one judge and rubric can be calibrated together, "
            f"got {len(subjects)} of them."
        )
    return subjects.pop()


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
    lengths = [float(len(reply.text)) for reply in judged]
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
            f"{voided} labels were compared with another judge or rubric and do not "
            "count; label again."
        )
    if n < MIN_LABELS:
        yield (
            f"Uncalibrated: {n} labels; {MIN_LABELS} are needed to say how far the "
            f"judge can be trusted, {MIN_TO_GATE} to gate."
        )
    elif n < MIN_TO_GATE:
        yield f"{n} labels; {MIN_TO_GATE} are needed to gate."
    for said, have in too_few(pairs, judged):
        yield (
            f"{have} labels of replies that the judge {said}; {MIN_STRATUM} are needed."
        )
    if agreement is not None and n >= MIN_LABELS:
        yield from _warnings(agreement)


def _warnings(agreement: JudgeAgreement) -> Iterator[str]:
    """Say when a judge is poor."""
    accuracy, baseline = agreement.accuracy, agreement.baseline
    common = agreement.commoner
    if accuracy.value <= baseline:
        yield (
            f"The judge agrees with people on {accuracy.value:.0%}; always saying "
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
