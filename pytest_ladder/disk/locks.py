"""File locks between processes, which the operating system ends with their holder.

A lock belongs to an open descriptor. It lasts until the last process that has this
descriptor closes it or ends, however it ends. Two threads of one process that open the
file lock each other out as well. A Ctrl-C during the wait closes the descriptor.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Windows cannot wait for such a lock: how often it is tried again, in seconds.
_POLL_S = 0.1


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[int]:
    """Hold a lock on a file, which is made if need be; waits while others hold it.

    Yields the descriptor: a child that inherits it shares the lock, which then
    lasts until the last of them closes it. `on_wait` is called once if another
    process holds the lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _try_lock(descriptor):
            if on_wait is not None:
                on_wait()
            _wait_for_lock(descriptor)
        yield descriptor
    finally:
        # Closed and not unlocked: a child that inherited it goes on holding the lock.
        os.close(descriptor)


if sys.platform == "win32":

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait_for_lock(descriptor: int) -> None:
        while not _try_lock(descriptor):
            time.sleep(_POLL_S)

else:

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait_for_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
