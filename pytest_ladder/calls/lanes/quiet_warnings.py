"""Ignore the warnings of library code that runs for us beside a user's tests.

Under a user's `-W error` a deprecation deep inside a library would fail a call that
is already paid for. `warnings.catch_warnings` cannot help: it swaps the filters of
the whole process and puts a copy back later, while pytest does the same for every
test in the main thread. So a single filter is put in front that asks for whom the
code runs (a context variable, which follows work into threads), and that very filter
is taken away again.
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
    """Stands where a filter has its compiled regex, and matches when it is quiet."""

    def match(self, _: str) -> bool:
        return _quiet.get()


_FILTER = ("ignore", _WhenQuiet(), Warning, None, 0)


@contextlib.contextmanager
def ignored_warnings() -> Iterator[None]:
    """Ignore warnings here and in the threads this code starts; nowhere else.

    It ends early when another thread swaps the filters.
    """
    filters = _put_in_front()
    before = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(before)
        _take_away(filters)


class Quietly(Generic[T]):
    """Awaits a coroutine and ignores its warnings, whatever is swapped meanwhile."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, T]:
        resume: Callable[[], Any] = functools.partial(self._work.send, None)
        touched = []
        before = _quiet.set(True)
        try:
            while True:
                touched.append(_put_in_front())
                waits_for = resume()
                try:
                    resume = functools.partial(self._work.send, (yield waits_for))
                except BaseException as error:  # noqa: BLE001 - a cancellation
                    resume = functools.partial(self._work.throw, error)
        except StopIteration as done:
            return cast("T", done.value)
        finally:
            _quiet.reset(before)
            for filters in touched:
                _take_away(filters)


def is_not_for_us(_: logging.LogRecord) -> bool:
    """Let a library's logging pass unless it works for us: a filter of its loggers.

    At level DEBUG clients log the headers of answers.
    """
    return not _quiet.get()


def _put_in_front() -> list[Any]:
    """Put the filter first in the list now in force, and return that list."""
    filters = cast("list[Any]", warnings.filters)
    filters.insert(0, _FILTER)
    return filters


def _take_away(filters: list[Any]) -> None:
    # Somebody may have emptied the list: `warnings.resetwarnings` does.
    with contextlib.suppress(ValueError):
        filters.remove(_FILTER)
