"""Kept connections: a request that met one being closed is sent once more, unbilled.

A server closes a connection that was idle, while the next request is on its way to it.
Nobody reads that request, and it is no attempt: nothing is set aside for it, nobody
waits, no limit counts it.

HTTP lets a client send a POST again where it knows that it was not applied (RFC 9110,
9.2.2). aiohttp never does, and httpx only looks whether a connection is closed before
it takes it; openai-python sends any request twice more, whatever became of the first.
A call of a model that is sent again may be paid twice, so here all of these must hold:

- the connection had served a call before: on a new one there is no such race;
- not a byte of an answer came;
- it was closed within `RACE_S` of the sending. A model that has read a prompt answers,
  or is still writing; a proxy that gives up on it does so after many seconds, and that
  model goes on. Such an attempt stays what it was: perhaps billed.

And it is done once: what fails again is an attempt. Connections that were idle for
`KEPT_S` are not used at all, since most servers close theirs after 5 s (llama.cpp,
uvicorn and so vLLM, Node) or later.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from pytest_ladder import clock

if TYPE_CHECKING:
    import aiohttp

KEPT_S = 4.0
"""Seconds for which an idle connection is used again."""
RACE_S = 1.0
"""Seconds after which a closed connection is no race any more."""

LAST_BYTES_S = 0.02
"""Seconds to wait for the end of a stream that has said its last word."""


class Sending:
    """One request under way, as far as it tells a race from a failure."""

    def __init__(self, *, reused: bool = False) -> None:
        self.reused = reused
        """Whether it goes over a connection that has served others."""
        self._at = clock.monotonic()

    @property
    def met_a_closing(self) -> bool:
        """Whether a connection that breaks now, without an answer, was closing."""
        return self.reused and clock.monotonic() - self._at < RACE_S


def noting_reuse() -> aiohttp.TraceConfig:
    """Return what tells the `Sending` of a request that its connection is used again.

    It is the request's `trace_request_ctx`.
    """
    import aiohttp

    async def reuses(_: Any, context: Any, __: Any) -> None:
        context.trace_request_ctx.reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reuses)
    return trace


def is_unanswered(error: Exception) -> bool:
    """Tell whether aiohttp says that a connection ended before a byte of an answer."""
    import aiohttp

    if isinstance(error, aiohttp.ServerDisconnectedError):
        # Else it holds the head of the answer.
        return isinstance(error.message, str)
    return isinstance(error, (aiohttp.ClientOSError, ConnectionError))


async def read_to_end(response: aiohttp.ClientResponse) -> None:
    """Read what follows the last word of a stream, so that its connection is kept.

    aiohttp closes a connection of which not all was read, and the end of a stream often
    comes a moment after its `[DONE]`. A server that leaves it open costs its calls
    `LAST_BYTES_S` of latency.
    """
    import aiohttp

    with contextlib.suppress(aiohttp.ClientError, OSError):  # `TimeoutError` is one.
        async with asyncio.timeout(LAST_BYTES_S):
            async for _ in response.content.iter_any():
                pass
