"""Keeps the HTTP clients of other libraries from following redirects of our calls.

A redirect would take the prompt, and maybe the key, to whatever host it names, and
that host's answer would be stored as the model's. litellm's clients follow redirects;
each of its providers makes its own client, and no setting reaches all of them.

So the methods that send are replaced in httpx and aiohttp by ones that ask first
whether the call is ours. That is told by a context variable, which tasks and
`asyncio.to_thread` inherit. A redirect of one of our POST requests fails the call. The
calls of everyone else go on as before, and so do ours that only fetch something, such
as a picture in a prompt.

Threads: `watch_clients` is called once a process, in the thread that imports litellm.
The replaced methods run on whatever thread or loop uses the client. Each call has a
list of its own in its context, so there is no lock; a Ctrl-C or a cancellation passes
through unchanged. They also note the aiohttp sessions that sent for us, to be closed.
Private is `ClientSession._request` of aiohttp.
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
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

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


# Only ends the request: the user's message is made from the list of redirects.
_REFUSED = "A redirect is not followed."


class Redirect(NamedTuple):
    """An answer that wanted to send a call on to another address."""

    status: int
    headers: Mapping[str, str]


# aiohttp sessions that sent a call of ours, with their event loop: litellm keeps some
# where nobody finds them at the end. Written only by our calls, on the engine's loop.
_sessions: weakref.WeakKeyDictionary[Any, asyncio.AbstractEventLoop] = (
    weakref.WeakKeyDictionary()
)
_ours: contextvars.ContextVar[list[Redirect] | None] = contextvars.ContextVar(
    "ladder_redirects", default=None
)


@contextlib.contextmanager
def refused() -> Iterator[list[Redirect]]:
    """Follow no redirect of POST requests in the block; yields those that came."""
    redirects: list[Redirect] = []
    before = _ours.set(redirects)
    try:
        yield redirects
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
            watched = _watched(send, sender)
            watched.watched_for_redirects = True  # type: ignore[attr-defined]
            setattr(client, sender.method, watched)


async def close_sessions() -> None:
    """Close the aiohttp sessions that sent our calls on this event loop."""
    loop = asyncio.get_running_loop()
    for session in [session for session, at in _sessions.items() if at is loop]:
        del _sessions[session]
        await session.close()


def _watched(send: Callable[..., Any], sender: _Sender) -> Callable[..., Any]:
    """Return a method that sends as `send` does, and refuses redirects of our calls."""
    if inspect.iscoroutinefunction(send):

        @functools.wraps(send)
        async def watched(self: Any, *arguments: Any, **options: Any) -> Any:
            if sender.module == "aiohttp" and _ours.get() is not None:
                _sessions[self] = asyncio.get_running_loop()
            redirects = _redirects(arguments, options)
            if redirects is None:
                return await send(self, *arguments, **options)
            response = await send(self, *arguments, **options | {sender.follow: False})
            if _is_redirect(response, redirects):
                closing = getattr(response, "aclose", response.close)()
                if inspect.isawaitable(closing):
                    await closing
                raise CallError(_REFUSED)
            return response
    else:

        @functools.wraps(send)
        def watched(self: Any, *arguments: Any, **options: Any) -> Any:
            redirects = _redirects(arguments, options)
            if redirects is None:
                return send(self, *arguments, **options)
            response = send(self, *arguments, **options | {sender.follow: False})
            if _is_redirect(response, redirects):
                response.close()
                raise CallError(_REFUSED)
            return response

    return watched


def _redirects(
    arguments: tuple[Any, ...], options: dict[str, Any]
) -> list[Redirect] | None:
    """Return the list that notes a redirect of a request; None: let it be followed."""
    # httpx sends a request, aiohttp a method and an address.
    sent = arguments[0] if arguments else options.get("request")
    method = getattr(sent, "method", sent)
    return None if str(method).upper() in {"GET", "HEAD"} else _ours.get()


def _is_redirect(response: Any, redirects: list[Redirect]) -> bool:
    """Tell whether an answer is a redirect, and note it if it is."""
    status: int = getattr(response, "status_code", None) or response.status
    if not 300 <= status < 400:
        return False
    redirects.append(Redirect(status, response.headers))
    return True
