"""Labels: what people say of replies that a judge has judged, in `labels.jsonl`."""

from __future__ import annotations

import functools
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from pytest_ladder.core.review import LabelVerdict, reply_hash
from pytest_ladder.core.score import PASSES_FROM, Verdict, score_of_verdict
from pytest_ladder.core.thoughts import split_thoughts
from pytest_ladder.disk.files import json_lines, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown

MIN_STRATUM = 5
"""Labels wanted of replies that the judge passed, and of those it failed.

See docs/methods.md §5.5.
"""

_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Key = tuple[str, str, str]
"""(case, rung, hash of the reply): what a person looked at."""
_Stratum = tuple[str, bool]
"""A rung, and whether the judge passed the reply."""


class JudgedReply(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A reply with a judge's verdict on it."""

    test: str
    """What was asked of the judge: the test, as rows name it."""
    source: str = ""
    case: str
    rung: str
    text: str
    """The reply."""
    said: str = ""
    """The reply with the thoughts that stood in it; empty: there were none."""
    cluster: str | None = None
    """As of its row: replies that share one are not independent."""
    verdict: Verdict

    @functools.cached_property
    def key(self) -> Key:
        """What ties it to its labels."""
        return self.case, self.rung, reply_hash(self.text)

    @property
    def other_keys(self) -> set[Key]:
        """What ties it to labels of another version: thoughts were part of the text."""
        texts = {self.said or self.text, split_thoughts(self.text).answer}
        return {(self.case, self.rung, reply_hash(text)) for text in texts}


class Label(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """One person's verdict on one reply: a line of `labels.jsonl`."""

    case: str
    rung: str
    reply: str
    """`reply_hash` of its text: a reply that changes loses its labels."""
    verdict: LabelVerdict
    rater: str = ""
    test: str = ""
    """The test whose question was answered; empty: there is only one judged test."""
    judge: str = ""
    """The judge it was compared with; another one voids it. Empty: any."""
    rubric: str = ""
    """Id of the rubric that was answered; another one voids it. Empty: any."""
    judged: _Share | None = None
    """What the judge gave the reply, in [0, 1], whatever becomes of the reply; None: an
    older version wrote the label, and only a report that has the reply can tell."""
    graded: bool = False
    """Whether that is a grade."""
    cluster: str | None = None
    """Cluster of the case; None: it is one by itself."""
    note: str = ""

    @property
    def key(self) -> Key:
        """What ties it to the judged reply."""
        return self.case, self.rung, self.reply

    @property
    def identity(self) -> tuple[str, ...]:
        """What only one label of counts: reply, question and rater."""
        return (*self.key, self.test, self.rubric, self.judge, self.rater)

    @property
    def value(self) -> float:
        """The verdict as a score in [0, 1]."""
        return score_of_verdict(self.verdict)

    @property
    def passed(self) -> bool:
        """Whether the person passed the reply; a grade does from 3 on."""
        return self.value >= PASSES_FROM


def read_labels(path: Path) -> tuple[Label, ...]:
    """Read `labels.jsonl`; of two labels of a rater on a reply the later one counts.

    A line with `"verdict": null` takes the label back. Raises `ConfigError` with file
    and line.
    """
    name, labels = shown(path), dict[object, Label]()
    for number, row in json_lines(read_text(path, name), name):
        taken_back = isinstance(row, dict) and row.get("verdict", "") is None
        try:
            label = msgspec.convert(
                {**row, "verdict": "fail"} if taken_back else row, Label
            )
        except msgspec.ValidationError as error:
            raise ConfigError(
                f"{name}:{number}: this is no label ({error}); write an object with "
                '`case`, `rung`, `reply` (its hash) and `verdict` ("pass", "fail" or a '
                "grade from 1 to 5)."
            ) from error
        if taken_back:
            labels.pop(label.identity, None)
        else:
            labels[label.identity] = label
    return tuple(labels.values())


def line_of(label: Label) -> str:
    """Write a label as a line of `labels.jsonl`."""
    return msgspec.json.encode(label).decode() + "\n"


def label_of(judged: JudgedReply, verdict: LabelVerdict, rater: str) -> Label:
    """Make the label that a rater gives a judged reply."""
    case, rung, reply = judged.key
    return Label(
        case=case,
        rung=rung,
        reply=reply,
        verdict=verdict,
        rater=rater,
        test=judged.test,
        judge=judged.verdict.judge,
        rubric=judged.verdict.rubric,
        judged=judged.verdict.score if judged.verdict.rubric else None,
        graded=judged.verdict.graded,
        cluster=judged.cluster,
    )


def tied(labels: Iterable[Label], judged: Iterable[JudgedReply]) -> list[Label]:
    """Return labels with the hash that their reply has now, with thoughts or without.

    A reply is still the one that a person looked at when thoughts are read otherwise.
    """
    labels = list(labels)
    places = {(label.case, label.rung) for label in labels}
    judged = [reply for reply in judged if (reply.case, reply.rung) in places]
    key_of = {other: reply.key for reply in judged for other in reply.other_keys}
    key_of |= {reply.key: reply.key for reply in judged}
    return [
        msgspec.structs.replace(label, reply=key_of.get(label.key, label.key)[2])
        for label in labels
    ]


def holds_for(label: Label, judged: JudgedReply) -> bool:
    """Tell whether a label was compared with this judge and rubric: else it drifted."""
    verdict = judged.verdict
    same_judge = label.judge in ("", verdict.judge)
    return same_judge and label.rubric in ("", verdict.rubric)


def next_labels(
    judged: Iterable[JudgedReply],
    labels: Iterable[Label],
    count: int,
    *,
    rater: str = "",
    seed: int = 0,
) -> list[JudgedReply]:
    """Return the replies of one test that a rater should label next, in random order.

    Each rung gets as many labels as any other, and within a rung passes and fails their
    share of its replies; but first each verdict gets 5 at all. What the rater has
    labelled is skipped. The seed fixes the order, so that two raters with the same seed
    label the same replies. To be shown without rung and verdict (docs/methods.md §5.5).
    """
    judged = list(judged)
    strata = _shuffled_strata(judged, seed)
    free = unlabelled(judged, labels, rater)
    have: Counter[_Stratum] = Counter()
    open_: dict[_Stratum, list[JudgedReply]] = {}
    for stratum, members in strata.items():
        left = [j for j in members if j.key in free]
        have[stratum] = len(members) - len(left)
        open_[stratum] = left
    picked: list[JudgedReply] = []
    while len(picked) < count and any(open_.values()):
        stratum = _neediest(open_, have, strata)
        picked.append(open_[stratum].pop(0))
        have[stratum] += 1
    random.Random(seed).shuffle(picked)
    return picked


def unlabelled(
    judged: Collection[JudgedReply], labels: Iterable[Label], rater: str
) -> set[Key]:
    """Return the keys of the replies of one test that a rater has not labelled."""
    own = [label for label in labels if label.rater == rater]
    done = {label.key: label for label in tied(own, judged)}
    distinct = {reply.key: reply for reply in judged}
    return {
        key
        for key, reply in distinct.items()
        if (label := done.get(key)) is None
        or label.test not in ("", reply.test)
        or not holds_for(label, reply)
    }


def _shuffled_strata(
    judged: Iterable[JudgedReply], seed: int
) -> dict[_Stratum, list[JudgedReply]]:
    distinct = {reply.key: reply for reply in judged}
    ordered = [distinct[key] for key in sorted(distinct)]
    random.Random(seed).shuffle(ordered)
    strata: defaultdict[_Stratum, list[JudgedReply]] = defaultdict(list)
    for reply in ordered:
        strata[reply.rung, reply.verdict.passed].append(reply)
    return dict(sorted(strata.items()))


def _neediest(
    open_: dict[_Stratum, list[JudgedReply]],
    have: Counter[_Stratum],
    strata: dict[_Stratum, list[JudgedReply]],
) -> _Stratum:
    """Return the stratum that is furthest behind its share (Webster's method)."""
    of_rung: Counter[str] = Counter()
    of_verdict: Counter[bool] = Counter()
    for (rung, passed), members in strata.items():
        of_rung[rung] += len(members)
        of_verdict[passed] += have[rung, passed]

    def need(stratum: _Stratum) -> tuple[bool, float]:
        rung, passed = stratum
        share = len(strata[stratum]) / of_rung[rung]
        return of_verdict[passed] < MIN_STRATUM, share / (2 * have[stratum] + 1)

    return max((stratum for stratum, left in open_.items() if left), key=need)
