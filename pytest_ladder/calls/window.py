"""The window: how many calls of one model a process has under way at once.

It is adaptive: it starts at what the user says the provider takes, or else at half of a
guess, grows by one with every success, and is halved, once a round, when the provider
refuses calls because they are too many. When a single call at a time is refused, all
calls of the model pause.

Used on the engine's loop only: calls that wait are futures of that loop, so that no
lock is needed. Who has entered leaves in `finally`, also when cancelled.
"""

from __future__ import annotations

import asyncio
from collections import deque

from pytest_ladder import clock
from pytest_ladder.calls.retries import LONGEST_WAIT_S

_MODEST_START = 8
# How long all calls wait when a single one is refused; doubled each time.
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


class Window:
    """Places for the calls of one model in this process."""

    def __init__(self, ceiling: int, *, declared: bool = False) -> None:
        start = ceiling if declared else min(ceiling, max(_MODEST_START, ceiling // 2))
        self.size = float(start)
        """Calls that may be under way at once, for now."""
        self.in_use = 0
        self._ceiling = ceiling
        self._halved_at = 0.0
        self._refused_alone = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, *, again: bool = False) -> None:
        """Take a place, and wait for it if need be; first come first served.

        A call that comes `again`, after a failure, goes before those that wait.
        """
        if self.in_use < int(self.size) and not self._waiting:
            self.in_use += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.appendleft(turn) if again else self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # Woken and cancelled at once: the place goes to the next.
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back, to the first that waits."""
        self.in_use -= 1
        self._wake()

    def succeeded(self) -> None:
        """Raise the number of calls that may be under way by one."""
        self.size = min(self._ceiling, self.size + 1)
        self._refused_alone = 0
        self._wake()

    def overloaded(self, sent_at: float, retry_after_s: float | None) -> float:
        """Halve the window, once for all calls that were under way together.

        `sent_at` is when the refused call was sent (`clock.monotonic()`). Returns for
        how many seconds nobody may call the model: those of `retry_after_s`, unless
        they are more than `LONGEST_WAIT_S`, when the run does not wait at all.
        """
        pause_s = retry_after_s or 0.0
        if sent_at >= self._halved_at:
            if self.size == 1.0 and retry_after_s is None:
                pause_s = min(_LONGEST_PAUSE_S, _PAUSE_S * 2.0**self._refused_alone)
                self._refused_alone += 1
            self.size = max(1.0, self.size / 2)
            self._halved_at = clock.monotonic()
        return pause_s if pause_s <= LONGEST_WAIT_S else 0.0

    def _wake(self) -> None:
        """Give the places that are free to the calls that wait."""
        while self._waiting and self.in_use < int(self.size):
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_use += 1
                turn.set_result(None)
