"""Answers through the server: kept, replaced, taken back, and seen by nobody else."""

from __future__ import annotations

import html
from pathlib import Path

from pytest_ladder.core.review import PairReview
from pytest_ladder.real.reviews import read_reviews
from tests.review.reviewed import RUNGS
from tests.review.served import Rater, graded_items, paired_items, served


def answer_all(rater: Rater, verdict: str) -> int:
    for asked in range(100):
        page = rater.get("/next").to
        if page == "/done":
            return asked
        assert rater.post(page, verdict=verdict).to == "/next"
    raise AssertionError("never done")


def test_every_answer_is_on_disk_before_the_page_moves_on(
    ann: Rater, file: Path
) -> None:
    assert not file.exists()
    seen = []
    for number in range(1, 4):
        page = ann.get("/next").to
        seen.append(page)
        ann.get(page)
        ann.post(page, verdict="pass" if number % 2 else "fail", note=" why \n")
        assert len(read_reviews(file)) == number
    assert len(set(seen)) == 3
    said = read_reviews(file)
    assert [one.verdict for one in said] == ["pass", "fail", "pass"]
    assert {(one.rater, one.note, one.seconds) for one in said} == {("ann", "why", 0)}
    assert "3 of 6 answered" in ann.get("/").text


def test_done_counts_and_skips_come_to_an_end(ann: Rater, file: Path) -> None:
    ann.post(ann.get("/next").to, verdict="skip")
    assert answer_all(ann, "pass") == 5
    assert len(read_reviews(file)) == 5
    page = ann.get("/done").text
    assert "5 of 6 answered" in page
    assert "1 skipped" in page


def test_the_last_answer_is_taken_back_and_asked_again(ann: Rater, file: Path) -> None:
    first = ann.get("/next").to
    ann.post(first, verdict="pass")
    second = ann.get("/next").to
    ann.post(second, verdict="fail")
    assert [ann.post("/undo").to for _ in range(3)] == [second, first, "/"]
    assert read_reviews(file) == ()
    assert ann.get("/next").to == first


def test_a_skip_is_taken_back_in_its_turn_among_answers(ann: Rater, file: Path) -> None:
    """`s` by mistake was for good, and `u` took back the answer before it."""
    first, second, third = (f"/item/{number}" for number in (1, 2, 3))
    ann.post(first, verdict="skip")
    ann.post(second, verdict="pass")
    ann.post(third, verdict="skip")
    assert ann.get("/next").to == "/item/4"
    assert ann.post("/undo").to == third
    assert [one.verdict for one in read_reviews(file)] == ["pass"]
    assert ann.get("/next").to == third
    assert [ann.post("/undo").to for _ in range(3)] == [second, first, "/"]
    assert read_reviews(file) == ()


def test_a_review_that_was_skipped_through_can_be_taken_up_again(ann: Rater) -> None:
    while ann.get("/next").to != "/done":
        last = ann.get("/next").to
        ann.post(last, verdict="skip")
    assert "Take back the last answer" in ann.get("/done").text
    assert ann.post("/undo").to == last


def test_a_restart_goes_on_where_the_file_ends(file: Path) -> None:
    items = graded_items()
    for left in (6, 4, 2):
        with served(file, items) as site:
            rater = Rater(site.links[0][1])
            rater.enter()
            assert f"{6 - left} of 6 answered" in rater.get("/").text
            for _ in range(2):
                rater.post(rater.get("/next").to, verdict="pass")
    assert len({one.item for one in read_reviews(file)}) == 6


def test_a_second_tab_sees_the_answer_and_a_double_click_is_one(
    ann: Rater, file: Path
) -> None:
    page = ann.get("/next").to
    for _ in range(2):
        assert ann.post(page, verdict="pass").status == 303
    assert len(file.read_bytes().splitlines()) == 1
    assert ann.get("/next").to != page


def test_another_answer_replaces_the_first_and_its_note_is_at_hand(
    ann: Rater, file: Path
) -> None:
    ann.post("/item/1", verdict="pass", note="<b> & more")
    page = ann.get("/item/1").text
    assert "You have answered this" in page
    assert "\n&lt;b&gt; &amp; more</textarea>" in page
    ann.post("/item/1", verdict="pass", note="better")
    ann.post("/item/1", verdict="fail", note="best")
    assert [(one.verdict, one.note) for one in read_reviews(file)] == [("fail", "best")]
    assert "You have answered this" not in ann.get("/item/2").text


def test_raters_see_nothing_of_each_other_until_all_are_done(file: Path) -> None:
    with served(
        file, graded_items(), ("ann", "ben"), agreement=lambda: "They agree."
    ) as site:
        ann, ben = (Rater(link) for _, link in site.links)
        for rater in (ann, ben):
            rater.enter()
        answer_all(ann, "pass")
        assert "They agree" not in ann.get("/done").text
        assert "0 of 6 answered" in ben.get("/").text
        assert "ann" not in ben.get("/").text
        ben.post(ben.get("/next").to, verdict="skip")
        answer_all(ben, "fail")
        assert "1 skipped; it comes again" in ben.get("/done").text
        assert "They agree" in ben.get("/done").text, "what is skipped is done"
    assert [one.verdict for one in read_reviews(file)].count("fail") == 5


def test_a_pair_is_kept_by_rung_whatever_its_sides(file: Path) -> None:
    with served(file, paired_items()) as site:
        rater = Rater(site.links[0][1])
        rater.enter()
        asked = answer_all(rater, "left")
    said = [one for one in read_reviews(file) if isinstance(one, PairReview)]
    assert asked == len(said) == 13
    assert all(one.preferred == one.left for one in said)
    assert {one.preferred for one in said} == {"a", "b"}


def test_neither_rung_nor_case_stands_in_a_page(file: Path) -> None:
    for items in (graded_items(), paired_items()):
        with served(file, items) as site:
            rater = Rater(site.links[0][1])
            rater.enter()
            pages = [rater.get("/").text]
            for item in items:
                page = rater.get("/next").to
                pages.append(page + rater.get(page).text)
                shown = html.unescape(pages[-1])
                assert any(t in shown for i in items for t in i.texts)
                assert item.about.case not in shown
                rater.post(page, verdict="tie" if item.is_pair else "fail")
            whole = "".join(pages)
            for hidden in (*RUNGS, "small", "tuned", "cases.jsonl", "openai"):
                assert hidden not in whole


def test_grades_are_numbers_from_one_to_five(file: Path) -> None:
    with served(file, graded_items(scale="graded")) as site:
        rater = Rater(site.links[0][1])
        rater.enter()
        for wrong in ("pass", "0", "6", "\u0663", "3.5"):
            assert rater.post("/item/1", verdict=wrong).status == 400
        assert rater.post("/item/1", verdict="4").status == 303
    assert [one.verdict for one in read_reviews(file)] == [4]


def test_a_damaged_file_is_named_and_nothing_is_lost(ann: Rater, file: Path) -> None:
    page = ann.get("/next").to
    ann.post(page, verdict="pass")
    with file.open("ab") as opened:
        opened.write(b"{torn\n")
    before = file.read_bytes()
    answer = ann.post(page, verdict="fail")
    assert answer.status == 500
    assert "reviews.jsonl:2" in answer.text
    assert file.read_bytes() == before


def test_a_page_is_small(ann: Rater) -> None:
    for path in ("/", "/item/1", "/done"):
        assert len(ann.get(path).text.encode()) < 12_000


def test_keys_can_be_switched_off(ann: Rater) -> None:
    """And stay so in this browser, for whatever review: WCAG 2.1.4."""
    mine = ann.cookie
    assert "<script" in ann.get("/item/1").text
    for switch, back, to in (
        ("off", "/item/1", "/item/1"),
        ("off", "https://evil.example/item/1", "/"),
        ("maybe", "/item/99", "/"),
        ("on", "/", "/"),
    ):
        answer = ann.post("/shortcuts", shortcuts=switch, back=back)
        assert answer.to == to
        kept = answer.headers["Set-Cookie"]
        ann.cookie = f"{mine}; {kept.split(';')[0]}"
        assert "Max-Age=31536000" in kept
        assert "HttpOnly" in kept
        for page in (ann.get(path).text for path in ("/", "/item/1")):
            assert ("<script" in page) is (switch == "on")
            assert f"Switch keys {'off' if switch == 'on' else 'on'}" in page
