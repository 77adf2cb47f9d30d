"""The writer: many replies that arrive together share one wait for the disk.

`Caller` puts replies here, on the engine's loop; only that loop's thread touches
`_waiting` and `_task`, so that there is no lock. One task at a time writes: it takes
all that wait, hands them to a thread (`asyncio.to_thread`), and goes on with what has
come meanwhile. A call that is cancelled while it waits (Ctrl-C, the end of the run)
leaves its reply in the queue: it is paid for, and still written. Hence nobody may
cancel the writing task, and the end of a run waits for it with `finish`.
"""

from __future__ import annotations

import asyncio

from pytest_ladder.calls.store.store import Store
from pytest_ladder.calls.store.stored_reply import StoreRow

# How long the next batch gathers, where replies came while the last one was written.
_GATHER_S = 0.005


class Writer:
    """Puts replies into a store, one transaction at a time (group commit)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[StoreRow, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, row: StoreRow) -> None:
        """Return when the reply is on disk. Raises `StoreError`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, done))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._write())
        # Shielded: a cancelled caller must not take back a reply that is paid for.
        await asyncio.shield(done)

    async def finish(self) -> None:
        """Return when everything that was put is on disk, or could not be put there."""
        if self._task is not None:
            await asyncio.wait([self._task])

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that writes; it must not be cancelled."""
        return self._task

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._store.put, [row for row, _ in batch])
            except Exception as error:  # noqa: BLE001 - each waiting call raises it
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
            else:
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)
            if self._waiting:
                # Each write is a hop to a thread and back, which costs as much as a
                # reply: where they come fast, more of them share it.
                await asyncio.sleep(_GATHER_S)
