"""Apps that ask over HTTP for the test that runs: on whose behalf, and how that ends.

An app is any program that was told the address of the gateway (`gateway/`), which this
process starts when a test first asks for it. Here is what the gateway knows of tests,
and tests of the gateway; the gateway itself stands on a floor above, and is handed in
by the plugin.

Threads. Tests and fixtures use `Apps` on the main thread. The gateway calls `on_turn`,
and asks through a visit, on the engine's thread. `_lock` guards which links there are.
The test may end while an app still asks: its visit is over then, what is under way goes
on to the store, and nothing of it goes on a row. After Ctrl-C `close` is called.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn, Protocol

import pytest

from pytest_ladder.calls.asker import Asker
from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.engine import Engine
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.row import LostCalls
from pytest_ladder.core.rung import Rung
from pytest_ladder.errors import AppError, LadderError
from pytest_ladder.session.app_link import (
    AppCall,
    AppGateway,
    AppLink,
    Links,
    Visit,
    asked_by,
)
from pytest_ladder.session.ladder_test import Record
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.text.numbers import count

OVER = "the test is over"
UNCLEAR = (
    "An app asked without llm.headers while other tests are in it ahead of their turn "
    '(ahead="fixtures"), so whose call it was is not known; give llm.headers in all '
    "tests of the app, and let it pass them on."
)
NOBODY = (
    "the app asked nobody, although the test gave it an address; does it read "
    "OPENAI_BASE_URL, and pass on the headers that it gets?"
)


class Running(Protocol):
    """What apps need of the test that runs; `RunningTest` is it."""

    record: Record | None
    """What it has used so far; None: no ladder test runs."""

    def asker(self) -> Asker:
        """Return what asks for it, and puts replies on its row."""

    def sample(self) -> int:
        """Return which sample of its case it asks for."""

    def note_failure(self, error: LadderError) -> None:
        """Put what a failed call cost on its row."""

    def note_lost(self, lost: LostCalls | None) -> None:
        """Put calls that brought no reply on its row."""

    def end_for(self, problem: LadderError) -> NoReturn:
        """End it for a call of an app that failed."""


class AppHost(Protocol):
    """What apps need of their pytest process; `LadderSession` is it."""

    @property
    def engine(self) -> Engine:
        """Looks replies up, or calls models for them."""

    @property
    def running(self) -> Running:
        """The test that runs."""


class Apps:
    """The apps of a process: the gateway, and the links of the test that runs."""

    def __init__(
        self, process: AppHost, open_gateway: Callable[[], AppGateway]
    ) -> None:
        self._process = process
        self._open_gateway = open_gateway
        self._gateway: AppGateway | None = None
        self._links = Links()
        self.calls: list[AppCall] = []
        """What apps asked for the running test, in the order of the answers."""
        self._rehearsals = 0
        """Tests that may be in an app, and run ahead of their turn."""
        self._lock = threading.RLock()
        self.late = 0
        """Requests that came after the end of their test; known after `close`."""

    @property
    def gateway(self) -> AppGateway:
        """The gateway, started when it is first asked for."""
        with self._lock:
            if self._gateway is None:
                self._gateway = self._open_gateway()
            return self._gateway

    def link(self, asker: Asker) -> AppLink:
        """Return the link of the running test by which apps ask through an asker."""
        record = self._process.running.record
        if record is None:
            raise RuntimeError("No ladder test is running.")
        # Not under the lock: it waits for the engine's loop, which may wait for that.
        self.gateway.listen_for(record.item.test.opened)
        with self._lock:
            link = self._links.of(asker)
            if link is None:
                link = AppLink(self.gateway, self._visit(record, asker))
                self._links.add(asker, link)
            return link

    def leave(self, asker: Asker) -> None:
        """End the link of a task that is over."""
        with self._lock:
            self._links.leave(asker)

    def on_turn(self, rung: Rung, opened: OpenLadder) -> Visit | None:
        """Return the visit of the one test that has its turn; None: there is none.

        Called on the engine's thread for an app that does not say whose call it is. Of
        another rung, or ladder, nothing is answered.
        """
        with self._lock:
            record = self._process.running.record
            if record is None:
                return None
            item = record.item
            if item.test.opened is not opened or item.rung.id != rung.id:
                return None
            if self._rehearsals:
                # A test ends whose app may have asked, or that of another one.
                if "ladder_env" in record.item.function.fixturenames:
                    visit = self.link(self._process.running.asker()).visit
                    visit.failure = visit.failure or AppError(UNCLEAR, status=409)
                return None
            running = [each for each in self._links.visits() if not each.is_over]
            if running:
                return running[-1]
            return self.link(self._process.running.asker()).visit

    @contextlib.contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Count a test that may be in an app, and runs ahead of its turn."""
        with self._lock:
            self._rehearsals += 1
        try:
            yield
        finally:
            with self._lock:
                self._rehearsals -= 1

    @contextlib.contextmanager
    def env_of_rung(self, rung: Rung, opened: OpenLadder) -> Iterator[dict[str, str]]:
        """Return the environment of an app that serves all tests of a rung."""
        self.gateway.listen_for(opened)
        token = self.gateway.admit_rung(rung, opened)
        try:
            yield self.gateway.env(token, rung, opened, os.environ)
        finally:
            self.gateway.dismiss(token)

    def end_test(self) -> None:
        """End all links; called when a test is over, and after each part of one."""
        if self._gateway is None:  # So nobody got a link.
            return
        with self._lock:
            self._links.end()
            self.calls = []
            self._gateway.refused = ""

    @contextlib.contextmanager
    def heard(self, *, of_body: bool = True) -> Iterator[None]:
        """Let what runs in this context end as the calls of its apps did.

        An app may apologise nicely for a call that failed: the test has no score all
        the same. Nor has it one if it gave an app an address, and nobody asked there.
        `of_body`: it is the test itself, and not a task of it.
        """
        __tracebackhide__ = True
        try:
            yield
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
            problem = self._problem(error, of_body=of_body)
            if problem is None:
                raise
        else:
            problem = self._problem(None, of_body=of_body)
        if problem is None:
            return
        try:
            self._process.running.end_for(problem)
        except (pytest.fail.Exception, pytest.skip.Exception) as end:
            # What the body made of it is not shown: it follows from this.
            raise end from None

    def close(self) -> None:
        """Stop the gateway; called at the end of the run."""
        if self._gateway is not None:
            self._gateway.close()
            self.late = self._gateway.late

    def notices(self) -> Iterator[str]:
        """Yield a sentence on calls that came too late; called after `close`."""
        if self.late:
            yield (
                f"{count(self.late, 'call')} of apps came after the end of the test, "
                "and got no reply (410): something goes on in the background."
            )

    def _problem(
        self, raised: BaseException | None, *, of_body: bool
    ) -> LadderError | None:
        record = self._process.running.record
        if record is None or self._gateway is None:
            return None
        # It is there for apps that were started with it.
        expects_calls = of_body and "ladder_env" in record.item.function.fixturenames
        visits = self._links.visits()
        if not (visits or expects_calls):
            return None
        expects_calls |= any(visit.expects_calls for visit in visits)
        failed = next((v.failure for v in visits if v.failure is not None), None)
        if failed is not None:
            return failed
        is_scored = raised is None or isinstance(
            raised, AssertionError | pytest.fail.Exception
        )
        if is_scored and expects_calls and not self.calls:
            refused = self.gateway.refused
            told = f" The gateway refused a request: {refused}" if refused else ""
            return AppError(NOBODY + told, status=500)
        return None

    def _visit(self, record: Record, asker: Asker) -> Visit:
        running, item = self._process.running, record.item
        visit: Visit

        engine, archive = self._process.engine, item.test.opened.archive

        async def serve(request: Request) -> Reply:
            try:
                reply = await engine.ask_async(request, archive)
            except LadderError as error:
                if not visit.is_over:
                    running.note_failure(error)
                raise
            if visit.is_over:
                raise AppError(f"{OVER}.", status=410)
            running.note_lost(engine.lost_before(archive, reply))
            return reply

        visit = Visit(
            *(item.rung, item.test.opened, asked_by(item.test.nodeid, item.case)),
            *(asker.through(serve), running.sample, self.calls),
        )
        return visit
