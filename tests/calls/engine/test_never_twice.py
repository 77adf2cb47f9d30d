"""A reply is paid once: within a process, between processes, and after a kill."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pytest_ladder import clock
from pytest_ladder.calls import in_flight
from pytest_ladder.calls.one_machine import claims, processes
from pytest_ladder.calls.one_machine.claims import Claims
from pytest_ladder.calls.store.stored_reply import StoreRow
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import CallError
from tests.calls.engine.engine_under_test import Desk, outcome_of, start_process, texts
from tests.scripted_server import ScriptedServer, fails


def asked(server: ScriptedServer) -> collections.Counter[str]:
    return collections.Counter(
        request.body["messages"][-1]["content"] for request in server.requests
    )


def wait_until(true: Callable[[], bool]) -> None:
    """Look until something is true, for 20 s at most."""
    for _ in range(2000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("It did not come true within 20 s.")


def test_a_reply_wanted_many_times_at_once_is_asked_for_once(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s = 0.05
    futures = [desk.submit("say blue") for _ in range(20)]
    assert texts([outcome_of(future) for future in futures]) == ["say blue"] * 20
    assert server.count == 1
    assert not desk.ask().replayed
    assert server.count == 1


def test_another_run_replays(desk: Desk, server: ScriptedServer) -> None:
    desk.ask()
    desk.start_anew()
    served = desk.ask()
    assert (served.replayed, server.count) == (True, 1)


def test_refresh_asks_once_more_and_no_oftener(
    desk: Desk, server: ScriptedServer
) -> None:
    desk.ask()
    desk.start_anew(refresh=True)
    assert not desk.ask().replayed
    assert not desk.ask().replayed
    assert server.count == 2


def test_an_older_reply_is_not_taken_for_one_that_is_just_being_stored(
    desk: Desk, server: ScriptedServer
) -> None:
    desk.ask()
    desk.start_anew(refresh=True)
    request = desk.request()
    # What the engine does when a reply has come, before the disk has it.
    desk.engine.called.note(desk.archive.key(request))
    assert desk.engine.look_up(request, desk.archive) is None
    assert not desk.ask().replayed
    assert server.count == 2


def test_replies_asked_for_ahead_are_ready(
    desk: Desk, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "_AHEAD_WINDOW", 4)
    jobs = [(desk.request(f"question {n}"), desk.archive) for n in range(30)]
    desk.engine.ahead([*jobs, *jobs])
    assert texts(desk.ask_many(30)) == [f"question {n}" for n in range(30)]
    wait_until(lambda: desk.engine.progress.in_flight == 0)
    assert server.count == 30


def test_a_failure_ahead_waits_for_the_one_who_asks(
    desk: Desk, server: ScriptedServer
) -> None:
    server.script(fails(404))
    request = desk.request("say blue")
    desk.engine.ahead([(request, desk.archive)])
    call = (desk.archive.folder, desk.archive.key(request))
    wait_until(lambda: desk.engine.failed.get(call) is not None)
    with pytest.raises(CallError, match="404"):
        desk.ask()
    assert server.count == 1
    # Who asks once more after that means it.
    assert desk.ask().text == "say blue"


def test_what_has_failed_is_not_called_for_ahead(
    desk: Desk, server: ScriptedServer
) -> None:
    """The list of calls to make ahead may reach one whose test was faster."""
    server.script(fails(404))
    with pytest.raises(CallError, match="404"):
        desk.ask()
    jobs = [(desk.request(text), desk.archive) for text in ("say blue", "say red")]
    desk.engine.ahead(jobs)
    assert desk.ask("say red").text == "say red"
    assert asked(server) == {"say blue": 1, "say red": 1}


def test_who_waits_for_a_call_made_ahead_is_told_of_its_failure_once(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s = 0.1
    server.script(fails(404))
    desk.engine.ahead([(desk.request("say blue"), desk.archive)])
    wait_until(lambda: desk.engine.progress.in_flight == 1)
    with pytest.raises(CallError, match="404"):
        desk.ask()
    assert desk.ask().text == "say blue"
    assert server.count == 2


def test_who_asks_just_when_another_process_took_over_gets_an_answer(
    desk: Desk, server: ScriptedServer
) -> None:
    """A call ahead that found the claim taken is done, but not yet off the list."""
    request = desk.request("say blue")
    place = (desk.archive.folder, desk.archive.key(request))
    calls = desk.engine.calls

    async def ask() -> Reply:
        over = asyncio.ensure_future(_nothing())
        await over
        calls._tasks[place] = over
        return await calls._answer(request, desk.archive, ahead=False)

    served = calls.run(ask()).result(timeout=10)
    assert served.text == "say blue"
    assert server.count == 1


async def _nothing() -> None:
    return None


@pytest.mark.processes
def test_two_processes_that_want_the_same_pay_once(
    tmp_path: Path, server: ScriptedServer
) -> None:
    server.latency_s = 0.1
    started = [start_process(tmp_path, server.api_base, 50) for _ in range(2)]
    told = [json.loads(process.communicate(timeout=30)[0]) for process in started]
    assert set(asked(server).values()) == {1}
    assert server.count == 50
    assert [one["errors"] for one in told] == [[], []]
    assert sum(one["calls"] for one in told) == 50


def test_no_more_calls_are_sent_than_could_be_lost(
    desk: Desk, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    put = desk.archive.store.put

    def put_slowly(entries: Sequence[StoreRow]) -> None:
        written.wait(10)
        put(entries)

    monkeypatch.setattr(desk.archive.store, "put", put_slowly)
    limited = {"limits": {"concurrency": 3}}
    futures = [desk.submit(f"question {n}", model=limited) for n in range(10)]
    progress = desk.engine.progress
    wait_until(lambda: server.count == 3 and progress.in_flight == 0)
    # Three were answered, and none is on disk.
    desk.ask("of another model", model={"id": "scripted/echo"})
    assert server.count == 3
    written.set()
    assert len(texts([outcome_of(future) for future in futures])) == 10


@pytest.mark.processes
def test_a_killed_run_pays_again_for_what_was_in_flight_only(
    tmp_path: Path, server: ScriptedServer
) -> None:
    server.latency_s = 0.05
    killed = start_process(tmp_path, server.api_base, 300, concurrency=20)
    wait_until(lambda: server.count >= 120)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=10)
    paid = server.count
    with Desk(tmp_path, server.api_base) as desk:
        kept = desk.count_stored(300)
    # Whose answer was under way when the process died.
    assert paid - 20 <= kept <= paid
    again = start_process(tmp_path, server.api_base, 300, concurrency=20)
    told = json.loads(again.communicate(timeout=30)[0])
    assert (again.returncode, told["calls"]) == (0, 300 - kept)
    counts = asked(server)
    assert len(counts) == 300
    assert max(counts.values()) <= 2
    assert server.count - 300 <= 20


def test_what_a_dead_process_claimed_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "claims.sqlite"
    dead = _claim_in_a_process(path)
    dead.kill()
    # Not waited for: a worker that crashed stays a zombie for a while.
    mine = Claims(path)
    wait_until(lambda: bool(mine.take("key")))
    mine.close()
    dead.communicate(timeout=10)


def test_what_a_living_process_claimed_is_its_own_for_as_long_as_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "claims.sqlite"
    holder = _claim_in_a_process(path)
    mine = Claims(path)
    assert not mine.take("key")
    assert mine.take("another key")
    wall, now = clock.unix(), clock.monotonic()
    monkeypatch.setattr(clock, "unix", lambda: wall + 86_400)
    monkeypatch.setattr(clock, "monotonic", lambda: now + 10 * claims.LEASE_S)
    assert not mine.take("key")
    holder.kill()
    holder.communicate(timeout=10)
    monkeypatch.setattr(clock, "monotonic", lambda: now + 11 * claims.LEASE_S)
    assert mine.take("key")
    mine.close()


def test_a_number_that_was_given_to_another_process_holds_no_claim(
    tmp_path: Path,
) -> None:
    path = tmp_path / "claims.sqlite"
    mine = Claims(path)
    living = os.getppid()
    start = processes.start_of(living)
    assert start is not None
    here = socket.gethostname()
    _write_claim(path, "its own", f"{here} {start}", living)
    _write_claim(path, "of an earlier one", f"{here} {start - 60}", living)
    _write_claim(path, "of an older version", here, living)
    assert not mine.take("its own")
    assert mine.take("of an earlier one")
    assert not mine.take("of an older version")
    mine.close()


def test_a_process_elsewhere_holds_its_claim_while_it_renews_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "claims.sqlite"
    mine = Claims(path)
    _write_claim(path, "key", "elsewhere 5.0", 1)
    now = clock.monotonic()

    def take_after(seconds: float) -> bool:
        monkeypatch.setattr(clock, "monotonic", lambda: now + seconds)
        return bool(mine.take("key"))

    assert not take_after(0), "the clock elsewhere may be far behind"
    assert not take_after(claims.LEASE_S - 1)
    _write_claim(path, "key", "elsewhere 5.0", 1, until=7.0)
    assert not take_after(claims.LEASE_S + 1)
    assert not take_after(2 * claims.LEASE_S)
    assert take_after(2 * claims.LEASE_S + 2)
    mine.close()


@pytest.mark.processes
def test_a_clock_that_jumps_pays_for_nothing_twice(
    tmp_path: Path, server: ScriptedServer
) -> None:
    """One of two processes believes that it is tomorrow."""
    server.latency_s = 2.0
    started = [
        start_process(tmp_path, server.api_base, 10, clock_ahead_s=ahead)
        for ahead in (0, 86_400)
    ]
    told = [json.loads(one.communicate(timeout=60)[0]) for one in started]
    assert [one["errors"] for one in told] == [[], []]
    assert sum(one["calls"] for one in told) == 10
    assert set(asked(server).values()) == {1}


def test_a_claim_that_was_taken_over_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "claims.sqlite"
    slow, other = Claims(path), Claims(path)
    assert slow.take("key")
    # As a machine does that saw no renewal for a minute.
    _write_claim(path, "key", "elsewhere 5.0", 1)
    slow.renew()
    slow.release(["key"])
    assert not other.take("key")
    slow.close()
    other.close()


def test_renewing_changes_the_claim_that_others_watch(tmp_path: Path) -> None:
    path = tmp_path / "claims.sqlite"
    holder = Claims(path)
    assert holder.take("key")
    _write_claim(path, "key", *_claim_of(path, "key"), until=0.0)
    holder.renew()
    with contextlib.closing(sqlite3.connect(path)) as file:
        (until,) = file.execute("SELECT until FROM claims").fetchone()
    assert until > time.time()
    holder.close()


def _claim_of(path: Path, key: str) -> tuple[str, int]:
    with contextlib.closing(sqlite3.connect(path)) as file:
        query = "SELECT host, pid FROM claims WHERE key = ?"
        host, pid = file.execute(query, (key,)).fetchone()
    return host, pid


def _write_claim(path: Path, key: str, host: str, pid: int, until: float = 5.0) -> None:
    """Write the claim of another process, as that would do it."""
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        claim = (key, host, pid, until)
        file.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)", claim)


def _claim_in_a_process(path: Path) -> subprocess.Popen[str]:
    """Start a process that claims `key`, says so, and stays."""
    script = (
        "import sys, pathlib\n"
        "from pytest_ladder.calls.one_machine.claims import Claims\n"
        "held = Claims(pathlib.Path(sys.argv[1]))\n"
        "print(bool(held.take('key')), flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process
