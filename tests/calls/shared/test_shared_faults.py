"""A store that is away, slow or behind a pooler: one sentence, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from pytest_ladder.calls.shared.address import SharedAddress, from_environment
from pytest_ladder.calls.shared.room import SharedRoom
from pytest_ladder.errors import LadderError, StoreError
from tests.calls.shared.calls_made import PLACE, call, key_of, opened, row
from tests.calls.shared.conftest import Run
from tests.calls.shared.proxy import Proxy
from tests.postgres_server import Database

SECRET = "hunter2-very-secret"
PGBOUNCER = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")


def moved(url: str, port: int, database: str | None = None) -> str:
    parts = urlsplit(url)
    netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
    path = parts.path if database is None else f"/{database}"
    return urlunsplit(parts._replace(netloc=netloc, path=path))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://evals:{SECRET}@127.0.0.1:1/evals",
        f"postgresql://evals:{SECRET}@no-such-host.invalid/evals",
        f"postgresql://evals:{SECRET}@127.0.0.1:port/evals",
        f"postgresql://evals:{SECRET}@127.0.0.1/evals?no_such={SECRET}",
        f"mysql://evals:{SECRET}@127.0.0.1/evals",
        f"host=127.0.0.1 password={SECRET} whatever",
    ],
)
def test_a_store_that_is_not_there_is_one_sentence_without_its_password(
    url: str, run: Run[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_URL", url)

    async def enter() -> None:
        address = from_environment("STORE_URL", "ladder")
        assert address is not None
        assert SECRET not in repr(address) + address.name
        await SharedRoom(address, "a run").open()

    with pytest.raises(LadderError, match="STORE_URL") as caught:
        run(enter())
    assert caught.value.__context__ is None
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [f for f in frames if "calls/shared" in f.f_code.co_filename]
    mine = [f for f in ours if "/tests/" not in f.f_code.co_filename]
    shown = repr([f.f_locals for f in mine if "url" not in f.f_locals])
    assert SECRET not in shown
    assert "\n" not in str(caught.value)


def test_a_wrong_password_is_not_told(database: Database, run: Run[None]) -> None:
    parts = urlsplit(database.worker_url)
    url = urlunsplit(
        parts._replace(netloc=f"evals:{SECRET}@127.0.0.1:{database.server.port}")
    )

    async def enter() -> None:
        await SharedRoom(SharedAddress(url, "ladder", variable="V"), "a run").open()

    with pytest.raises(StoreError, match=r"cannot be reached.*ladder-store=local"):
        run(enter())
    with pytest.raises(StoreError) as caught:
        SharedAddress(url, "ladder", variable="V").connected()
    assert caught.value.__context__ is None
    assert SECRET not in str(caught.value)


def test_no_variable_means_no_shared_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORE_URL", raising=False)
    assert from_environment("STORE_URL", "ladder") is None


def test_a_store_that_comes_back_has_cost_nothing(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        proxy = Proxy(database.server.port)
        await proxy.open()
        url = moved(database.worker_url, proxy.port)
        address = SharedAddress(url, "ladder", variable="STORE_URL")
        async with opened(address, cap_nano=1_000, answer_s=0.5) as room:
            permit = (await room.admit(call(1))).permit
            assert permit is not None
            proxy.refusing = True
            proxy.reset()
            settling = asyncio.ensure_future(room.settle(permit, 60, row(1)))
            asking = asyncio.ensure_future(room.admit(call(2)))
            await asyncio.wait([settling, asking], timeout=0.4)
            assert not settling.done()
            assert not asking.done()
            assert isinstance(room.waiting_since, float)
            proxy.refusing = False
            assert await settling == "settled"
            second = (await asking).permit
            assert second is not None
            assert not room.waiting_since
            # Answers that are lost: both statements were done, and are told again.
            proxy.mute()
            third = asyncio.ensure_future(room.admit(call(3)))
            assert await room.settle(second, 70, row(2)) == "known"
            answer = await third
            assert answer.permit is not None
            await room.settle(answer.permit, 0)
        await proxy.close()

    run(story())
    assert database.rows("SELECT settled, reserved FROM ledgers") == [(130, 0)]
    assert database.rows("SELECT count(*) FROM replies") == [(2,)]


def test_a_store_that_stays_away_lets_nothing_in_and_says_so(
    database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        proxy = Proxy(database.server.port)
        await proxy.open()
        url = moved(database.worker_url, proxy.port)
        address = SharedAddress(url, "ladder", variable="STORE_URL")
        async with opened(address, patience_s=0.5) as room:
            permit = (await room.admit(call(1))).permit
            held = asyncio.ensure_future(room.reply_of_other(key_of(1)))
            await proxy.close()
            assert permit is not None
            work = [
                room.admit(call(2)),
                room.settle(permit, 1, row(1)),
                held,
                room.known([key_of(1)]),
                room.pause(PLACE, 1),
            ]
            said = await asyncio.gather(*work, return_exceptions=True)
            assert [type(error) for error in said] == [StoreError] * 5
            assert "STORE_URL" in str(said[0])

    run(story())


def test_a_process_that_was_taken_for_dead_settles_late_and_goes_on(
    database: Database, run: Run[None]
) -> None:
    database.rows("UPDATE meta SET beat_s = 600, dead_after_s = 1200")

    async def story() -> None:
        async with (
            opened(database.worker, cap_nano=10_000) as still,
            opened(database.worker) as other,
        ):
            permit = (await still.admit(call(1))).permit
            lost = (await still.admit(call(2))).permit
            assert permit is not None
            assert lost is not None
            database.rows(
                "UPDATE members SET seen = '-infinity' WHERE id = %s", still._member
            )
            # Who waits for it sees that it is dead, and frees the key by itself.
            assert await other.reply_of_other(key_of(1)) is None
            again = (await other.admit(call(1))).permit
            assert again is not None
            assert again.fence > permit.fence
            # The stale fence frees nothing of the other's.
            assert await still.settle(permit, 60, row(1, "late")) == "late"
            assert (await still.admit(call(1, since=None))).verdict == "stored"
            assert database.rows("SELECT fence FROM calls") == [(again.fence,)]
            assert await other.settle(again, 70, row(1, "first")) == "twice"
            assert other.paid_twice == 1
            # It joined again by asking.
            third = (await still.admit(call(3))).permit
            assert third is not None
            await still.settle(third, 5)

    run(story())
    # 60 and 70 were billed, 5, and nobody knows of the second: its worst case.
    assert database.rows("SELECT settled, reserved FROM ledgers") == [(235, 0)]
    assert database.rows("SELECT nano FROM waste") == [(70,)]


@pytest.fixture
def pooled(database: Database, tmp_path: Path) -> Iterator[SharedAddress]:
    """PgBouncer in front of the database: each transaction on another connection."""
    if PGBOUNCER is None:
        reason = "no PgBouncer: apt-get install pgbouncer"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    inside = psycopg.conninfo.conninfo_to_dict(database.worker_url)
    target = (
        f"host=127.0.0.1 port={database.server.port} dbname={database.name} "
        f"user={inside['user']} password='{inside['password']}'"
    )
    folder = Path("/tmp") / f"ladder-bouncer-{os.getpid()}-{port}"
    folder.mkdir()
    (folder / "users").write_text('"evals" "pooler"\n')
    (folder / "ini").write_text(
        f"[databases]\nevals = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = plain\n"
        f"auth_file = {folder}/users\npool_mode = transaction\n"
        "default_pool_size = 2\n"
    )
    command = [PGBOUNCER, str(folder / "ini")]
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        ids = f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"
        command = ["setpriv", *ids, "--clear-groups", *command]
    log = (folder / "log").open("wb")
    with subprocess.Popen(command, stdout=log, stderr=log) as process:
        _until_it_listens(port, process)
        url = f"postgresql://evals:pooler@127.0.0.1:{port}/evals"
        yield SharedAddress(url, "ladder", variable="STORE_URL")
        process.kill()
    log.close()
    shutil.rmtree(folder)


def _until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return
        time.sleep(0.01)
    pytest.fail(f"PgBouncer ended with {process.returncode}")


def test_a_pooler_that_gives_each_transaction_another_connection_will_do(
    pooled: SharedAddress, database: Database, run: Run[None]
) -> None:
    async def story() -> None:
        async with (
            opened(pooled, cap_nano=10_000) as one,
            opened(pooled) as two,
            opened(pooled) as three,
        ):
            rooms = (one, two, three)

            async def pay(n: int) -> None:
                room = rooms[n % 3]
                answer = await room.admit(call(n % 60))
                while answer.verdict == "held":
                    await room.reply_of_other(key_of(n % 60))
                    answer = await room.admit(call(n % 60))
                if answer.permit is not None:
                    await room.settle(answer.permit, 50, row(n % 60))

            await asyncio.gather(*(pay(n) for n in range(180)))
            assert len(await one.known(key_of(n) for n in range(60))) == 60

    run(story())
    assert database.rows("SELECT settled, reserved FROM ledgers") == [(3_000, 0)]
