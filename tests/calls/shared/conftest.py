from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from tests.postgres_fixtures import database, postgres  # noqa: F401

T = TypeVar("T")
Run = Callable[[Awaitable[T]], T]


@pytest.fixture
def run() -> Iterator[Run[object]]:
    """Run coroutines on one loop, as the engine does."""
    with asyncio.Runner() as runner:

        def run(work: Awaitable[T]) -> T:
            async def awaited() -> T:
                return await asyncio.wait_for(work, 60)

            return runner.run(awaited())

        yield run
