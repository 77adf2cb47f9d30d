"""The direct lane: OpenAI's chat completions over one shared HTTP session.

It costs a tenth of litellm's time per call and none of its three seconds of import;
litellm must never be imported here. All of it runs on the engine's loop; the session is
opened and closed there.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes import completions, faults
from pytest_ladder.calls.lanes.address import (
    OPENAI,
    Secret,
    base_of,
    key_of,
    sent_name,
    timeout_of,
)
from pytest_ladder.errors import CallError

if TYPE_CHECKING:
    import aiohttp


# These models refuse `max_tokens` under that name; litellm renames it for them, too.
_REASONING_NAME = re.compile(r"(o\d|gpt-5)")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class DirectLane:
    """The lane of every model that speaks OpenAI's chat completions."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Import aiohttp and open the session."""
        self._opened()

    async def send(self, request: Request, address: str | None) -> Answer:
        """Send one request, once; raises `CallError`."""
        outcome = await self._exchange(request, address)
        # Raised here and without its cause, because a traceback shows locals
        # (`--showlocals`), and those of aiohttp's frames hold the headers.
        if isinstance(outcome, CallError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(
        self, request: Request, address: str | None
    ) -> Answer | CallError:
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
        return faults.redacted(failed, key)

    async def _post(
        self, request: Request, address: str | None, key: Secret | None
    ) -> Answer:
        import aiohttp

        name = request.model.name
        base = base_of(request.model, address)
        if base is None:
            raise CallError(
                f"Model {name!r} takes the direct lane, but has no address; add "
                '`api_base`, or set lane = "litellm".'
            )
        url = f"{base}/chat/completions"
        async with self._opened().post(
            url,
            data=msgspec.json.encode(_body(request, base)),
            headers=_headers(key),
            timeout=aiohttp.ClientTimeout(total=timeout_of(request)),
            # Most redirects turn a POST into a GET, and any would carry the key on.
            allow_redirects=False,
            proxy=_proxy(url),
        ) as response:
            if response.status >= 300:
                body = await response.read()
                raise faults.refused(name, response.status, response.headers, body)
            # A server may answer in one piece although a stream was asked for.
            if response.content_type == "text/event-stream":
                return await _read_stream(name, response)
            return completions.whole(
                name, completions.decode(name, await response.read())
            )

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                # How many calls run at once is the engine's decision.
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _headers(key: Secret | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key.open()}"
    return headers


def _body(request: Request, base: str) -> dict[str, Any]:
    params = dict(request.params)
    params.pop("timeout", None)
    extra: dict[str, Any] = params.pop("extra_body", {})
    name = sent_name(request.model)
    if "max_tokens" in params and (base == OPENAI or _REASONING_NAME.match(name)):
        params.setdefault("max_completion_tokens", params.pop("max_tokens"))
    if request.model.stream:
        options = {"include_usage": True} | params.pop("stream_options", {})
        params |= {"stream": True, "stream_options": options}
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


async def _read_stream(name: str, response: aiohttp.ClientResponse) -> Answer:
    stream = completions.Stream(name)
    async for event in _events(response):
        stream.add(completions.decode(name, event), time.monotonic())
    return stream.answer()


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the data of server-sent events up to `[DONE]`; lines may be of any length.

    aiohttp's own reader of lines has a limit, and raises for a longer one.
    """
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                yield data
