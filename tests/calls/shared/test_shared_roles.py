"""What a worker's role may do, and what an owner does: no pull request raises a cap."""

from __future__ import annotations

import psycopg
import pytest

from pytest_ladder.calls.shared import install
from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.releases import CLIENT
from pytest_ladder.calls.shared.transfer import pull, push
from pytest_ladder.errors import ConfigError
from tests.calls.shared.calls_made import call, key_of, opened, row
from tests.calls.shared.conftest import Run
from tests.postgres_server import Database

FORBIDDEN = [
    "UPDATE ladder.caps SET nano = 10^15",
    "UPDATE ladder.ledgers SET cap = 10^15",
    "INSERT INTO ladder.caps VALUES ('team', 'month', 10^15, true)",
    "SELECT ladder.set_cap('team', 'month', 1000000000000, false)",
    "SELECT ladder.release(1, 0)",
    "SELECT ladder.book(ARRAY[]::ladder.booking[])",
    "SELECT ladder.set_aside(NULL, NULL, NULL)",
    "SELECT ladder.keep_place(NULL)",
    "SELECT * FROM ladder.ledgers",
    "SELECT * FROM ladder.members",
    "SELECT * FROM ladder.calls",
    "SELECT * FROM ladder.spend",
    "DELETE FROM ladder.replies",
    "UPDATE ladder.replies SET reply = 'mine'",
    "UPDATE ladder.meta SET dead_after_s = 0",
    "CREATE FUNCTION ladder.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER FUNCTION ladder.reap() OWNER TO evals",
    "SET ROLE postgres",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_workers_role_may_not(database: Database, statement: str) -> None:
    install.set_cap(database.owner, "team", 500)
    with (
        psycopg.connect(database.worker_url) as worker,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        worker.execute(statement)


def test_a_workers_role_frees_no_money_by_a_bill_below_zero(database: Database) -> None:
    null = "ARRAY[NULL]::bytea[], ARRAY[NULL]::bytea[], ARRAY[NULL]::timestamptz[]"
    with (
        psycopg.connect(database.worker_url) as worker,
        pytest.raises(psycopg.errors.RaiseException, match="not below 0"),
    ):
        worker.execute(
            "SELECT ladder.settle(gen_random_uuid(), ARRAY['a']::bytea[], "
            f"ARRAY[1]::bigint[], ARRAY[-5]::bigint[], ARRAY[NULL]::text[], {null})"
        )


def test_nobody_settles_what_another_process_holds(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with (
            opened(database.worker, cap_nano=100) as one,
            opened(database.worker) as two,
        ):
            permit = (await one.admit(call(1))).permit
            assert permit is not None
            assert await two.settle(permit, 0) == "known"
            assert database.rows("SELECT reserved FROM ledgers") == [(100,)]
            assert await one.settle(permit, 60) == "settled"

    run(story())


def test_tables_are_made_once_and_in_any_schema(
    database: Database, run: Run[None]
) -> None:
    assert install.install(database.owner).migrations == []
    schema = 'My "team\'s"; 100%'
    owner = SharedAddress(database.owner_url, schema, variable="OWNER_URL")
    worker = SharedAddress(database.worker_url, schema, variable="STORE_URL")
    assert install.install(owner).migrations == [1, 2]
    install.set_cap(owner, "team", 70)

    async def story() -> None:
        async with opened(worker, ledgers=["team"]) as room:
            assert (await room.admit(call(1))).verdict == "over"
            permit = (await room.admit(call(1, worst_nano=70))).permit
            assert permit is not None
            await room.settle(permit, 70, row(1))
        async with opened(database.worker) as other:
            assert await other.known([key_of(1)]) == {}

    run(story())


def test_a_cap_may_not_be_called_like_a_run(database: Database) -> None:
    with pytest.raises(ConfigError, match="'run:x'"):
        install.set_cap(database.owner, "run:x", 1)


def test_a_database_without_tables_and_an_older_one_say_what_to_do(
    database: Database, run: Run[None]
) -> None:
    missing = SharedAddress(database.worker_url, "nothing", variable="STORE_URL")

    async def enter(address: SharedAddress) -> None:
        async with opened(address):
            pass

    with pytest.raises(ConfigError, match=r"store init"):
        run(enter(missing))
    database.rows("UPDATE meta SET version = 0")
    with pytest.raises(ConfigError, match=r"version 0 of 1.*store init"):
        run(enter(database.worker))
    database.rows("UPDATE meta SET version = 1, oldest_client = %s", CLIENT + 1)
    with pytest.raises(ConfigError, match=r"upgrade pytest-ladder"):
        run(enter(database.worker))


def test_what_was_billed_for_a_dead_call_can_be_corrected(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with opened(database.worker, cap_nano=200) as room:
            permit = (await room.admit(call(1))).permit
            assert permit is not None
            database.rows("UPDATE members SET seen = '-infinity'")
            await room._reap()
            assert install.release(database.owner, permit.fence, 30)
            assert not install.release(database.owner, permit.fence, 30)
            assert await room.settle(permit, 60) == "known"

    run(story())
    assert database.rows("SELECT settled, reserved FROM ledgers") == [(30, 0)]
    assert database.rows("SELECT sum(nano), sum(unknown_calls) FROM spend") == [(30, 0)]


def test_replies_are_pushed_and_pulled_whole(database: Database) -> None:
    rows = [row(n, f"reply {n} ✓") for n in range(12_000)]
    assert push(database.worker, rows) == 12_000
    assert push(database.worker, [row(1, "another"), row("new")]) == 1
    pulled = {key: rest for key, *rest in pull(database.worker)}
    assert len(pulled) == 12_001
    assert all(pulled[key] == rest for key, *rest in rows)
    with pytest.raises(ConfigError, match=r"in schema 'no'.*store init"):
        push(SharedAddress(database.worker_url, "no", variable="X"), rows[:1])
