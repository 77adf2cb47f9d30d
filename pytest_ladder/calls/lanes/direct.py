"""The direct lane: OpenAI's chat completions over one shared HTTP session.

It costs a tenth of litellm's time per call and none of its three seconds of import;
litellm must never be imported here. All of it runs on the engine's loop; the session is
opened and closed there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes import (
    bodies,
    completions,
    faults,
    keep_alive,
    pass_through,
    vectors,
)
from pytest_ladder.calls.lanes.address import (
    Secret,
    base_of,
    key_of,
    params_of,
    timeout_of,
)
from pytest_ladder.calls.lanes.providers import OPENAI, fitted, provider_of, sent_name
from pytest_ladder.errors import CallError

if TYPE_CHECKING:
    import aiohttp

    _Pieces = AsyncIterator[tuple[float, bytes]]

# These models refuse `max_tokens` under that name; litellm renames it for them, too.
_REASONING_NAME = re.compile(r"(o\d|gpt-5)")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class DirectLane:
    """The lane of every model that speaks OpenAI's chat completions."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Import aiohttp and open the session."""
        if self._session is None:
            self._opened()

    async def send(self, request: Request, address: str | None) -> Answer:
        """Send one request, once; raises `CallError`.

        What it raises is made anew after the block, without frames and causes: those of
        aiohttp hold the headers, and a traceback may show all locals (`--showlocals`).
        """
        import aiohttp

        name = request.model.name
        key: Secret | None = None
        try:
            key = key_of(request.model, address)
            return await self._post(request, address, key)
        except CallError as fault:
            failed = fault
        except TimeoutError:
            failed = faults.timed_out(name, timeout_of(request))
        except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as error:
            failed = faults.unreachable(name, error, transient=False)
        except (aiohttp.ClientError, OSError) as error:
            failed = faults.unreachable(name, error)
        except Exception as error:  # noqa: BLE001 - its frames must not be seen
            failed = faults.unexpected(name, error)
        failed = faults.redacted(failed, key)
        raise failed

    async def close(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(
        self, request: Request, address: str | None, key: Secret | None
    ) -> Answer:
        import aiohttp

        name = request.model.name
        url, body, headers = _exchange(request, address, key)
        response = await self._answered(
            url,
            data=msgspec.json.encode(body),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_of(request)),
            # Most redirects turn a POST into a GET, and any would carry the key on.
            allow_redirects=False,
            proxy=_proxy(url),
        )
        async with response:
            pieces = _pieces(name, response)
            if response.status >= 300:
                sent = b"".join([piece async for _, piece in pieces])
                reply = completions.filtered(response.status, sent)
                if reply is not None:
                    return reply
                raise faults.refused(
                    name, response.status, response.headers, sent, url=url
                )
            if request.embeds or request.native is not None:
                sent = b"".join([piece async for _, piece in pieces])
                if request.native is not None:
                    return pass_through.from_body(name, sent, response.content_type)
                wanted = len(request.messages)
                return vectors.from_body(name, sent, response.content_type, wanted)
            kind = response.headers.get("Content-Type", "")
            # A server may answer in one piece although a stream was asked for.
            if response.content_type == "text/event-stream":
                answer = await _read_stream(name, pieces, kind)
                await keep_alive.read_to_end(response)
                return answer
            return await _read_whole(name, pieces, kind)

    async def _answered(self, url: str, **options: Any) -> aiohttp.ClientResponse:
        """Send until an answer begins: twice if a kept connection was just closed."""
        sending = keep_alive.Sending()
        try:
            return await self._opened().post(url, trace_request_ctx=sending, **options)
        except Exception as error:
            if not (sending.met_a_closing and keep_alive.is_unanswered(error)):
                raise
        again = keep_alive.Sending()
        return await self._opened().post(url, trace_request_ctx=again, **options)

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                # How many calls run at once is the engine's decision.
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=keep_alive.KEPT_S
                ),
                trace_configs=[keep_alive.noting_reuse()],
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session


def _exchange(
    request: Request, address: str | None, key: Secret | None
) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Return where a request goes, its body and its headers; raises `CallError`."""
    headers = {"Content-Type": "application/json", "Accept-Encoding": bodies.ACCEPTED}
    if (native := request.native) is not None:
        headers |= pass_through.headers_of(native, key)
        return (
            pass_through.url_of(native),
            pass_through.body_of(request, native),
            headers,
        )
    base = base_of(request.model, address)
    if base is None:
        raise CallError(
            f"Model {request.model.name!r} takes the direct lane, but has no address; "
            'add `api_base`, or set lane = "litellm".'
        )
    if key is not None:
        headers["Authorization"] = f"Bearer {key.open()}"
    if request.embeds:
        body = vectors.body_of(request, sent_name(request.model))
        return f"{base}/embeddings", body, headers
    return f"{base}/chat/completions", _body(request, base), headers


def _body(request: Request, base: str) -> dict[str, Any]:
    params = dict(params_of(request))
    params.pop("timeout", None)
    extra: dict[str, Any] = params.pop("extra_body", {})
    name = sent_name(request.model)
    if "max_tokens" in params and (base == OPENAI or _REASONING_NAME.match(name)):
        params.setdefault("max_completion_tokens", params.pop("max_tokens"))
    provider = provider_of(request.model)
    if provider is not None:
        params = fitted(provider, params)
    if request.model.stream:
        params["stream"] = True
        if provider is None or provider.usage_in_streams:
            options = {"include_usage": True} | params.get("stream_options", {})
            params["stream_options"] = options
    return {"model": name, "messages": request.messages} | params | extra


def _proxy(url: str) -> str | None:
    """Return the proxy of the environment for `url`, as other clients use it.

    aiohttp's `trust_env` would do it, but would also send the user's netrc.
    """
    import urllib.request

    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)


async def _pieces(
    name: str, response: aiohttp.ClientResponse
) -> AsyncIterator[tuple[float, bytes]]:
    """Yield a body, unpacked, in pieces with the moments of their arrival."""
    encoding = response.headers.get("Content-Encoding")
    unpacker = bodies.Unpacker(name, encoding, response.status)
    async for piece in response.content.iter_any():
        yield clock.monotonic(), unpacker.unpack(piece)


async def _read_whole(name: str, pieces: _Pieces, content_type: str) -> Answer:
    body: list[bytes] = []
    with _unless_complete(lambda: completions.from_body(name, b"".join(body))) as cut:
        async for _, piece in pieces:
            body.append(piece)
    return cut.answer or completions.from_body(name, b"".join(body), content_type)


async def _read_stream(name: str, pieces: _Pieces, content_type: str) -> Answer:
    reader = completions.StreamReader(name, content_type)
    with _unless_complete(reader.answer) as cut:
        async for at, piece in pieces:
            reader.feed(piece, at)
            if reader.done:
                break
    return cut.answer or reader.answer()


class _Cut:
    """What came of an answer that was cut off."""

    answer: Answer | None = None
    """The whole, if only its end mark was missing; None: it was not cut off."""


@contextlib.contextmanager
def _unless_complete(read: Callable[[], Answer]) -> Iterator[_Cut]:
    """Let a broken connection pass if all was said before: else it is paid twice."""
    import aiohttp

    cut = _Cut()
    try:
        yield cut
    except (aiohttp.ClientError, OSError):
        # `TimeoutError` is one: a stream that said its last word may stay open.
        with contextlib.suppress(CallError):
            cut.answer = read()
        if cut.answer is None:
            raise
