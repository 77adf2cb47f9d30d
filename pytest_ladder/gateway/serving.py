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
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from pytest_ladder import clock
from pytest_ladder.calls.contract import NativeCall, Request
from pytest_ladder.calls.lanes.pass_through import NOT_THERE, speaks
from pytest_ladder.core.reply import Reply
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


class _AsRead(NamedTuple):
    """A request as one API reads it."""

    api: Api
    asked: AppRequest
    wanted: Request
    asking: Asking


class Serving:
    """Serves one request, and notes on its test what came of it."""

    def __init__(
        self,
        request: web.Request,
        route: str,
        api: Api,
        visit: Visit,
        fields: Mapping[str, Any],
        translating: set[tuple[str, str]],
    ) -> None:
        """`fields` are what the path says that other clients say in the body.

        `translating` is kept: the routes, and ids of models, whose servers proved to
        have chat completions only.
        """
        self.came_late = False
        """Whether its test ended before the reply was there."""
        self._request = request
        self._route = route
        self._api = api
        self._visit = visit
        self._fields = fields
        self._translating = translating
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
            way = self._chosen(body)
            self._asked = way.asked
        except AppError as error:
            return refusal(self._api, error.status, str(error)), error
        task = asyncio.ensure_future(self._reply(way, body))
        working.add(task)
        task.add_done_callback(working.discard)
        return await self._when_there(way, task)

    def _chosen(self, body: Body) -> _AsRead:
        """Choose how a request is asked; raises `AppError`.

        It is passed through where the rung's provider speaks its API, unless only its
        translation is stored: what was paid for is not asked again.
        """
        with _reading():
            model = model_meant(text_of(body, "model"), self._visit)
        if not speaks(model, self._route):
            return self._way(self._api, body)
        way = self._way(NATIVE_APIS[self._route], body)
        if (self._route, way.wanted.model.id) in self._translating:
            return self._translated(body) or way
        if not self._is_stored(way):
            translated = self._translated(body)
            if translated is not None and self._is_stored(translated):
                return translated
        return way

    def _is_stored(self, way: _AsRead) -> bool:
        archive = self._visit.opened.archive
        return archive.find(archive.key(way.wanted)) is not None

    def _translated(self, body: Body) -> _AsRead | None:
        """Read a request for chat completions; None: they have no words for it."""
        with contextlib.suppress(AppError):
            return self._way(APIS[self._route], body)
        return None

    async def _reply(self, way: _AsRead, body: Body) -> tuple[_AsRead, Reply]:
        """Ask; what a server has no route for is asked in translation, at once."""
        ask, native = self._visit.asker.ask_async, way.wanted.native
        translated = None
        try:
            return way, await ask(way.wanted)
        except CallError as error:
            if native is not None and error.status in NOT_THERE:
                translated = self._translated(body)
            if translated is None:
                raise
        reply = await ask(translated.wanted)
        self._translating.add((self._route, way.wanted.model.id))
        return translated, reply

    def _way(self, api: Api, body: Body) -> _AsRead:
        """Read a request in the words of an API; raises `AppError`."""
        self._asked = asked = self._read(api, body)
        wanted = request_of(asked, self._visit)
        key = self._visit.opened.archive.key(wanted)
        draw, asking = draw_of(self._visit.asked, key, self._request)
        if not wanted.embeds:  # the vectors of a text are always the same
            wanted = msgspec.structs.replace(wanted, draw=draw)
        return _AsRead(api, asked, wanted, asking)

    def _read(self, api: Api, body: Body) -> AppRequest:
        """Let an API read a request; raises `AppError`."""
        with _reading():
            asked = api.asked(body, self._visit.memory)
        if asked.native is None:
            return asked
        sent = self._request.headers
        headers = {name: sent[name] for name in _NATIVE_HEADERS if name in sent}
        native = NativeCall(route=self._route, headers=headers)
        return msgspec.structs.replace(asked, native=native)

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
        way: _AsRead,
        asked: asyncio.Task[tuple[_AsRead, Reply]],
    ) -> tuple[web.StreamResponse, LadderError | None]:
        """Answer when the reply is there; a stream says meanwhile that it is alive."""
        stream: web.StreamResponse | None = None
        while not (await asyncio.wait({asked}, timeout=PING_S))[0]:
            if way.asked.stream:
                with contextlib.suppress(ConnectionError):
                    stream = stream or await self._begun()
                    await stream.write(b": ping\n\n")
        failure: LadderError | None = None
        try:
            way, reply = asked.result()
        except asyncio.CancelledError:
            failure = AppError(ENDING, status=503)
        except MissingReply as error:
            failure = await self._missing(error, way.wanted)
        except LadderError as error:
            failure = error
        if failure is not None:
            status, said = status_of(failure), str(failure)
            if stream is None:
                return refusal(way.api, status, said), failure
            with contextlib.suppress(ConnectionError):
                await stream.write(way.api.problem_event(status, said))
            return stream, failure
        self._called = tuple(tool_names(reply.tool_calls))
        if not way.asked.stream:
            body = msgspec.json.encode(way.api.whole(way.asked, reply))
            way.asking.deliver()
            return web.json_response(body=body, headers=FINAL), None
        with contextlib.suppress(ConnectionError):
            stream = stream or await self._begun()
            for event in way.api.events(way.asked, reply):
                await stream.write(event)
            way.asking.deliver()
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


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Refuse what has another shape: an API takes the types of fields for granted."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = error
    else:
        return
    raise malformed(f"a field has another type than it should ({problem})")


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
