"""Which labels measure a judge: of replies of this run, and of those of any other.

A label of a reply that is gone still says how far the judge was right, if only it is
known what the judge said: from another run's rows, such as a baseline's, or because the
label says it itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from pytest_ladder.core.review import ADJUDICATOR
from pytest_ladder.core.score import PASSES_FROM, Verdict
from pytest_ladder.judging.calibration.agreement import Pair, pair_of
from pytest_ladder.judging.calibration.labels import (
    JudgedReply,
    Key,
    Label,
    holds_for,
    tied,
)


class Paired(NamedTuple):
    """The labels of one judge on one test beside what the judge said."""

    here: list[Pair]
    """Of replies of this run."""
    elsewhere: list[Pair]
    """Of other replies."""
    raters: list[list[Label]]
    """Labels of each reply, in order of the file."""
    voided: int
    """Labels that were compared with another judge or rubric."""
    unmatched: int
    """Labels of replies that are not of this run."""


def paired(
    labels: Sequence[Label],
    judged: Sequence[JudgedReply],
    others: Sequence[JudgedReply],
) -> Paired:
    """Pair labels with verdicts of one judge on one test; `judged` are of this run."""
    first = judged[0]
    # What this run says goes first where several have a reply.
    there = {reply.key: reply for reply in others}
    here = {reply.key: reply for reply in judged}
    ours = [
        label
        for label in tied(labels, [*others, *judged])
        if label.test in ("", first.test)
    ]
    by_key: defaultdict[Key, list[Label]] = defaultdict(list)
    valid = [label for label in ours if holds_for(label, first)]
    for label in valid:
        by_key[label.key].append(label)
    elsewhere = []
    # Where somebody decided between raters, that label is the only one that counts.
    counts = {
        key: [label for label in given if label.rater == ADJUDICATOR] or given
        for key, given in by_key.items()
    }
    for key, given in counts.items():
        reply = None if key in here else there.get(key) or _told(given, first)
        if reply is not None:
            elsewhere.append(pair_of(reply, given))
    return Paired(
        here=[
            pair_of(here[key], given) for key, given in counts.items() if key in here
        ],
        elsewhere=elsewhere,
        raters=[
            [label for label in given if label.rater != ADJUDICATOR]
            for given in by_key.values()
        ],
        voided=len(ours) - len(valid),
        unmatched=sum(len(given) for key, given in by_key.items() if key not in here),
    )


def unit_of(judged: JudgedReply) -> Hashable:
    """Name the cluster of a reply, a text; its case where it names none."""
    return judged.cluster or (judged.source, judged.case)


def _told(given: Sequence[Label], like: JudgedReply) -> JudgedReply | None:
    """Return the judged reply that labels tell of by themselves; None: they do not."""
    for label in given:
        if label.judged is not None and label.graded is like.verdict.graded:
            verdict = Verdict(
                passed=label.judged >= PASSES_FROM,
                score=label.judged,
                graded=label.graded,
                judge=like.verdict.judge,
                rubric=like.verdict.rubric,
            )
            return JudgedReply(
                test=like.test,
                case=label.case,
                rung=label.rung,
                text="",
                cluster=label.cluster,
                verdict=verdict,
            )
    return None
