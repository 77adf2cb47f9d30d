"""The stage: code of the user's runs on one thread at a time.

Bodies that are rehearsed wait for replies most of the time. Between two replies they
hold the stage, as the main thread does whenever it runs a test: so no two of them
ever run at once, and what a rehearsal prints, logs or warns goes nowhere.
"""

from __future__ import annotations

import functools
import inspect
import os
import selectors
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar

from pytest_ladder.errors import Abandoned
from pytest_ladder.session.isolation import Isolation, RandomState

if TYPE_CHECKING:
    # Loaded where a coroutine is run: a replay of plain tests has none.
    import asyncio

T = TypeVar("T")
Off = Callable[[], AbstractContextManager[None]]
"""Makes a context in which a thread is off stage."""

# Who is on stage while the main thread wants it gets this long, once or twice.
_PATIENCE_S = 0.1
# When so many are left behind, and few come to an end, rehearsing is no use.
_MOST_LOST = 5
_FINISHED_PER_LOST = 10
# How often a waiting event loop of the main thread lets progress be shown.
_SHOW_S = 0.1


class Turns:
    """Hands the right to run user code from thread to thread, first come first served.

    The main thread owns it from the start.
    """

    def __init__(self) -> None:
        self.closed = False
        self.finished = 0
        """Rehearsals that came to their end."""
        self._guard = threading.Lock()
        self._queue: deque[_Turn] = deque()
        self._main = _Turn()
        self._owner: _Turn | None = self._main
        self._lost = 0

    @cached_property
    def _nowhere(self) -> TextIO:
        """A file that swallows."""
        return open(os.devnull, "w", encoding="utf-8")

    def enter(self, stay: _Turn) -> None:
        """Wait for the stage; called by a rehearsal. Raises `Abandoned` at the end."""
        with self._guard:
            if self.closed:
                raise Abandoned
            if self._owner is None:
                self._owner = stay
                stay.granted.set()
            else:
                self._queue.append(stay)
        stay.granted.wait()
        with self._guard:
            # The main thread may have gone on without it in the meantime.
            if self._owner is not stay:
                raise Abandoned
            stay.mute = Isolation(stay.random, self._nowhere)

    def leave(self, stay: _Turn) -> None:
        """Hand the stage on; does nothing for one who lost it."""
        with self._guard:
            stay.unmute()
            if self._owner is stay:
                self._pass_on()

    @contextmanager
    def offered(self) -> Iterator[None]:
        """Let others run while the main thread waits for a reply."""
        try:
            self.leave(self._main)
            yield
        finally:
            self._return_main(first=True)

    def take_turns(self) -> None:
        """Let everybody who is ready run once; called by the main thread."""
        if self._queue:
            try:
                self.leave(self._main)
            finally:
                self._return_main(first=False)

    def close(self) -> None:
        """Send everybody home; called by the main thread, which has the stage then."""
        with self._guard:
            self.closed = True
            if self._owner is not self._main:
                self._take_from_owner()
                self._owner = self._main = _Turn()
            for stay in self._queue:
                stay.granted.set()
            self._queue.clear()
            if "_nowhere" in self.__dict__:
                self._nowhere.close()

    def _return_main(self, *, first: bool) -> None:
        """Get the stage back, in turn or before all others."""
        main = self._main = _Turn()
        with self._guard:
            if self._owner is None:
                self._owner = main
                return
            self._queue.appendleft(main) if first else self._queue.append(main)
        try:
            self._wait_for(main)
        except BaseException:
            # An interrupt, or a timeout: the main thread goes on at once.
            with self._guard:
                if self._owner is not main:
                    self._leave_behind(main)
            raise

    def _wait_for(self, main: _Turn) -> None:
        """Wait until the main thread has its turn, or patience ends.

        Who holds the stage for long without asking for a reply is left behind: it
        goes on beside the main thread, and ends with its next request.
        """
        seen = None
        while not main.granted.wait(_PATIENCE_S):
            with self._guard:
                if seen is not None and self._owner is seen:
                    self._leave_behind(main)
                    self._lost += 1
                seen = self._owner
        if self._lost >= _MOST_LOST + self.finished // _FINISHED_PER_LOST:
            self.close()

    def _leave_behind(self, main: _Turn) -> None:
        """Put the main thread in the owner's place."""
        self._take_from_owner()
        if main in self._queue:
            self._queue.remove(main)
        self._owner = main
        main.granted.set()

    def _take_from_owner(self) -> None:
        if self._owner is not None:
            self._owner.lost = True
            self._owner.unmute()
            self._owner.interrupt()

    def _pass_on(self) -> None:
        self._owner = self._queue.popleft() if self._queue else None
        if self._owner is not None:
            self._owner.granted.set()


class _Turn:
    """One stay on the stage."""

    def __init__(
        self,
        random: RandomState | None = None,
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self.granted = threading.Event()
        self.random = random or RandomState()
        self.lost = False
        """It was left behind, and somebody else is on stage."""
        self.mute: Isolation | None = None
        self.interrupt = interrupt
        """Called when it is left behind."""

    def unmute(self) -> None:
        """Give the world back what it was."""
        mute, self.mute = self.mute, None
        if mute is not None:
            mute.undo()


class Rehearsal:
    """The way of one run of a body on and off the stage, muted while it is on it.

    Threads that the body starts may ask for replies as well: it is off stage while
    one of them waits, and on it again before that one goes on.
    """

    def __init__(self, stage: Turns, bodies: tuple[CodeType, ...] = ()) -> None:
        self._stage = stage
        self._bodies = bodies
        self._thread = threading.get_ident()
        self._stay: _Turn | None = None
        self._ended = False
        self._turns = threading.Lock()
        self._random = RandomState()

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._turns:
            self._leave()
            self._ended = True

    def check(self) -> None:
        """Raise `Abandoned` if this rehearsal is over."""
        if self.is_over:
            raise Abandoned

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for its requests any more."""
        stay = self._stay
        return self._ended or self._stage.closed or (stay is not None and stay.lost)

    def enter(self) -> None:
        """Go on stage, unless it is there. Raises `Abandoned` when it is over."""
        with self._turns:
            self.check()
            if self._stay is None:
                stay = _Turn(self._random, self._interrupt)
                self._stage.enter(stay)
                self._stay = stay

    @contextmanager
    def off(self) -> Iterator[None]:
        """Be off stage while waiting. Raises `Abandoned` when it is over."""
        with self._turns:
            self.check()
            self._leave()
        try:
            yield
        finally:
            self.enter()

    def _leave(self) -> None:
        if self._stay is not None:
            self._stage.leave(self._stay)
            if not self._stay.lost:
                self._stay = None

    def _interrupt(self) -> None:
        """End a body that is left behind, where that can do no harm.

        While it sleeps, say, in the test's own code. In the midst of somebody else's,
        such as an import, an exception might leave a lock taken: that goes on.
        """
        frame = sys._current_frames().get(self._thread)
        if frame is not None and frame.f_code in self._bodies:
            import ctypes

            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(Abandoned)
            )


class OffStageSelector(selectors.DefaultSelector):
    """Lets an event loop be off stage whenever it has nothing to do."""

    def __init__(self, off: Off) -> None:
        super().__init__()
        self._off = off

    def select(self, timeout: float | None = None) -> Any:
        """Wait for events, off stage unless it is a mere look."""
        return _select_off_stage(super().select, timeout, self._off)


def run_off_stage(coroutine: Coroutine[Any, Any, T], off: Off) -> T:
    """Run a coroutine on a loop of its own, off stage while it waits."""
    import asyncio

    with asyncio.Runner(loop_factory=lambda: _loop(off)) as runner:
        return runner.run(coroutine)


def on_loop_of_its_own(task: Callable[..., Any], off: Off) -> Callable[..., Any]:
    """Make a task that may be a coroutine function a plain one."""

    @functools.wraps(task)
    def run(*args: Any) -> Any:
        result = task(*args)
        if inspect.isawaitable(result):
            return run_off_stage(_result_of(result), off)
        return result

    return run


def wait_off_stage(off: Off) -> None:
    """Let the running loop be off stage while it waits, from now on."""
    import asyncio

    # There is no public way. A loop without it, such as uvloop's, holds the stage.
    selector: Any = getattr(asyncio.get_running_loop(), "_selector", None)
    if isinstance(selector, OffStageSelector) or not hasattr(selector, "select"):
        return
    if "select" not in vars(selector):
        select = selector.select
        selector.select = lambda timeout=None: _select_off_stage(select, timeout, off)


async def _result_of(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _loop(off: Off) -> asyncio.AbstractEventLoop:
    import asyncio

    loop = asyncio.SelectorEventLoop(OffStageSelector(off))
    if threading.current_thread() is not threading.main_thread():
        # What a rehearsal leaves unfinished is nothing to complain of.
        loop.set_exception_handler(lambda *_: None)
    return loop


def _select_off_stage(
    select: Callable[[float | None], Any], timeout: float | None, off: Off
) -> Any:
    if timeout is not None and timeout <= 0:
        return select(timeout)
    if threading.current_thread() is threading.main_thread():
        # A loop does not mind to be woken for nothing.
        timeout = _SHOW_S if timeout is None else min(timeout, _SHOW_S)
    with off():
        return select(timeout)
