"""What a third person decides: where raters differ, without who said what."""

from __future__ import annotations

import html
import re
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import (
    ADJUDICATOR,
    PAIRS,
    LabelVerdict,
    PairReview,
    Review,
    question_id,
)
from pytest_ladder.judging.calibration.calibrate import calibrations_of, judged_of
from pytest_ladder.judging.calibration.labels import label_of
from pytest_ladder.review.adjudication import (
    agreement_of,
    disputed,
    disputed_labels,
    disputed_reviews,
)
from pytest_ladder.review.pages import RaterView, item_page
from pytest_ladder.review.questions import Question, item_of
from pytest_ladder.review.queue import Item, ReviewCandidate, shown_to
from tests.judging.judged_rows import some_rows
from tests.review.test_store import a_choice, a_grade

ASKED = ReviewConfig(question="Would you send this?")
OF_PAIRS = question_id(ASKED.question, PAIRS)
CANDIDATES = [
    ReviewCandidate(
        test="t",
        source="cases.jsonl",
        case="refund",
        rung=rung,
        text=text,
        passed=True,
    )
    for rung, text in (("m/a", "yes"), ("m/b", "no"))
]


def said(*verdicts: Any, **fields: Any) -> list[Review]:
    make = a_choice if verdicts[0] in ("a", "b", "tie", "neither") else a_grade
    return [make(one, rater=f"rater {n}", **fields) for n, one in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("verdicts", "differ"),
    [
        (("pass", "fail"), True),
        (("pass", "pass"), False),
        (("pass", "pass", "fail"), True),
        (("pass",), False),
        (("a", "b"), True),
        (("a", "tie"), True),
        (("tie", "neither"), True),
        (("neither", "neither"), False),
        # Grades: near each other, unless only one of them is a pass.
        ((4, 5), False),
        ((1, 2), False),
        ((2, 3), True),
        ((3, 5), True),
        ((5, "pass"), False),
        ((2, "pass"), True),
    ],
)
def test_where_raters_differ(verdicts: tuple[Any, ...], differ: bool) -> None:
    assert bool(disputed(said(*verdicts))) is differ


def test_what_was_said_again_or_decided_is_no_dispute() -> None:
    for more in (
        a_grade("fail", rater="rater 0", repeat=True),
        a_grade("fail", rater=ADJUDICATOR),
        a_grade("fail", rater="rater 1", reply="another reply"),
    ):
        assert not disputed([*said("pass"), more])


def shown(item: Item) -> str:
    view = RaterView(rater=ADJUDICATOR, csrf="x", nonce="x", done=0, total=1)
    return html.unescape(re.sub("<[^>]+>", " ", item_page(view, item, 1)))


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (said("pass", "fail", "pass"), r"Yes \(2\),\s+No \(1\)"),
        (
            said("b", "tie", "b", question=OF_PAIRS),
            r"Right\s+Second\s+is better \(2\),\s+Both",
        ),
    ],
)
def test_who_decides_sees_how_many_said_what_and_not_who(
    answers: list[Review], told: str
) -> None:
    is_pairs = isinstance(answers[0], PairReview)
    (item,) = disputed_reviews(answers, CANDIDATES, ASKED, is_pairs=is_pairs)
    # Until the sides fall so that the first rung stands on the left.
    for seed in range(20):
        (drawn,) = shown_to(ADJUDICATOR, [item], seed)
        if not isinstance(drawn.about, PairReview) or drawn.about.left == "a":
            break
    page = shown(drawn)
    assert re.search(rf"Others have answered:\s+{told}", page)
    assert "rater 0" not in page
    assert drawn.about.rater == ADJUDICATOR
    assert set(drawn.texts) <= {"yes", "no"}
    assert not disputed_reviews(answers, CANDIDATES, ASKED, is_pairs=not is_pairs)
    # Of a reply that has changed, and of another question, nobody can decide.
    for gone in (CANDIDATES[1:], CANDIDATES[:0]):
        assert not disputed_reviews(answers, gone, ASKED, is_pairs=is_pairs)
    other = ReviewConfig(question="Is it polite?")
    assert not disputed_reviews(answers, CANDIDATES, other, is_pairs=is_pairs)
    # What other tools asked has no question here; it is decided where it came from.
    bare = [msgspec.structs.replace(one, question="") for one in answers]
    (again,) = disputed_reviews(bare, CANDIDATES, ASKED, is_pairs=is_pairs)
    assert again.about.question == ""  # type: ignore[union-attr]


def test_who_decides_is_no_rater_of_whom_agreement_is_told() -> None:
    both = [
        a_grade(verdict, rater=rater, case=f"c{n}")
        for n in range(12)
        for rater, verdict in (("ann", "pass"), ("ben", "fail" if n % 3 else "pass"))
    ]
    decided = [a_grade("pass", rater=ADJUDICATOR, case=f"c{n}") for n in range(12)]
    assert agreement_of([*both, *decided]) == agreement_of(both) != ""


def test_a_label_that_was_decided_counts_and_the_differing_ones_do_not() -> None:
    """Also against two of three, and people are compared without it."""
    rows = some_rows(1, 0)
    (judged,) = judged_of(rows)
    verdicts: dict[str, LabelVerdict] = {"ann": "fail", "ben": "fail", "cid": "pass"}
    differing = [label_of(judged, verdict, who) for who, verdict in verdicts.items()]
    (item,) = disputed_labels(differing, [item_of(Question(judged, None), ADJUDICATOR)])
    assert item.others == ("fail", "fail", "pass")
    assert "Fail (2), Pass (1)" in re.sub(" +", " ", shown(item)).replace(" (", " (")
    decided: dict[LabelVerdict, float] = {"pass": 1.0, "fail": 0.0}
    for verdict, agree in decided.items():
        labels = [*differing, label_of(judged, verdict, ADJUDICATOR)]
        (found,) = calibrations_of(rows, labels, ["m/plain"])
        assert found.agreement is not None
        assert found.agreement.accuracy.value == agree
        assert found.people is not None
        assert found.people.accuracy.value == 1.0  # ann and ben, the first two
    assert not disputed_labels(differing[:2], [item])
