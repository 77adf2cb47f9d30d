"""Whether a process of this machine still runs, and is still the same one.

The number of a process that has ended is given to another one sooner or later, so a
process is known by its number and by when it started.
"""

from __future__ import annotations

import contextlib

# Two starts that are less apart are the same: of some figures that they are made of the
# system tells whole seconds only.
_SAME_START_S = 2.0


def start_of(pid: int) -> float | None:
    """Return when a process started, in seconds; None: it has ended, or is hidden.

    A process that ended, and whose parent has not asked for its status, has ended, too.
    Where the system can tell, the seconds count from its own start: Unix time would be
    another one each time that the clock is set.
    """
    import psutil

    try:
        # In this order: older releases keep the time that `boot_time` found last.
        booted = psutil.boot_time() if psutil.LINUX else 0.0
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return float(process.create_time() - booted)
    except (psutil.Error, OverflowError, ValueError):
        return None


def is_alive(pid: int, start: float | None = None) -> bool | None:
    """Tell whether a process runs, and, with its `start`, is still the same one.

    None: it is hidden, as the processes of other users are on some machines.
    """
    import psutil

    found = start_of(pid)
    if found is not None:
        return start is None or abs(found - start) < _SAME_START_S
    try:
        psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        with contextlib.suppress(OverflowError):  # no number of a process
            return None if psutil.pid_exists(pid) else False
    except psutil.AccessDenied:
        return None
    except (OverflowError, ValueError):
        return False
    return False  # a zombie, or of a number that is none


def command_line(pid: int) -> str:
    """Return the command line of a process; empty: it has ended, or is hidden."""
    import psutil

    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""
