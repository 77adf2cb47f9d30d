"""One request of an app, served on behalf of a test: whole, or as a stream.

It is read by the API of its route, made a call of the rung's model (`app_request`), and
asked for like any other call of the test: look-up → claim → budget → limits → lane →
store. The whole reply is on disk before the app sees its first word. All of it runs on
the engine's loop, the call itself in a task of its own, which no client ends by
leaving.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from aiohttp import web

from pytest_ladder import clock
from pytest_ladder.calls.contract import NativeCall, Request, Served
from pytest_ladder.calls.lanes.pass_through import speaks
from pytest_ladder.errors import (
    AppError,
    BudgetReached,
    CallError,
    LadderError,
    MissingReply,
)
from pytest_ladder.gateway import letting_in
from pytest_ladder.gateway.api import Api, Body, malformed, text_of
from pytest_ladder.gateway.app_request import (
    AppRequest,
    model_meant,
    request_of,
    tool_names,
)
from pytest_ladder.gateway.chat_completions import ChatCompletions
from pytest_ladder.gateway.draws import Asking, draw_of
from pytest_ladder.gateway.embeddings import Embeddings
from pytest_ladder.gateway.generate_content import GenerateContent
from pytest_ladder.gateway.messages import Messages, count_tokens
from pytest_ladder.gateway.misses import nearest
from pytest_ladder.gateway.native_apis import NativeMessages, NativeResponses
from pytest_ladder.gateway.responses import Responses
from pytest_ladder.session.app_link import AppCall, Visit

APIS: Mapping[str, Api] = MappingProxyType(
    {
        "/chat/completions": ChatCompletions(),
        "/embeddings": Embeddings(),
        "/responses": Responses(),
        "/messages": Messages(),
        "/generateContent": GenerateContent(),
        "/streamGenerateContent": GenerateContent(),
    }
)
"""The routes, each with its API, translated for models that speak another one."""
NATIVE_APIS: Mapping[str, Api] = MappingProxyType(
    {"/responses": NativeResponses(), "/messages": NativeMessages()}
)
"""Those that are passed through where the provider of the model speaks them."""
_NATIVE_HEADERS = ("anthropic-version", "anthropic-beta", "openai-beta")
COUNTING = "/messages/count_tokens"
"""The route that asks no model."""
PING_S = 10.0
"""Seconds after which a stream that waits says that it is alive."""
# No client is to try again: the engine has, and has given up.
FINAL = {"x-should-retry": "false", "Cache-Control": "no-store"}
ENDING = "The run is ending."
_BROKEN = "The gateway broke over this request; the log has a traceback."


class Serving:
    """Serves one request, and notes on its test what came of it."""

    def __init__(
        self,
        request: web.Request,
        route: str,
        api: Api,
        visit: Visit,
        fields: Mapping[str, Any],
    ) -> None:
        """`fields` are what the path says that other clients say in the body."""
        self.came_late = False
        """Whether its test ended before the reply was there."""
        self._request = request
        self._route = route
        self._api = api
        self._visit = visit
        self._fields = fields
        self._asked: AppRequest | None = None
        self._called: tuple[str, ...] = ()

    async def answer(self, working: set[asyncio.Task[Any]]) -> web.StreamResponse:
        """Answer it; its task is in `working` while it asks."""
        begun = clock.monotonic()
        failure: LadderError | None = AppError(_BROKEN, status=500)
        try:
            response, failure = await self._answer(working)
        finally:
            status = 200 if failure is None else status_of(failure)
            self.came_late = status == 410
            if not self._visit.is_over:
                call = self._call(status, clock.monotonic() - begun)
                self._visit.note(call, failure)
        return response

    async def _answer(
        self, working: set[asyncio.Task[Any]]
    ) -> tuple[web.StreamResponse, LadderError | None]:
        try:
            body = await self._body()
            if self._route == COUNTING:
                return web.json_response(count_tokens(body), headers=FINAL), None
            self._asked = asked = self._read(body)
            wanted = request_of(asked, self._visit)
        except AppError as error:
            return refusal(self._api, error.status, str(error)), error
        key = self._visit.opened.archive.key(wanted)
        draw, asking = draw_of(self._visit.asked, key, self._request)
        if not wanted.embeds:  # the vectors of a text are always the same
            wanted = msgspec.structs.replace(wanted, draw=draw)
        task = asyncio.ensure_future(self._visit.asker.ask_async(wanted))
        working.add(task)
        task.add_done_callback(working.discard)
        return await self._when_there(asked, wanted, task, asking)

    def _read(self, body: Body) -> AppRequest:
        """Let the API of the route read a request; raises `AppError`."""
        try:
            name = text_of(body, "model")
            if speaks(model_meant(name, self._visit), self._route):
                self._api = NATIVE_APIS[self._route]
            asked = self._api.asked(body, self._visit.memory)
            if asked.native is None:
                return asked
            sent = self._request.headers
            headers = {name: sent[name] for name in _NATIVE_HEADERS if name in sent}
            native = NativeCall(route=self._route, headers=headers)
            return msgspec.structs.replace(asked, native=native)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            problem = error
        # An API looks at what it needs, and takes the types for granted.
        raise malformed(f"a field has another type than it should ({problem})")

    async def _body(self) -> Body:
        """Read the JSON of the request; raises `AppError`."""
        if self._route not in (*APIS, COUNTING):
            known = ", ".join((*APIS, COUNTING, "/models"))
            raise AppError(
                f"The gateway has no route {self._route!r} yet; it has {known}.",
                status=501,
            )
        if self._request.method != "POST":
            raise AppError(f"Send a POST to {self._route}.", status=405)
        try:
            body = msgspec.json.decode(await self._request.read())
        except web.HTTPRequestEntityTooLarge:
            raise letting_in.too_large() from None
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise malformed(f"it is no JSON ({error})") from None
        if not isinstance(body, dict):
            raise malformed("it is no JSON object")
        return {**self._fields, **body}

    async def _when_there(
        self,
        asked: AppRequest,
        wanted: Request,
        served: asyncio.Task[Served],
        asking: Asking,
    ) -> tuple[web.StreamResponse, LadderError | None]:
        """Answer when the reply is there; a stream says meanwhile that it is alive."""
        stream: web.StreamResponse | None = None
        while not (await asyncio.wait({served}, timeout=PING_S))[0]:
            if asked.stream:
                with contextlib.suppress(ConnectionError):
                    stream = stream or await self._begun()
                    await stream.write(b": ping\n\n")
        failure: LadderError | None = None
        try:
            reply, key = served.result().reply, served.result().key
        except asyncio.CancelledError:
            failure = AppError(ENDING, status=503)
        except MissingReply as error:
            failure = await self._missing(error, wanted)
        except LadderError as error:
            failure = error
        if failure is not None:
            status, said = status_of(failure), str(failure)
            if stream is None:
                return refusal(self._api, status, said), failure
            with contextlib.suppress(ConnectionError):
                await stream.write(self._api.problem_event(status, said))
            return stream, failure
        self._called = tuple(tool_names(reply.tool_calls))
        if not asked.stream:
            body = msgspec.json.encode(self._api.whole(asked, reply, key))
            asking.deliver()
            return web.json_response(body=body, headers=FINAL), None
        with contextlib.suppress(ConnectionError):
            stream = stream or await self._begun()
            for event in self._api.events(asked, reply, key):
                await stream.write(event)
            asking.deliver()
        return stream or web.Response(), None

    async def _missing(self, error: MissingReply, wanted: Request) -> MissingReply:
        """Say what differs from what is stored; of each test once."""
        if self._visit.failure is not None:
            return error
        told = await asyncio.to_thread(nearest, wanted, self._visit)
        return MissingReply(f"{error} {told}")

    async def _begun(self) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", **FINAL}
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(self._request)
        return stream

    def _call(self, status: int, latency_s: float) -> AppCall:
        asked = self._asked
        return AppCall(
            route=self._route,
            model=asked.model if asked else "",
            tools=asked.tools if asked else (),
            called=self._called,
            stream=bool(asked and asked.stream),
            status=status,
            latency_s=latency_s,
        )


def api_of(route: str) -> Api:
    """Return the API in whose words a route is answered, also where there is none."""
    if route.startswith("/messages"):
        return APIS["/messages"]
    return APIS.get(route, APIS["/chat/completions"])


def status_of(error: LadderError) -> int:
    """Return the HTTP status by which an app learns of an error."""
    if isinstance(error, AppError):
        return error.status
    if isinstance(error, MissingReply):
        return 404
    if isinstance(error, BudgetReached):
        return 402
    if isinstance(error, CallError):
        return error.status if error.status and error.status >= 400 else 502
    return 500


def refusal(api: Api, status: int, sentence: str) -> web.Response:
    """Return the answer to what is not served."""
    response = web.json_response(
        body=msgspec.json.encode(api.problem(status, sentence)),
        status=status,
        headers=FINAL,
    )
    if status in (401, 403, 413, 415):
        # What is left of the body is not read.
        response.force_close()
    return response
