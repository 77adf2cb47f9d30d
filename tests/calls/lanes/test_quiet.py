"""Warnings of library code fail neither paid calls nor change anyone's filters."""

from __future__ import annotations

import asyncio
import threading
import warnings

import pytest

from pytest_ladder.calls.lanes.quiet_warnings import Quietly, ignored_warnings


def warn() -> str:
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    return "ok"


async def warn_at_every_step() -> str:
    warn()
    await asyncio.sleep(0)
    warn()
    await asyncio.to_thread(warn)
    return warn()


def test_a_block_is_quiet_and_the_code_around_it_is_not() -> None:
    before = list(warnings.filters)
    with ignored_warnings():
        assert warn() == "ok"
    assert list(warnings.filters) == before
    with pytest.raises(DeprecationWarning):
        warn()


def test_another_thread_is_not_quiet() -> None:
    raised: list[Warning] = []

    def other() -> None:
        try:
            warn()
        except DeprecationWarning as error:
            raised.append(error)

    with ignored_warnings():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert raised


def test_a_coroutine_is_quiet_at_every_step_and_in_its_threads() -> None:
    before = list(warnings.filters)

    async def main() -> str:
        return await Quietly(warn_at_every_step())

    assert asyncio.run(main()) == "ok"
    assert list(warnings.filters) == before


def test_a_coroutine_stays_quiet_when_a_test_swaps_the_filters() -> None:
    async def swap() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await asyncio.sleep(0.01)
            with pytest.raises(DeprecationWarning):
                warn()

    async def main() -> str:
        _, said = await asyncio.gather(swap(), Quietly(sleep_and_warn()))
        return said

    async def sleep_and_warn() -> str:
        await asyncio.sleep(0.005)
        return warn()

    before = list(warnings.filters)
    assert asyncio.run(main()) == "ok"
    assert list(warnings.filters) == before


def test_a_cancelled_coroutine_ends_and_leaves_no_filter() -> None:
    ended: list[str] = []

    async def sleeper() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("ended")

    async def main() -> None:
        task = asyncio.ensure_future(shielded())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def shielded() -> None:
        await Quietly(sleeper())

    before = list(warnings.filters)
    asyncio.run(main())
    assert ended == ["ended"]
    assert list(warnings.filters) == before


def test_an_exception_passes_through() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("inside")

    async def main() -> None:
        await Quietly(fail())

    with pytest.raises(KeyError, match="inside"):
        asyncio.run(main())
