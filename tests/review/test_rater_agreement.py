"""What reviews say of the people who gave them."""

from __future__ import annotations

import pytest

from pytest_ladder.core.review import Review
from pytest_ladder.decide.people.raters import Raters, raters_of
from pytest_ladder.review.adjudication import agreement_of
from tests.review.test_store import a_choice, a_grade

BINARY = [
    [1, 1, 0, 1, 1, None, 1, 0, 1, 1],
    [1, 1, 0, 1, 0, 1, 1, 0, 1, None],
    [1, None, 0, 1, 1, 1, 1, 1, 1, 1],
]
"""Vector RW13."""


def answers() -> list[Review]:
    return [
        a_grade("pass" if verdict else "fail", rater=rater, case=f"c{case}")
        for rater, verdicts in zip(("ann", "ben", "cid"), BINARY, strict=True)
        for case, verdict in enumerate(verdicts)
        if verdict is not None
    ]


def raters(given: list[Review]) -> Raters:
    found = raters_of(given)
    assert found is not None
    return found


def test_raters_agree_as_the_vector_says() -> None:
    found = raters(answers()).agreeing
    assert (found.raters, found.items, found.shared) == (3, 10, 10)
    assert found.alpha == pytest.approx(0.587302, abs=1e-6)
    assert found.ac1 == pytest.approx(0.803922, abs=1e-6)
    assert agreement_of(answers()) == (
        "3 raters on 10 items: Krippendorff's alpha 0.59, Gwet's AC1 0.80."
    )


def test_grades_that_are_near_agree_more_than_grades_that_are_far() -> None:
    def alpha(other: list[int]) -> float:
        grades = [1, 2, 3, 4, 5, 5, 4, 3, 2, 1]
        given: list[Review] = [
            a_grade(verdict, rater=rater, case=f"c{case}")
            for rater, verdicts in (("ann", grades), ("ben", other))
            for case, verdict in enumerate(verdicts)
        ]
        return raters(given).agreeing.alpha or 0

    near, far = [2, 2, 3, 4, 5, 5, 4, 3, 2, 1], [5, 2, 3, 4, 5, 5, 4, 3, 2, 1]
    assert alpha(near) > alpha(far) + 0.1


def test_repeats_tell_how_steady_a_rater_is_and_count_for_nothing_else() -> None:
    again = [
        a_grade("pass", case="c0", repeat=True),
        a_grade("fail", case="c1", repeat=True),
        a_grade("fail", case="never asked a first time", repeat=True),
    ]
    found = raters([*answers(), *again])
    assert (found.repeats, found.steady) == (2, 1)
    assert found.agreeing == raters(answers()).agreeing


def test_the_side_of_choices_is_counted() -> None:
    given: list[Review] = [
        a_choice(preferred, left=left, case=f"c{n}")
        for n, (preferred, left) in enumerate(
            [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("tie", "a"), ("a", "")]
        )
    ]
    found = raters(given)
    assert (found.left_rate, found.sided) == (0.75, 4)
    assert found.one_sided == ()
    assert raters(answers()).left_rate is None
    always = [a_choice("a", left="a", case=f"c{n}", rater="lea") for n in range(12)]
    (lea,) = raters([*given, *always]).one_sided
    assert (lea.rater, lea.left, lea.of) == ("lea", 12, 12)


def test_too_little_is_said_and_one_rater_says_nothing() -> None:
    assert agreement_of([]) == ""
    assert agreement_of(one for one in answers() if one.rater == "ann") == ""
    few = [one for one in answers() if one.case in ("c0", "c2", "c3")]
    assert agreement_of(few) == (
        "3 items answered by two raters or more: at least 10 are needed to say how far "
        "they agree."
    )
    assert "no chance-corrected figure" in agreement_of(
        [a_grade(case=f"c{n}", rater=r) for n in range(10) for r in ("ann", "ben")]
    )
