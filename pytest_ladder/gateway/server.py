"""The gateway: one HTTP server a process, on the engine's loop, for apps under test.

Every request is let in or refused (`letting_in`), and served on behalf of a test
(`serving`).

Threads. `Gateway` is made, and its public methods are called, on the main thread or on
that of a rehearsal; they wait for the engine's loop, so never on its thread. `_answer`
runs there. A client that goes away ends nothing: its call is paid for,
and is stored. Ctrl-C ends the session, which calls `close`: what waits for a reply is
answered with 503, and connections are closed within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from pytest_ladder.core.rung import Rung
from pytest_ladder.errors import Abandoned, AppError
from pytest_ladder.gateway import letting_in
from pytest_ladder.gateway.app_request import model_meant
from pytest_ladder.gateway.chat_completions import model_list
from pytest_ladder.gateway.environment import app_environment
from pytest_ladder.gateway.serving import ENDING, FINAL, Serving, api_of, refusal
from pytest_ladder.gateway.tokens import AppTokens, RungPass
from pytest_ladder.session.app_link import Visit
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession

_ENDING_S = 1.0
_MOST_IN_HEADER = 64 * 1024
"""Bytes of a header, as much as any server allows: keys and baggage may be long."""


class Gateway:
    """Serves apps on behalf of tests, from its making until `close`."""

    def __init__(self, session: LadderSession) -> None:
        self.late = 0
        self.refused = ""
        self._session = session
        self._tokens = AppTokens(
            str(getattr(session.config, "workerinput", {}).get("workerid", ""))
        )
        self._working: set[asyncio.Task[Any]] = set()
        self._translating: set[tuple[str, str]] = set()
        self._is_closing = False
        self._ports: dict[str, int] = {}
        """Where it listens, by address."""
        self._runner: web.AppRunner | None = None

    def listen_for(self, opened: OpenLadder) -> None:
        """Listen where the apps of a ladder ask, if it does not yet."""
        host = opened.ladder.gateway.host
        if host not in self._ports:
            self._session.engine.on_loop(self._listen(host)).result()

    def admit(self, visit: Visit) -> str:
        """Let apps ask on behalf of a test, from now on; returns their token."""
        return self._tokens.add(visit)

    def admit_rung(self, rung: Rung, opened: OpenLadder) -> str:
        """Let an app ask that serves many tests of a rung; returns its token."""
        return self._tokens.add(RungPass(rung, opened))

    def dismiss(self, token: str) -> None:
        """Let nobody ask with a token any more."""
        self._tokens.end(token)

    def base_url(self, token: str) -> str:
        """Return the address that OpenAI's clients take, with `/v1`."""
        return f"{self._root(token)}/v1"

    def env(
        self, token: str, rung: Rung, opened: OpenLadder, base: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the environment of an app: ours in, real keys out."""
        return app_environment(base, opened.ladder, rung, self._root(token), token)

    def close(self) -> None:
        """Stop serving; called once, at the end of the run."""
        with contextlib.suppress(Abandoned, TimeoutError):
            ending = self._session.engine.on_loop(self._stop())
            ending.result(2 * _ENDING_S)

    def _root(self, token: str) -> str:
        holder = self._tokens.holder(token)
        assert holder is not None
        host = holder.opened.ladder.gateway.host
        # All addresses of this machine are no address: it is at its own.
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        name = f"[{shown}]" if ":" in shown else shown
        return f"http://{name}:{self._ports[host]}/t/{token}"

    # The rest runs on the engine's loop.

    async def _listen(self, host: str) -> None:
        if self._runner is None:
            app = web.Application(client_max_size=letting_in.MOST_BYTES)
            app.router.add_route("*", "/{path:.*}", self._answer)
            self._runner = web.AppRunner(
                app,
                access_log=None,
                shutdown_timeout=_ENDING_S,
                max_field_size=_MOST_IN_HEADER,
            )
            await self._runner.setup()
        if host not in self._ports:
            site = web.TCPSite(self._runner, host, 0, backlog=1024)
            await site.start()
            self._ports[host] = self._runner.addresses[-1][1]

    async def _stop(self) -> None:
        self._is_closing = True
        for task in self._working:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request; what cannot be answered gets a sentence."""
        token, route, fields = letting_in.wanted(request)
        api = api_of(route)
        try:
            letting_in.check(request, self._ports)
            visit = letting_in.whose(
                request, token, self._tokens, self._session.apps.on_turn
            )
        except AppError as error:
            self.late += error.status == 410
            self.refused = str(error)
            return refusal(api, error.status, str(error))
        if self._is_closing:
            return refusal(api, 503, ENDING)
        if route in ("", "/models") or route.startswith("/models/"):
            return _looked_up(route, visit)
        if request.method in ("HEAD", "OPTIONS"):
            # Clients see so whether anybody is there; nothing was asked.
            return refusal(api, 405, f"Send a POST to {route}.")
        serving = Serving(request, route, api, visit, fields, self._translating)
        response = await serving.answer(self._working)
        self.late += serving.came_late
        return response


def _looked_up(route: str, visit: Visit) -> web.Response:
    """Answer what asks no model: which there are, one of them, or whether we are."""
    if route.startswith("/models/"):
        name = route.removeprefix("/models/")
        try:
            model_meant(name, visit)
        except AppError as error:
            return refusal(api_of(route), error.status, str(error))
        (found,) = model_list([name])["data"]
        return web.json_response(found, headers=FINAL)
    if not route:
        return web.json_response({}, headers=FINAL)
    ladder = visit.opened.ladder
    patterns = [name for name in ladder.gateway.override if name.isprintable()]
    plain = [name for name in patterns if not set("*?[") & set(name)]
    names = [visit.rung.model.name, *plain, *ladder.gateway.passes]
    names += [model.name for model in ladder.models]
    return web.json_response(model_list([*dict.fromkeys(names)]), headers=FINAL)
