"""Which reviews still count: of replies and of a question that are what they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from pytest_ladder.core.review import Review, reply_hash
from pytest_ladder.core.row import Outcome, Row

Spot = tuple[str, str, str]
"""Source, case and rung: where a reply stands."""


class StandingReviews(NamedTuple):
    """Reviews that count, and how many do not any more."""

    reviews: tuple[Review, ...]
    replies_changed: int
    """Of a reply that is another one by now."""
    questions_changed: int
    """Answers to another question, about replies that are still the same."""
    elsewhere: int
    """Of cases or rungs that are not in this report: nothing is known of them."""


def standing(
    reviews: Iterable[Review], replies: Mapping[Spot, Iterable[str]], question: str
) -> StandingReviews:
    """Leave out reviews of what has changed since, and count them.

    `replies` are the texts of today; a rung that is not among them may not have been
    run, which voids nothing but cannot be used either.
    """
    hashes = {spot: {reply_hash(text) for text in of} for spot, of in replies.items()}
    sources: defaultdict[str, set[str]] = defaultdict(set)
    for source, case, _ in replies:
        sources[case].add(source)
    good, replies_changed, questions_changed, elsewhere = [], 0, 0, 0
    for review in reviews:
        if not review.source and len(sources.get(review.case, ())) == 1:
            # Another tool need not know the file that a case is from.
            (source,) = sources[review.case]
            review = msgspec.structs.replace(review, source=source)
        about = [
            ((review.source, review.case, rung), reply)
            for rung, reply in review.replies
        ]
        if any(spot not in hashes for spot, _ in about):
            elsewhere += 1
        elif any(reply and reply not in hashes[spot] for spot, reply in about):
            replies_changed += 1
        elif review.question not in ("", question):
            questions_changed += 1
        else:
            good.append(review)
    return StandingReviews(tuple(good), replies_changed, questions_changed, elsewhere)


def replies_of(rows: Iterable[Row]) -> Mapping[Spot, set[str]]:
    """Return the texts that people may have been shown: of replies that were scored."""
    texts: defaultdict[Spot, set[str]] = defaultdict(set)
    for row in rows:
        if row.replies and row.outcome in (Outcome.PASSED, Outcome.MISSED):
            texts[row.source, row.case, row.rung].add(row.text)
    return texts
