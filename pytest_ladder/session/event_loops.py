"""Coroutines of tests and tasks, and event loops that let others run while they wait.

A loop that waits for a reply has nothing to run, so its thread gives its turn up (see
`turns`) whenever the loop sleeps in its selector, and takes the turn again before the
loop goes on. All of it is called on the thread of the loop: the main thread, where a
test runs, or the thread of a rehearsal.

This is the one file that reaches into asyncio: a loop that a test has made itself has
its selector in the private attribute `_selector`, whose method `select` is replaced on
that one loop. Without that attribute, as with uvloop's loops, nothing breaks, but the
thread keeps its turn while its loop waits, so fewer replies are waited for at once.
"""

from __future__ import annotations

import functools
import inspect
import selectors
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    # Loaded where a coroutine is run: a replay of plain tests has none.
    import asyncio

T = TypeVar("T")
OthersRun = Callable[[], AbstractContextManager[None]]
"""Makes a context in which this thread has given its turn up."""

# How often a waiting event loop of the main thread wakes, so that progress is shown.
_SHOW_S = 0.1


class TurnGivingSelector(selectors.DefaultSelector):
    """Lets an event loop give its turn up whenever it has nothing to do."""

    def __init__(self, others_run: OthersRun) -> None:
        super().__init__()
        self._others_run = others_run

    def select(self, timeout: float | None = None) -> Any:
        """Wait for events; others run meanwhile, unless there is no wait at all."""
        return _select(super().select, timeout, self._others_run)


def run_coroutine(coroutine: Coroutine[Any, Any, T], others_run: OthersRun) -> T:
    """Run a coroutine on a loop of its own; others run while it waits."""
    import asyncio

    def new_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop(TurnGivingSelector(others_run))
        if threading.current_thread() is not threading.main_thread():
            # What a rehearsal leaves unfinished is nothing to complain of.
            loop.set_exception_handler(lambda *_: None)
        return loop

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(coroutine)


def as_plain_function(
    task: Callable[..., Any], others_run: OthersRun
) -> Callable[..., Any]:
    """Return the task as a plain function, whether or not it returns an awaitable."""

    @functools.wraps(task)
    def run(*args: Any) -> Any:
        result = task(*args)
        if inspect.isawaitable(result):
            return run_coroutine(_result_of(result), others_run)
        return result

    return run


def let_others_run_when_idle(others_run: OthersRun) -> None:
    """Let the running loop give its turn up while it waits, from now on.

    For a loop that was made by the test, or by a plugin such as pytest-asyncio; called
    on it, before its first request.
    """
    import asyncio

    selector: Any = getattr(asyncio.get_running_loop(), "_selector", None)
    if isinstance(selector, TurnGivingSelector) or not hasattr(selector, "select"):
        return
    if "select" not in vars(selector):
        select = selector.select
        selector.select = lambda timeout=None: _select(select, timeout, others_run)


async def _result_of(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _select(
    select: Callable[[float | None], Any],
    timeout: float | None,
    others_run: OthersRun,
) -> Any:
    if timeout is not None and timeout <= 0:
        return select(timeout)
    if threading.current_thread() is threading.main_thread():
        # A loop can be woken although nothing has happened: it waits again.
        timeout = _SHOW_S if timeout is None else min(timeout, _SHOW_S)
    with others_run():
        return select(timeout)
