"""What the garbage collector need not look through in a run of tests."""

from __future__ import annotations

import functools
import gc


@functools.cache
def exempt_what_stays() -> None:
    """Let the garbage collector pass over modules and collected tests, once a process.

    Most of them live to the end of the process, and the collector would look through
    all of them again and again: a seventh of the time of a replay of 1,000 tests. What
    became garbage of late is collected first; to look through all for the little that
    is older would cost a twentieth of that time. Not for a later run in the same
    process: what that collects need not live on. A test of leaks calls `gc.unfreeze()`.
    """
    gc.collect(1)
    gc.freeze()
