from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.tabs import Tab
from tests.plugin.conftest import _not_a_worker, server, shop  # noqa: F401

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Run the browser, with arguments of its command line."""
    assert CHROMIUM is not None, "install the browser: apt-get install chromium"
    with sync_playwright() as driver:
        launched = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *arguments]
        )
        yield launched
        launched.close()


# Playwright keeps an event loop running in this thread: no longer than here.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a review keeps its answers."""
    return tmp_path / "reviews.jsonl"


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield Tab(page)
    page.close()
