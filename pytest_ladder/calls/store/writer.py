"""The writer: many replies that arrive together share one wait for the disk.

Replies are put here on the engine's loop; only that loop's thread touches `_waiting`
and `_task`, so that there is no lock. One task at a time writes: it takes all that
wait, hands them to a thread, ends what was held for them, and goes on with what has
come meanwhile. A call that is cancelled while it waits (Ctrl-C, the end of the run)
leaves its reply in the queue: it is paid for, and still written. Hence nobody may
cancel the writing task, and the end of a run waits for it with `finish`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pytest_ladder.calls.store.store import Store
from pytest_ladder.calls.store.stored_reply import StoreRow

T = TypeVar("T")

# How long the next batch gathers, where replies came while the last one was written.
_GATHER_S = 0.005


class Writer(Generic[T]):
    """Puts replies into a store, one transaction at a time (group commit)."""

    def __init__(self, store: Store, written: Callable[[Sequence[T]], None]) -> None:
        """`written` is told what was held for replies, once they are on disk.

        Or could not be put there: it is called on the loop, and must not raise.
        """
        self._store = store
        self._written = written
        self._waiting: list[tuple[StoreRow, T, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, row: StoreRow, held: T) -> None:
        """Return when the reply is on disk. Raises `StoreError`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, held, done))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._write())
        # A caller that is cancelled cancels `done`, and nothing else.
        await done

    async def finish(self) -> None:
        """Return when everything that was put is on disk, or could not be put there."""
        if self._task is not None:
            await asyncio.wait([self._task])

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that writes; it must not be cancelled."""
        return self._task

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            rows, problem = [row for row, _, _ in batch], None
            try:
                await loop.run_in_executor(None, self._store.put, rows)
            except Exception as error:  # noqa: BLE001 - each waiting call raises it
                problem = error
            self._written([held for _, held, _ in batch])
            for _, _, done in batch:
                if done.done():
                    continue
                if problem is None:
                    done.set_result(None)
                else:
                    done.set_exception(problem)
            if self._waiting:
                # Each write is a hop to a thread and back, which costs as much as a
                # reply: where they come fast, more of them share it.
                await asyncio.sleep(_GATHER_S)
