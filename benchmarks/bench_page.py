"""What the report's page costs a browser, against one that only parses the same Vega.

python -m benchmarks.bench_page [--models 4] [--strategies 4] [--cases 500]

Needs [dev-browser] and a chromium. Each page is opened in a fresh tab, several times,
in turn; figures are what the main thread computed by Chromium's own account, of the
best try. What a reader acts on is in the window, so that laying it out and painting it
counts; that a driver asks and waits does not.
"""

from __future__ import annotations

import argparse
import gzip
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.measuring import Line, table
from pytest_ladder.core.ladder import Objective
from pytest_ladder.reporting.html import page_html
from tests.browser.sample_reports import sample_report

MOST_MB = 2.0
MOST_OPENING = 3.0
MOST_ACTING = 0.2
"""Times what parsing Vega takes."""
TRIES = 5
_READY = "html[data-ready]"
_VEGA = Path(__file__).parents[1] / "pytest_ladder/reporting/html/assets/vega.min.js.gz"
_TWO_FRAMES = """() => new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))"""
# A word is looked for once nobody has typed for a moment.
_ACT = """async (argument) => {
    (%s)(argument);
    await new Promise((done) => setTimeout(done, 300));
    await (%s)();
}"""
_SEE = """(id) => document.getElementById(id).scrollIntoView({ behavior: "instant" })"""

_CHOOSE = """([id, value]) => {
    const field = document.getElementById(id);
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
}"""
_CHOOSE_RUNGS = _CHOOSE.replace('"input"', '"change"')
_CLICK = "(selector) => document.querySelector(selector).click()"
_HOLD = """globalThis.held = [];
globalThis.requestIdleCallback = (call) => globalThis.held.push(call);"""
_RELEASE = """() => {
    globalThis.requestIdleCallback = (call) => setTimeout(call, 0);
    for (const call of globalThis.held) call();
}"""
_ALL_THERE = "html[data-drawn]"
_IDLE = "charts below the window and replies, when idle"
ACTIONS: dict[str, tuple[str, str, Any]] = {
    "cases that rungs disagree on": ("cases", _CHOOSE, ["f-show", "split"]),
    "cases of a tag": ("cases", _CHOOSE, ["f-tag", "de"]),
    "all cases": ("cases", _CHOOSE, ["f-tag", ""]),
    "cases with a word": ("cases", _CHOOSE, ["f-text", "oolong"]),
    "sort the matrix": ("matrix", _CLICK, "#matrix-table th:nth-child(2) button"),
    "sort the tags": ("tags", _CLICK, "#tags-table th:nth-child(3) button"),
    "tags of all rungs": ("tags", _CHOOSE_RUNGS, ["tags-rung", ""]),
    "sort the tags of all rungs": (
        "tags",
        _CLICK,
        "#tags-table th:nth-child(3) button",
    ),
}
"""What a reader does, and where: scripts, since a driver's own would be counted in."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=4, help="1 to 4")
    parser.add_argument("--strategies", type=int, default=4, help="1 to 4")
    parser.add_argument("--cases", type=int, default=500)
    given = parser.parse_args()
    objective = Objective(kind="good-enough", quality=0.6)
    report = sample_report(
        given.models, given.strategies, given.cases, objective=objective
    )
    rungs = given.models * given.strategies
    with tempfile.TemporaryDirectory(prefix="ladder-bench-") as folder:
        page = Path(folder) / "index.html"
        page.write_bytes(page_html(report).encode(errors="replace"))
        title = f"page of {rungs} rungs, {given.cases} cases, 2 levels"
        return int(table(title, list(_measured(page))) > 0)


def _measured(page: Path) -> Iterator[Line]:
    yield Line("size", page.stat().st_size / 1e6, MOST_MB, "MB")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("install the browser: apt-get install chromium")
    vega = page.with_name("vega.html")
    script = gzip.decompress(_VEGA.read_bytes()).decode()
    vega.write_text(f"<html data-ready=yes><script>{script}</script>", "utf-8")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        parsing = math.inf
        tries = []
        for _ in range(TRIES):
            parsing = min(parsing, _opened(browser, vega)[0])
            tries.append(_opened(browser, page))
        browser.close()
    yield Line("parse Vega", parsing * 1000, unit="ms")
    opening = min(opened for opened, _, _ in tries)
    yield Line("open", opening / parsing, MOST_OPENING, note=_ms(opening))
    idle = min(acted[_IDLE] for _, acted, _ in tries)
    yield Line(_IDLE, idle / parsing, note=_ms(idle))
    for name in ACTIONS:
        taken = min(acted[name] for _, acted, _ in tries)
        yield Line(name, taken / parsing, MOST_ACTING, note=_ms(taken))
    asked = max(len(requests) for _, _, requests in tries)
    yield Line("requests beyond the file", asked, 0, unit="")


def _opened(browser: Browser, file: Path) -> tuple[float, dict[str, float], list[str]]:
    """Open a page, and act on it where it is a report's.

    Returns seconds of the main thread until it is usable, those of each action, and
    what it asked for besides itself.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    # What a page does once nobody waits for it is measured apart.
    page.add_init_script(_HOLD)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    session = context.new_cdp_session(page)
    # Computing, and not the time that others on the machine take.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _busy_s(session)
    page.goto(file.as_uri())
    page.wait_for_selector(_READY, state="attached", timeout=60_000)
    page.evaluate(_TWO_FRAMES)
    opened = _busy_s(session) - before
    acted = {}
    if page.locator("#grid").count():
        before = _busy_s(session)
        page.evaluate(_RELEASE)
        page.wait_for_selector(_ALL_THERE, state="attached", timeout=60_000)
        acted[_IDLE] = _busy_s(session) - before
        for name, (section, script, argument) in ACTIONS.items():
            _acting(page, session, _SEE, section)
            asking = _acting(page, session, "() => {}")
            acted[name] = _acting(page, session, script, argument) - asking
    context.close()
    asked = [url for url in requests if url != file.as_uri() and url[:5] != "data:"]
    return opened, acted, asked


def _acting(
    page: Page, session: CDPSession, script: str, argument: Any = None
) -> float:
    before = _busy_s(session)
    page.evaluate(_ACT % (script, _TWO_FRAMES), argument)
    return _busy_s(session) - before


def _busy_s(session: CDPSession) -> float:
    """Seconds that tasks took on the main thread of a tab so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def _ms(duration: float) -> str:
    return f"{duration * 1000:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
