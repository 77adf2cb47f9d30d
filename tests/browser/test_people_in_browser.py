"""The section on people who reviewed replies, in a real browser."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe

from pytest_ladder.reporting.revise import with_people
from tests.browser.sample_people import sample_people
from tests.browser.sample_reports import HOSTILE
from tests.browser.tabs import Tab, written

SAMPLE = sample_people()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("people"), SAMPLE)


def test_rungs_pairs_and_verdicts_are_shown_and_axe_finds_nothing(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    tab.page.click("#people-link")
    lines = tab.page.locator("#preferred-table tbody tr")
    assert lines.count() == 6
    assert "66.6 %" in lines.first.inner_text()
    assert lines.locator(".meter").count() == 6
    cells = tab.page.locator("#grid-table tbody td")
    assert cells.count() == 36
    words = cells.nth(1).get_attribute("aria-label") or ""
    assert words.startswith("smol-ft/rag is preferred to smol-ft/few-shot")
    assert tab.page.locator("#graded-table tbody tr").count() == 5
    assert "Reviewers are no users" in tab.text("#people-said")
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390)):
        tab.page.emulate_media(color_scheme=scheme)
        tab.page.set_viewport_size({"width": width, "height": 844})
        found = Axe().run(tab.page, context="#people").response["violations"]
        assert [one["id"] for one in found] == [], (scheme, width)
    assert tab.complaints == []


def test_hostile_names_stay_text_and_groups_have_no_chance(
    tab: Tab, tmp_path: Path
) -> None:
    people = SAMPLE.people
    assert people is not None
    # Rungs 0 and 1, and 2 and 3, were compared; nobody compared one with the other.
    votes = tuple(
        vote for vote in people.votes if {vote.first, vote.second} in ({0, 1}, {2, 3})
    )
    names = (*HOSTILE[:4], "a" * 80, "b")
    odd = msgspec.structs.replace(people, rungs=names, votes=votes, grades=())
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open(written(tmp_path, with_people(SAMPLE, odd)))
    title = tab.page.title()
    assert "cannot be ranked together" in tab.text("#people-said")
    assert tab.page.locator("#grid-table td", has_text="?").count() >= 8
    assert tab.page.locator("#people-graded").is_hidden()
    assert HOSTILE[1] in tab.text("#preferred-table")
    assert tab.page.locator("#people img, #people script, #people a").count() == 0
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.page.title() == title
    assert tab.complaints == []


def test_without_reviews_there_is_no_section_on_people(
    tab: Tab, tmp_path: Path
) -> None:
    tab.open(written(tmp_path, with_people(SAMPLE, None)))
    assert tab.page.locator("#people").is_hidden()
    assert tab.page.locator("#people-link").is_hidden()
