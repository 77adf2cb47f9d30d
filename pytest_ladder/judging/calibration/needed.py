"""How many labels are missing before the judged level may decide, and of what.

The rule is that of docs/methods.md §5.5, and here alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pytest_ladder.decide.judge_errors import NEEDED, JudgeErrors
from pytest_ladder.judging.calibration.agreement import JudgeAgreement, Pair
from pytest_ladder.judging.calibration.labels import MIN_STRATUM, JudgedReply
from pytest_ladder.judging.calibration.pairing import unit_of
from pytest_ladder.stats.agreement import MIN_JUDGE
from pytest_ladder.stats.judged import judge_line
from pytest_ladder.text import numbers

MIN_ON_RUNG = 10
"""With fewer labels of its own a rung borrows those of the others.

See docs/methods.md §5.4.
"""


class MissingLabels(NamedTuple):
    """Labels that are missing before a rung's judged quality may decide."""

    all: int = 0
    on_rung: int = 0
    """Of these, labels of replies of the rung itself."""
    of_passed: int = 0
    """Of these, labels of replies that the judge passed."""
    of_failed: int = 0

    def __str__(self) -> str:
        labels = numbers.count(self.all, "label")
        judge = "it" if self.of_failed else "the judge"
        of = {
            "that the judge failed": self.of_failed,
            f"that {judge} passed": self.of_passed,
        }
        verdicts = [
            f"{'' if n == self.all else f'{n:,} of them '}on replies {who}"
            for who, n in of.items()
            if n
        ]
        listed = f" ({', '.join(verdicts)})" if verdicts else ""
        if self.on_rung == self.all:
            return f"{labels} more for this rung{listed}"
        if self.on_rung:
            return f"{labels} more, {self.on_rung:,} of them for this rung{listed}"
        return f"{labels} more{listed}"


def missing_on(
    judged: Sequence[JudgedReply],
    own: Sequence[Pair],
    pooled: Sequence[Pair],
    labelled: int,
) -> MissingLabels:
    """Count what a rung lacks, whose replies are `judged`.

    `own` are the labels of these, `pooled` all that measure the judge, of which
    `labelled` are of the rung in any run.
    """
    passed, failed = strata_missing(pooled, judged)
    on_rung = max(MIN_ON_RUNG - labelled, passed + failed, 0)
    if judged[0].verdict.graded or len(own) + on_rung >= MIN_ON_RUNG:
        # Its own labels decide then, and no former ones.
        passed, failed = strata_missing(own, judged)
        on_rung = max(MIN_ON_RUNG - len(own), passed + failed, 0)
    every = max(NEEDED - len(pooled), on_rung)
    if every <= 0:
        return MissingLabels()
    left = len({reply.key for reply in judged}) - len(own)
    if every <= left:
        # There are enough replies of the rung itself.
        on_rung = every
    return MissingLabels(every, on_rung, passed, failed)


def errors_of(
    judged: Sequence[JudgedReply],
    pooled: Sequence[Pair],
    agreement: JudgeAgreement | None,
    voided: int,
) -> JudgeErrors:
    """Say what labels of any run tell of a judge, and whether a gate may rest on it.

    `judged` are the replies that could be labelled, `voided` the number of labels that
    were compared with another judge or rubric.
    """
    why_not = without(missing_to_gate(judged, pooled), len(pooled), voided)
    line = None
    if agreement is not None:
        verdicts = [pair.judged.verdict for pair in pooled]
        line = judge_line(
            [pair.value for pair in pooled],
            [v.score if v.graded else float(v.passed) for v in verdicts],
            [unit_of(pair.judged) for pair in pooled],
        )
        why_not = why_not or poor(agreement)
        if not why_not and line is not None and line.slope < MIN_JUDGE - 1:
            why_not = "a judge that is too poor: its grades hardly follow people's"
    return JudgeErrors(labels=len(pooled), line=line, why_not=why_not)


def missing_to_gate(
    judged: Sequence[JudgedReply], pooled: Sequence[Pair]
) -> MissingLabels:
    """Count the labels that are missing before a gate may rest on a judge."""
    passed, failed = strata_missing(pooled, judged)
    every = max(NEEDED - len(pooled), passed + failed)
    return MissingLabels(every, 0, passed, failed) if every > 0 else MissingLabels()


def without(missing: MissingLabels, labels: int, voided: int) -> str:
    """Say what is missing, to be read after "undecided with"; empty: nothing.

    A report of an older version does not say what is, with too few labels.
    """
    have = f"{labels} of {NEEDED} labels for its judge" if labels < NEEDED else ""
    more = f"{missing} and the judged level may decide" if missing.all else ""
    lost = f"; {voided:,} more are of another judge or rubric" if voided else ""
    said = ": ".join(filter(None, (have, more)))
    return said and said + lost


def poor(agreement: JudgeAgreement) -> str:
    """Say why no number of labels lets a judge decide; empty: one does."""
    power = agreement.power
    if power is None:
        return f"labels by which people only ever said {agreement.commoner}"
    if power < MIN_JUDGE:
        return (
            f"a judge that is too poor: sensitivity + specificity is {power:.2f}, of "
            f"{MIN_JUDGE} that are needed"
        )
    return ""


def strata_missing(
    pairs: Sequence[Pair], judged: Sequence[JudgedReply]
) -> tuple[int, int]:
    """Count labels that lack of replies the judge passed and failed.

    As far as there are replies to label.
    """
    lacks = []
    for passed in (True, False):
        have = sum(pair.judged.verdict.passed is passed for pair in pairs)
        exist = len({j.key for j in judged if j.verdict.passed is passed})
        lacks.append(max(0, min(MIN_STRATUM, max(exist, have)) - have))
    return lacks[0], lacks[1]
