"""A quota of requests and tokens a minute, over rooms that know of no other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.calls.shared.calls_made import PLACE, call, opened
from tests.calls.shared.conftest import Run
from tests.postgres_server import Database

# A minute, scaled: the place is told that its limits are for so many seconds.
WINDOW_S = 6.0


def went(database: Database, calls: int) -> list[tuple[float, int]]:
    """Return when each call may go, by the database, and its tokens."""
    rows = database.rows(
        "SELECT extract(epoch FROM go)::float8, asked FROM calls ORDER BY go"
    )
    assert len(rows) == calls
    return [(at, tokens) for at, tokens in rows]


def most_in_a_window(sent: list[tuple[float, int]]) -> int:
    """Return the most that any window holds; the fullest ones begin with a call."""
    return max(
        sum(size for other, size in sent if at <= other < at + WINDOW_S)
        for at, _ in sent
    )


async def ask_for_all(database: Database, sizes: list[int], **limits: Any) -> None:
    """Let three processes ask for a call of each size, all at once."""
    rooms = [
        opened(database.worker, f"run {n}", window_s=WINDOW_S, ceiling=10_000, **limits)
        for n in range(3)
    ]
    entered = [await room.__aenter__() for room in rooms]
    # Nobody waits for the times that were reserved: they stand in the database.
    asking = [
        asyncio.ensure_future(
            entered[n % 3].admit(call(n, tokens=size, worst_nano=size))
        )
        for n, size in enumerate(sizes)
    ]
    ((count,),) = database.rows("SELECT count(*) FROM calls")
    while count != len(sizes):
        await asyncio.sleep(0.05)
        ((count,),) = database.rows("SELECT count(*) FROM calls")
    await asyncio.sleep(0.1)
    sent = went(database, len(sizes))
    SENT[:] = sent
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    for room in rooms:
        await room.__aexit__(None, None, None)


SENT: list[tuple[float, int]] = []


@pytest.mark.parametrize("rpm", [600, 60, 10])
def test_no_window_holds_more_requests_than_the_quota(
    database: Database, run: Run[None], rpm: int
) -> None:
    run(ask_for_all(database, [1] * (rpm * 3), rpm=rpm))
    assert most_in_a_window([(at, 1) for at, _ in SENT]) <= rpm
    span_s = SENT[-1][0] - SENT[0][0]
    assert len(SENT) / span_s >= 0.95 * rpm / WINDOW_S


def test_no_window_holds_more_tokens_than_the_quota(
    database: Database, run: Run[None]
) -> None:
    tpm = 60_000
    sizes = [100, 900, 1_500, 300, 2_000, 50] * 60
    run(ask_for_all(database, sizes, tpm=tpm))
    assert sum(size for _, size in SENT) == sum(sizes)
    assert most_in_a_window(SENT) <= tpm
    span_s = SENT[-1][0] - SENT[0][0]
    assert sum(sizes) / span_s >= 0.95 * tpm / WINDOW_S


def test_calls_that_are_big_for_the_quota_do_not_break_it(
    database: Database, run: Run[None]
) -> None:
    tpm = 10_000
    sizes = [10, 10, 4_000, 10, 9_000, 10, 10, 30_000, 10, 4_000, 10]
    run(ask_for_all(database, sizes, tpm=tpm))
    # One above the quota counts as all of it: there is no other way to send it.
    assert most_in_a_window([(at, min(size, tpm)) for at, size in SENT]) <= tpm


def test_a_pause_holds_for_all(database: Database, run: Run[None]) -> None:
    async def story() -> None:
        async with (
            opened(database.worker, "a") as one,
            opened(database.worker, "b") as two,
        ):
            await one.pause(PLACE, 0.5)
            answers = await asyncio.gather(*(two.admit(call(n)) for n in range(5)))
            assert database.rows(
                "SELECT clock_timestamp() >= paused_until, "
                "(SELECT min(go) FROM calls) >= paused_until FROM places"
            ) == [(True, True)]
            for answer in answers:
                assert answer.permit is not None
                await two.settle(answer.permit, 0)

    run(story())


def test_a_call_that_has_its_time_hears_of_a_pause(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with opened(database.worker, rpm=60) as room:
            # The third has to wait for a second; the pause comes before that.
            asking = [asyncio.ensure_future(room.admit(call(n))) for n in range(3)]
            await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            await room.pause(PLACE, 2.0)
            await asyncio.gather(*asking)
            assert database.rows(
                "SELECT clock_timestamp() >= paused_until FROM places"
            ) == [(True,)]

    run(story())
