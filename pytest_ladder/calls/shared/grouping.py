"""Groups: what asks while a statement is under way shares the next one.

A transaction holds the hot rows (a ledger, a place) until the disk has answered. With
one call in each, all machines together would make some 10,000 calls a minute; in groups
they make as many as the quota allows. So there is no other way to ask.

Used on the engine's loop only, hence without locks. One task at a time sends. Who is
cancelled while it waits (Ctrl-C, the end of the run) leaves its question in the group:
the database may have answered already, and `unwanted` gets what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_Q = TypeVar("_Q")
_A = TypeVar("_A")

MOST = 500
"""How many questions share a statement at most."""


class Groups(Generic[_Q, _A]):
    """Sends questions in groups, one group at a time."""

    def __init__(
        self,
        send: Callable[[list[_Q]], Awaitable[list[_A]]],
        *,
        unwanted: Callable[[_A], None] | None = None,
    ) -> None:
        """`send` returns the answers in the order of the questions."""
        self._send = send
        self._unwanted = unwanted
        self._waiting: list[tuple[_Q, asyncio.Future[_A]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: _Q) -> _A:
        """Return the answer; raises what sending the group raised."""
        answer: asyncio.Future[_A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())
        return await answer

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that sends; it must not be cancelled."""
        return self._task

    async def finish(self) -> None:
        """Return when everything that was asked is answered."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        while self._waiting:
            # All that became ready together asks before the group is sent.
            await asyncio.sleep(0)
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                answers = await self._send([question for question, _ in group])
            except Exception as error:  # noqa: BLE001 - each waiting call raises it
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), answer in zip(group, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
                    elif self._unwanted is not None:
                        self._unwanted(answer)
