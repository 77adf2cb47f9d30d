from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.tabs import Tab

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


# Playwright keeps an event loop running in this thread: no longer than here.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None, "install the browser: apt-get install chromium"
    with sync_playwright() as driver:
        launched = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield launched
        launched.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a review keeps its answers."""
    return tmp_path / "reviews.jsonl"


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield Tab(page)
    page.close()
