"""The stage: code of the user's runs on one thread at a time.

Bodies that are rehearsed wait for replies most of the time. Between two replies they
hold the stage, as the main thread does whenever it runs a test: so no two of them
ever run at once, and what a rehearsal prints, logs or warns goes nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import random
import selectors
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Self

from pytest_ladder.errors import Abandoned

# A rehearsal that does not wait for a reply but for something else loses the stage
# after twice this time; where several do, rehearsing is no use and ends.
_PATIENCE_S = 0.1
_MOST_LOST = 5


class Stage:
    """Hands the right to run user code from thread to thread, first come first served.

    The main thread owns it from the start.
    """

    def __init__(self) -> None:
        self.closed = False
        self._guard = threading.Lock()
        self._queue: deque[_Place] = deque()
        self._owner: _Place | None = _Place()
        self._main = self._owner
        self._lost = 0

    def enter(self) -> _Place:
        """Wait for the stage; called by a rehearsal. Raises `Abandoned` at the end."""
        place = _Place()
        with self._guard:
            if self.closed:
                raise Abandoned
            if self._owner is None:
                self._owner = place
                place.granted.set()
            else:
                self._queue.append(place)
        place.granted.wait()
        if place.sent_home:
            raise Abandoned
        return place

    def mute(self, place: _Place) -> None:
        """Mute one on stage. Raises `Abandoned` if it lost its place."""
        with self._guard:
            if place.lost:
                raise Abandoned
            place.mute()

    def leave(self, place: _Place) -> None:
        """Hand the stage on; does nothing for one who lost it."""
        with self._guard:
            place.unmute()
            if self._owner is place:
                self._pass_on()

    @contextmanager
    def offered(self) -> Iterator[None]:
        """Let others run while the main thread waits for a reply."""
        self.leave(self._main)
        try:
            yield
        finally:
            self._return_main(first=True)

    def take_turns(self) -> None:
        """Let everybody who is ready run once; called by the main thread."""
        if self._queue:
            self.leave(self._main)
            self._return_main(first=False)

    def close(self) -> None:
        """Send everybody home but the main thread: who waits for the stage ends."""
        with self._guard:
            self.closed = True
            for place in self._queue:
                place.sent_home = place is not self._main
                place.granted.set()
            self._queue.clear()

    def _return_main(self, *, first: bool) -> None:
        """Get the stage back, in turn or before all others.

        Who holds it for long without asking for a reply is left behind: it goes on
        beside the main thread, and ends with its next request.
        """
        main = self._main = _Place()
        with self._guard:
            if self._owner is None:
                self._owner = main
                return
            self._queue.appendleft(main) if first else self._queue.append(main)
        while not main.granted.wait(_PATIENCE_S):
            with self._guard:
                owner = self._owner
                if main.granted.is_set() or owner is None or not owner.tired:
                    if owner is not None:
                        owner.tired = True
                    continue
                owner.lost = True
                owner.unmute()
                self._pass_on()
                self._lost += 1
            if self._lost == _MOST_LOST:
                self.close()

    def _pass_on(self) -> None:
        self._owner = self._queue.popleft() if self._queue else None
        if self._owner is not None:
            self._owner.granted.set()


class _Place:
    """One stay on the stage."""

    def __init__(self) -> None:
        self.granted = threading.Event()
        self.tired = False
        """Somebody looked once already while it was on stage."""
        self.lost = False
        """It was left behind, and somebody else is on stage."""
        self.sent_home = False
        self._mute: _Mute | None = None

    def mute(self) -> None:
        """Take the world's ears away until `unmute`."""
        self._mute = _Mute()

    def unmute(self) -> None:
        """Give the world back what it was."""
        mute, self._mute = self._mute, None
        if mute is not None:
            mute.undo()


class Rehearsal:
    """A thread's way on and off the stage, muted while it is on it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._place: _Place | None = None

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def enter(self) -> None:
        """Go on stage. Raises `Abandoned` when the show is over."""
        self._place = self._stage.enter()
        self._stage.mute(self._place)

    def leave(self) -> None:
        """Go off stage."""
        place, self._place = self._place, None
        if place is None:
            return
        self._stage.leave(place)
        if place.lost:
            raise Abandoned

    @contextmanager
    def off(self) -> Iterator[None]:
        """Be off stage while waiting."""
        self.leave()
        try:
            yield
        finally:
            self.enter()


class OffStageSelector(selectors.DefaultSelector):
    """Lets an event loop be off stage whenever it has nothing to do."""

    def __init__(self, off: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__()
        self._off = off

    def select(self, timeout: float | None = None) -> Any:
        """Wait for events, off stage unless it is a mere look."""
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        with self._off():
            return super().select(timeout)


def run_off_stage(
    coroutine: Coroutine[Any, Any, None],
    off: Callable[[], AbstractContextManager[None]],
) -> None:
    """Run a coroutine on a loop of its own, off stage while it waits."""
    selector = OffStageSelector(off)
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selector)
    ) as runner:
        runner.run(coroutine)


class _Nowhere:
    """A text stream that swallows."""

    encoding = "utf-8"
    errors = "replace"

    def write(self, text: str) -> int:
        return len(text)

    def writelines(self, lines: Any) -> None:
        for _ in lines:
            pass

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise OSError("a rehearsal has no file")


class _Mute:
    """Swallows output, warnings and logging, and keeps random numbers in place."""

    def __init__(self) -> None:
        self._streams = sys.stdout, sys.stderr
        self._handlers = logging.root.handlers
        self._hook = sys.breakpointhook
        self._random = random.getstate()
        self._warnings = warnings.catch_warnings()
        sys.stdout = sys.stderr = _Nowhere()
        logging.root.handlers = [logging.NullHandler()]
        sys.breakpointhook = _no_debugger
        self._warnings.__enter__()
        warnings.simplefilter("ignore")

    def undo(self) -> None:
        self._warnings.__exit__(None, None, None)
        random.setstate(self._random)
        sys.breakpointhook = self._hook
        logging.root.handlers = self._handlers
        sys.stdout, sys.stderr = self._streams


def _no_debugger(*_: Any, **__: Any) -> None:
    raise Abandoned
