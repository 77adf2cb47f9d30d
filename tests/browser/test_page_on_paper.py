"""The report as it is printed, in a real browser that believes it prints."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from pytest_ladder.core.row import Outcome
from pytest_ladder.decide.people.sums import people_of
from pytest_ladder.reporting.against import held_against
from pytest_ladder.reporting.revise import with_people
from tests.browser.sample_people import ASKED, reviews_of
from tests.browser.sample_users import sample_users
from tests.browser.tabs import Tab, written

SHEETS = {"A4": 710, "Letter": 733}
"""Pixels between the margins."""
BEYOND = """(width) => [...document.querySelectorAll("main *")]
    .filter((one) => {
        const { right } = one.getBoundingClientRect();
        const card = one.closest(".card")?.getBoundingClientRect().right ?? width;
        return right > Math.min(width, card) + 1;
    })
    .map((one) => one.closest("[id]").id + ": " + one.textContent.slice(0, 40))"""
DRAWN_AT = """() => [...document.querySelectorAll(".plot svg")].map((one) =>
    one.getBoundingClientRect().width / one.width.baseVal.value)"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sections, with sixteen rungs each."""
    report = sample_users(4, 4, 5, cases=40, missing=("nps",), stale=("smol/rag",))
    rungs = [rung.id for rung in report.matrix.rungs]
    reviews = list(reviews_of(report.rows, rungs, 800))
    report = with_people(report, people_of(reviews, report.rows, ASKED))
    lost = [
        msgspec.structs.replace(row, outcome=Outcome.MISSED, score=0.0)
        if row.score == 1 and n % 9 == 0
        else row
        for n, row in enumerate(report.rows)
    ]
    before = msgspec.structs.replace(report, rows=lost)
    report = held_against(report, before, "git:main")
    return written(tmp_path_factory.mktemp("paper"), report)


def to_print(page: Page, sheet: str = "A4") -> None:
    """Lay out as a browser does that is about to print."""
    page.set_viewport_size({"width": SHEETS[sheet], "height": 1000})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")


def sheets_of(page: Page) -> list[bytes]:
    printed: bytes = page.pdf(format="A4")
    return printed.split(b"/Type /Page\n")[1:]


@pytest.mark.parametrize("sheet", SHEETS)
def test_nothing_is_wider_than_the_sheet_or_its_card(
    tab: Tab, page_file: Path, sheet: str
) -> None:
    tab.open(page_file)
    to_print(tab.page, sheet)
    for section in ("against", "users", "people", "tags", "cases"):
        assert tab.page.locator(f"#{section}").is_visible()
    assert tab.page.evaluate(BEYOND, SHEETS[sheet]) == []
    assert tab.complaints == []


def test_paper_is_no_phone_and_its_charts_can_be_read(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    to_print(tab.page)
    columns = "(one) => getComputedStyle(one).gridTemplateColumns.split(' ').length"
    assert tab.page.locator(".against:not(.head)").first.evaluate(columns) == 2
    assert tab.page.locator("#hero-stats").evaluate(columns) == 4
    # Drawn for a window, they would come out at half their size.
    assert min(tab.page.evaluate(DRAWN_AT)) > 0.7


def test_what_folds_is_open_on_paper_and_folded_again(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    folded = tab.page.locator("main details:not([open])")
    before = folded.count()
    assert before > 3
    to_print(tab.page)
    assert folded.count() == 0
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folded.count() == before


def test_nothing_is_there_for_hands_alone(tab: Tab, page_file: Path) -> None:
    tab.open(page_file)
    to_print(tab.page)
    for control in ("nav", "#controls", "#csv", "#more", "#theme", "#tags-rung"):
        assert tab.page.locator(control).is_hidden(), control
    for words in ("Arrow keys", "filter the cases below"):
        expect(tab.page.get_by_text(words).locator("visible=true")).to_have_count(0)
    # What the colours of the cases mean is for readers too.
    assert "missed" in tab.text(".keys")
    # No browser repeats a button where it repeats the head of a table.
    shown = "(all) => all.map((one) => getComputedStyle(one).display)"
    assert {*tab.page.locator("thead button").evaluate_all(shown)} == {"contents"}


def test_paper_says_which_filter_holds_cases_back(tab: Tab, page_file: Path) -> None:
    tab.open(page_file)
    tab.page.select_option("#f-show", "split")
    to_print(tab.page)
    labels = tab.page.locator("#filters label:visible select")
    chosen = "(all) => all.map((one) => one.selectedOptions[0].text)"
    assert labels.evaluate_all(chosen) == ["cheap", "where rungs differ"]
    assert tab.page.locator("#f-text").is_hidden()


def test_who_opened_a_case_prints_all_of_that_case(tab: Tab, page_file: Path) -> None:
    tab.open(page_file)
    tab.page.locator("#grid .cell").first.click()
    reply = tab.page.locator(".d-in .said.reply").first
    sheets = len(sheets_of(tab.page))
    reply.evaluate("(one) => one.append('a line of it\\n'.repeat(200))")
    assert len(sheets_of(tab.page)) > sheets
    focused = "document.activeElement.textContent"
    before = tab.page.evaluate(focused)
    to_print(tab.page)
    assert tab.page.locator("main").is_hidden()
    assert reply.is_visible()
    assert tab.page.locator(".d-in button").locator("visible=true").count() == 0
    assert tab.page.locator("#d-rung-0").is_visible()
    assert tab.page.locator("#d-rung-1").is_hidden()
    tab.page.emulate_media(media="screen")
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.page.locator("#detail .d-in").is_visible()
    assert tab.page.evaluate(focused) == before
    assert tab.complaints == []
