"""Waiting for replies that others pay for: one query for all of them.

Used on the engine's loop only. One task looks while anybody waits: after 0.25 s, and
then ever more seldom, up to every 2 s; a new key is looked for soon again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

FIRST_S = 0.25
LONGEST_S = 2.0

Waited = tuple[str, float | None]
"""A key, and since when its reply must be of use (see `CallToAdmit.since`)."""
Look = Callable[[Sequence[Waited]], Awaitable[Sequence[str]]]
"""Says of each: `stored`, `held`, `dead` (its holder shows no life) or `free`."""


class WaitedKeys:
    """The keys of one process whose replies others are paying for."""

    def __init__(self, look: Look, bury: Callable[[], Awaitable[None]]) -> None:
        """`bury` is awaited when a holder is dead: it frees what that one held."""
        self._look = look
        self._bury = bury
        self._waiting: dict[Waited, asyncio.Future[bool]] = {}
        self._task: asyncio.Task[None] | None = None
        self._pause_s = FIRST_S

    async def wait(self, key: Waited) -> bool:
        """Return when nobody holds a key any more, and whether its reply is stored.

        Raises what looking raises.
        """
        if key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().create_future()
            self._pause_s = FIRST_S
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._watch())
        # Shielded: another call may wait for the same key.
        return await asyncio.shield(self._waiting[key])

    def close(self) -> None:
        """Stop looking, and cancel those that wait."""
        if self._task is not None:
            self._task.cancel()
        for future in self._waiting.values():
            future.cancel()
        self._waiting.clear()

    async def _watch(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(LONGEST_S, self._pause_s * 2)
                keys = list(self._waiting)
                states = await self._look(keys)
                if "dead" in states:
                    await self._bury()
                for key, state in zip(keys, states, strict=True):
                    if state in ("stored", "free"):
                        self._waiting.pop(key).set_result(state == "stored")
        except Exception as error:  # noqa: BLE001 - each that waits raises it
            for future in self._waiting.values():
                future.set_exception(error)
                # One that was cancelled while it waited asks no more.
                future.exception()
            self._waiting.clear()
