"""Ignore the warnings of one thread while it runs code that is not ours.

Under a user's `-W error` a deprecation deep inside a library would fail a call that
is already paid for. `warnings.catch_warnings` cannot help: it swaps the filters of
the whole process and puts a copy back later, and pytest does the same for every test
in the main thread meanwhile. So a single filter is put in front, which looks at
nothing but the thread, and that very filter is taken away again.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class _ThisThread:
    """Matches every message of the thread that made it, as a compiled regex would."""

    def __init__(self) -> None:
        self._ident = threading.get_ident()

    def match(self, _: str) -> bool:
        return threading.get_ident() == self._ident


@contextlib.contextmanager
def ignored_warnings() -> Iterator[None]:
    """Ignore this thread's warnings; other threads notice nothing.

    It ends early when another thread swaps the filters, so keep the block short.
    """
    filters = cast("list[Any]", warnings.filters)
    entry = ("ignore", _ThisThread(), Warning, None, 0)
    filters.insert(0, entry)
    try:
        yield
    finally:
        filters.remove(entry)


class Quietly(Generic[T]):
    """Awaits a coroutine, and ignores warnings whenever its own code runs.

    Between its steps, while it waits, the filters are as they were.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, T]:
        resume: Callable[[], Any] = functools.partial(self._work.send, None)
        while True:
            try:
                with ignored_warnings():
                    waits_for = resume()
            except StopIteration as done:
                return cast("T", done.value)
            try:
                resume = functools.partial(self._work.send, (yield waits_for))
            except BaseException as error:  # noqa: BLE001 - handed on: a cancellation
                resume = functools.partial(self._work.throw, error)
