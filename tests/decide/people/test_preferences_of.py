"""What votes of people say of rungs, and which of their reviews count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import pytest

from pytest_ladder.core.outcomes import RealOutcome, ReviewConfig
from pytest_ladder.core.review import (
    PAIRS,
    Grade,
    PairReview,
    Preferred,
    Review,
    question_id,
    reply_hash,
)
from pytest_ladder.core.row import Row
from pytest_ladder.decide.people.grades import grades_of
from pytest_ladder.decide.people.preferences import preferences_of
from pytest_ladder.decide.people.sums import People, VoteSums, people_of
from pytest_ladder.decide.real.preferred import preferred
from pytest_ladder.reporting.people import people_sentences, view_of
from tests.cli.written_report import a_row

ASKED = ReviewConfig(question="Would you send it?")
RUNGS = ("small/plain", "small/rag", "tuned/plain", "tuned/rag")


def rows(cases: int = 20, rungs: Sequence[str] = RUNGS) -> list[Row]:
    return [
        a_row(rung, case, text=f"{rung} on {case}")
        for rung in rungs
        for case in range(cases)
    ]


def vote(
    case: int, a: str, b: str, preferred: Preferred = "a", **fields: object
) -> PairReview:
    told = {
        "source": rows(1)[0].source,
        "case": f"c{case:02}",
        "a": a,
        "b": b,
        "a_reply": reply_hash(f"{a} on {case}"),
        "b_reply": reply_hash(f"{b} on {case}"),
        "preferred": preferred,
        "left": "a",
        "rater": "ann",
        "question": question_id(ASKED.question, PAIRS),
    }
    return msgspec.convert(told | fields, PairReview)


def said(people: People, current: str | None = None) -> str:
    return "\n".join(people_sentences(view_of(people, current)))


def of(reviews: Iterable[Review], asked: ReviewConfig = ASKED) -> People:
    return people_of(reviews, rows(), asked)


def test_votes_of_cases_become_chances_with_intervals() -> None:
    """Vector RW8, each vote on a case of its own."""
    wins = {(0, 1): (14, 6), (0, 2): (17, 3), (1, 2): (11, 9)}
    reviews: list[Review] = []
    for (one, other), (won, lost) in wins.items():
        for n in range(won + lost):
            choice: Preferred = "a" if n < won else "b"
            reviews.append(vote(len(reviews), RUNGS[one], RUNGS[other], choice))
    people = people_of(reviews, rows(len(reviews)), ASKED)
    found = preferences_of(people)
    assert found is not None
    assert [one.rung for one in found.rungs] == list(RUNGS[:3])
    assert [one.chance for one in found.rungs] == pytest.approx(
        [0.775, 0.425, 0.3], abs=1e-6
    )
    pair = found.between(RUNGS[0], RUNGS[1])
    assert pair is not None
    assert pair.probability == pytest.approx(0.742534, abs=1e-6)
    assert (pair.won, pair.votes, pair.cases, pair.better) == (14, 20, 20, True)
    turned = found.between(RUNGS[1], RUNGS[0])
    assert turned is not None
    assert turned.better is False
    assert turned.probability == pytest.approx(1 - 0.742534, abs=1e-6)
    assert turned.low == pytest.approx(1 - (pair.high or 0))
    assert f"{RUNGS[0]} is preferred to {RUNGS[1]} with a chance of 74.3 %" in said(
        people, RUNGS[0]
    )


def test_which_of_the_two_a_file_calls_a_does_not_matter() -> None:
    one = of(vote(case, RUNGS[0], RUNGS[1], "a") for case in range(8))
    other = of(vote(case, RUNGS[1], RUNGS[0], "b") for case in range(8))
    assert one.votes == other.votes


def test_repeats_and_neither_are_no_votes_and_an_adjudicator_has_the_last_word() -> (
    None
):
    a, b = RUNGS[:2]
    people = of(
        [
            vote(0, a, b, "a"),
            vote(0, a, b, "b", repeat=True),
            vote(1, a, b, "neither"),
            vote(2, a, b, "tie"),
            vote(3, a, b, "a"),
            vote(3, a, b, "b", rater="ben"),
            vote(3, a, b, "b", rater="adjudicator"),
        ]
    )
    assert [(v.won, v.votes, v.neither) for v in people.votes] == [
        (1, 1, 0),
        (0, 0, 1),
        (0.5, 1, 0),
        (0, 1, 0),
    ]
    assert people.of_pairs is not None
    assert people.of_pairs.agreeing.raters == 2
    assert (people.of_pairs.repeats, people.of_pairs.steady) == (1, 0)
    text = said(people)
    assert "3 votes on 3 cases, and 1 vote for neither" in text
    assert "too little to rank rungs by: 3 cases, and fewer than 6" in text
    assert "no interval" in text
    assert "1 item answered by two raters or more: at least 10" in text


def test_only_neither_prefers_nobody() -> None:
    people = of(vote(case, *RUNGS[:2], "neither") for case in range(9))
    assert preferences_of(people) is None
    assert "nobody is preferred" in said(people)


def test_groups_that_nobody_compared_are_not_ranked_together() -> None:
    people = of(
        vote(case, one, other, "a" if case % 3 else "b")
        for case in range(12)
        for one, other in (RUNGS[:2], RUNGS[2:])
    )
    found = preferences_of(people)
    assert found is not None
    assert found.groups == [list(RUNGS[:2]), list(RUNGS[2:])]
    assert found.between(RUNGS[0], RUNGS[2]) is None
    assert (
        f"cannot be ranked together: {RUNGS[0]} and {RUNGS[1]}; {RUNGS[2]} and "
        f"{RUNGS[3]}."
    ) in said(people)


def test_a_rung_that_only_won_is_said_to_be_propped_up() -> None:
    people = of(vote(case, *RUNGS[:2]) for case in range(12))
    found = preferences_of(people)
    assert found is not None
    assert found.separated
    assert found.rungs[0].high is not None
    assert 0.6 < found.rungs[0].chance < found.rungs[0].high < 1
    assert "half a win was added each way" in said(people)


def test_texts_and_questions_that_changed_void_and_are_counted() -> None:
    a, b = RUNGS[:2]
    other = question_id("Is it nice?", PAIRS)
    people = of(
        [
            vote(0, a, b),
            vote(1, a, b, b_reply="0123456789abcdef"),
            vote(2, a, b, question=other),
            vote(77, a, b),
            vote(3, a, "gone/rung"),
            vote(4, a, b, a_reply="", source="", question=""),
        ]
    )
    assert sum(v.votes for v in people.votes) == 2
    assert (people.replies_changed, people.questions_changed) == (1, 1)
    assert (people.elsewhere, people.untied) == (2, 1)
    text = said(people)
    assert "1 review does not count: of replies that have changed since." in text
    assert "of another question than [review] asks now" in text
    assert "2 more reviews of rungs or cases that are not in this report" in text
    assert "1 review does not say of which text" in text


def test_who_takes_one_side_is_named_and_who_does_not_is_not() -> None:
    sides = [
        vote(case, *RUNGS[:2], "a", left="a", rater="lea") for case in range(14)
    ] + [
        vote(case, *RUNGS[:2], "a", left="ab"[case % 2], rater="ben")
        for case in range(14)
    ]
    text = said(of(sides))
    assert "lea took the reply on the left in 14 of 14" in text
    assert "ben took" not in text
    assert "left was taken in 75.0 % of 28 pairs" in text


def grade(case: int, rung: str, verdict: object, **fields: object) -> Grade:
    told = {
        "source": rows(1)[0].source,
        "case": f"c{case:02}",
        "rung": rung,
        "reply": reply_hash(f"{rung} on {case}"),
        "verdict": verdict,
        "rater": "ann",
        "question": question_id(ASKED.question, "binary"),
        "seconds": 10 + case,
    }
    return msgspec.convert(told | fields, Grade)


def test_verdicts_are_shares_and_gains_against_what_ships() -> None:
    ships, other = RUNGS[:2]
    reviews = [grade(n, ships, "pass" if n < 5 else "fail") for n in range(16)]
    reviews += [grade(n, other, "pass" if n < 15 else "fail") for n in range(16)]
    reviews += [grade(0, other, "fail", rater="ben")]
    people = of(reviews)
    found = {one.rung: one for one in grades_of(people, ships)}
    assert found[ships].score == pytest.approx(5 / 16)
    assert found[other].score == pytest.approx(14.5 / 16)
    assert found[ships].gain is None
    gain = found[other].gain
    assert gain is not None
    assert gain.gain == pytest.approx(9.5 / 16)
    assert (gain.cases, gain.better) == (16, True)
    text = said(people, ships)
    assert "people think better of it" in text
    assert "A verdict took 17 s (median)." in text


def test_grades_are_written_on_their_own_scale() -> None:
    asked = ReviewConfig(question=ASKED.question, scale="graded")
    known = {"question": question_id(ASKED.question, "graded")}
    people = of(
        [
            grade(n, rung, 1 + (n + k) % 5, **known)
            for n in range(10)
            for k, rung in enumerate(RUNGS[:2])
        ],
        asked,
    )
    (ships, other) = grades_of(people, RUNGS[0])
    assert ships.score == other.score == pytest.approx(0.5)
    assert "undecided" in said(people, RUNGS[0])
    assert "+0.00 (paired 95 % interval" in said(people, RUNGS[0])


def test_a_preference_decides_only_where_it_is_said_to() -> None:
    people = of(vote(case, *RUNGS[:2]) for case in range(20))
    shown = RealOutcome(name="preferred", kind="preference")
    state = preferred(shown, people, is_primary=True)
    assert state is not None
    assert "set observed = true" in state.problems[0]
    assert all(one.doubt for one in state.rungs)
    assert state.deciding(RUNGS[0]) is None
    (pair,) = state.comparisons
    assert pair.better is None
    deciding = msgspec.structs.replace(shown, observed=True)
    state = preferred(deciding, people, is_primary=True)
    assert state is not None
    assert state.problems == ()
    (pair,) = state.comparisons
    assert (pair.rung, pair.better) == (RUNGS[0], True)
    assert state.deciding(RUNGS[0]) is not None
    assert preferred(deciding, None, is_primary=True) is None
    few = of(vote(case, *RUNGS[:2]) for case in range(5))
    state = preferred(deciding, few, is_primary=True)
    assert state is not None
    assert "5 cases" in state.rungs[0].doubt


@pytest.mark.parametrize(
    "vote",
    [
        VoteSums(first=0, second=0, case=0, won=1, votes=1),
        VoteSums(first=0, second=2, case=0, won=1, votes=1),
        VoteSums(first=0, second=1, case=0, won=2, votes=1),
    ],
)
def test_sums_that_nobody_gave_are_refused(vote: VoteSums) -> None:
    with pytest.raises(ValueError, match="vote"):
        People(question="?", graded=False, rungs=("a", "b"), votes=(vote,))
