"""A file lock that a child process inherits, which libraries of locks do not offer.

A lock belongs to an open descriptor. It lasts until the last process that has this
descriptor closes it or ends, however it ends. Two threads of one process that open the
file lock each other out as well. A Ctrl-C during the wait closes the descriptor. All
other locks are those of the library `filelock`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def inheritable_lock(path: Path) -> Iterator[int]:
    """Hold a lock on a file, which is made if need be; waits while others hold it.

    Yields the descriptor: a child that inherits it shares the lock, which then
    lasts until the last of them closes it. Not for Windows.
    """
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        # Closed and not unlocked: a child that inherited it goes on holding the lock.
        os.close(descriptor)
