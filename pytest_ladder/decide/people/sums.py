"""What people said of the replies of a report, summed up: no text and no name in it.

The part of `matrix.json` that strengths, intervals and sentences are worked out from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated

import msgspec

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import (
    ADJUDICATOR,
    PAIRS,
    Grade,
    PairReview,
    Review,
    question_id,
)
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import score_of_verdict
from pytest_ladder.decide.people.raters import Raters, raters_of
from pytest_ladder.decide.people.standing import (
    Spot,
    StandingReviews,
    replies_of,
    standing,
)

_Index = Annotated[int, msgspec.Meta(ge=0)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Sum = Annotated[float, msgspec.Meta(ge=0)]


class VoteSums(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All votes between two rungs on one case."""

    first: _Index
    second: _Index
    """Places of the two rungs in `People.rungs`."""
    case: _Index
    """A number; cases that share a cluster have the same one."""
    won: _Sum
    """By the first: 1 for each vote, one half for a tie."""
    votes: _Count
    """Without those for neither."""
    neither: _Count = 0
    """Votes that neither reply is good, which say nothing of who is stronger."""


class GradeSums(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All verdicts on one reply."""

    rung: _Index
    case: _Index
    cluster: _Index
    """Equal for cases that are not independent."""
    total: _Sum
    """Of verdicts as scores in [0, 1]: yes is 1; of grades 1 is 0 and 5 is 1."""
    verdicts: Annotated[int, msgspec.Meta(ge=1)]


class People(msgspec.Struct, frozen=True, kw_only=True):
    """What reviews say of the replies of one report."""

    question: str
    """What people were asked of a reply."""
    graded: bool
    """Whether they gave grades from 1 to 5, and no yes or no."""
    rungs: tuple[str, ...] = ()
    votes: tuple[VoteSums, ...] = ()
    grades: tuple[GradeSums, ...] = ()
    alike: tuple[tuple[_Index, _Index, _Count], ...] = ()
    """Of two rungs that were compared, on how many cases their replies are equal:
    those nobody is asked about, and they are no votes."""
    of_pairs: Raters | None = None
    """Those who compared replies; None: nobody has."""
    of_grades: Raters | None = None
    """Those who graded replies; None: nobody has."""
    replies_changed: _Count = 0
    """Reviews of replies that are other ones by now; they count for nothing."""
    questions_changed: _Count = 0
    """Answers to another question, which count for nothing either."""
    elsewhere: _Count = 0
    """Reviews of cases or rungs that are not in this report."""
    untied: _Count = 0
    """Reviews that count and do not say of which text they are."""

    def __post_init__(self) -> None:
        """Refuse sums that nobody can have given."""
        most = len(self.rungs)
        for vote in self.votes:
            if max(vote.first, vote.second) >= most or vote.first == vote.second:
                raise ValueError("a vote is between rungs that are not there")
            if vote.won > vote.votes:
                raise ValueError(f"{vote.won:g} of {vote.votes} votes were won")
        for grade in self.grades:
            if grade.rung >= most or grade.total > grade.verdicts:
                raise ValueError("a grade is of no rung, or above the best")

    @property
    def is_empty(self) -> bool:
        """Whether nothing counts, and nothing that did is void."""
        return not (
            self.votes or self.grades or self.replies_changed or self.questions_changed
        )


def people_of(
    reviews: Iterable[Review], rows: Sequence[Row], asked: ReviewConfig
) -> People:
    """Sum up what people said of the replies that `rows` have.

    Repeats measure raters and are no further votes. Where there is an adjudicator, his
    word takes the place of the others'.
    """
    reviews = list(reviews)
    replies = replies_of(rows)
    pairs = standing(
        (one for one in reviews if isinstance(one, PairReview)),
        replies,
        question_id(asked.question, PAIRS),
    )
    grades = standing(
        (one for one in reviews if isinstance(one, Grade)),
        replies,
        question_id(asked.question, asked.scale),
    )
    kinds = pairs, grades
    rungs = tuple(sorted({rung for *_, rung in replies}))
    number = _numbers(rows)
    votes = tuple(_votes(pairs, rungs, number))
    return People(
        question=asked.question,
        graded=asked.scale == "graded",
        rungs=rungs,
        votes=votes,
        alike=tuple(_alike(votes, rungs, replies)),
        grades=tuple(_grades(grades, rungs, number)),
        of_pairs=raters_of(pairs.reviews),
        of_grades=raters_of(grades.reviews),
        replies_changed=sum(kind.replies_changed for kind in kinds),
        questions_changed=sum(kind.questions_changed for kind in kinds),
        elsewhere=sum(kind.elsewhere for kind in kinds),
        untied=sum(one.is_untied for kind in kinds for one in kind.reviews),
    )


def _numbers(rows: Iterable[Row]) -> Callable[[Review], tuple[int, int]]:
    """Number cases and clusters, whatever the order of the rows."""
    known = {(row.source, row.case): row.cluster for row in rows}
    cases = {case: n for n, case in enumerate(sorted(known))}
    clusters = dict[Hashable, int]()
    cluster_of = {}
    for case in cases:
        named = known[case]
        name: Hashable = case if named is None else named
        cluster_of[case] = clusters.setdefault(name, len(clusters))

    def number(review: Review) -> tuple[int, int]:
        case = review.source, review.case
        return cases[case], cluster_of[case]

    return number


def _votes(
    kept: StandingReviews,
    rungs: Sequence[str],
    number: Callable[[Review], tuple[int, int]],
) -> Iterator[VoteSums]:
    place = {rung: n for n, rung in enumerate(rungs)}
    won: defaultdict[tuple[int, int, int], float] = defaultdict(float)
    votes, neither = Counter[tuple[int, int, int]](), Counter[tuple[int, int, int]]()
    for one in _deciding(kept.reviews):
        if not isinstance(one, PairReview) or one.a == one.b:
            continue
        # Whichever of the two the file calls `a`.
        first, second = sorted((place[one.a], place[one.b]))
        key = first, second, number(one)[1]
        if one.preferred == "neither":
            neither[key] += 1
            continue
        votes[key] += 1
        is_first = place[one.a] == first
        share = {"a": 1.0, "b": 0.0}.get(one.preferred or "", 0.5)
        won[key] += share if is_first else 1 - share
    for key in sorted({*votes, *neither}):
        first, second, case = key
        yield VoteSums(
            first=first,
            second=second,
            case=case,
            won=won[key],
            votes=votes[key],
            neither=neither[key],
        )


def _alike(
    votes: Iterable[VoteSums], rungs: Sequence[str], replies: Mapping[Spot, set[str]]
) -> Iterator[tuple[int, int, int]]:
    said = {spot: {text.strip() for text in texts} for spot, texts in replies.items()}
    by_rung: defaultdict[str, dict[tuple[str, str], set[str]]] = defaultdict(dict)
    for (source, case, rung), texts in said.items():
        by_rung[rung][source, case] = texts
    for first, second in sorted({(vote.first, vote.second) for vote in votes}):
        ours, theirs = by_rung[rungs[first]], by_rung[rungs[second]]
        same = sum(
            len(texts) == 1 and texts == theirs.get(case)
            for case, texts in ours.items()
        )
        if same:
            yield first, second, same


def _grades(
    kept: StandingReviews,
    rungs: Sequence[str],
    number: Callable[[Review], tuple[int, int]],
) -> Iterator[GradeSums]:
    place = {rung: n for n, rung in enumerate(rungs)}
    sums: defaultdict[tuple[int, int, int], list[float]] = defaultdict(list)
    for one in _deciding(kept.reviews):
        if isinstance(one, Grade) and one.verdict is not None:
            sums[(place[one.rung], *number(one))].append(score_of_verdict(one.verdict))
    for (rung, case, cluster), scores in sorted(sums.items()):
        yield GradeSums(
            rung=rung,
            case=case,
            cluster=cluster,
            total=sum(scores),
            verdicts=len(scores),
        )


def _deciding(reviews: Sequence[Review]) -> Iterator[Review]:
    """Yield first answers, and of an item with an adjudicator's word only that."""
    settled = {one.item for one in reviews if one.rater == ADJUDICATOR}
    for one in reviews:
        if not one.repeat and (one.rater == ADJUDICATOR or one.item not in settled):
            yield one
