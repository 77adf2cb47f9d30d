"""Reports with reviews in them: people who compare and grade replies."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

import msgspec

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import (
    PAIRS,
    Grade,
    PairReview,
    Review,
    question_id,
    reply_hash,
)
from pytest_ladder.core.row import Row
from pytest_ladder.decide.people.standing import replies_of
from pytest_ladder.decide.people.sums import people_of
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.revise import with_people
from tests.browser.sample_reports import sample_report

ASKED = ReviewConfig(question="Would you send this reply to the customer?")
RATERS = ("ann", "ben", "cid")


def sample_people(cases: int = 30, rungs: int = 6, votes: int = 360) -> Report:
    """A report whose later rungs people prefer, each by a little."""
    report = sample_report(2, rungs // 2, cases)
    reviews = list(reviews_of(report.rows, [r.id for r in report.matrix.rungs], votes))
    return with_people(report, people_of(reviews, report.rows, ASKED))


def reviews_of(
    rows: Sequence[Row], rungs: Sequence[str], votes: int, seed: int = 1
) -> Iterator[Review]:
    """Yield choices between two rungs, and a verdict for each fourth of them."""
    draw = random.Random(seed)
    replies = replies_of(rows)
    places = sorted({(source, case) for source, case, _ in replies})
    texts = {spot: min(of) for spot, of in replies.items()}
    for n in range(votes):
        place = places[n % len(places)]
        there = [rung for rung in rungs if (*place, rung) in texts]
        a, b = sorted(draw.sample(there, 2))
        lead = 0.4 * (rungs.index(a) - rungs.index(b))
        fell, chance = draw.random(), 1 / (1 + math.exp(-lead))
        preferred = "tie" if draw.random() < 0.1 else "a" if fell < chance else "b"
        for rater in draw.sample(RATERS, 2):
            said = preferred if draw.random() < 0.8 else draw.choice("ab")
            yield msgspec.convert(
                {
                    "source": place[0],
                    "case": place[1],
                    "a": a,
                    "b": b,
                    "a_reply": reply_hash(texts[*place, a]),
                    "b_reply": reply_hash(texts[*place, b]),
                    "preferred": said,
                    "left": draw.choice("ab"),
                    "rater": rater,
                    "question": question_id(ASKED.question, PAIRS),
                    "seconds": draw.randint(4, 40),
                },
                PairReview,
            )
        if n % 4 == 0:
            yield Grade(
                source=place[0],
                case=place[1],
                rung=a,
                reply=reply_hash(texts[*place, a]),
                verdict="pass" if draw.random() < 0.6 else "fail",
                rater=draw.choice(RATERS),
                question=question_id(ASKED.question, ASKED.scale),
                seconds=draw.randint(4, 40),
            )
