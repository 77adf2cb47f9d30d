"""A review that is served from a thread, and a rater who sends requests by hand."""

from __future__ import annotations

import asyncio
import http.client
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.review.queue import Assignment, Item, grades, pairs, queue_of
from pytest_ladder.review.server import Site
from pytest_ladder.review.sessions import Session
from pytest_ladder.review.store import reviews_in
from tests.review.reviewed import RUNGS, candidates


def graded_items(count: int = 6, scale: Any = "binary") -> list[Item]:
    return grades(candidates(), ReviewConfig(scale=scale), count=count)


def paired_items(count: int = 12) -> list[Item]:
    return pairs(candidates(), RUNGS, ReviewConfig(), current=None, count=count)[0]


@contextmanager
def served(
    file: Path,
    items: Sequence[Item],
    raters: Sequence[str] = ("ann",),
    **options: Any,
) -> Iterator[Site]:
    answers = reviews_in(file)
    everybody = Assignment(raters=tuple(raters), wanted=len(raters))
    sessions = [
        Session(one, queue_of(one, items, everybody), answers) for one in raters
    ]
    site = Site(sessions, file.name, **options)
    loop, ready, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with site.open():
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield site
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


class Answered(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def to(self) -> str:
        return self.headers["Location"]


class Rater:
    """Sends requests as a browser does, or with one thing changed."""

    def __init__(self, link: str) -> None:
        self.address = urlsplit(link)
        self.cookie = ""
        self.csrf = ""

    def enter(self) -> Answered:
        answer = self.send("GET", self.address.path)
        self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/").text)
        self.csrf = found[1] if found else ""
        return answer

    def get(self, path: str, **headers: str) -> Answered:
        return self.send("GET", path, **headers)

    def post(self, path: str, **fields: str) -> Answered:
        return self.submit(path, {"csrf": self.csrf, **fields})

    def submit(self, path: str, fields: dict[str, str], **headers: str) -> Answered:
        told = {"Content-Type": "application/x-www-form-urlencoded"}
        told |= {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        told = {name: value for name, value in told.items() if value}
        return self.send("POST", path, urlencode(fields), **told)

    def send(self, method: str, path: str, body: str = "", **headers: str) -> Answered:
        connection = http.client.HTTPConnection(self.address.netloc, timeout=10)
        told = {"Cookie": self.cookie} | headers
        try:
            connection.request(method, path, body or None, told)
            response = connection.getresponse()
            return Answered(response.status, response.headers, response.read().decode())
        finally:
            connection.close()
