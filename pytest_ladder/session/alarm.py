"""A timeout of pytest-timeout ends what the threads of a test wait for, too.

pytest-timeout (method `signal`) raises on the main thread, in its handler of SIGALRM.
Before that reaches pytest, it passes what the test waits in: `asyncio.run` and a
`ThreadPoolExecutor` join their threads first. A thread that waits for a reply would
hold the run up for as long as the model takes, and nothing would tell why. So its wait
is ended first, in the same handler; the call goes on, for it may be billed.

The handler is replaced right after pytest-timeout has set it, and pytest-timeout itself
takes it away again. Python runs it on the main thread, between two steps of that one.
"""

from __future__ import annotations

import signal
from types import FrameType

from pytest_ladder.session.session import LadderSession


def end_waits_at_alarm(session: LadderSession) -> None:
    """Let the threads of a test go before the handler of its timeout ends it.

    Called on the main thread. Does nothing where SIGALRM has no handler: there
    pytest-timeout ends the process, or there is no such signal.
    """
    if not hasattr(signal, "SIGALRM"):
        return
    ends = signal.getsignal(signal.SIGALRM)
    if not callable(ends):
        return

    def let_go_and_end(number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        session.engine.let_threads_go()
        ends(number, frame)

    signal.signal(signal.SIGALRM, let_go_and_end)
