"""The report's page for everybody: axe-core, keys in charts, links, sorting, paper."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from pytest_ladder.core.ladder import Objective
from tests.browser import sample_reports
from tests.browser.sample_reports import sample_report
from tests.browser.tabs import Tab, written

SAMPLE = sample_report(3, 4, 40, objective=Objective(kind="good-enough", quality=0.6))
LOOKS = {"light": 1280, "dark": 1280, "phone": 390}
PAGES = 10
"""Sheets of A4 that a report of 60 rungs may take at most, less one."""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("page"), SAMPLE)


def sixty_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    tiers = [model[1] for model in sample_reports.MODELS]
    models = tuple(
        (f"model-{n}-of-a-long-name-{n}", tiers[0], 0.01 * 1.5**n, 0.1 + n / 20, None)
        for n in range(15)
    )
    monkeypatch.setattr(sample_reports, "MODELS", models)


def numbers_in(drawn: list[str]) -> list[str]:
    """The numbers that labels of points begin with; those of axes have a unit."""
    return [text.split()[0] for text in drawn if re.fullmatch(r"\d+( \S+/\S+)?", text)]


def test_axe_finds_nothing_in_any_light_nor_on_a_phone(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    faults = []
    for look, width in LOOKS.items():
        tab.page.emulate_media(color_scheme="dark" if look == "dark" else "light")
        tab.page.set_viewport_size({"width": width, "height": 900})
        for place in ("page", "case"):
            if place == "case":
                tab.page.locator("#grid .cell").first.click()
            found = Axe().run(tab.page).response
            assert len(found["passes"]) > 10
            faults += [
                f"{look}, {place}: {fault['id']} at {node['target']}"
                for fault in found["violations"]
                for node in fault["nodes"]
            ]
        tab.page.keyboard.press("Escape")
    assert faults == []


def test_the_arrow_keys_walk_over_the_points_and_say_each(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    for chart, marks in (("quality", 12), ("latency", 12), ("roi", 2)):
        tab.page.focus(f"#plot-{chart}")
        said = []
        for _ in range(marks):
            tab.page.keyboard.press("ArrowRight")
            said.append(tab.page.inner_text("#said").split(";")[0])
        assert len(set(said)) == marks, chart
        assert tab.page.locator("#tip").is_visible()
        tab.page.keyboard.press("Escape")
        assert tab.page.locator("#tip").is_hidden()
    assert set(said) <= {rung.id for rung in SAMPLE.matrix.rungs}
    assert tab.complaints == []


def test_every_point_bears_the_number_that_key_and_matrix_give_its_rung(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    for width in (1280, 800, 390):
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.page.wait_for_timeout(50)
        drawn = tab.page.locator("#plot-quality text").all_text_contents()
        shown = numbers_in(drawn)
        assert sorted(map(int, shown)) == list(range(1, 13))
    key = tab.page.locator("#legend ol li")
    numbered = {
        str(key.nth(n).get_attribute("title")): key.nth(n).locator("i").inner_text()
        for n in range(key.count())
    }
    for n, rung in enumerate(SAMPLE.matrix.rungs, 1):
        assert numbered[rung.id] == str(n)


def test_a_link_opens_its_case_and_what_is_open_is_in_the_address(
    tab: Tab, page_file: Path
) -> None:
    tab.open(page_file)
    tab.page.locator("#grid tbody tr").nth(3).locator(".cell").nth(2).click()
    title, address = tab.text("#detail-title"), tab.page.url
    assert "#case=" in address
    assert f"rung={SAMPLE.matrix.rungs[2].id.replace('/', '%2F')}" in address
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.page.get_by_role("button", name="Copy link").click()
    expect(tab.page.get_by_role("button", name="Copied")).to_be_visible()
    assert tab.page.evaluate("navigator.clipboard.readText()") == address
    tab.page.keyboard.press("Escape")
    expect(tab.page).not_to_have_url(re.compile("#"))

    tab.page.goto("about:blank")
    tab.page.goto(address)
    expect(tab.page.locator("#detail-title")).to_have_text(title, timeout=20_000)
    assert tab.page.locator("#d-rung-0 option:checked").inner_text() == (
        SAMPLE.matrix.rungs[2].id
    )
    tab.page.goto("about:blank")
    tab.page.goto(f"{page_file.as_uri()}#case=%3Cimg%20src=x%3E")
    expect(tab.page.locator("#cases-count")).to_have_text(
        "This report has no case <img src=x>.", timeout=20_000
    )
    assert tab.complaints == []


@pytest.mark.parametrize("width", [390, 1000, 1280, 1400, 1920])
def test_the_grid_is_within_the_window_and_names_its_cases(
    tab: Tab, page_file: Path, width: int
) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.open(page_file)
    section = tab.page.locator("#cases").bounding_box()
    name = tab.page.locator("#grid tbody th").first.bounding_box()
    cell = tab.page.locator("#grid .cell").first.bounding_box()
    assert section is not None
    assert name is not None
    assert cell is not None
    assert section["x"] >= 0
    assert section["x"] + section["width"] <= width
    assert name["width"] >= 130
    assert 26 <= cell["width"] <= 31
    assert tab.complaints == []


def test_tables_are_sorted_by_any_column_and_back(tab: Tab, page_file: Path) -> None:
    tab.open(page_file)

    def column(cell: int) -> list[str]:
        lines = tab.page.locator(f"#matrix-table tbody tr > :nth-child({cell})")
        return [text.strip().split()[0] for text in lines.all_inner_texts()]

    start = column(2)
    head = tab.page.locator("#matrix-table thead th").nth(1)
    head.get_by_role("button").click()
    down = [float(text) for text in column(2)]
    assert down == sorted(down, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    tab.page.focus("#volume")
    tab.page.keyboard.press("ArrowRight")
    expect(head).to_have_attribute("aria-sort", "descending")
    head.get_by_role("button").click()
    up = [float(text) for text in column(2)]
    assert up == down[::-1]
    head.get_by_role("button").click()
    tab.page.click("#reset")
    assert column(2) == start
    assert tab.complaints == []


def test_the_shown_cases_are_saved_as_csv_without_formulas(
    tab: Tab, page_file: Path, tmp_path: Path
) -> None:
    tab.open(page_file)
    tab.page.fill("#f-text", "HYPERLINK")
    expect(tab.page.locator("#cases-count")).to_have_text("1 case of 40")
    with tab.page.expect_download() as saving:
        tab.page.click("#csv")
    saving.value.save_as(tmp_path / "cases.csv")
    with (tmp_path / "cases.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rung"] for row in rows] == [rung.id for rung in SAMPLE.matrix.rungs]
    assert {row["reply"][:12] for row in rows} == {"'=HYPERLINK("}
    assert {row["outcome"] for row in rows} <= {"pass", "missed", "error"}


def test_sixty_rungs_fit_the_screen_and_fewer_than_ten_sheets(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sixty_rungs(monkeypatch)
    report = sample_report(15, 4, 8, judged=False)
    tab.open(written(tmp_path, report))
    for table in ("matrix", "steps", "spend", "tags"):
        box = tab.page.locator(f"#{table}-table").locator("..")
        assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth"), table
    drawn = tab.page.locator("#plot-quality text").all_text_contents()
    numbers = numbers_in(drawn)
    assert len(numbers) == len(set(numbers)) == 60
    sheets = len(re.findall(rb"/Type\s*/Page\b", tab.page.pdf(format="A4")))
    assert 1 < sheets < PAGES
    assert tab.complaints == []
