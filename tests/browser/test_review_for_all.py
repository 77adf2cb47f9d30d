"""The review page for everybody: axe-core, screen readers, zoom, phones, keys off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from pytest_ladder.core.review import ADJUDICATOR
from pytest_ladder.review.queue import Item
from pytest_ladder.review.server import Site
from tests.browser.test_review_in_browser import heading, page_of, press
from tests.review.served import graded_items, paired_items, served

LOOKS = {
    "light": {"width": 1280, "height": 800},
    "dark": {"width": 1280, "height": 800},
    "phone": {"width": 390, "height": 844},
    # What a window of 1280 by 800 has left at 200 %.
    "zoom": {"width": 640, "height": 400},
}
Looking = Callable[[Page, str], None]


@pytest.fixture
def look() -> Iterator[Looking]:
    """Let axe-core look at a page in every light and size; no fault may be left."""
    axe, faults, looked = Axe(), list[str](), set[str]()

    def at(page: Page, name: str) -> None:
        for how, size in LOOKS.items():
            page.emulate_media(color_scheme="dark" if how == "dark" else "light")
            page.set_viewport_size(size)
            found = axe.run(page).response
            assert len(found["passes"]) > 10
            faults.extend(
                f"{name}, {how}: {fault['id']} at {node['target']}"
                for fault in found["violations"]
                for node in fault["nodes"]
            )
        page.set_viewport_size(LOOKS["light"])
        looked.add(name)

    yield at
    assert faults == []
    assert looked


def decided_items() -> list[Item]:
    """One pair and one graded reply that raters differ on."""
    pair, reply = paired_items(1)[0], graded_items(1, "graded")[0]
    return [
        msgspec.structs.replace(pair, others=("a", "tie", "a")),
        msgspec.structs.replace(reply, others=(2, 5)),
    ]


@pytest.mark.parametrize(
    ("items", "rater", "keys"),
    [
        (graded_items(1), "ann", ("", "p")),
        (paired_items(1), "ann", ("ArrowLeft", "")),
        (decided_items(), ADJUDICATOR, ("n", "4")),
    ],
    ids=["grade", "pair", "adjudicate"],
)
def test_axe_finds_nothing_from_start_to_end(
    browser: Browser,
    file: Path,
    look: Looking,
    items: Sequence[Item],
    rater: str,
    keys: Sequence[str],
) -> None:
    """`keys` answer a pair and a reply."""
    with served(file, items, [rater]) as site, page_of(browser, link_of(site)) as page:
        look(page, "start")
        press(page, "Enter")
        while not page.url.endswith("/done"):
            page.keyboard.press("?")
            look(page, page.url)
            press(page, keys["/item/" in page.url])
        assert heading(page) == "Nothing is left to ask you"
        if rater == ADJUDICATOR:
            look(page, "done")
            page.goto(page.url.replace("done", "nowhere"))
            look(page, "no such page")


def test_a_screen_reader_hears_question_replies_and_answers_in_this_order(
    browser: Browser, file: Path
) -> None:
    """Without the signs of keys, and with names that say what a button does."""
    (item,) = paired_items(1)
    item = msgspec.structs.replace(item, blocks=(("input", "Where is my tea?"),))
    with served(file, [item]) as site, page_of(browser, link_of(site)) as page:
        press(page, "Enter")
        assert page.evaluate("document.activeElement.tagName") == "H1"
        assert page.title() == "1 of 1"
        left, right = page.locator(".reply").all_inner_texts()
        assert (
            page.locator("body").aria_snapshot()
            == f"""\
- main:
  - heading "Which reply is better?" [level=1]
  - paragraph: "Think of: Would you send this reply?"
  - status: 0 of 1 answered
  - progressbar "Answered"
  - heading "What was asked" [level=2]
  - text: Where is my tea?
  - heading "Left reply" [level=2]
  - text: {left}
  - heading "Right reply" [level=2]
  - text: {right}
  - group "Your answer":
    - text: Your answer
    - button "Left is better"
    - button "Right is better"
    - button "Both as good"
    - button "Neither is good"
    - button "Skip"
  - text: Note (optional)
  - textbox "Note (optional)"
  - group: Keys"""
        )
        # On a phone one reply stands below the other.
        page.set_viewport_size(LOOKS["phone"])
        assert page.get_by_role("heading", name="Second reply").is_visible()
        assert page.get_by_role("button", name="First is better").is_visible()


def test_below_a_long_reply_the_answers_stay_in_sight_where_there_is_room(
    browser: Browser, file: Path
) -> None:
    (item,) = graded_items(1)
    item = msgspec.structs.replace(item, texts=("A long line.\n" * 200,))
    with served(file, [item]) as site, page_of(browser, link_of(site)) as page:
        press(page, "Enter")
        for how, seen in (("light", True), ("phone", True), ("zoom", False)):
            page.set_viewport_size(LOOKS[how])
            box = page.get_by_role("button", name="Yes").bounding_box()
            assert (box["y"] + box["height"] <= LOOKS[how]["height"]) is seen
        assert page.locator("body").evaluate("body => body.scrollWidth") <= 640
        page.get_by_label("Note (optional)").fill("Below it is a note.")
        page.get_by_role("button", name="Yes").click()
        assert heading(page) == "Nothing is left to ask you"


def link_of(site: Site) -> str:
    return site.links[0][1]
