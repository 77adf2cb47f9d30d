"""The review page in a real browser: keys alone, no script, and hostile replies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import Grade, PairReview
from pytest_ladder.real.reviews import read_reviews
from pytest_ladder.review.queue import Item, ReviewCandidate, grades, pairs
from tests.browser.sample_reports import HOSTILE
from tests.judging.injections import INJECTIONS
from tests.review.served import graded_items, paired_items, served

# One lone surrogate would end the request of any HTTP client, so no page holds one.
ATTACKS = [*INJECTIONS.values(), *HOSTILE]
LOOK = """() => {
    const main = document.querySelector("main");
    return {
        title: document.title,
        html: document.documentElement.outerHTML,
        text: main.innerText,
        foreign: main.querySelectorAll("a, img, script").length,
    };
}"""


@contextmanager
def page_of(browser: Browser, link: str, **options: object) -> Iterator[Page]:
    """Open a rater's page; what it does beyond its own server fails the test."""
    context = browser.new_context(**options)
    page = context.new_page()
    seen: list[str] = []
    own = link.split("/enter/")[0]
    page.on("dialog", lambda dialog: seen.append(dialog.message))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(own) else seen.append(asked.url),
    )
    page.goto(link)
    yield page
    assert seen == []
    context.close()


@contextmanager
def reviewing(
    browser: Browser, file: Path, items: Sequence[Item], **options: object
) -> Iterator[Page]:
    """Open the page of the only rater."""
    with (
        served(file, items) as site,
        page_of(browser, site.links[0][1], **options) as page,
    ):
        yield page


def press(page: Page, key: str) -> None:
    with page.expect_navigation():
        page.keyboard.press(key)


def heading(page: Page) -> str:
    return str(page.locator("h1").inner_text())


def hostile_items() -> list[Item]:
    texts = [text.encode(errors="replace").decode() for text in ATTACKS]
    replies = [
        ReviewCandidate(
            test="t",
            source="cases.jsonl",
            case=f"c{n}",
            rung=rung,
            text=text + rung,
            passed=True,
        )
        for n, text in enumerate(texts)
        for rung in ("m/a", "m/b")
    ]
    # Each text once as a reply and once in a pair: a page is a second of a browser.
    once = [reply for reply in replies if reply.rung == "m/a"]
    made = grades(once, ReviewConfig(question=HOSTILE[1]), count=99)
    made += pairs(replies, ("m/a", "m/b"), ReviewConfig(), current=None, count=99)[0]
    return made


def test_the_link_leaves_address_and_history(browser: Browser, file: Path) -> None:
    with reviewing(browser, file, graded_items()) as page:
        assert page.url.endswith("/")
        assert "/enter/" not in page.url
        assert page.locator("main").count() == page.locator("h1").count() == 1


def test_a_link_in_web_mail_lets_its_rater_in(browser: Browser, file: Path) -> None:
    """A browser keeps strict cookies back from whoever comes from another site."""
    with served(file, graded_items()) as site:
        page = browser.new_page()
        mail = f'<a href="{site.links[0][1]}">please rate</a>'
        page.route(
            "https://mail.example/*",
            lambda asked: asked.fulfill(content_type="text/html", body=mail),
        )
        page.goto("https://mail.example/inbox")
        page.click("a")
        page.get_by_text("You are ann").wait_for()
        assert "/enter/" not in page.url
        page.go_back()
        assert page.url == "https://mail.example/inbox"
        page.close()


def test_replies_are_graded_by_keys_alone(browser: Browser, file: Path) -> None:
    with reviewing(browser, file, graded_items()) as page:
        press(page, "Enter")
        assert page.evaluate("document.activeElement.tagName") == "H1"
        press(page, "y")  # as p is
        press(page, "f")
        press(page, "u")
        assert len(read_reviews(file)) == 1
        page.keyboard.press("c")
        page.keyboard.type("pf s? too long")
        page.keyboard.press("Escape")
        press(page, "p")
        for key in ("n", "s", "p", "f"):
            press(page, key)
        assert heading(page) == "Nothing is left to ask you"
        assert "5 of 6 answered" in page.locator("main").inner_text()
    said = [one.verdict for one in read_reviews(file)]
    assert said == ["pass", "pass", "fail", "pass", "fail"]
    assert [one.note for one in read_reviews(file)].count("pf s? too long") == 1


def test_grades_are_given_by_their_numbers(browser: Browser, file: Path) -> None:
    with reviewing(browser, file, graded_items(scale="graded")) as page:
        press(page, "Enter")
        for key in "154326":
            if key == "6":
                page.keyboard.press(key)  # no answer
            else:
                press(page, key)
        assert "5 of 6 answered" in page.locator("main").inner_text()
    assert [one.verdict for one in read_reviews(file)] == [1, 5, 4, 3, 2]


def test_pairs_are_answered_by_arrows(browser: Browser, file: Path) -> None:
    with reviewing(browser, file, paired_items()) as page:
        press(page, "Enter")
        for key in ("ArrowLeft", "ArrowRight", "t", "n"):
            press(page, key)
    said = read_reviews(file)
    assert all(isinstance(one, PairReview) for one in said)
    sides = [
        "left" if one.verdict == one.left else one.verdict
        for one in said
        if isinstance(one, PairReview)
    ]
    assert sides[0] == "left"
    assert sides[1] in ("a", "b")
    assert sides[2:] == ["tie", "neither"]


def test_keys_with_ctrl_and_keys_held_down_answer_nothing(
    browser: Browser, file: Path
) -> None:
    with reviewing(browser, file, graded_items()) as page:
        press(page, "Enter")
        for key in ("Control+p", "Alt+f", "Meta+s"):
            page.keyboard.press(key)
        page.evaluate(
            "document.body.dispatchEvent(new KeyboardEvent('keydown',"
            "{key: 'p', repeat: true, bubbles: true}))"
        )
        assert heading(page) == "Would you send this reply?"
        press(page, "p")
    assert len(read_reviews(file)) == 1


def test_it_works_without_a_script(browser: Browser, file: Path) -> None:
    with reviewing(browser, file, graded_items(), java_script_enabled=False) as page:
        page.get_by_role("link", name="Start").click()
        assert page.locator("button kbd:visible").count() == 0, "no script, no keys"
        page.get_by_label("Note (optional)").fill("by hand")
        page.get_by_role("button", name="Yes").click()
        page.get_by_role("button", name="No", exact=True).click()
        page.get_by_role("button", name="Take back the last answer").click()
        page.get_by_role("button", name="Skip").click()
        for _ in range(4):
            page.get_by_role("button", name="No", exact=True).click()
        assert heading(page) == "Nothing is left to ask you"
    assert [one.verdict for one in read_reviews(file)] == ["pass", *["fail"] * 4]


def test_tab_and_enter_reach_every_control(browser: Browser, file: Path) -> None:
    with reviewing(browser, file, graded_items()) as page:
        for key in ("Tab", "Tab", "Enter"):  # of the link and the keys below it
            page.keyboard.press(key)
        assert page.get_by_role("button", name="Switch keys off").is_visible()
        page.get_by_role("link", name="Start").focus()
        press(page, "Enter")
        reached = []
        for _ in range(5):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    "document.activeElement.value || document.activeElement.tagName"
                )
            )
        assert reached == ["pass", "fail", "skip", "TEXTAREA", "SUMMARY"]


def test_shortcuts_that_are_switched_off_do_nothing(
    browser: Browser, file: Path
) -> None:
    with reviewing(browser, file, graded_items()) as page:
        page.keyboard.press("?")
        with page.expect_navigation():
            page.get_by_role("button", name="Switch keys off").click()
        page.keyboard.press("p")
        page.keyboard.press("f")
        assert read_reviews(file) == ()
        page.get_by_role("link", name="Start").click()
        assert page.get_by_role("button", name="Yes").is_visible()
        assert page.locator("kbd:visible").count() == 0, "a key that does nothing"
        with page.expect_navigation():
            page.get_by_role("button", name="Switch keys on").click()
        assert page.locator("button kbd:visible").count() == 3
        press(page, "p")
    assert len(read_reviews(file)) == 1


def test_hostile_replies_neither_run_nor_ask_for_anything(
    browser: Browser, file: Path
) -> None:
    items = hostile_items()
    assert len(items) == 2 * len(ATTACKS)
    with reviewing(browser, file, items) as page:
        page.goto(page.url + "next")
        shown = ""
        for _ in range(200):
            if page.url.endswith("/done"):
                break
            seen = page.evaluate(LOOK)
            assert seen["title"] != "taken"
            assert seen["foreign"] == 0
            assert "\u202e" not in seen["html"]
            shown += seen["text"]
            press(page, "p" if "/item/" in page.url else "t")
        assert page.url.endswith("/done")
    assert "⟦U+202E⟧" in shown
    assert "<script>document.title = 'taken'</script>" in shown
    graded = [one for one in read_reviews(file) if isinstance(one, Grade)]
    assert len(graded) >= len(ATTACKS)


def test_two_raters_and_two_tabs_at_once(browser: Browser, file: Path) -> None:
    with served(file, graded_items(), ("ann", "ben")) as site:
        links = [link for _, link in site.links]
        with page_of(browser, links[0]) as one, page_of(browser, links[1]) as two:
            tab = one.context.new_page()
            tab.goto(one.url)
            for page in (one, tab, two):
                page.goto(f"{page.url}next")
            press(one, "p")
            press(tab, "p")  # the same item: the same answer
            press(two, "f")
            assert one.locator("progress").get_attribute("value") == "1"
            assert two.locator("progress").get_attribute("value") == "1"
    assert sorted((o.rater, o.verdict) for o in read_reviews(file)) == [
        ("ann", "pass"),
        ("ben", "fail"),
    ]


@pytest.mark.parametrize("width", [320, 390, 640])
def test_nothing_has_to_be_scrolled_sideways(
    browser: Browser, file: Path, width: int
) -> None:
    long = [
        ReviewCandidate(
            test="t",
            source="s",
            case="c",
            rung=f"m/{n}",
            text=f"{'https://example.org/' * 20} {n}",
            passed=True,
        )
        for n in range(2)
    ]
    items, _ = pairs(long, ("m/0", "m/1"), ReviewConfig(), current=None, count=1)
    with served(file, items) as site:
        size = {"width": width, "height": 700}
        with page_of(browser, site.links[0][1], viewport=size) as page:
            for path in ("", "pair/1"):
                page.goto(site.links[0][1].split("enter/")[0] + path)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width
