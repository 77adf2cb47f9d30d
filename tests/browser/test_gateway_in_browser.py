"""What a web page of somebody else can do to the gateway: nothing, even with a token.

The page is at another name that somebody points to this machine, and knows the whole
address of a test that runs, which no page does.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response

from tests.browser.conftest import chromium
from tests.plugin.gateway.asking import ASK
from tests.plugin.scratch_suite import Shop

EVIL = "evil.example"
SUITE = (
    ASK
    + """
import pathlib, time

@pytest.mark.cheap
def test_app(llm, case):
    half, done = pathlib.Path("half"), pathlib.Path("attacked")
    half.write_text(llm.base_url)
    half.rename("address")
    until = time.monotonic() + 60
    while not done.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not llm.calls
    assert ask(llm.base_url, case.input) == "say blue"
    assert len(llm.calls) == 1
"""
)
BODY = '{"model": "m", "messages": [{"role": "user", "content": "stolen"}]}'
# Each ends when the browser has done with it, whatever the page may know of that.
ATTACKS = {
    "no-cors": "fetch(at, {method: 'POST', mode: 'no-cors', body})",
    "no-cors JSON": """fetch(at, {
        method: 'POST', mode: 'no-cors',
        body: new Blob([body], {type: 'application/json'})
    })""",
    "no-cors and no referrer": """fetch(at, {
        method: 'POST', mode: 'no-cors', body, referrerPolicy: 'no-referrer'
    })""",
    "cors": """fetch(at, {
        method: 'POST', body, headers: {'content-type': 'application/json'}
    })""",
    "form": """new Promise(done => {
        const frame = document.createElement('iframe');
        frame.name = 'form';
        document.body.append(frame);
        const form = document.createElement('form');
        Object.assign(form, {
            action: at, method: 'POST', enctype: 'text/plain', target: 'form'});
        const field = document.createElement('input');
        [field.name, field.value] = [body.slice(0, -1) + ', "a": "', '"}'];
        form.append(field);
        document.body.append(form);
        frame.onload = done;
        form.submit();
    })""",
    "socket": """new Promise(done => {
        new WebSocket(at.replace('http', 'ws')).onerror = done;
    })""",
}


class Attacked:
    """A page of somebody else, and what its requests to the gateway were answered."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.answers: list[int] = []
        page.on("response", self._note)

    def attack(self, code: str, at: str) -> object:
        """Run an attack; return what the page learnt, None if that is nothing."""
        whole = f"([at, body]) => ({code}).then(r => r?.status || null, () => null)"
        return self.page.evaluate(whole, [at, BODY])

    def _note(self, answer: Response) -> None:
        if f":{urlsplit(self.url).port}/" in answer.url:
            self.answers.append(answer.status)


@pytest.fixture(scope="module")
def deceived() -> Iterator[Browser]:
    """Open a browser that somebody's DNS sends to this machine.

    New ones ask the user before a page may reach it; old ones, and the user, may agree.
    """
    with chromium(
        f"--host-resolver-rules=MAP {EVIL} 127.0.0.1",
        "--disable-features=LocalNetworkAccessChecks",
    ) as browser:
        yield browser


@pytest.fixture
def attacked(deceived: Browser, shop: Shop) -> Iterator[Attacked]:
    """A page beside a test that runs; the test ends after the attack, and passes."""
    with waiting(shop) as address:
        page = deceived.new_page()
        url = f"{address}/chat/completions"
        own = f"http://{EVIL}:{urlsplit(url).port}"
        # Before its name led here it was served by its owner.
        page.route(f"{own}/own", lambda route: route.fulfill(body="<body></body>"))
        yield Attacked(page, url)
        page.close()


@contextmanager
def waiting(shop: Shop) -> Iterator[str]:
    """Run a suite whose app waits; gives its address."""
    shop.cases([{"id": "sky", "input": "say blue"}])
    shop.test(SUITE)
    command = [sys.executable, "-m", "pytest", "--ladder-live", "-q"]
    with subprocess.Popen(
        command, cwd=shop.path, stdout=subprocess.PIPE, text=True
    ) as run:
        address = shop.path / "address"
        until = time.monotonic() + 60
        while not address.exists():
            assert run.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        yield address.read_text()
        (shop.path / "attacked").touch()
        said, _ = run.communicate(timeout=60)
        assert run.returncode == 0, said
        assert shop.server.count == 1


def test_a_page_of_another_origin_asks_nothing(attacked: Attacked) -> None:
    page = attacked.page
    page.route("http://other.example/own", lambda r: r.fulfill(body="<body></body>"))
    page.goto("http://other.example/own")
    for name, code in ATTACKS.items():
        before = len(attacked.answers)
        assert not attacked.attack(code, attacked.url), name
        assert set(attacked.answers[before:]) <= {403}, name
    assert len(attacked.answers) >= 4


def test_a_page_whose_name_now_leads_here_asks_nothing(attacked: Attacked) -> None:
    page = attacked.page
    at = attacked.url.replace("127.0.0.1", EVIL)
    page.goto(f"http://{EVIL}:{urlsplit(at).port}/own")
    attacked.answers.clear()
    for name, code in ATTACKS.items():
        assert attacked.attack(code, at) in (None, 403), name
    # Of its own origin a page may read, and sends no `Origin` with that.
    models = at.replace("/chat/completions", "/models")
    assert attacked.attack("fetch(at)", models) == 403
    assert set(attacked.answers) == {403}
