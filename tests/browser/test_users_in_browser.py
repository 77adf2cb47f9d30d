"""The section on users, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.sample_reports import HOSTILE, sample_report
from tests.browser.sample_users import renamed, sample_users
from tests.browser.tabs import Tab, written

SAMPLE = sample_users(missing=("nps",), stale=("smol/rag",))
RUNGS = [rung.id for rung in SAMPLE.matrix.rungs]
LONG = "a-model-with-a-name-that-somebody-chose-2026-11-instruct/zero-shot-as-asked"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("users"), SAMPLE)


@pytest.fixture(scope="module")
def broken_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A broken split, and names that are long or hostile."""
    report = sample_users(
        uneven=0.6, leaks={HOSTILE[2]: 31}, dropped={HOSTILE[0]: 3, HOSTILE[3]: 5}
    )
    names = {RUNGS[0]: LONG, RUNGS[1]: HOSTILE[0], RUNGS[2]: HOSTILE[1]}
    return written(tmp_path_factory.mktemp("broken"), renamed(report, names))


def test_without_outcomes_there_is_no_section_on_users(
    tab: Tab, tmp_path: Path
) -> None:
    tab.open(written(tmp_path, sample_report(1, 2, 3)))
    assert tab.page.locator("#users").is_hidden()
    assert tab.page.locator("#users-link").is_hidden()
    assert tab.complaints == []


def test_outcomes_experiment_comparisons_and_proxies_are_shown(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    tab.page.click("#users-link")
    heads = tab.page.locator("#users-table thead th").all_inner_texts()
    assert heads[1].startswith("resolved\nlevel real")
    lines = tab.page.locator("#users-table tbody tr")
    assert lines.count() == len(RUNGS)
    assert "stale" in lines.nth(2).inner_text()
    assert lines.locator(".meter").count() == 5 * len(RUNGS)
    assert "nothing is imported yet" in tab.text("#users-missing")
    assert "as planned" in tab.text("#experiments-list")
    assert tab.page.locator("#experiments-list .looks circle").count() == 4
    first = tab.page.locator(".forest").first
    assert first.locator(".difference").count() == len(RUNGS) - 1
    assert "better" in first.inner_text()
    assert tab.page.locator(".forest").nth(1).locator(".margin").first.is_visible()
    proxies = tab.page.locator(".proxy")
    assert SAMPLE.users is not None
    assert proxies.count() == len(SAMPLE.users.proxies) > 1
    assert proxies.locator(".plot svg").count() == proxies.count()
    points = proxies.first.locator("[aria-roledescription=point]")
    assert points.count() == len(RUNGS)
    assert proxies.first.locator(".pair").count() == 10
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith("data:")] == [
        url for url in tab.requests if url.startswith(page_file.as_uri())
    ]


def test_the_first_screen_speaks_of_users_and_names_level_real(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    assert "real is what users did: resolved" in tab.text("#objective")
    assert "users" in tab.text("#hero-users")
    assert "At resolved (real)" in tab.text("#chart-at")
    heads = tab.page.locator("#matrix-table thead th").all_inner_texts()
    assert "resolved (real)" in heads
    assert "users" in tab.page.locator("#matrix-table tbody tr").first.inner_text()
    tab.page.get_by_label("cheap", exact=True).check(force=True)
    # Not by a function, which the page's policy lets nobody evaluate.
    tab.page.wait_for_selector("#whatif:not([hidden])", state="attached")
    assert "configured: resolved (real)" in tab.text("#whatif")
    assert tab.page.locator("#hero-users").is_hidden()
    assert tab.complaints == []


def test_a_broken_split_is_loud_and_hostile_names_stay_text(
    tab: Tab, broken_file: Path
) -> None:
    tab.open(broken_file)
    title = tab.page.title()
    assert tab.text("#users-alarm") == (
        "✗ The split of june is broken: nothing is decided by it."
    )
    assert "broken" in tab.text("#hero-reason") + tab.text("#hero-users")
    assert "BROKEN" in tab.text("#experiments-list")
    chips = tab.page.locator(".forest .chip").all_inner_texts()
    assert set(filter(None, chips)) == {"nothing decided"}
    assert HOSTILE[1] in tab.text("#users-table")
    made = "#users img, #users script, #users a, #hero-users :not(li)"
    assert tab.page.locator(made).count() == 0
    assert tab.page.title() == title
    assert tab.complaints == []


@pytest.mark.parametrize("width", [390, 760, 1280])
def test_the_section_fits_the_screen_with_names_of_any_length(
    tab: Tab, broken_file: Path, width: int
) -> None:
    tab.page.set_viewport_size({"width": width, "height": 844})
    tab.open(broken_file)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    # What is wider than the screen scrolls within its own frame.
    beyond = tab.page.evaluate(
        "[...document.querySelectorAll('#users *')].filter((one) =>"
        " !one.closest('.scroll') && !one.closest('svg')"
        " && one.getBoundingClientRect().right > innerWidth).length"
    )
    assert beyond == 0
    assert tab.complaints == []


def test_folded_comparisons_open_by_key_and_for_print(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    folded = tab.page.locator(".forest:not([open])")
    before = folded.count()
    assert before > 0
    folded.first.locator("summary").focus()
    tab.page.keyboard.press("Enter")
    assert folded.count() == before - 1
    for box in tab.page.locator("#users .scroll").all():
        assert box.get_attribute("tabindex") == "0"
        assert box.get_attribute("aria-label")
    tab.page.emulate_media(media="print")
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded.count() == 0
    assert tab.page.locator("#users .meter").first.is_visible()
    assert tab.complaints == []


def test_pictures_of_proxies_follow_the_dark_theme(tab: Tab, page_file: Path) -> None:
    tab.open(page_file)
    ink = "#plot-cheap-resolved .mark-text text"
    light = tab.page.locator(ink).first.get_attribute("fill")
    tab.page.emulate_media(color_scheme="dark")
    tab.page.wait_for_selector(f'{ink}:not([fill="{light}"])', state="attached")
    assert tab.complaints == []
