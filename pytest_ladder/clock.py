"""Clocks that no test can freeze: what a call takes and costs is real time.

freezegun replaces `time.time` and `time.monotonic` wherever a module refers to them;
time-machine replaces what they do, and what `time.clock_gettime` does for the time of
day. Neither touches the other clocks of `time.clock_gettime`, so everything is read
from those. The time of day is what it was when this was imported, and the seconds
since, as long as the machine slept included: it never jumps.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def _held(*names: str) -> Callable[[], float]:
    """Return the first of these clocks that the system has, in seconds.

    It is held by a closure, which nobody searches for functions to replace.
    """
    for name in names:
        number = getattr(time, name, None)
        if number is not None:
            clock_gettime = time.clock_gettime
            return lambda: clock_gettime(number)
    perf_counter = time.perf_counter  # Windows
    return lambda: perf_counter()


_seconds = _held("CLOCK_MONOTONIC")
_seconds_with_sleep = _held("CLOCK_BOOTTIME", "CLOCK_MONOTONIC")
_OFFSET = time.time() - _seconds_with_sleep()


def monotonic() -> float:
    """Return seconds since some moment, for durations within a process."""
    return _seconds()


def unix() -> float:
    """Return the time of day, in seconds since 1970 (Unix time)."""
    return _OFFSET + _seconds_with_sleep()


def unix_ns() -> int:
    """Return the same in nanoseconds, to the microsecond."""
    return int(unix() * 1e6) * 1000
