"""Ignores the warnings of library code that runs for us beside a user's tests.

Under a user's `-W error` a deprecation deep inside a library would fail a call that
is already paid for. `warnings.catch_warnings` cannot help: it swaps the filters of
the whole process and puts a copy back later, while pytest does the same for every
test in the main thread.

So one filter of ours is put in front of `warnings.filters`. It matches only where the
context variable `_quiet` is set, which `asyncio.to_thread` and tasks inherit; the
tests' own warnings pass. The same filter is removed afterwards from every list that it
was put into.

Threads: the engine's thread calls `Quietly`, a thread of `asyncio.to_thread` calls
`ignored_warnings`, and the main thread (pytest) replaces `warnings.filters` meanwhile.
There is no lock: inserting into a list and removing from it are single steps under the
GIL, and who wins only decides whether one warning is ignored. A Ctrl-C does not reach
this code: it is raised in the main thread only. Private is the form of a filter, a
tuple whose second and fourth items have a method `match`.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

_quiet = contextvars.ContextVar("ladder_quiet", default=False)


class _WhenQuiet:
    """Takes the place of a filter's regex, and matches where `_quiet` is set."""

    def match(self, _: str) -> bool:
        return _quiet.get()


_FILTER = ("ignore", _WhenQuiet(), Warning, None, 0)


@contextlib.contextmanager
def ignored_warnings() -> Iterator[None]:
    """Ignore warnings of the block and of the threads that it starts; no others.

    When another thread replaces the list of filters meanwhile, warnings count again.
    """
    filters = _put_in_front()
    before = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(before)
        _take_away(filters)


class Quietly(Generic[T]):
    """Awaits a coroutine and ignores its warnings, also when filters are replaced.

    The coroutine is driven step by step, because between two steps pytest may have put
    another list in force: before each step the filter is put in front of the list of
    that moment.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, T]:
        resume: Callable[[], Any] = functools.partial(self._work.send, None)
        changed_lists = []
        before = _quiet.set(True)
        try:
            while True:
                changed_lists.append(_put_in_front())
                waits_for = resume()
                try:
                    resume = functools.partial(self._work.send, (yield waits_for))
                except BaseException as error:  # noqa: BLE001 - the work decides on it
                    resume = functools.partial(self._work.throw, error)
        except StopIteration as done:
            return cast("T", done.value)
        finally:
            _quiet.reset(before)
            for filters in changed_lists:
                _take_away(filters)


def is_not_for_us(_: logging.LogRecord) -> bool:
    """Drop what a library logs while it works for us: a filter for its loggers.

    At level DEBUG clients log the headers of answers.
    """
    return not _quiet.get()


def _put_in_front() -> list[Any]:
    """Put the filter first in the list that is in force now, and return that list."""
    filters = cast("list[Any]", warnings.filters)
    filters.insert(0, _FILTER)
    return filters


def _take_away(filters: list[Any]) -> None:
    # Somebody may have emptied the list: `warnings.resetwarnings` does.
    with contextlib.suppress(ValueError):
        filters.remove(_FILTER)
