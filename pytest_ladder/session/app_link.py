"""What a test gives its apps, and what of it the gateway knows.

An app is any program that asks the gateway (`gateway/`) over HTTP. Links are made on
the main thread or on that of a rehearsal; the gateway changes a `Visit` on the engine's
thread, by appending and by setting attributes, each in one step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pytest_ladder.calls.asker import Asker
from pytest_ladder.core.case import Case
from pytest_ladder.core.rung import Rung
from pytest_ladder.errors import Abandoned, LadderError

if TYPE_CHECKING:
    from pytest_ladder.session.open_ladder import OpenLadder


def asked_by(nodeid: str, case: Case | None) -> str:
    """Return what stored requests of a test are found by."""
    return f"{nodeid}#{case.id if case else ''}"


class AppCall(msgspec.Struct, frozen=True, kw_only=True):
    """One request that an app made to the gateway."""

    route: str
    """Such as `/chat/completions`."""
    model: str
    """The model that the app asked for, whichever answered."""
    tools: tuple[str, ...] = ()
    """Names of the tools that it offered."""
    called: tuple[str, ...] = ()
    """Names of the tools that the reply calls, in order."""
    stream: bool = False
    """Whether it asked for a stream."""
    status: int = 200
    """HTTP status of the answer."""
    latency_s: float = 0.0
    """Seconds until the answer was there."""


class Visit:
    """One run of a test, as far as apps ask on its behalf."""

    def __init__(
        self,
        rung: Rung,
        opened: OpenLadder,
        asked_by: str,
        asker: Asker,
        sample: Callable[[], int],
        calls: list[AppCall],
    ) -> None:
        self.rung = rung
        """The rung that answers."""
        self.opened = opened
        """The ladder of the test."""
        self.asked_by = asked_by
        """What stored requests of this test are found by."""
        self.asker = asker
        """Asks, and notes the reply where the test wants it."""
        self.sample = sample
        self.calls = calls
        """What apps asked for the test so far, in the order of the answers."""
        self.asked: dict[str, list[Any]] = {}
        """Who asked each request, by its key without draws; the gateway's."""
        self.memory: dict[str, Any] = {}
        """What an API keeps of its answers, by their ids; the gateway's."""
        self.failure: LadderError | None = None
        """The first call that failed; the test ends with it."""
        self.expects_calls = False
        """Whether the test gave an app what it asks with."""
        self.is_over = False

    def note(self, call: AppCall, failure: LadderError | None = None) -> None:
        """Note a call that was answered; the first failure counts."""
        self.calls.append(call)
        self.failure = self.failure or failure


class AppGateway(Protocol):
    """What tests use of the gateway; called on any thread but the engine's."""

    late: int
    """Requests that came after the end of their test."""

    refused: str
    """Why the last request was refused that was nobody's; empty: none was."""

    def listen_for(self, opened: OpenLadder) -> None:
        """Listen where the apps of a ladder ask, if it does not yet."""

    def admit(self, visit: Visit) -> str:
        """Let apps ask on behalf of a test, from now on; returns their token."""

    def admit_rung(self, rung: Rung, opened: OpenLadder) -> str:
        """Let an app ask that serves many tests of a rung; returns its token."""

    def dismiss(self, token: str) -> None:
        """Let nobody ask with a token any more."""

    def base_url(self, token: str) -> str:
        """Return the address that OpenAI's clients take, with `/v1`."""

    def env(
        self, token: str, rung: Rung, opened: OpenLadder, base: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the environment of an app: ours in, real keys out."""

    def close(self) -> None:
        """Stop serving; called once, at the end of the run."""


class AppLink:
    """What one run of a test gives its apps."""

    def __init__(self, gateway: AppGateway, visit: Visit) -> None:
        self._gateway = gateway
        self.visit = visit
        self._token = gateway.admit(visit)

    @property
    def base_url(self) -> str:
        """The address of this run of the test."""
        return self._gateway.base_url(self._token)

    @property
    def headers(self) -> dict[str, str]:
        """The headers by which an app that serves many tests says whose call it is."""
        self.visit.expects_calls = True
        return {"baggage": f"ladder={self._token}", "x-ladder-token": self._token}

    def env(self, base: Mapping[str, str] | None) -> dict[str, str]:
        """Return the environment of an app that serves this test alone."""
        self.visit.expects_calls = True
        visit = self.visit
        return self._gateway.env(
            self._token, visit.rung, visit.opened, os.environ if base is None else base
        )

    def end(self) -> None:
        """Let nobody ask on behalf of this run any more."""
        self.visit.is_over = True
        self._gateway.dismiss(self._token)


class Links:
    """The links of one run of a test, by who asks; no threads use it at once."""

    def __init__(self) -> None:
        self._links: list[tuple[Asker, AppLink]] = []

    def of(self, asker: Asker) -> AppLink | None:
        """Return the link by which apps ask through an asker, if there is one."""
        return next((link for known, link in self._links if known is asker), None)

    def add(self, asker: Asker, link: AppLink) -> AppLink:
        """Keep a link, and return it."""
        self._links.append((asker, link))
        return link

    def visits(self) -> list[Visit]:
        """Return the visits of all, in order."""
        return [link.visit for _, link in self._links]

    def leave(self, asker: Asker) -> None:
        """End the link of a task that is over; it is kept for what became of it."""
        if (link := self.of(asker)) is not None:
            link.end()

    def end(self) -> None:
        """End all links, and forget them."""
        for _, link in self._links:
            link.end()
        self._links.clear()


class AppSide(Protocol):
    """Where an `llm` gets its link from."""

    @property
    def calls(self) -> list[AppCall]:
        """What apps asked for the test so far, in the order of the answers."""

    def link(self, asker: Asker) -> AppLink:
        """Return the link by which apps ask through an asker, the same each time."""

    def leave(self, asker: Asker) -> None:
        """End that link, if there is one."""


class NoApps:
    """Ends a rehearsal that would give an app its address: it runs in its turn."""

    @property
    def calls(self) -> list[AppCall]:
        """Return none."""
        return []

    def link(self, asker: Asker) -> AppLink:
        """Raise `Abandoned`."""
        raise Abandoned

    def leave(self, asker: Asker) -> None:
        """Do nothing: there is no link."""
