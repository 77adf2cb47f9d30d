"""What a rater is asked is drawn: evenly, blind, and the same again."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import Grade, PairReview, reply_hash
from pytest_ladder.review.queue import (
    Assignment,
    Item,
    apart,
    grades,
    item_id,
    pairs,
    queue_of,
)
from tests.review.reviewed import RUNGS, candidates

ASKED = ReviewConfig()


def graded(count: int = 40, seed: int = 0) -> list[Item]:
    return grades(candidates(), ASKED, count=count, seed=seed)


def paired(count: int = 60, seed: int = 0, current: str | None = None) -> list[Item]:
    return pairs(candidates(), RUNGS, ASKED, current=current, count=count, seed=seed)[0]


def compared(item: Item) -> tuple[str, str]:
    assert isinstance(item.about, PairReview)
    return item.about.a, item.about.b


def for_one(items: list[Item], rater: str = "ann", seed: int = 0) -> list[Item]:
    return queue_of(rater, items, Assignment(raters=(rater,), seed=seed))


def test_every_rung_is_graded_alike() -> None:
    asked = [item.about for item in graded(80)]
    rungs = Counter(one.rung for one in asked if isinstance(one, Grade))
    assert max(rungs.values()) - min(rungs.values()) <= 2
    assert len(rungs) == 4


def test_every_pair_of_rungs_comes_alike_on_the_same_cases() -> None:
    items = paired(60)
    assert set(Counter(map(compared, items)).values()) == {10}
    assert len({item.place for item in items}) == 10


def test_few_questions_are_asked_of_pairs_with_the_current_rung() -> None:
    items = paired(20, current="tuned/plain")
    assert Counter(map(compared, items)) == {
        ("small/plain", "tuned/plain"): 6,
        ("small/rag", "tuned/plain"): 7,
        ("tuned/plain", "tuned/rag"): 7,
    }


def test_equal_replies_are_counted_and_not_shown() -> None:
    items, equal = pairs(candidates(4), RUNGS, ASKED, current=None, count=60)
    assert (len(items), equal) == (12, 12)
    assert all(item.texts[0] != item.texts[1] for item in items)


def test_the_same_seed_asks_the_same_and_another_does_not() -> None:
    for make in (graded, paired):
        one, again, other = make(30, 1), make(30, 1), make(30, 2)
        assert one == again
        assert {item_id(i.about) for i in one} != {item_id(i.about) for i in other}
        assert for_one(one) == for_one(again)
        orders = [[item_id(i.about) for i in for_one(one, r)] for r in ("ann", "ben")]
        assert orders[0] != orders[1]
        assert Counter(orders[0]).keys() == Counter(orders[1]).keys()


def test_sides_are_even_differ_by_rater_and_texts_follow_them() -> None:
    text_of = {(c.case, c.rung): c.text for c in candidates()}
    sides: Counter[str] = Counter()
    drawn: dict[tuple[str, ...], set[str]] = {}
    for rater in ("ann", "ben", "cid", "dee", "eve", "fay"):
        for item in for_one(paired(60), rater):
            about = item.about
            assert isinstance(about, PairReview)
            left, right = (
                (about.a, about.b) if about.left == "a" else (about.b, about.a)
            )
            assert item.texts == (text_of[about.case, left], text_of[about.case, right])
            assert reply_hash(text_of[about.case, about.a]) == about.a_reply
            sides[about.left] += 1
            drawn.setdefault(item_id(about), set()).add(about.left)
    assert 150 < sides["a"] < 246  # of 396, four standard deviations to each side
    assert sum(len(seen) == 2 for seen in drawn.values()) > 50


@pytest.mark.parametrize("make", [graded, paired])
def test_one_of_ten_comes_twice_in_the_second_half(make: object) -> None:
    queue = for_one(graded(40) if make is graded else paired(40))
    assert len(queue) == 44
    places: dict[tuple[str, ...], list[int]] = {}
    for place, item in enumerate(queue):
        places.setdefault(item_id(item.about), []).append(place)
    twice = [p for p in places.values() if len(p) == 2]
    assert len(twice) == 4
    assert all(first < 20 <= second for first, second in twice)
    again = [i.about for i in queue if not hasattr(i.about, "key") and i.about.repeat]
    assert len({about.identity for about in again}) == 4


def test_no_case_comes_twice_in_a_row_where_others_are_left() -> None:
    for queue in (for_one(graded(60)), for_one(paired(60))):
        assert all(one.place != two.place for one, two in pairwise(queue))
    item = graded(1)[0]
    other = msgspec.structs.replace(
        item, about=msgspec.structs.replace(item.about, case="other")
    )
    assert [i.about.case for i in apart([item, item, other])] == [
        item.about.case,
        "other",
        item.about.case,
    ]
    assert len(apart([item, item])) == 2


def test_items_are_split_until_each_has_the_raters_it_wants() -> None:
    raters = ("ann", "ben", "cid")
    assignment = Assignment(raters=raters, wanted=2, count=40)
    items = graded(assignment.items)
    assert len(items) == 60
    asked = Counter(
        item_id(item.about)
        for rater in raters
        for item in queue_of(rater, items, assignment)
        if isinstance(item.about, Grade) and not item.about.repeat
    )
    assert set(asked.values()) == {2}
    assert len(asked) == 60


def test_what_is_shared_goes_to_all_and_the_rest_to_the_wanted() -> None:
    raters = ("ann", "ben", "cid")
    assignment = Assignment(raters=raters, wanted=1, count=20, shared=8)
    items = graded(assignment.items)
    assert len(items) == 8 + 3 * 12
    everybody = {item_id(item.about) for item in items}
    for enough in ((), everybody):
        asked = Counter(
            item_id(item.about)
            for rater in raters
            for item in queue_of(rater, items, assignment, enough)
            if isinstance(item.about, Grade) and not item.about.repeat
        )
        # What all are to answer is asked, however many have answered already.
        assert Counter(asked.values()) == ({3: 8} if enough else {3: 8, 1: 36})
    assert Assignment(raters=raters, wanted=1, count=5, shared=9).items == 5


def test_more_raters_wanted_than_there_are_means_all() -> None:
    assignment = Assignment(raters=("ann",), wanted=3, count=20)
    assert assignment.items == 20
    assert len(queue_of("ann", graded(20), assignment)) == 22


def test_what_others_answered_often_enough_is_not_asked() -> None:
    items = graded(20)
    enough = {item_id(item.about) for item in items[:5]}
    queue = queue_of("ann", items, Assignment(raters=("ann",)), enough)
    assert not enough & {item_id(item.about) for item in queue}


def test_nothing_to_ask_is_an_empty_queue() -> None:
    assert grades([], ASKED, count=9) == []
    assert pairs([], RUNGS, ASKED, current=None, count=9) == ([], 0)
    assert for_one([]) == []
