"""What a review asks whom, of what a report holds and people have answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_ladder.cli.arguments import Given
from pytest_ladder.cli.judge_arguments import (
    labels_path,
    missing_labels,
    nothing_judged,
)
from pytest_ladder.cli.printing import say
from pytest_ladder.cli.reach import go_where, ladder_in_reach
from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import (
    ADJUDICATOR,
    PAIRS,
    PairReview,
    Review,
    question_id,
)
from pytest_ladder.decide.people.standing import replies_of, standing
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.report import Report
from pytest_ladder.review.adjudication import disputed_labels, disputed_reviews
from pytest_ladder.review.material import blocks_of, candidates_of
from pytest_ladder.review.questions import item_of, picked_of, questions_of
from pytest_ladder.review.queue import (
    Assignment,
    Item,
    ReviewCandidate,
    apart,
    grades,
    item_id,
    pairs,
    queue_of,
    shown_to,
    with_blocks,
)
from pytest_ladder.review.store import Answers, labels_kept_in, reviews_in
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown

COUNT = 50
"""Replies or pairs that a rater is asked about."""
_CHANGED = "no longer count: their replies are other ones"

_Queues = Mapping[str, Sequence[Item]]
"""What each rater is asked."""


class ToAsk(NamedTuple):
    """What there is to ask, and where the answers are."""

    answers: Answers[Any]
    queues: _Queues
    needed: Callable[[], Sequence[str]] = tuple
    """What says how many answers are missing, and for what."""


def labels_asked(given: Given, report: Report) -> ToAsk:
    """Return what judges were asked, for every rater what is not labelled yet."""
    questions = questions_of(report, given.test)
    if not questions:
        raise nothing_judged(given, report)
    answers = labels_kept_in(labels_path(given))
    labels = list(answers.now().values())

    def picked(rater: str) -> list[Item]:
        most = given.count or COUNT
        found = picked_of(questions, labels, most, rater=rater, seed=given.seed)
        return apart(item_of(question, rater) for question in found)

    queues: _Queues
    if given.adjudicate:
        every = [item_of(one, ADJUDICATOR) for of in questions.values() for one in of]
        queues = _to_decide(given, disputed_labels(labels, every))
    else:
        queues = {rater: picked(rater) for rater in given.rater}
    return ToAsk(
        answers,
        queues,
        lambda: missing_labels(report, answers.now().values(), given.test),
    )


def reviews_asked(given: Given, report: Report) -> ToAsk:
    """Return replies or pairs, the same after every start."""
    ladder = ladder_in_reach(given.folder)
    if ladder is None:
        raise ConfigError(
            f"No ladder.toml is in reach of {shown(given.folder)} or of the working "
            f"folder, beside which reviews are kept; {go_where()}."
        )
    review, answers = ladder.review, reviews_in(ladder.folder / ladder.review.file)
    candidates = candidates_of(report, given.test)
    is_pairs = given.ask == PAIRS
    if given.adjudicate:
        said = answers.now().values()
        items = disputed_reviews(said, candidates, review, is_pairs=is_pairs)
    else:
        assignment = Assignment(
            raters=tuple(given.rater),
            wanted=review.raters,
            count=given.count or COUNT,
            shared=given.share or 0,
            seed=given.seed,
        )
        items = _drawn(given, report, candidates, review, assignment.items)
    _say_what_is_void(answers, report, review, is_pairs=is_pairs)
    items = with_blocks(items, blocks_of(report, ladder))
    if given.adjudicate:
        return ToAsk(answers, _to_decide(given, items))
    return ToAsk(
        answers,
        {
            rater: queue_of(
                rater, items, assignment, _enough(answers, rater, review.raters)
            )
            for rater in given.rater
        },
    )


def _to_decide(given: Given, items: Sequence[Item]) -> _Queues:
    """Return the queue of who decides where raters differ."""
    return {ADJUDICATOR: apart(shown_to(ADJUDICATOR, items, given.seed)[: given.count])}


def _drawn(
    given: Given,
    report: Report,
    candidates: Sequence[ReviewCandidate],
    review: ReviewConfig,
    most: int,
) -> list[Item]:
    """Draw replies or pairs; raises `ConfigError` where there are none."""
    if given.ask == PAIRS:
        items, equal = pairs(
            candidates,
            [rung.id for rung in report.matrix.rungs],
            review,
            current=report.info.current,
            count=most,
            seed=given.seed,
        )
        if equal:
            say(f"{count(equal, 'pair')} of equal replies: ties that nobody is shown.")
    else:
        items = grades(candidates, review, count=most, seed=given.seed)
    if not items:
        raise ConfigError(
            f"{shown(given.folder)}: it has no "
            + ("two replies to the same case that differ" if candidates else "reply")
            + "; run pytest again, or name another folder."
        )
    return items


def _enough(answers: Answers[Review], rater: str, wanted: int) -> set[tuple[str, ...]]:
    """Return what enough others have answered, so that this rater need not."""
    others = Counter(
        item_id(one)
        for one in answers.now().values()
        if one.rater not in (rater, ADJUDICATOR) and not one.repeat
    )
    own = {item_id(one) for one in answers.now().values() if one.rater == rater}
    return {item for item, times in others.items() if times >= wanted} - own


def _say_what_is_void(
    answers: Answers[Review], report: Report, review: ReviewConfig, *, is_pairs: bool
) -> None:
    scale = PAIRS if is_pairs else review.scale
    given_so = [
        one for one in answers.now().values() if isinstance(one, PairReview) == is_pairs
    ]
    found = standing(
        given_so, replies_of(report.rows), question_id(review.question, scale)
    )
    if found.replies_changed:
        one = found.replies_changed == 1
        say(
            f"{count(found.replies_changed, 'review')} "
            + ("no longer counts: its reply is another one" if one else _CHANGED)
            + " by now."
        )
    if found.questions_changed:
        one = found.questions_changed == 1
        say(
            f"{count(found.questions_changed, 'review')} "
            f"{'answers' if one else 'answer'} another question than [review] asks "
            f"now, and {'does' if one else 'do'} not count for it."
        )
