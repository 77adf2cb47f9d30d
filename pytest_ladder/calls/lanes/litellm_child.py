"""A child process that sends litellm's calls: what runs in it, and its messages.

It reads orders from its standard input and writes outcomes to its standard output,
a line of JSON each. It lives as long as its input is open, so it ends with its
parent, even with one that is killed.

Threads of the child: the main thread runs an event loop, on which all calls are made
and all outcomes written; a second thread reads standard input and hands each order to
the loop. Nothing is shared otherwise, so there is no lock. When the input ends, that
second thread ends the process at once, with the calls that are under way. Ctrl-C is
ignored here: the parent gets it, and closes the input.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from typing import BinaryIO

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes import faults
from pytest_ladder.calls.lanes.litellm_lane import LitellmLane
from pytest_ladder.core.reply import Usage
from pytest_ladder.errors import CallError

READY = 0
"""The number of the outcome that tells that litellm is imported."""


class CallOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line to the child: make a call, or cancel one."""

    number: int
    request: Request | None = None
    """None: cancel."""
    address: str | None = None
    environment: dict[str, str | None] = {}
    """The variables that changed since the last order; None: removed."""

    def __repr__(self) -> str:
        # Keys are in the environment, and a traceback may show locals.
        return f"CallOrder({self.number})"


class CallOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line from the child: the answer of a call, or else its `CallError`."""

    number: int
    answer: Answer | None = None
    """Its `first_token_at` counts from the arrival of the order."""
    message: str = ""
    status: int | None = None
    transient: bool = False
    retry_after_s: float | None = None
    usage: Usage | None = None
    unsure: bool = False
    refused_key: str = ""

    @classmethod
    def of(cls, number: int, error: CallError) -> CallOutcome:
        """Return the line that tells of an error."""
        return cls(
            number=number,
            message=str(error),
            status=error.status,
            transient=error.transient,
            retry_after_s=error.retry_after_s,
            usage=error.usage,
            unsure=error.unsure,
            refused_key=error.refused_key,
        )

    def error(self) -> CallError:
        """Return the error as it was raised in the child."""
        error = CallError(
            self.message,
            status=self.status,
            transient=self.transient,
            retry_after_s=self.retry_after_s,
            usage=self.usage,
            unsure=self.unsure,
        )
        error.refused_key = self.refused_key
        return error


class _Worker:
    """Carries out orders, any number at once; used on the child's loop only."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lane = LitellmLane()
        self._calls: dict[int, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Import litellm, and tell that calls may come."""
        await self._lane.open()
        # Nothing of litellm is ever freed: the garbage collector need not look
        # through it again and again.
        gc.freeze()
        self._write(CallOutcome(number=READY))

    def take(self, order: CallOrder) -> None:
        """Begin a call, or cancel one; the environment is brought up to date first."""
        for name, value in order.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if order.request is not None:
            call = self._call(order.number, order.request, order.address)
            self._calls[order.number] = asyncio.create_task(call)
        elif order.number in self._calls:
            self._calls[order.number].cancel()

    async def _call(self, number: int, request: Request, address: str | None) -> None:
        arrived = clock.monotonic()
        try:
            answer = await self._lane.send(request, address)
            if answer.first_token_at is not None:
                after_s = answer.first_token_at - arrived
                answer = msgspec.structs.replace(answer, first_token_at=after_s)
            self._write(CallOutcome(number=number, answer=answer))
        except CallError as error:
            self._write(CallOutcome.of(number, error))
        except Exception as error:  # noqa: BLE001 - else the parent would wait for ever
            fault = faults.unexpected(request.model.name, error)
            self._write(CallOutcome.of(number, faults.redacted(fault, None)))
        finally:
            del self._calls[number]

    def _write(self, outcome: CallOutcome) -> None:
        self._out.write(msgspec.json.encode(outcome) + b"\n")
        self._out.flush()


async def _serve(out: BinaryIO) -> None:
    worker, loop = _Worker(out), asyncio.get_running_loop()
    decoder = msgspec.json.Decoder(CallOrder)

    def read_orders() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(worker.take, decoder.decode(line))
        # Nobody wants an answer any more; the system closes the connections.
        os._exit(0)

    threading.Thread(target=read_orders, daemon=True).start()
    await worker.open()
    await loop.create_future()


def main() -> None:
    """Serve until the parent closes the input."""
    # Ctrl-C in a terminal is for the parent, which then closes the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    # What litellm prints must not get between the outcomes: they go to a copy of
    # descriptor 1, which itself then leads nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        asyncio.run(_serve(out))
    finally:
        # Python's own way to end fails while a thread reads standard input.
        os._exit(1)
