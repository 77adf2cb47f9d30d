"""How many labels until a judge may gate, and of which replies the next ones are.

For whoever runs a review: raters are told the number alone, for what the judge said of
a reply must not reach them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from pytest_ladder.decide.judge_errors import NEEDED, Asked
from pytest_ladder.judging.calibration.agreement import judge_agreement
from pytest_ladder.judging.calibration.labels import JudgedReply, Label, next_labels
from pytest_ladder.judging.calibration.needed import (
    MissingLabels,
    errors_of,
    missing_to_gate,
)
from pytest_ladder.judging.calibration.pairing import paired
from pytest_ladder.text import numbers


class NextLabels(NamedTuple):
    """Replies to label next: of one rung, and by what the judge said."""

    rung: str
    passed: bool
    replies: int

    def __str__(self) -> str:
        said = "passed" if self.passed else "failed"
        return f"{self.replies:,} of {self.rung} that it {said}"


class LabelPlan(NamedTuple):
    """What one judge on one test lacks before a gate may rest on it."""

    asked: Asked
    have: int
    """Labelled replies that measure it, of this run and of others."""
    missing: MissingLabels
    why_not: str
    """Why it may not gate, labels apart, such as a poor judge; empty: it may then."""
    next: tuple[NextLabels, ...]
    """The replies of this run to label next, those that matter most first."""
    left: int
    """Replies of this run that nobody has labelled yet."""

    @property
    def sentence(self) -> str:
        """Say how many labels are missing, without a word on single replies."""
        test = self.asked[0].rpartition("::")[2]
        if self.missing.all:
            more = numbers.count(self.missing.all, "label")
            short = ""
            if self.left < self.missing.all:
                short = (
                    f"; only {self.left:,} replies of this run are left to label, so "
                    "run more cases"
                )
            return (
                f"{test}: {more} more until its judge may gate ({self.have:,} of "
                f"{NEEDED} at least){short}."
            )
        if self.why_not:
            return f"{test}: more labels do not help: {self.why_not}."
        return f"{test}: its judge may gate, by {numbers.count(self.have, 'label')}."

    @property
    def next_sentence(self) -> str:
        """Say of which replies the next labels should be; empty: none is missing."""
        if not self.next:
            return ""
        test = self.asked[0].rpartition("::")[2]
        return f"{test}: label next {', '.join(map(str, self.next))}."


def label_plans(
    judged: Iterable[JudgedReply], labels: Sequence[Label]
) -> list[LabelPlan]:
    """Plan the labels of every judge on every test, in order of appearance."""
    groups: defaultdict[Asked, list[JudgedReply]] = defaultdict(list)
    for reply in judged:
        groups[reply.test, reply.verdict.judge, reply.verdict.rubric].append(reply)
    return [_plan(asked, group, labels) for asked, group in groups.items()]


def _plan(
    asked: Asked, judged: Sequence[JudgedReply], labels: Sequence[Label]
) -> LabelPlan:
    found = paired(labels, judged, ())
    pairs = [*found.here, *found.elsewhere]
    missing = missing_to_gate(judged, pairs)
    agreement = judge_agreement(pairs) if pairs else None
    why_not = ""
    if not missing.all:
        why_not = errors_of(judged, pairs, agreement, found.voided).why_not
    # A reply that anybody has labelled needs no other label for this.
    anyone = [msgspec.structs.replace(label, rater="") for label in labels]
    ahead = next_labels(judged, anyone, missing.all)
    picked = Counter((one.rung, one.verdict.passed) for one in ahead)
    replies = len({reply.key for reply in judged})
    return LabelPlan(
        asked=asked,
        have=len(pairs),
        missing=missing,
        why_not=why_not,
        next=tuple(
            NextLabels(rung, passed, n)
            for (rung, passed), n in sorted(
                picked.items(), key=lambda item: (-item[1], item[0])
            )
        ),
        left=replies - len(found.here),
    )
