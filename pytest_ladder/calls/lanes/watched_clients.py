"""Watches the HTTP clients of other libraries while they make our calls.

Redirects: one would take the prompt, and maybe the key, to whatever host it names, and
that host's answer would be stored as the model's. litellm's clients follow redirects;
each of its providers makes its own client, and no setting reaches all of them.

Answers: litellm gives up on some that can be read, takes errors for replies, and
unpacks a body of any size. So a body is unpacked here, with a limit, and an answer in
OpenAI's protocol is noted as it came, for the same code to read it as on the direct
lane. litellm gets it all the same, once it is complete; a stream of another protocol it
gets as it comes.

For both the methods that send are replaced in httpx and aiohttp by ones that ask first
whether the call is ours. That is told by a context variable, which tasks and
`asyncio.to_thread` inherit. A redirect of one of our POST requests fails the call. The
calls of everyone else go on as before, and so do ours that only fetch something, such
as a picture in a prompt.

Threads: `watch_clients` is called once a process, in the thread that imports litellm.
The replaced methods run on whatever thread or loop uses the client. Each call has a
`Watch` of its own in its context, so there is no lock; a Ctrl-C or a cancellation
passes through unchanged. They also note the aiohttp sessions that sent for us, to be
closed. Private is `ClientSession._request` of aiohttp.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import importlib
import importlib.util
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pytest_ladder import clock
from pytest_ladder.calls.contract import Answer
from pytest_ladder.calls.lanes import bodies, completions, keep_alive
from pytest_ladder.errors import CallError


class _Sender(NamedTuple):
    """A method that sends, and the argument that makes it follow redirects."""

    module: str
    client: str
    method: str
    follow: str


_SENDERS = (
    _Sender("httpx", "AsyncClient", "send", "follow_redirects"),
    _Sender("httpx", "Client", "send", "follow_redirects"),
    # Newer openai clients speak through it.
    _Sender("httpx2", "AsyncClient", "send", "follow_redirects"),
    _Sender("httpx2", "Client", "send", "follow_redirects"),
    _Sender("aiohttp", "ClientSession", "_request", "allow_redirects"),
)


# Only ends the request: the user's message is made from what was noted.
_REFUSED = "A redirect is not followed."
_COMPLETIONS = "/chat/completions"
# What a body is no longer, once it is unpacked.
_AS_SENT = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class Redirect(NamedTuple):
    """An answer that wanted to send a call on to another address."""

    status: int
    headers: Mapping[str, str]
    url: str
    """What was asked."""


class Watch:
    """What was seen of one call of ours."""

    def __init__(self, name: str) -> None:
        self.name = name
        """The model's."""
        self.redirects: list[Redirect] = []
        self.problem: CallError | None = None
        """Why a body could not be unpacked; None: all could."""
        self.status: int | None = None
        """Of an answer in OpenAI's protocol; None: none came."""
        self.content_type = ""
        self.pieces: list[tuple[float, bytes]] = []
        """Its body, unpacked, in pieces with the moments of their arrival."""

    def completion(self) -> Answer | None:
        """Read what came in OpenAI's protocol, None if nothing did.

        Raises `CallError`.
        """
        if self.status is None:
            return None
        kind = self.content_type.partition(";")[0].strip()
        body = b"".join(piece for _, piece in self.pieces)
        if self.status >= 300:
            return completions.filtered(self.status, body)
        if kind == "text/event-stream":
            return completions.from_events(self.name, self.pieces, self.content_type)
        return completions.from_body(self.name, body, self.content_type)


# aiohttp sessions that sent a call of ours, with their event loop: litellm keeps some
# where nobody finds them at the end. Written only by our calls, on the engine's loop.
_sessions: weakref.WeakKeyDictionary[Any, asyncio.AbstractEventLoop] = (
    weakref.WeakKeyDictionary()
)
# httpx clients that an answer of ours came through, and that may keep its connection.
_served: weakref.WeakSet[Any] = weakref.WeakSet()
_ours: contextvars.ContextVar[Watch | None] = contextvars.ContextVar(
    "ladder_watch", default=None
)


@contextlib.contextmanager
def watching(name: str) -> Iterator[Watch]:
    """Watch the requests that are made in the block for the model of that name."""
    watch = Watch(name)
    before = _ours.set(watch)
    try:
        yield watch
    finally:
        _ours.reset(before)


def watch_clients() -> None:
    """Replace the methods that send; a second call changes nothing."""
    for sender in _SENDERS:
        if importlib.util.find_spec(sender.module) is None:
            continue
        client = getattr(importlib.import_module(sender.module), sender.client)
        send = getattr(client, sender.method)
        if not hasattr(send, "watched_for_redirects"):
            watch = _watched_plain_httpx
            if sender.module == "aiohttp":
                watch = _watched_aiohttp
            elif inspect.iscoroutinefunction(send):
                watch = _watched_httpx
            watched = watch(send, sender)
            watched.watched_for_redirects = True  # type: ignore[attr-defined]
            setattr(client, sender.method, watched)


async def close_sessions() -> None:
    """Close the aiohttp sessions that sent our calls on this event loop."""
    loop = asyncio.get_running_loop()
    for session in [session for session, at in _sessions.items() if at is loop]:
        del _sessions[session]
        await session.close()


def _watched_aiohttp(send: Callable[..., Any], sender: _Sender) -> Callable[..., Any]:
    @functools.wraps(send)
    async def watched(self: Any, *arguments: Any, **options: Any) -> Any:
        if _ours.get() is not None:
            _sessions[self] = asyncio.get_running_loop()
        watch = _watch_of(arguments[0] if arguments else options.get("method"))
        if watch is None:
            return await send(self, *arguments, **options)
        response = await send(self, *arguments, **options | {sender.follow: False})
        if _is_redirect(response.status, response, watch):
            response.close()
            raise CallError(_REFUSED)
        return response

    return watched


def _watched_httpx(send: Callable[..., Any], sender: _Sender) -> Callable[..., Any]:
    @functools.wraps(send)
    async def watched(self: Any, request: Any, **options: Any) -> Any:
        watch = _watch_of(request.method)
        if watch is None:
            return await send(self, request, **options)
        options = _as_we_send(request, sender, options)
        race = _race_of(self, sender)
        try:
            response = await send(self, request, **options)
        except race.errors:
            if not race.sending.met_a_closing:
                raise
            response = await send(self, request, **options)
        _served.add(self)
        try:
            body = _body_of(watch, request, response, options)
            if body is None:
                response.stream = _limited(sender, watch, response)
                return response
            with body.taken():
                async for piece in response.aiter_raw():
                    body.add(piece)
        except BaseException:
            await response.aclose()
            raise
        await response.aclose()
        return body.response()

    return watched


def _watched_plain_httpx(
    send: Callable[..., Any], sender: _Sender
) -> Callable[..., Any]:
    @functools.wraps(send)
    def watched(self: Any, request: Any, **options: Any) -> Any:
        watch = _watch_of(request.method)
        if watch is None:
            return send(self, request, **options)
        options = _as_we_send(request, sender, options)
        race = _race_of(self, sender)
        try:
            response = send(self, request, **options)
        except race.errors:
            if not race.sending.met_a_closing:
                raise
            response = send(self, request, **options)
        _served.add(self)
        try:
            body = _body_of(watch, request, response, options)
            if body is None:
                response.stream = _limited(sender, watch, response)
                return response
            with body.taken():
                for piece in response.iter_raw():
                    body.add(piece)
        except BaseException:
            response.close()
            raise
        response.close()
        return body.response()

    return watched


class _Race(NamedTuple):
    """How a request that met a closing connection is told (`keep_alive.py`)."""

    sending: keep_alive.Sending
    errors: tuple[type[Exception], ...]
    """A connection that broke before an answer began."""


def _race_of(client: Any, sender: _Sender) -> _Race:
    module = importlib.import_module(sender.module)
    errors = (module.RemoteProtocolError, module.ReadError, module.WriteError)
    return _Race(keep_alive.Sending(reused=client in _served), errors)


def _as_we_send(
    request: Any, sender: _Sender, options: dict[str, Any]
) -> dict[str, Any]:
    """Return the options with which a request of ours is sent."""
    request.headers["accept-encoding"] = bodies.ACCEPTED
    return options | {sender.follow: False, "stream": True}


def _body_of(
    watch: Watch, request: Any, response: Any, options: dict[str, Any]
) -> _Body | None:
    """Return what takes the body; None: it is a stream that only litellm can read.

    Raises `CallError` for a redirect.
    """
    if _is_redirect(response.status_code, response, watch):
        raise CallError(_REFUSED)
    if options.get("stream") and not _is_completion(request):
        return None
    return _Body(watch, request, response)


def _limited(sender: _Sender, watch: Watch, response: Any) -> Any:
    """Return the stream of a response, unpacked piece by piece, up to the limit.

    Both kinds of httpx are told by their type, so it is made from the client's own.
    """
    module, packed = importlib.import_module(sender.module), response.stream
    encoding = response.headers.pop("content-encoding", None)
    unpacker = bodies.Unpacker(watch.name, encoding, response.status_code)

    def unpacked(piece: bytes) -> bytes:
        with _noting_problems(watch):
            return unpacker.unpack(piece)

    class Plain(module.SyncByteStream):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[bytes]:
            return map(unpacked, packed)

        def close(self) -> None:
            packed.close()

    class Async(module.AsyncByteStream):  # type: ignore[misc, name-defined]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in packed:
                yield unpacked(piece)

        async def aclose(self) -> None:
            await packed.aclose()

    return Async() if sender.client.startswith("Async") else Plain()


class _Body:
    """Unpacks the body of an answer, and notes it if it is a completion."""

    def __init__(self, watch: Watch, request: Any, response: Any) -> None:
        self._watch, self._response = watch, response
        self._pieces: list[tuple[float, bytes]] = []
        encoding = response.headers.get("content-encoding")
        self._unpacker = bodies.Unpacker(watch.name, encoding, response.status_code)
        self._is_completion = _is_completion(request)

    def add(self, piece: bytes) -> None:
        """Take the next piece, as it was sent."""
        with _noting_problems(self._watch):
            self._pieces.append((clock.monotonic(), self._unpacker.unpack(piece)))

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Let a broken connection pass if all was said before, as the direct lane."""
        try:
            yield
        except CallError:
            raise
        except Exception:
            self.response()
            try:
                is_whole = self._is_completion and self._watch.completion() is not None
            except CallError:
                is_whole = False
            if not is_whole:
                self._watch.status = None
                raise

    def response(self) -> Any:
        """Return the whole answer, for the one who asked; note it if we can read it."""
        response = self._response
        if self._is_completion:
            self._watch.status = response.status_code
            self._watch.content_type = response.headers.get("content-type", "")
            self._watch.pieces = self._pieces
        headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name.lower() not in _AS_SENT
        ]
        return type(response)(
            response.status_code,
            headers=headers,
            content=b"".join(piece for _, piece in self._pieces),
            request=response.request,
        )


@contextlib.contextmanager
def _noting_problems(watch: Watch) -> Iterator[None]:
    try:
        yield
    except CallError as error:
        watch.problem = error
        raise


def _watch_of(method: Any) -> Watch | None:
    """Return who watches a request; None: nobody does."""
    return None if str(method).upper() in {"GET", "HEAD"} else _ours.get()


def _is_completion(request: Any) -> bool:
    return str(request.url.path).endswith(_COMPLETIONS)


def _is_redirect(status: int, response: Any, watch: Watch) -> bool:
    """Tell whether an answer is a redirect, and note it if it is."""
    if not 300 <= status < 400:
        return False
    watch.redirects.append(Redirect(status, response.headers, str(response.url)))
    return True
