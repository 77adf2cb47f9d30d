"""Whose turn it is: the user's code runs on one thread at a time.

Three kinds of threads want to run code of the user: the main thread, which runs the
tests; the threads of `prefetch/`, which run bodies before their tests (rehearsals);
and threads that such a body starts. A rehearsal waits for replies most of the time.
Between two replies it has the turn, as the main thread has it whenever it runs a
test. So no two of them ever run at once, and no body needs to be safe for threads.

Locks. `Turns._lock` guards who has the turn, who waits for it and what was taken away;
it is held for moments, never while waiting and never while code of the user runs.
`Rehearsal._lock` guards whether that one rehearsal has a turn, and is held while it
waits for one: threads of one body go on one after another. A thread that holds a
`Rehearsal._lock` may take `Turns._lock`, never the other way round.

Ctrl-C. Python raises `KeyboardInterrupt` on the main thread only. If that one waits
for its turn, it takes the turn away from the rehearsal that has it, and goes on at
once; pytest then ends the run, which closes `Turns`, and that ends all rehearsals. If
the main thread has the turn, the interrupt is as in any test.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from types import CodeType, TracebackType
from typing import Self, TextIO

from pytest_ladder.errors import Abandoned
from pytest_ladder.session.isolation import Isolation, RandomState

# Seconds after which the main thread, when it waits for its turn, looks who has it. A
# rehearsal that is seen at two looks in a row loses the turn.
_PATIENCE_S = 0.1
# When so many lost their turn, and few came to an end, rehearsing is no use.
_MOST_LOST = 5
_FINISHED_PER_LOST = 10


class Turns:
    """Hands the turn to run user code from thread to thread, first come first served.

    The main thread has it from the start.
    """

    def __init__(self) -> None:
        self.closed = False
        """Set once, by the main thread, under the lock; read by any thread without."""
        self.finished = 0
        """Rehearsals that came to their end; each adds itself while it has the turn."""
        self._lock = threading.Lock()
        self._queue: deque[_Turn] = deque()
        """Who waits for the turn, the next one first."""
        self._main = _Turn()
        self._owner: _Turn | None = self._main
        """Who has the turn; None: the main thread waits, and no rehearsal wants it."""
        self._lost = 0
        """Rehearsals that lost their turn; the main thread alone counts them."""

    @cached_property
    def _nowhere(self) -> TextIO:
        """The null device, open for writing: what rehearsals print goes there."""
        return open(os.devnull, "w", encoding="utf-8")

    def begin(self, turn: _Turn) -> None:
        """Wait for a turn; called on the thread of a rehearsal.

        Raises `Abandoned` when rehearsals are over, or when the turn was taken away
        before this thread came to run.
        """
        with self._lock:
            if self.closed:
                raise Abandoned
            if self._owner is None:
                self._owner = turn
                turn.granted.set()
            else:
                self._queue.append(turn)
        turn.granted.wait()
        with self._lock:
            # The main thread may have gone on without it in the meantime.
            if self._owner is not turn:
                raise Abandoned
            turn.isolation = Isolation(turn.random, self._nowhere)

    def end(self, turn: _Turn) -> None:
        """Give the turn to the next one; called on any thread.

        Does nothing where the turn was taken away.
        """
        with self._lock:
            turn.end_isolation()
            if self._owner is turn:
                self._owner = self._queue.popleft() if self._queue else None
                if self._owner is not None:
                    self._owner.granted.set()

    @contextmanager
    def others_run(self) -> Iterator[None]:
        """Let rehearsals run while the main thread waits; called by the main thread.

        It is the next one to run when its wait is over.
        """
        try:
            self.end(self._main)
            yield
        finally:
            self._return_to_main(first=True)

    def let_others_run_once(self) -> None:
        """Let each rehearsal that is ready run once; called by the main thread.

        The main thread queues up behind them.
        """
        if self._queue:
            try:
                self.end(self._main)
            finally:
                self._return_to_main(first=False)

    def close(self) -> None:
        """End all rehearsals; called by the main thread, which has the turn then.

        Those that wait get `Abandoned`; one that runs gets it with its next request.
        """
        with self._lock:
            self.closed = True
            if self._owner is not self._main:
                self._take_from_owner()
                self._owner = self._main = _Turn()
            for turn in self._queue:
                turn.granted.set()
            self._queue.clear()
            if "_nowhere" in self.__dict__:
                self._nowhere.close()

    def _return_to_main(self, *, first: bool) -> None:
        """Wait until the main thread has the turn again, before all others or last."""
        main = self._main = _Turn()
        with self._lock:
            if self._owner is None:
                self._owner = main
                return
            self._queue.appendleft(main) if first else self._queue.append(main)
        try:
            self._wait_for(main)
        except BaseException:
            # Ctrl-C, or a timeout of the test: the main thread goes on at once.
            with self._lock:
                if self._owner is not main:
                    self._replace_owner_by(main)
            raise

    def _wait_for(self, main: _Turn) -> None:
        """Wait until the main thread has the turn, or patience ends.

        A rehearsal that keeps the turn for long, without asking for a reply, loses it:
        it runs on beside the main thread, and ends with its next request.
        """
        seen = None
        while not main.granted.wait(_PATIENCE_S):
            with self._lock:
                if seen is not None and self._owner is seen:
                    self._replace_owner_by(main)
                    self._lost += 1
                seen = self._owner
        if self._lost >= _MOST_LOST + self.finished // _FINISHED_PER_LOST:
            self.close()

    # The rest is called with the lock held.

    def _replace_owner_by(self, main: _Turn) -> None:
        """Take the turn from the thread that has it, and give it to the main thread."""
        self._take_from_owner()
        if main in self._queue:
            self._queue.remove(main)
        self._owner = main
        main.granted.set()

    def _take_from_owner(self) -> None:
        if self._owner is not None:
            self._owner.lost = True
            self._owner.end_isolation()
            self._owner.interrupt()


class _Turn:
    """One turn of one thread, from its wish for it to the end."""

    def __init__(
        self,
        random: RandomState | None = None,
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self.granted = threading.Event()
        """Set when it may run, or when it need not wait any more."""
        self.random = random or RandomState()
        self.lost = False
        """It was taken away, and another thread has the turn."""
        self.isolation: Isolation | None = None
        """In force while a rehearsal has the turn; the main thread has none."""
        self.interrupt = interrupt
        """Called on the main thread, under the lock, when the turn is taken away."""

    def end_isolation(self) -> None:
        """Let output and random numbers be those of the main thread again."""
        isolation, self.isolation = self.isolation, None
        if isolation is not None:
            isolation.undo()


class Rehearsal:
    """One run of a body before its test; a context, entered on the thread that runs it.

    It has a turn from the start, gives it up while it waits for a reply, and takes
    another one before it goes on. Threads that the body starts may ask for replies as
    well: the turn is given up while one of them waits, and taken again before that one
    goes on.
    """

    def __init__(self, turns: Turns, bodies: tuple[CodeType, ...] = ()) -> None:
        self._turns = turns
        self._bodies = bodies
        """The code of the test and its task, where an exception can do no harm."""
        self._thread = threading.get_ident()
        self._turn: _Turn | None = None
        """None: it waits for a reply. Guarded by the lock, as `_ended` is."""
        self._ended = False
        self._is_beside = False
        """It has given its turn up for good."""
        self._lock = threading.Lock()
        self._random = RandomState()

    def __enter__(self) -> Self:
        self._take_turn()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._give_turn_up()
            self._ended = True

    def check(self) -> None:
        """Raise `Abandoned` if this rehearsal is over; called on any thread."""
        if self.is_over:
            raise Abandoned

    @property
    def is_over(self) -> bool:
        """Whether its replies are not needed any more."""
        turn = self._turn
        return self._ended or self._turns.closed or (turn is not None and turn.lost)

    def run_beside(self) -> None:
        """Give the turn up for good: from here on the body runs beside all others.

        Raises `Abandoned` when the rehearsal is over.
        """
        with self._lock:
            self.check()
            self._give_turn_up()
            self._is_beside = True

    @contextmanager
    def others_run(self) -> Iterator[None]:
        """Give the turn up while a thread of the body waits, and take it again.

        Raises `Abandoned` when the rehearsal is over, before the wait or after it.
        """
        with self._lock:
            self.check()
            self._give_turn_up()
        try:
            yield
        finally:
            self._take_turn()

    def _take_turn(self) -> None:
        """Wait for a turn, unless another thread of the body has taken it."""
        with self._lock:
            self.check()
            if self._turn is None and not self._is_beside:
                turn = _Turn(self._random, self._interrupt)
                self._turns.begin(turn)
                self._turn = turn

    def _give_turn_up(self) -> None:
        """Give the turn to the next one; called with the lock held.

        A turn that was taken away is kept: by it `is_over` knows.
        """
        if self._turn is not None:
            self._turns.end(self._turn)
            if not self._turn.lost:
                self._turn = None

    def _interrupt(self) -> None:
        """End a body whose turn was taken away, where that can do no harm.

        Called on the main thread. It looks which code the other thread is in, by
        `sys._current_frames`, and raises `Abandoned` there by a function of CPython's C
        interface; Python has no public way to end a thread. In the test's own code,
        while it sleeps, say, that is safe. In other code, such as an import, the
        exception might leave a lock taken: such a body runs on, and ends with its next
        request.
        """
        frame = sys._current_frames().get(self._thread)
        if frame is not None and frame.f_code in self._bodies:
            import ctypes

            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(Abandoned)
            )
