"""How far raters agree, and what a third person decides: where they differ.

He is not told who said what.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import (
    ADJUDICATOR,
    PAIRS,
    ItemKey,
    PairReview,
    Review,
    question_id,
    reply_hash,
)
from pytest_ladder.core.score import PASSES_FROM, score_of_verdict
from pytest_ladder.decide.people.raters import Answered, agreeing
from pytest_ladder.judging.calibration.labels import Label
from pytest_ladder.review.queue import (
    Item,
    ReviewCandidate,
    item_id,
    pair_item,
    reply_item,
)

NEAR = 1
"""Grades that are so far apart still agree, unless only one of them is a pass."""

A = TypeVar("A", bound=Review | Label)

_AS_GRADES = {"pass": 5, "fail": 1}


def agreement_of(answers: Iterable[Review | Label]) -> str:
    """Say how far raters agree; empty where there is only one."""
    found = agreeing(
        Answered(item_id(one), one.rater, one.verdict)
        for one in answers
        if one.rater != ADJUDICATOR and (isinstance(one, Label) or not one.repeat)
    )
    return found.sentence if found.raters > 1 else ""


def disputed(answers: Iterable[A]) -> dict[tuple[str, ...], list[A]]:
    """Return what raters differ on by `item_id`, each with their answers.

    What somebody said the second time does not count, nor what was decided already.
    """
    given: defaultdict[tuple[str, ...], list[A]] = defaultdict(list)
    for one in answers:
        is_first = isinstance(one, Label) or not one.repeat
        if is_first and one.rater != ADJUDICATOR:
            given[item_id(one)].append(one)
    return {item: said for item, said in given.items() if _differ(said)}


def undecided(answers: Iterable[A]) -> int:
    """Count what raters differ on and nobody has decided."""
    answers = list(answers)
    decided = {item_id(one) for one in answers if one.rater == ADJUDICATOR}
    return len(disputed(answers).keys() - decided)


def disputed_reviews(
    answers: Iterable[Review],
    candidates: Iterable[ReviewCandidate],
    review: ReviewConfig,
    *,
    is_pairs: bool,
) -> list[Item]:
    """Return the grades, or the choices of pairs, that raters differ on.

    As far as they answer the question of today, about replies that are still there.
    """
    replies: dict[ItemKey, ReviewCandidate] = {
        (one.source, one.case, one.rung, reply_hash(one.text)): one
        for one in candidates
    }
    question = question_id(review.question, PAIRS if is_pairs else review.scale)
    of_kind = [one for one in answers if isinstance(one, PairReview) == is_pairs]
    items = []
    for said in disputed(of_kind).values():
        place = said[0].source, said[0].case
        known = [replies.get((*place, *reply)) for reply in said[0].replies]
        there = [one for one in known if one is not None]
        if len(there) < len(known) or said[0].question not in ("", question):
            continue
        first, last = there[0], there[-1]
        item = pair_item(first, last, review) if is_pairs else reply_item(first, review)
        about = msgspec.structs.replace(item.about, question=said[0].question)
        items.append(_with(msgspec.structs.replace(item, about=about), said))
    return items


def disputed_labels(labels: Iterable[Label], items: Iterable[Item]) -> list[Item]:
    """Return what raters differ on of all that can be labelled."""
    said = disputed(labels)
    return [
        _with(item, said[item_id(item.about)])
        for item in items
        if item_id(item.about) in said
    ]


def _with(item: Item, said: Sequence[Review | Label]) -> Item:
    return msgspec.structs.replace(item, others=tuple(one.verdict for one in said))


def _differ(said: Sequence[Review | Label]) -> bool:
    verdicts: set[Any] = {_AS_GRADES.get(str(o.verdict), o.verdict) for o in said}
    if not all(isinstance(verdict, int) for verdict in verdicts):
        return len(verdicts) > 1
    passes = {score_of_verdict(verdict) >= PASSES_FROM for verdict in verdicts}
    return len(passes) > 1 or max(verdicts) - min(verdicts) > NEAR
