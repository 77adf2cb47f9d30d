"""The page as readers have it: what is below the window is not laid out until seen."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from playwright.sync_api import expect

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.reporting.report import Report
from tests.browser.sample_reports import sample_report
from tests.browser.tabs import Tab, written


@pytest.fixture(scope="module")
def report() -> Report:
    objective = Objective(kind="good-enough", quality=0.6)
    return sample_report(2, 2, 40, objective=objective)


def as_readers_open(tab: Tab, address: str) -> None:
    tab.page.goto(address)
    tab.page.wait_for_selector("html[data-ready]", state="attached", timeout=20_000)


def test_what_is_not_laid_out_yet_is_found_reached_and_linked(
    tab: Tab, tmp_path: Path, report: Report
) -> None:
    file = written(tmp_path, report)
    as_readers_open(tab, file.as_uri())
    skipped = "getComputedStyle(document.getElementById('run')).contentVisibility"
    assert tab.page.evaluate(skipped) == "auto"
    expect(tab.page.locator("#run")).not_to_be_in_viewport()
    assert tab.page.evaluate("window.find('seed of the case order')")
    found = "getSelection().anchorNode.parentElement.closest('section').id"
    assert tab.page.evaluate(found) == "run"
    tab.page.click("nav a[href='#tags']")
    expect(tab.page.locator("#tags h2")).to_be_in_viewport()
    tab.page.focus("#f-tag")
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.id") == "f-text"
    expect(tab.page.locator("#f-text")).to_be_in_viewport()

    case, rung = report.rows[9].case, report.rows[9].rung
    tab.page.goto("about:blank")
    link = f"#case={quote(case)}&rung={quote(rung, safe='')}"
    as_readers_open(tab, file.as_uri() + link)
    expect(tab.page.locator("#detail")).to_be_visible()
    assert case in tab.text("#detail-title")
    assert tab.complaints == []


def test_paper_has_every_chart_and_every_case(
    tab: Tab, tmp_path: Path, report: Report
) -> None:
    as_readers_open(tab, written(tmp_path, report).as_uri())
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.page.locator(".plot svg").count() >= 3
    assert tab.page.locator("#grid tbody tr").count() == 40
    # The decision, three charts, matrix, tags, cases, spend: not a sheet for each.
    sheets = tab.page.pdf(format="A4", prefer_css_page_size=True)
    assert 4 <= sheets.count(b"/Type /Page\n") <= 8
    assert tab.complaints == []


def test_what_waits_for_an_idle_moment_comes_earlier_if_it_is_asked_for(
    tab: Tab, tmp_path: Path, report: Report
) -> None:
    tab.page.add_init_script("globalThis.requestIdleCallback = () => {};")
    tab.page.goto(written(tmp_path, report).as_uri())
    tab.page.wait_for_selector("html[data-ready]")
    cells, reason = tab.page.locator("#grid .cell"), tab.page.locator("#hero-reason")
    said = reason.inner_text()
    tab.page.locator("#volume").fill("60")
    expect(reason).not_to_have_text(said)
    cells.first.click()
    expect(tab.page.locator("#detail .reply").first).not_to_be_empty()
    tab.page.keyboard.press("Escape")
    tab.page.fill("#f-text", "no case says this")
    expect(cells).to_have_count(0)
    tab.page.locator("#plot-latency").scroll_into_view_if_needed()
    expect(tab.page.locator("#plot-latency svg")).to_have_count(1)
    assert tab.page.locator("html[data-drawn]").count() == 0
    assert tab.complaints == []


def test_tags_of_one_rung_are_sorted_from_the_worst(
    tab: Tab, tmp_path: Path, report: Report
) -> None:
    tab.open(written(tmp_path, report))
    current = report.info.current
    tab.page.select_option("#tags-rung", label=f"{current} (ships)")
    for _ in range(2):
        tab.page.click("#tags-table thead th:nth-child(3) button")
    lines = tab.page.locator("#tags-table tbody tr:visible").all_inner_texts()
    cells = [line.split("\t") for line in lines]
    assert {rung for _, rung, *_ in cells} == {current}
    shares = [float(cheap.split(" ")[0]) for _, _, cheap, *_ in cells]
    assert len(shares) == len(report.tags)
    assert shares == sorted(shares)
    tab.page.select_option("#tags-rung", "")
    all_lines = tab.page.locator("#tags-table tbody tr:visible")
    expect(all_lines).to_have_count(4 * len(report.tags))


def test_the_worst_tag_of_what_ships_says_so_in_words(
    tab: Tab, tmp_path: Path, report: Report
) -> None:
    first, *others = report.tags
    rungs = [
        msgspec.structs.replace(
            rung,
            levels={
                level: msgspec.structs.replace(cell, quality=0.01, low=0.0, high=0.02)
                for level, cell in rung.levels.items()
            },
        )
        for rung in first.rungs
    ]
    bad = msgspec.structs.replace(first, rungs=tuple(rungs))
    tab.open(written(tmp_path, msgspec.structs.replace(report, tags=(bad, *others))))
    marked = tab.page.locator("#tags-table tr:has(td.worst)")
    expect(marked).to_have_count(1)
    expect(marked.locator("th, td").first).to_have_text(first.tag)
    expect(marked.locator("td.worst").first).to_contain_text("lowest of what ships")
    said = f"Lowest on {report.info.current}, which ships: {first.tag}, 1.0 %"
    expect(tab.page.locator("#tags-worst")).to_contain_text(said)
    assert report.info.current in marked.inner_text().replace("\n", "")


def test_cases_where_judge_and_cheap_checks_disagree_are_a_filter(
    tab: Tab, tmp_path: Path, report: Report
) -> None:
    tab.open(written(tmp_path, report))
    said: dict[tuple[str, str], dict[Level, str]] = {}
    for row in report.rows:
        said.setdefault((row.case, row.rung), {})[row.level] = row.outcome
    disputed = {
        case
        for (case, _), by_level in said.items()
        if set(by_level.values()) == {"passed", "missed"}
    }
    assert 0 < len(disputed) < 40
    tab.page.select_option("#f-show", "disputed")
    expect(tab.page.locator("#cases-count")).to_have_text(
        f"{len(disputed)} of 40 cases"
    )


def test_one_level_cannot_disagree_with_itself(tab: Tab, tmp_path: Path) -> None:
    tab.open(written(tmp_path, sample_report(1, 2, 12, judged=False)))
    offered = tab.page.locator("#f-show option:not([hidden])").all_inner_texts()
    assert "where levels disagree" not in offered
    assert "where rungs differ" in offered
