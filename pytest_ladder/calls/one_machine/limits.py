"""Limits that processes share: requests and tokens per minute, and places for calls.

`Minute` is for a process alone. Over the processes of a run `SharedMinute` keeps the
minute in an SQLite file (a transaction for each look), and `Slots` the places in files
that are locked. A process that dies loses its file locks to the others at once; its
calls count in the minute until they are a minute old. All are used on the engine's loop
only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_ladder import clock
from pytest_ladder.disk.sqlite import connect, transaction, usable

if TYPE_CHECKING:
    from filelock import FileLock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (at REAL NOT NULL, tokens INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS paused (id INTEGER PRIMARY KEY, until REAL NOT NULL);
INSERT OR IGNORE INTO paused VALUES (1, 0);
"""
_MINUTE_S = 60.0
# How often a process looks for a free slot that others hold.
_SLOT_STEP_S = 0.005


class Minute:
    """Requests and tokens of the last minute against their limits, and pauses."""

    def __init__(self, rpm: float | None, tpm: float | None) -> None:
        self._limits = rpm, tpm
        self._sent: deque[_Sent] = deque()
        self._paused_until = 0.0

    def admit(self, tokens: int) -> float:
        """Note a call that may be sent now (0), or return the seconds until it may."""
        now = clock.monotonic()
        if now < self._paused_until:
            return self._paused_until - now
        while self._sent and self._sent[0].at <= now - _MINUTE_S:
            self._sent.popleft()
        wait_s = _wait_s(self._sent, self._limits, tokens, now)
        if wait_s == 0 and any(self._limits):
            self._sent.append(_Sent(now, tokens))
        return wait_s

    def pause(self, seconds: float) -> None:
        """Allow no call for so many seconds."""
        self._paused_until = max(self._paused_until, clock.monotonic() + seconds)


class SharedMinute:
    """Does what `Minute` does, over all processes of a run, in an SQLite file."""

    def __init__(self, path: Path, rpm: float | None, tpm: float | None) -> None:
        self._limits = rpm, tpm
        self._path = path
        with usable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = connect(path, _SCHEMA, durable=False)

    def admit(self, tokens: int) -> float:
        """Do what `Minute.admit` does. Raises `StoreError`."""
        # The processes of a machine share this clock, and nobody sets it.
        now, connection = clock.monotonic(), self._connection
        with usable(self._path):
            (until,) = connection.execute("SELECT until FROM paused").fetchone()
            if now < until:
                return float(until - now)
            if not any(self._limits):
                return 0.0
            with transaction(connection):
                connection.execute("DELETE FROM sent WHERE at <= ?", (now - _MINUTE_S,))
                rows = connection.execute("SELECT at, tokens FROM sent ORDER BY at")
                sent = [_Sent(*row) for row in rows]
                wait_s = _wait_s(sent, self._limits, tokens, now)
                if wait_s == 0:
                    connection.execute("INSERT INTO sent VALUES (?, ?)", (now, tokens))
                return wait_s

    def pause(self, seconds: float) -> None:
        """Do what `Minute.pause` does. Raises `StoreError`."""
        with usable(self._path):
            self._connection.execute(
                "UPDATE paused SET until = MAX(until, ?)",
                (clock.monotonic() + seconds,),
            )


class _Sent(NamedTuple):
    """One call of the last minute."""

    at: float
    tokens: int


def _wait_s(
    sent: Collection[_Sent],
    limits: tuple[float | None, float | None],
    tokens: int,
    now: float,
) -> float:
    """Return the seconds until both limits allow one more call."""
    rpm, tpm = limits
    spans = []
    if rpm is not None:
        spans.append(_span_s([(call.at, 1) for call in sent], 1, rpm, now))
    if tpm is not None:
        used = [(call.at, call.tokens) for call in sent]
        spans.append(_span_s(used, tokens, tpm, now))
    return max(spans, default=0.0)


def _span_s(
    used: list[tuple[float, int]], amount: float, limit: float, now: float
) -> float:
    """Return the seconds until `amount` fits, as older calls leave the last minute."""
    # A single call above the limit may go when nothing else is in the window.
    over = sum(size for _, size in used) + min(amount, limit) - limit
    for at, leaving in used:
        if over <= 0:
            break
        over -= leaving
        if over <= 0:
            return max(0.0, at + _MINUTE_S - now)
    return 0.0


class Slots:
    """Places that several processes share: a place is taken while its file is locked.

    A lock ends with its process, however that ends. Locking costs time, so a process
    that has calls keeps its share of the places locked from one call to the next.
    Used on the engine's loop only; of the calls that wait, the first one polls the
    files, and the others wait for `_turn`.
    """

    def __init__(self, folder: Path, count: int, processes: int = 1) -> None:
        from filelock import FileLock

        folder.mkdir(parents=True, exist_ok=True)
        self._share = count // processes
        self._in_use = 0
        self._waiting = 0
        # Held by the call that looks for a free place: the first of those that wait.
        self._turn = asyncio.Lock()
        self._kept: list[FileLock] = []
        self._free = [
            FileLock(folder / f"{number}.lock", thread_local=False)
            for number in range(count)
        ]

    async def take(self) -> FileLock:
        """Take a place, and wait for it if need be; to be given back."""
        self._waiting += 1
        try:
            lock = self._kept.pop() if self._kept else None
            if lock is None:
                async with self._turn:
                    lock = self._take()
                    while lock is None:
                        await asyncio.sleep(_SLOT_STEP_S)
                        lock = self._kept.pop() if self._kept else self._take()
        finally:
            self._waiting -= 1
        self._in_use += 1
        return lock

    def give_back(self, lock: FileLock) -> None:
        """Give a place back, to others of this process first."""
        self._in_use -= 1
        busy = self._in_use or self._waiting
        if busy and self._in_use + len(self._kept) < self._share:
            self._kept.append(lock)
            return
        # A process without calls unlocks all places, for the others.
        unlocked = [lock] if busy else [lock, *self._kept]
        if not busy:
            self._kept.clear()
        for freed in unlocked:
            freed.release()
            self._free.append(freed)

    def _take(self) -> FileLock | None:
        """Lock a place that no process holds; None: there is none now."""
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
