"""A scripted server that speaks OpenAI's chat completions, for tests and benchmarks.

In a test, where it runs in a thread of its own:

    with ScriptedServer(latency_s=0.01, reply=lambda body: "blue") as server:
        model = Model(..., id="openai/x", api_base=server.api_base)
        server.script(fails(503), says("second time lucky"))
        ...
        assert [request.body["model"] for request in server.requests] == ["x", "x"]

As a process of its own, so that it does not share a core's time with what is
measured; it prints its address first and stops with Ctrl-C or SIGTERM:

    python tests/scripted_server.py --port 0 --latency 0.2

`GET /stats` then tells what `count` and `peak` tell in a test, and the seconds from the
first to the last arrival. Without a script
the server echoes the last user message. A request with `"stream": true` is answered
as a stream of server-sent events, one word an event, whatever the script says.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self

from aiohttp import web

Body = dict[str, Any]
"""A decoded JSON body."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Says:
    """A proper reply; fields left out are filled in from the request."""

    text: str | None
    finish_reason: str | None = "stop"
    model: str | None = None
    """None: the model that was asked for."""
    usage: Body | None = dataclasses.field(default_factory=dict)
    """Laid over a usage counted in words; None: the reply has no usage."""
    tool_calls: tuple[Body, ...] = ()
    extra: Body = dataclasses.field(default_factory=dict)
    """Added to the top of the payload, such as llama.cpp's `timings`."""
    cut_after: int | None = None
    """Streams only: send that many events, then break the connection."""
    stop_after: int | None = None
    """Streams only: send that many events, then end properly, without `[DONE]`."""
    end_after_s: float = 0.0
    """Streams only: leave the body open for so long after its `[DONE]`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sends:
    """Any status, body and headers, byte for byte."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    content_type: str = "application/json"
    cut_after: int | None = None
    """Announce the whole body, send that many bytes, break the connection."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waits:
    """Nothing for that many seconds, then the connection is reset."""

    seconds: float = 0.0


Act = Says | Sends | Waits
"""What the server does with one request."""


def says(text: str | None, **fields: Any) -> Says:
    """Answer with `text`; see `Says` for the other fields."""
    return Says(text=text, **fields)


def calls_tool(name: str, arguments: Body, call_id: str = "call_1") -> Says:
    """Answer with one call of a tool instead of text."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": call_id, "type": "function", "function": function}
    return Says(text=None, finish_reason="tool_calls", tool_calls=(call,))


def filtered() -> Says:
    """Answer with a reply that the provider's content filter emptied."""
    return Says(text=None, finish_reason="content_filter")


def fails(
    status: int,
    message: str = "scripted failure",
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Sends:
    """Answer with an HTTP error in OpenAI's form."""
    error = {"message": message, "type": "scripted", "param": None, "code": code}
    return sends({"error": error}, status=status, headers=headers or {})


def limits(retry_after: str | None = None, *, milliseconds: str | None = None) -> Sends:
    """Answer 429, with `Retry-After` or `retry-after-ms` if given."""
    named = {"Retry-After": retry_after, "retry-after-ms": milliseconds}
    headers = {name: value for name, value in named.items() if value is not None}
    return fails(429, "Rate limit reached", code="rate_limit_exceeded", headers=headers)


def sends(payload: Any, **fields: Any) -> Sends:
    """Answer with any JSON; see `Sends` for the other fields."""
    return Sends(body=json.dumps(payload).encode(), **fields)


def garbage(text: str = "<html>not JSON</html>") -> Sends:
    """Answer 200 with a body that is no JSON."""
    return Sends(body=text.encode())


def truncates(after_bytes: int = 40) -> Sends:
    """Break the connection in the middle of a proper body."""
    body = json.dumps(_completion(says("cut off " * 50), {"messages": []})).encode()
    return Sends(body=body, cut_after=after_bytes)


def resets() -> Waits:
    """Reset the connection without an answer."""
    return Waits()


def hangs(seconds: float = 60.0) -> Waits:
    """Answer nothing; the wait ends early when the server stops."""
    return Waits(seconds=seconds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeenRequest:
    """One request as it arrived."""

    at: float
    """`time.monotonic()` of its arrival."""
    body: Body
    headers: Mapping[str, str]
    """Names in lower case."""
    in_flight: int
    """Requests under way when it arrived, itself included."""
    path: str = ""
    client: str = ""
    """Address and port that it came from: one for each connection."""


class ScriptedServer:
    """An OpenAI-compatible server on loopback; a context manager.

    A request is answered by the oldest act of the script that is left, else by the
    periodic failure of `every`, else with `reply(body)`: text, or an act.
    Thread-safe; `requests` and `peak` may be read at any time.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.0,
        reply: Callable[[Body], str | Act] | None = None,
        port: int = 0,
        record: bool = True,
    ) -> None:
        self.latency_s = latency_s
        """Seconds every answer takes; may be changed at any time."""
        self.pause_s = 0.0
        """Seconds between the events of a stream; may be changed at any time."""
        self.reply = reply or last_user_message
        self.requests: list[SeenRequest] = []
        """All requests so far, in order of arrival; empty with `record=False`."""
        self.everywhere: Act | None = None
        """What is sent to whoever asks for another path, in any way; None: 404."""
        self.hits = 0
        """Requests for other paths so far."""
        self.count = 0
        """Number of requests so far."""
        self.peak = 0
        """Most requests under way at once."""
        self.in_flight = 0
        self._first_at = self._last_at = 0.0
        self._record = record
        self._port = port
        self._acts: deque[Act] = deque()
        self._every: tuple[int, Act] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="scripted-server")
        self._started = threading.Event()
        self._stop: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """The address without a path, as of a local llama.cpp server."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_base(self) -> str:
        """The address with `/v1`, as OpenAI's clients want it."""
        return f"{self.url}/v1"

    def script(self, *acts: Act) -> None:
        """Answer the next requests with these acts, one each, in this order."""
        self._acts.extend(acts)

    def every(self, nth: int, act: Act) -> None:
        """Answer every `nth` request (counted from the first) with `act`."""
        self._every = (nth, act)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("The scripted server did not start within 10 s.")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(10)

    def stop(self) -> None:
        """Stop serving; whoever still waits for an answer is cut off."""
        if self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self.serve())
        finally:
            self._loop.close()

    async def serve(self) -> None:
        """Serve until `stop` is called or the task is cancelled."""
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_post("/v1/chat/completions", self._complete)
        # Where Azure, Groq, Gemini and Cohere let OpenAI's clients in.
        doors = "openai/v1|v1beta/openai|compatibility/v1"
        app.router.add_post(f"/{{door:{doors}}}/chat/completions", self._complete)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_get("/v1/models", _models)
        app.router.add_get("/health", _health)
        app.router.add_get("/stats", self._stats)
        app.router.add_route("*", "/{path:.*}", self._elsewhere)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port, backlog=1024).start()
            self._port = runner.addresses[0][1]
            self._started.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        self.hits += 1
        if self.everywhere is None:
            raise web.HTTPNotFound
        # The APIs of providers that are no chat completions.
        if self._record and request.path.endswith(("/responses", "/messages")):
            self._note(time.monotonic(), await request.json(), request)
        return await self._answer(self.everywhere, {}, request)

    async def _embed(self, request: web.Request) -> web.Response:
        """Answer with a vector of three numbers for each text: its length counts."""
        body = await request.json()
        self.count += 1
        if self._record:
            self._note(time.monotonic(), body, request)
        vectors = [
            {"object": "embedding", "index": n, "embedding": [len(text), 0.5, -1.0]}
            for n, text in enumerate(body["input"])
        ]
        tokens = sum(map(len, body["input"]))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        data = {"object": "list", "data": vectors, "model": body["model"]}
        return web.json_response(data | {"usage": usage})

    async def _stats(self, _: web.Request) -> web.Response:
        stats = {
            "requests": self.count,
            "peak": self.peak,
            "in_flight": self.in_flight,
            "active_s": self._last_at - self._first_at,
        }
        return web.json_response(stats)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        arrived = time.monotonic()
        body = await request.json()
        self._first_at = arrived if self.count == 0 else self._first_at
        self._last_at = arrived
        self.count += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            if self._record:
                self._note(arrived, body, request)
            act = self._next_act(body)
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            return await self._answer(act, body, request)
        finally:
            self.in_flight -= 1

    def _note(self, arrived: float, body: Body, request: web.Request) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = SeenRequest(
            at=arrived,
            body=body,
            headers=headers,
            in_flight=self.in_flight,
            path=request.path,
            client=str(
                request.transport and request.transport.get_extra_info("peername")
            ),
        )
        self.requests.append(seen)

    def _next_act(self, body: Body) -> Act:
        if self._acts:
            return self._acts.popleft()
        if self._every and self.count % self._every[0] == 0:
            return self._every[1]
        reply = self.reply(body)
        return says(reply) if isinstance(reply, str) else reply

    async def _answer(
        self, act: Act, body: Body, request: web.Request
    ) -> web.StreamResponse:
        if isinstance(act, Waits):
            return await self._wait(act, request)
        if isinstance(act, Sends):
            return await _send(act, request)
        if body.get("stream"):
            return await _stream(act, body, request, self.pause_s)
        return web.json_response(_completion(act, body))

    async def _wait(self, act: Waits, request: web.Request) -> web.Response:
        assert self._stop is not None
        if act.seconds:
            waiting = asyncio.create_task(self._stop.wait())
            await asyncio.wait([waiting], timeout=act.seconds)
            waiting.cancel()
        _break(request)
        return web.Response()


def last_user_message(body: Body) -> str:
    """Echo: the content of the last user message."""
    spoken = [m["content"] for m in body["messages"] if m["role"] == "user"]
    return str(spoken[-1]) if spoken else ""


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": []})


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _send(act: Sends, request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": act.content_type, **act.headers}
    if act.cut_after is None:
        return web.Response(body=act.body, status=act.status, headers=headers)
    headers["Content-Length"] = str(len(act.body))
    response = web.StreamResponse(status=act.status, headers=headers)
    await response.prepare(request)
    await response.write(act.body[: act.cut_after])
    _break(request)
    return response


async def _stream(
    act: Says, body: Body, request: web.Request, pause_s: float
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    ends = act.cut_after if act.cut_after is not None else act.stop_after
    for event in _events(act, body)[:ends]:
        await response.write(f"data: {json.dumps(event)}\n\n".encode())
        if pause_s:
            await asyncio.sleep(pause_s)
    if act.cut_after is not None:
        _break(request)
    elif act.stop_after is None:
        await response.write(b"data: [DONE]\n\n")
    if act.end_after_s:
        await asyncio.sleep(act.end_after_s)
    return response


def _break(request: web.Request) -> None:
    """Cut the connection, so that the other side sees a reset or a short body."""
    if request.transport is not None:
        request.transport.abort()


def _usage(act: Says, body: Body) -> Body | None:
    """Count words, then lay the act's own numbers over them."""
    if act.usage is None:
        return None
    prompt = sum(len(str(m.get("content")).split()) for m in body["messages"])
    completion = len((act.text or "").split())
    counted = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return counted | act.usage


def _head(act: Says, body: Body, kind: str) -> Body:
    named = act.model or body.get("model", "scripted")
    head = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": named}
    return head | act.extra


def _completion(act: Says, body: Body) -> Body:
    message: Body = {"role": "assistant", "content": act.text}
    if act.tool_calls:
        message["tool_calls"] = list(act.tool_calls)
    choice = {"index": 0, "message": message, "finish_reason": act.finish_reason}
    payload = _head(act, body, "chat.completion") | {"choices": [choice]}
    usage = _usage(act, body)
    return payload if usage is None else payload | {"usage": usage}


def _events(act: Says, body: Body) -> list[Body]:
    """Split a reply into the events of a stream: a word, or half a tool call, each."""
    head = _head(act, body, "chat.completion.chunk")
    words = [] if act.text is None else act.text.split(" ")
    deltas: list[Body] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": w if n == 0 else f" {w}"} for n, w in enumerate(words)]
    for index, call in enumerate(act.tool_calls):
        deltas += _tool_deltas(index, call)
    events = [head | {"choices": [_delta(delta, None)]} for delta in deltas]
    if act.finish_reason is not None:
        events.append(head | {"choices": [_delta({}, act.finish_reason)]})
    usage = _usage(act, body)
    wanted = (body.get("stream_options") or {}).get("include_usage")
    return events + [head | {"choices": [], "usage": usage}] * bool(wanted and usage)


def _delta(delta: Body, finish_reason: str | None) -> Body:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _tool_deltas(index: int, call: Body) -> list[Body]:
    arguments = call["function"]["arguments"]
    half = len(arguments) // 2
    first = {"name": call["function"]["name"], "arguments": arguments[:half]}
    opening = {"index": index, "id": call["id"], "type": "function", "function": first}
    rest = {"index": index, "function": {"arguments": arguments[half:]}}
    return [{"tool_calls": [opening]}, {"tool_calls": [rest]}]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A scripted model server.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--reply", help="text of every reply (default: an echo)")
    parser.add_argument("--fail-every", type=int, metavar="N", help="fail each Nth")
    parser.add_argument("--fail-status", type=int, default=503)
    return parser.parse_args()


async def _main(options: argparse.Namespace) -> None:
    fixed: Callable[[Body], str] | None = None
    if options.reply is not None:
        fixed = lambda _: str(options.reply)  # noqa: E731
    server = ScriptedServer(
        latency_s=options.latency, reply=fixed, port=options.port, record=False
    )
    if options.fail_every:
        server.every(options.fail_every, fails(options.fail_status))
    serving = asyncio.create_task(server.serve())
    while not server._started.is_set() and not serving.done():
        await asyncio.sleep(0.01)
    print(server.url, flush=True)  # noqa: T201 - the process's whole interface
    await serving


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(_options()))
