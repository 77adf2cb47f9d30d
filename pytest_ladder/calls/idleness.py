"""Whether the engine's loop has something to do, as its selector tells.

Threads: the loop's thread notes where its rests begin and end; any other thread may
wait for one. `_resting` is what they wait for, and `_since` a number that is read in
one step, so that no lock is needed.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading

from pytest_ladder import clock


class Idleness:
    """The rests of a loop; one that does not run rests, too."""

    def __init__(self) -> None:
        self._resting = threading.Event()
        self._resting.set()
        self._since = -math.inf

    def rests(self) -> bool:
        """Tell whether the loop has nothing to do now."""
        return self._resting.is_set()

    def begin(self) -> None:
        """Note that the loop has nothing to do from now on."""
        self._since = clock.monotonic()
        self._resting.set()

    def end(self) -> None:
        """Note that there is something to do."""
        self._resting.clear()

    def wait(self, rest_s: float, most_s: float) -> bool:
        """Wait until the loop has rested for `rest_s`, and `most_s` at most.

        Returns whether it has.
        """
        until = clock.monotonic() + most_s
        while (now := clock.monotonic()) < until:
            if not self._resting.is_set():
                self._resting.wait(until - now)
                continue
            left_s = self._since + rest_s - now
            if left_s <= 0:
                return True
            # Nobody sets it: a sleep that no test has replaced.
            threading.Event().wait(left_s)
        return False


class _IdleSelector(selectors.DefaultSelector):
    """The selector of an event loop, which tells when that loop has nothing to do.

    A loop calls `select` in each round, in its own thread, with a time-out of 0 where
    it has callbacks to run. That a loop takes a selector is asyncio's public interface.
    """

    def __init__(self, idleness: Idleness) -> None:
        super().__init__()
        self._idleness = idleness

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events; the loop rests only while there are none."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            self._idleness.end()
            return ready
        self._idleness.begin()
        try:
            return super().select(timeout)
        finally:
            self._idleness.end()


class _EngineLoop(asyncio.SelectorEventLoop):
    """A loop whose timers go by a clock that no test can freeze."""

    def time(self) -> float:
        """Return the loop's time; that it may be overridden is asyncio's interface."""
        return clock.monotonic()


def new_loop(idleness: Idleness) -> asyncio.AbstractEventLoop:
    """Make an event loop of the kind that the user has chosen, if any."""
    loop = asyncio.new_event_loop()
    if type(loop) is not asyncio.SelectorEventLoop:
        # Windows' own, or uvloop: it takes no selector, so it seems to rest always.
        return loop
    loop.close()
    return _EngineLoop(_IdleSelector(idleness))
