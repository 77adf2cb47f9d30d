"""Limits of one model: calls at once, requests and tokens per minute.

Concurrency is adaptive: it starts at half of what is allowed, grows by one with every
success, and is halved, once a round, when the provider says that it is too much. What
is too much even one at a time makes everybody pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock

_MODEST_START = 8
_MINUTE_S = 60.0
# How often a process looks for a free slot that others hold.
_SLOT_STEP_S = 0.005
# How long everybody waits when one call at a time is refused, doubled each time.
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# A provider that asks for more than this will not be waited for.
LONGEST_WAIT_S = 180.0


class Limiter:
    """What one process may send to one model; used on the engine's loop only."""

    def __init__(
        self,
        ceiling: int,
        *,
        rpm: float | None = None,
        tpm: float | None = None,
        slots: Slots | None = None,
    ) -> None:
        self.window = float(min(ceiling, max(_MODEST_START, ceiling // 2)))
        """Calls that may be under way at once, for now."""
        self.in_use = 0
        self._ceiling = ceiling
        self._requests = _Minute(rpm)
        self._tokens = _Minute(tpm)
        self._slots = slots
        self._paused_until = 0.0
        self._halved_at = 0.0
        self._refused_alone = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def slot(self, tokens: int, *, again: bool = False) -> AsyncIterator[float]:
        """Hold a place for one call of about that many tokens; first come first served.

        Who comes `again`, after a failure, came before those who wait. Yields when the
        place was granted (`time.monotonic()`).
        """
        await self._enter(again=again)
        try:
            await self._pace(tokens)
            async with self._slots.hold() if self._slots else contextlib.nullcontext():
                yield time.monotonic()
        finally:
            self.in_use -= 1
            self._wake()

    def succeeded(self) -> None:
        """Let one more call in."""
        self.window = min(self._ceiling, self.window + 1)
        self._refused_alone = 0
        self._wake()

    def overloaded(self, sent_at: float, retry_after_s: float | None) -> None:
        """Halve the window, once for all calls that were under way together.

        `sent_at` is when the refused call was sent; with `retry_after_s` everybody
        waits that long, unless it is longer than a run should stand still.
        """
        now = time.monotonic()
        pause_s = retry_after_s or 0.0
        if sent_at >= self._halved_at:
            if self.window == 1.0 and retry_after_s is None:
                pause_s = min(_LONGEST_PAUSE_S, _PAUSE_S * 2.0**self._refused_alone)
                self._refused_alone += 1
            self.window = max(1.0, self.window / 2)
            self._halved_at = now
        if pause_s <= LONGEST_WAIT_S:
            self._paused_until = max(self._paused_until, now + pause_s)

    async def _enter(self, *, again: bool) -> None:
        if self.in_use < int(self.window) and not self._waiting:
            self.in_use += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.appendleft(place) if again else self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                # Woken and cancelled at once: hand the place on.
                self.in_use -= 1
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and self.in_use < int(self.window):
            place = self._waiting.popleft()
            if not place.done():
                self.in_use += 1
                place.set_result(None)

    async def _pace(self, tokens: int) -> None:
        """Wait until no pause and neither limit per minute stands in the way."""
        while True:
            now = time.monotonic()
            wait = max(
                self._paused_until - now,
                self._requests.wait_s(1, now),
                self._tokens.wait_s(tokens, now),
            )
            if wait <= 0:
                break
            await asyncio.sleep(wait)
        self._requests.add(1, now)
        self._tokens.add(tokens, now)


class _Minute:
    """What was sent within the last minute, against a limit."""

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._sent: deque[tuple[float, int]] = deque()
        self._sum = 0

    def wait_s(self, amount: int, now: float) -> float:
        """Return the seconds until so much more fits; 0: now."""
        if self._limit is None:
            return 0.0
        while self._sent and self._sent[0][0] <= now - _MINUTE_S:
            self._sum -= self._sent.popleft()[1]
        # A single call above the limit goes when nothing else is in the window.
        over = self._sum + min(amount, self._limit) - self._limit
        for at, sent in self._sent:
            if over <= 0:
                break
            over -= sent
            if over <= 0:
                return at + _MINUTE_S - now
        return 0.0

    def add(self, amount: int, now: float) -> None:
        """Note what is sent."""
        if self._limit is not None:
            self._sent.append((now, amount))
            self._sum += amount


class Slots:
    """Places that several processes share: a place is taken while its file is locked.

    A lock ends with its process, however that ends.
    """

    def __init__(self, folder: Path, count: int) -> None:
        from filelock import FileLock

        folder.mkdir(parents=True, exist_ok=True)
        # One looks for all that wait: the first who came.
        self._turn = asyncio.Lock()
        self._free = [
            FileLock(folder / f"{number}.lock", thread_local=False)
            for number in range(count)
        ]

    @contextlib.asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold one place, waiting for it if need be."""
        async with self._turn:
            lock = self._take()
            while lock is None:
                await asyncio.sleep(_SLOT_STEP_S)
                lock = self._take()
        try:
            yield
        finally:
            lock.release()
            self._free.append(lock)

    def _take(self) -> FileLock | None:
        from filelock import Timeout

        for _ in range(len(self._free)):
            lock = self._free.pop(0)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                self._free.append(lock)
            else:
                return lock
        return None
