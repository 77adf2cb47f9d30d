"""A tab of the browser that opens report pages."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from pytest_ladder.reporting.html import page_html
from pytest_ladder.reporting.report import Report

LOOK_AT_ALL = """() => {
    for (const section of document.querySelectorAll("main > section")) {
        section.style.contentVisibility = "visible";
    }
}"""
DRAWN = "!document.querySelector('.plot') || document.documentElement.dataset.drawn"


class Tab:
    """A page in the browser, with what it complained of and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, file: Path) -> None:
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready]", timeout=20_000)
        # As if somebody had read it to its end: what nobody saw has no text yet.
        self.page.evaluate(LOOK_AT_ALL)
        self.page.wait_for_function(DRAWN, timeout=20_000)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))


def written(folder: Path, report: Report) -> Path:
    """Write the report's page as a run does."""
    file = folder / "index.html"
    file.write_bytes(page_html(report).encode(errors="replace"))
    return file
