"""Who is let in, on which money: one room for all machines."""

from __future__ import annotations

import asyncio

import pytest

from pytest_ladder.calls.shared import install
from pytest_ladder.calls.shared.words import Admission, SharedPermit
from pytest_ladder.errors import ConfigError
from tests.calls.shared.calls_made import PLACE, call, key_of, opened, row
from tests.calls.shared.conftest import Run
from tests.postgres_server import Database


def permit_of(admission: Admission) -> SharedPermit:
    assert admission.verdict == "go", admission
    assert admission.permit is not None
    return admission.permit


def sums(database: Database, name: str = "run:a run") -> tuple[object, ...]:
    ((*found,),) = database.rows(
        "SELECT settled, reserved, excess FROM ledgers WHERE name = %s", name
    )
    return tuple(found)


def test_a_reply_is_paid_once_and_is_then_everybodys(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with opened(database.worker) as one, opened(database.worker, "b") as two:
            permit = permit_of(await one.admit(call(1)))
            assert (await two.admit(call(1))).verdict == "held"
            waiting = asyncio.ensure_future(two.reply_of_other(key_of(1)))
            await asyncio.sleep(0)
            assert await one.settle(permit, 40, row(1)) == "settled"
            reply = await waiting
            assert reply == row(1)
            stored = await two.admit(call(1))
            assert stored.verdict == "stored"
            assert stored.reply == reply
            assert await two.known([key_of(1), key_of(2)]) == {key_of(1): reply}

    run(story())
    assert sums(database) == (40, 0, 0)
    assert database.rows("SELECT count(*) FROM calls") == [(0,)]
    assert database.rows("SELECT count(*) FROM members") == [(0,)]


def test_who_waits_hears_that_an_attempt_failed(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with opened(database.worker) as one, opened(database.worker) as two:
            permit = permit_of(await one.admit(call(1)))
            waiting = asyncio.ensure_future(two.reply_of_other(key_of(1)))
            await one.settle(permit, 0)
            assert await waiting is None
            permit_of(await two.admit(call(1)))

    run(story())


def test_a_cap_lets_in_what_fits_and_waits_for_what_may_fit(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with opened(database.worker, cap_nano=250) as room:
            answers = await asyncio.gather(*(room.admit(call(n)) for n in range(3)))
            assert sorted(answer.verdict for answer in answers) == ["go", "go", "wait"]
            went = [answer for answer in answers if answer.permit is not None]
            assert (await room.admit(call(9, worst_nano=251))).verdict == "over"
            await room.settle(permit_of(went[0]), 20, row(0))
            third = permit_of(await room.admit(call("third")))
            await room.settle(third, None)
            await room.settle(permit_of(went[1]), 100)
            over = await room.admit(call("fourth"))
            assert (over.verdict, over.ledger) == ("over", "run:a run")

    run(story())
    assert sums(database) == (220, 0, 0)
    assert database.rows(
        "SELECT ledger, run, model, kind, calls, nano, unknown_calls, unknown_nano "
        "FROM spend"
    ) == [("run:a run", "a run", "bot", "product", 3, 220, 1, 100)]


def test_a_bill_above_its_reservation_is_booked_and_told_apart(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with opened(database.worker, cap_nano=1_000) as room:
            permit = permit_of(await room.admit(call(1)))
            other = permit_of(await room.admit(call(2, worst_nano=890)))
            assert await room.settle(permit, 300, row(1)) == "settled"
            # 300 are spent, and 890 set aside: nothing more fits.
            assert (await room.admit(call(3, worst_nano=10))).verdict == "wait"
            await room.settle(other, 0)
            # Later calls of the place reserve as much.
            dearer = permit_of(await room.admit(call(4)))
            assert dearer.reserved_nano == 300
            await room.settle(dearer, 50)

    run(story())
    assert sums(database) == (350, 0, 200)


def test_slots_are_shared(database: Database, run: Run[None]) -> None:
    async def story() -> None:
        async with (
            opened(database.worker, ceiling=3) as one,
            opened(database.worker, ceiling=3) as two,
        ):
            first = await asyncio.gather(*(one.admit(call(n)) for n in range(2)))
            second = await asyncio.gather(*(two.admit(call(n)) for n in range(5, 7)))
            said = [answer.verdict for answer in (*first, *second)]
            assert sorted(said) == ["go", "go", "go", "wait"]
            await one.settle(permit_of(first[0]), 1)
            permit_of(await two.admit(call(9)))

    run(story())


def test_a_ledger_of_everyone_is_drawn_on_by_who_does_not_name_it(
    database: Database, run: Run[None]
) -> None:
    install.set_cap(database.owner, "team", 150, everyone=True)
    install.set_cap(database.owner, "mine", None, per="day")

    async def story() -> None:
        async with opened(database.worker, "a", ledgers=["mine"]) as room:
            await room.settle(permit_of(await room.admit(call(1))), 90, row(1))
        async with opened(database.worker, "b", cap_nano=10**9) as room:
            answer = await room.admit(call(2))
            assert (answer.verdict, answer.ledger) == ("over", "team")
            install.set_cap(database.owner, "team", 500, everyone=True)
            permit = permit_of(await room.admit(call(2)))
            # Below what is spent: nothing more, and what is under way settles.
            install.set_cap(database.owner, "team", 10, everyone=True)
            assert (await room.admit(call(3))).verdict == "over"
            await room.settle(permit, 100)

    run(story())
    assert sums(database, "team") == (190, 0, 0)
    assert sums(database, "mine") == (90, 0, 0)


def test_an_unknown_ledger_is_one_sentence_at_the_start(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with opened(database.worker, ledgers=["teem"]):
            pass

    with pytest.raises(ConfigError, match=r"no ledger 'teem'.*budget set teem"):
        run(story())


def test_the_first_process_of_a_run_decides_its_cap(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        from pytest_ladder.calls.shared.room import SharedRoom

        async with opened(database.worker, cap_nano=100):
            raising = SharedRoom(database.worker, "a run")
            joined = await raising.open(10**12)
            assert joined.cap_nano == 100
            await raising.close()

    run(story())


def test_a_cancelled_admit_gives_back_what_it_got(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with opened(database.worker, cap_nano=100) as room:
            for wait_s in (0, 0.001, 0.01):
                asking = asyncio.ensure_future(room.admit(call(1)))
                await asyncio.sleep(wait_s)
                asking.cancel()
            while (answer := await room.admit(call(1))).verdict != "go":
                await asyncio.sleep(0.01)
            await room.settle(permit_of(answer), 7)

    run(story())
    assert sums(database) == (7, 0, 0)


def test_a_refresh_replaces_older_replies_only_and_loses_none(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with opened(database.worker) as room:
            await room.settle(permit_of(await room.admit(call(1))), 5, row(1, "old"))
            ((since,),) = database.rows(
                "SELECT extract(epoch FROM clock_timestamp())::float8"
            )
            assert isinstance(since, float)
            fresh = call(1, since=since)
            permit = permit_of(await room.admit(fresh))
            assert await room.settle(permit, 5, row(1, "new")) == "settled"
            again = await room.admit(fresh)
            assert again.verdict == "stored"
            assert again.reply == row(1, "new")

    run(story())
    assert database.rows("SELECT reply FROM replaced") == [(b'{"text":"old"}',)]


def test_a_hundred_calls_are_one_statement(database: Database, run: Run[None]) -> None:
    async def story() -> None:
        async with opened(database.worker, cap_nano=10_000) as room:
            answers = await asyncio.gather(*(room.admit(call(n)) for n in range(100)))
            permits = [permit_of(answer) for answer in answers]
            assert len({permit.fence for permit in permits}) == 100
            await asyncio.gather(
                *(room.settle(p, 60, row(n)) for n, p in enumerate(permits))
            )

    run(story())
    # One transaction wrote them all: their rows have one transaction's number.
    assert database.rows(
        "SELECT count(DISTINCT xmin::text), count(*) FROM replies"
    ) == [(1, 100)]
    assert sums(database) == (6_000, 0, 0)


def test_ledgers_in_opposite_orders_do_not_wait_for_each_other(
    database: Database, run: Run[None]
) -> None:
    for name in ("left", "right"):
        install.set_cap(database.owner, name, None)

    async def busy(ledgers: list[str], places: list[str]) -> None:
        async with opened(database.worker, ledgers[0], ledgers=ledgers) as room:
            for place in places:
                await room.open_place(place, ceiling=1_000)

            async def one(n: int) -> None:
                name, place = f"{ledgers[0]} {n}", places[n % 2]
                permit = permit_of(await room.admit(call(name, place=place)))
                await room.settle(permit, 3, row(name))

            for start in range(0, 400, 20):
                await asyncio.gather(*(one(n) for n in range(start, start + 20)))

    async def story() -> None:
        await asyncio.gather(
            busy(["left", "right"], ["x", "y"]), busy(["right", "left"], ["y", "x"])
        )

    run(story())
    ((deadlocks,),) = database.rows(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert deadlocks == 0
    assert sums(database, "left") == (2_400, 0, 0)
    assert PLACE in {name for (name,) in database.rows("SELECT name FROM places")}
