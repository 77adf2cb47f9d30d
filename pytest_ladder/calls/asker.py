"""Who asks for replies: for one, for those of a talk, or for several that are one.

Every reply that a test, a task, a strategy or a judge gets comes through an `Asker`:
from the engine for tests and rehearsals, from what is kept for plans and checks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

import msgspec

from pytest_ladder.calls.contract import Request, Served
from pytest_ladder.core.reply import Reply, Timing, Usage
from pytest_ladder.errors import Abandoned, LadderError
from pytest_ladder.stats.sums import total

T = TypeVar("T")
Talk = Generator[Request, Served, T]
"""Yields one request after another, is sent the reply to each, and returns a result."""
SumUp = Callable[[Reply, list[Served]], Served]
"""Makes one reply of what came of several calls, and of these."""
_ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit, Abandoned)
"""What ends a wait because nobody wants the reply any more."""


class Asker:
    """Answers requests, and notes each reply with what it cost.

    `serve` is called on any thread, and `serve_async` on any event loop; without it
    nothing is waited for, and `serve` answers there as well. `begin` starts calls that
    will be asked for next, and returns at once; without it they are made in turn.
    """

    def __init__(
        self,
        serve: Callable[[Request], Served],
        serve_async: Callable[[Request], Awaitable[Served]] | None = None,
        note: Callable[[Served], None] = lambda _: None,
        begin: Callable[[Sequence[Request]], None] = lambda _: None,
    ) -> None:
        self._serve = serve
        self._serve_async = serve_async
        self._note = note
        self._begin = begin

    def ask(self, request: Request) -> Served:
        """Answer one request from any thread; raises what `serve` does."""
        __tracebackhide__ = True
        served = _as_asked(self._serve(request), request)
        self._note(served)
        return served

    async def ask_async(self, request: Request) -> Served:
        """Do the same from a coroutine, on any event loop."""
        __tracebackhide__ = True
        if self._serve_async is None:
            return self.ask(request)
        served = _as_asked(await self._serve_async(request), request)
        self._note(served)
        return served

    def through(self, serve: Callable[[Request], Awaitable[Served]]) -> Asker:
        """Return one that asks by `serve`, and notes where this one does."""
        return Asker(self._serve, serve, self._note)

    def hold(self, talk: Talk[T]) -> T:
        """Ask what a talk asks, one request after another, and return its result.

        Where one fails, those alongside it are waited for as well: they are paid for.
        """
        __tracebackhide__ = True
        try:
            request = next(talk)
            while True:
                several = bool(request.alongside)
                served = self._ask_first(request) if several else self.ask(request)
                request = talk.send(served)
        except StopIteration as end:
            value: T = end.value
            return value
        except LadderError as error:
            failed = error
        # The traceback is to show the line of the test that asked, not this one.
        raise failed.with_traceback(None)

    async def hold_async(self, talk: Talk[T]) -> T:
        """Do the same from a coroutine, on any event loop."""
        __tracebackhide__ = True
        try:
            request = next(talk)
            while True:
                request = talk.send(await self.ask_async(request))
        except StopIteration as end:
            value: T = end.value
            return value
        except LadderError as error:
            failed = error
        raise failed.with_traceback(None)

    def as_one(self, work: Callable[[Asker], Reply], sum_up: SumUp) -> Served:
        """Note all calls of some work as one reply: the one that it returns.

        The work asks through the asker that it is given. What it paid for is noted
        also if it fails.
        """
        __tracebackhide__ = True
        calls: list[Served] = []
        # Threads of the work may share it: appending to a list is safe.
        inner = Asker(self._serve, self._serve_async, calls.append, self._begin)
        try:
            reply = work(inner)
        except BaseException:
            if calls:
                self._note(sum_up(calls[-1].reply, calls))
            raise
        served = sum_up(reply, calls)
        self._note(served)
        return served

    def _ask_first(self, request: Request) -> Served:
        """Answer a request while those alongside it are called for."""
        __tracebackhide__ = True
        if not request.is_alongside:
            self._begin(request.alongside)
        try:
            return self.ask(request)
        except _ENDS:
            raise
        except BaseException:
            # Of any kind: tests end by exceptions of pytest. The first one counts.
            for other in request.alongside:
                try:
                    self.ask(other)
                except _ENDS:
                    raise
                except BaseException:  # noqa: BLE001
                    continue
            raise


def _as_asked(served: Served, request: Request) -> Served:
    if images := request.images:
        served = served._replace(images=images)
    return served._replace(is_alongside=True) if request.is_alongside else served


def sum_of_task(reply: Reply, calls: list[Served]) -> Served:
    """Put the usage, cost and latency of all calls of a task on its reply."""
    replies = [call.reply for call in calls]
    usages = [each.usage for each in replies]
    seconds = _seconds_of(calls)
    summed = msgspec.structs.replace(
        reply,
        usage=sum((u for u in usages if u is not None), Usage()) if calls else None,
        cost_usd=total(each.cost_usd for each in replies),
        timing=None if seconds is None else Timing(sent_s=0.0, done_s=seconds),
        replayed=bool(calls) and not any(call.live for call in calls),
    )
    # A task may have put a case to a strategy of several calls.
    keys = tuple(key for call in calls for key in call.calls or (call.key,))
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()
    return Served(
        summed,
        f"task:{digest}" if calls else "",
        live=any(call.live for call in calls),
        calls=keys,
        images=sum(call.images for call in calls),
    )


def _seconds_of(calls: list[Served]) -> float | None:
    """Add latencies up; of calls that were made at once the longest one counts."""
    turns: list[list[float | None]] = []
    for call in calls:
        if not (call.is_alongside and turns):
            turns.append([])
        turns[-1].append(call.reply.latency_s)
    longest = (
        None if None in turn else max(filter(None, turn), default=0.0) for turn in turns
    )
    return total(longest)


def sum_of_external_task(reply: Reply, calls: list[Served]) -> Served:
    """Do the same for a task that also calls by itself: nobody knows what it cost."""
    served = sum_of_task(reply, calls)
    unknown = msgspec.structs.replace(served.reply, usage=None, cost_usd=None)
    return served._replace(reply=unknown)


def sum_of_conversation(reply: Reply, calls: list[Served]) -> Served:
    """Sum up the calls of a strategy; where there is one, it is the reply."""
    if len(calls) != 1:
        return sum_of_task(reply, calls)
    (call,) = calls
    return call if call.reply is reply else call._replace(reply=reply)
