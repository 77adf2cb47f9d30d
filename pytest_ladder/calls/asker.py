"""Who asks for replies: for one, for those of a talk, or for several that are one.

Every reply that a test, a task, a strategy or a judge gets comes through an `Asker`:
from the engine for tests and rehearsals, from what is kept for plans and checks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

import msgspec

from pytest_ladder.calls.contract import Request
from pytest_ladder.core.reply import Reply, Timing, Usage
from pytest_ladder.errors import Abandoned, LadderError
from pytest_ladder.stats.sums import total

T = TypeVar("T")
Talk = Generator[Request, Reply, T]
"""Yields one request after another, is sent the reply to each, and returns a result."""
Call = tuple[Request, Reply]
"""A request, and the reply that it got."""
SumUp = Callable[[Reply, list[Call]], Reply]
"""Puts on the reply that came of several calls what these cost."""
Note = Callable[[Reply, Request | None], None]
"""Is told of a reply, and of the first request for it; None: no model was called."""
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
        serve: Callable[[Request], Reply],
        serve_async: Callable[[Request], Awaitable[Reply]] | None = None,
        note: Note = lambda _reply, _request: None,
        begin: Callable[[Sequence[Request]], None] = lambda _: None,
    ) -> None:
        self._serve = serve
        self._serve_async = serve_async
        self._note = note
        self._begin = begin

    def ask(self, request: Request) -> Reply:
        """Answer one request from any thread; raises what `serve` does."""
        __tracebackhide__ = True
        reply = self._serve(request)
        self._note(reply, request)
        return reply

    async def ask_async(self, request: Request) -> Reply:
        """Do the same from a coroutine, on any event loop."""
        __tracebackhide__ = True
        if self._serve_async is None:
            return self.ask(request)
        reply = await self._serve_async(request)
        self._note(reply, request)
        return reply

    def through(self, serve: Callable[[Request], Awaitable[Reply]]) -> Asker:
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
                reply = self._ask_first(request) if several else self.ask(request)
                request = talk.send(reply)
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

    def as_one(self, work: Callable[[Asker], Reply], sum_up: SumUp) -> Reply:
        """Note all calls of some work as one reply: the one that it returns.

        The work asks through the asker that it is given. What it paid for is noted
        also if it fails.
        """
        __tracebackhide__ = True
        calls: list[Call] = []

        def note(reply: Reply, request: Request | None) -> None:
            # Threads of the work may share the list: appending to it is safe.
            if request is not None:
                calls.append((request, reply))

        try:
            reply = work(Asker(self._serve, self._serve_async, note, self._begin))
        except BaseException:
            if calls:
                self._note(sum_up(calls[-1][1], calls), calls[0][0])
            raise
        summed = sum_up(reply, calls)
        self._note(summed, calls[0][0] if calls else None)
        return summed

    def _ask_first(self, request: Request) -> Reply:
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


def sum_of_task(reply: Reply, calls: list[Call]) -> Reply:
    """Put the usage, cost and latency of all calls of a task on its reply."""
    replies = [each for _, each in calls]
    usages = [each.usage for each in replies]
    seconds = _seconds_of(calls)
    # A task may have put a case to a strategy of several calls.
    keys = tuple(key for each in replies for key in each.calls or (each.key,))
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()
    return msgspec.structs.replace(
        reply,
        usage=sum((u for u in usages if u is not None), Usage()) if calls else None,
        cost_usd=total(each.cost_usd for each in replies),
        timing=None if seconds is None else Timing(sent_s=0.0, done_s=seconds),
        replayed=bool(calls) and all(each.replayed for each in replies),
        key=f"task:{digest}" if calls else "",
        calls=keys,
        images=sum(each.images for each in replies),
    )


def _seconds_of(calls: list[Call]) -> float | None:
    """Add latencies up; of calls that were made at once the longest one counts."""
    turns: list[list[float | None]] = []
    for request, reply in calls:
        if not (request.is_alongside and turns):
            turns.append([])
        turns[-1].append(reply.latency_s)
    longest = (
        None if None in turn else max(filter(None, turn), default=0.0) for turn in turns
    )
    return total(longest)


def sum_of_external_task(reply: Reply, calls: list[Call]) -> Reply:
    """Do the same for a task that also calls by itself: nobody knows what it cost."""
    summed = sum_of_task(reply, calls)
    return msgspec.structs.replace(summed, usage=None, cost_usd=None)


def sum_of_conversation(reply: Reply, calls: list[Call]) -> Reply:
    """Sum up the calls of a strategy; where there is one, it is the reply."""
    if len(calls) != 1:
        return sum_of_task(reply, calls)
    ((_, told),) = calls
    if reply is told:
        return reply
    # The strategy may have made it anew.
    return msgspec.structs.replace(
        reply, key=told.key, images=told.images, replayed=told.replayed
    )
