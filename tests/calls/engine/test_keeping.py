"""The store: on disk before anyone sees it, and what happens when that goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.one_machine.claims import Claims
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.store import Store
from pytest_ladder.calls.store.stored_reply import StoredReply, StoreRow, store_row
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.rung import Model, Tier
from pytest_ladder.errors import StoreError
from tests.calls.engine.engine_under_test import Desk, outcome_of, start_process
from tests.scripted_server import ScriptedServer

MODEL = Model(name="bot", tier=Tier.OFF_THE_SHELF, id="openai/bot")
PAGE = 4096


def entry(number: int, text: str = "a reply") -> StoreRow:
    messages = [{"role": "user", "content": f"question {number}"}]
    request = Request(model=MODEL, messages=messages)
    reply = StoredReply(text=text)
    return store_row(f"{number:064}", "openai/bot", request, reply)[0]


OLD_TABLE = """
CREATE TABLE replies (
    key TEXT PRIMARY KEY, identity TEXT NOT NULL, created REAL NOT NULL,
    request TEXT NOT NULL, reply TEXT NOT NULL
) WITHOUT ROWID
"""


@pytest.fixture(params=["new", "old"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store of today's making, and one that an older version has begun."""
    store = Store(tmp_path / ".ladder" / "store.sqlite")
    if request.param == "old":
        begin_as_before(store.path)
    yield store
    store.close()


def begin_as_before(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute(OLD_TABLE)


def table_of(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as file:
        (sql,) = file.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'replies'"
        ).fetchone()
    return str(sql)


def spoil(path: Path, first: int, last: int) -> None:
    """Overwrite some pages of a file that nobody has open."""
    with path.open("r+b") as file:
        file.seek(first * PAGE)
        file.write(b"\xff" * PAGE * (last - first))


def test_a_store_takes_little_more_room_than_what_is_in_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    entries = [entry(number, "x" * 1000) for number in range(1000)]
    store.put(entries)
    store.close()
    content = sum(len(text) for one in entries for text in one)
    assert store.path.stat().st_size < 1.3 * content


def test_an_old_file_is_never_converted(tmp_path: Path) -> None:
    path = tmp_path / ".ladder" / "store.sqlite"
    begin_as_before(path)
    before = table_of(path)
    store = Store(path)
    store.put([entry(number) for number in range(10)])
    assert store.get(entry(3)[0]) is not None
    store.close()
    assert "WITHOUT ROWID" in before
    assert table_of(path) == before


def test_a_reply_is_found_by_who_opens_the_file_next(store: Store) -> None:
    store.put([entry(1, "blue"), entry(2, "red")])
    other = Store(store.path)
    found = other.get(entry(2)[0])
    assert found is not None
    assert found.text == "red"
    ((_, kept),) = other.kept([entry(2)[0]])
    assert kept is not None
    reply, identity, messages = kept
    assert (reply, identity) == (found, "openai/bot")
    assert messages[0]["content"] == "question 2"
    assert other.get("unknown") is None
    other.close()


def test_looking_up_leaves_no_trace(tmp_path: Path) -> None:
    store = Store(tmp_path / ".ladder" / "store.sqlite")
    assert store.get(entry(1)[0]) is None
    assert not store.path.parent.exists()


def test_a_reply_is_on_disk_before_anyone_sees_it(
    desk: Desk, server: ScriptedServer
) -> None:
    seen: list[int] = []

    def look(_: object) -> None:
        # As another process would: what is committed, and nothing else.
        with contextlib.closing(sqlite3.connect(desk.archive.store.path)) as file:
            seen.extend(file.execute("SELECT COUNT(*) FROM replies").fetchone())

    future = desk.submit("say blue")
    future.add_done_callback(look)
    future.result(10)
    desk.ask("wait for the callback")
    assert seen == [1]


def test_replies_that_arrive_together_are_all_kept(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s = 0.02
    desk.ask_many(200, model={"limits": {"concurrency": 200}})
    assert desk.count_stored(200) == 200


@pytest.mark.parametrize("spoiled", ["header", "middle", "everything"])
def test_a_damaged_file_is_set_aside_and_its_rows_are_saved(
    store: Store, spoiled: str
) -> None:
    store.put([entry(number, "x" * 500) for number in range(1000)])
    store.close()
    pages = store.path.stat().st_size // PAGE
    first, last = {
        "header": (0, 1),
        "middle": (pages // 2, pages // 2 + 3),
        "everything": (0, pages),
    }[spoiled]
    spoil(store.path, first, last)
    before = time.time() - 60
    found = [store.get(entry(number)[0]) for number in range(1000)]
    # What was asked for before the damage was met came from the damaged file.
    saved = sum(store.get(entry(number)[0]) is not None for number in range(1000))
    assert sum(one is not None for one in found) >= saved
    assert saved > 900 if spoiled == "middle" else saved == 0
    (notice,) = store.notices(before)
    assert "was damaged" in notice
    assert f"{saved} replies could be saved" in notice
    (aside,) = store.path.parent.glob("damaged-*.sqlite")
    assert aside.name in notice
    assert store.notices(time.time() + 60) == []
    store.put([entry(5000)])
    assert store.get(entry(5000)[0]) is not None


def test_a_file_damaged_while_it_is_written_keeps_the_new_replies(
    store: Store,
) -> None:
    store.put([entry(number, "x" * 500) for number in range(300)])
    store.close()
    spoil(store.path, 1, store.path.stat().st_size // PAGE)
    store.put([entry(number) for number in range(300, 400)])
    kept = [store.get(entry(number)[0]) for number in range(300, 400)]
    assert None not in kept


def test_several_who_find_the_damage_set_it_aside_once(store: Store) -> None:
    store.put([entry(number, "x" * 500) for number in range(300)])
    store.close()
    spoil(store.path, 0, 1)
    others = [Store(store.path) for _ in range(8)]
    start = threading.Barrier(8)

    def use(number: int) -> None:
        start.wait()
        others[number].put([entry(1000 + number)])

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(list(store.path.parent.glob("damaged-*.sqlite"))) == 1
    for number in range(8):
        assert store.get(entry(1000 + number)[0]) is not None
        others[number].close()


@pytest.mark.parametrize("attempt", range(5))
def test_many_may_make_the_files_at_once(tmp_path: Path, attempt: int) -> None:
    start = threading.Barrier(6)
    errors: list[Exception] = []

    def use(number: int) -> None:
        archive = Archive(tmp_path)
        start.wait()
        try:
            claims = Claims(tmp_path / ".ladder" / "claims.sqlite")
            claims.take(str(number))
            archive.store.put([entry(number)])
            claims.close()
        except StoreError as error:
            errors.append(error)
        archive.close()

    threads = [threading.Thread(target=use, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


def test_opening_waits_for_another_process_that_makes_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "claims.sqlite"
    maker = sqlite3.connect(path, check_same_thread=False)
    maker.execute("BEGIN IMMEDIATE")
    maker.execute("CREATE TABLE other (key TEXT)")
    timer = threading.Timer(0.1, maker.rollback)
    timer.start()
    mine = Claims(path)
    assert mine.take("key")
    timer.join()
    mine.close()
    maker.close()


def test_a_full_disk_stops_the_spending(tmp_path: Path, server: ScriptedServer) -> None:
    server.latency_s, server.reply = 0.01, lambda _: "many words " * 5000
    full = start_process(
        tmp_path, server.api_base, 300, concurrency=8, largest_file=4_000_000
    )
    told = json.loads(full.communicate(timeout=30)[0])
    assert full.returncode == 1
    (error,) = told["errors"]
    assert "store.sqlite: the store cannot be written" in error
    assert error.endswith(
        "so no more calls are made; check the disk and the folder's permissions."
    )
    with Desk(tmp_path, server.api_base) as desk:
        kept = desk.count_stored(300)
    # What was in flight when the disk was found full is lost, and no more.
    assert 0 < kept < 300
    assert server.count - kept <= 3 * 8


def test_a_folder_that_takes_no_files_stops_before_the_first_call(
    tmp_path: Path, server: ScriptedServer
) -> None:
    (tmp_path / ".ladder").write_text("not a folder")
    with Desk(tmp_path, server.api_base) as desk:
        for outcome in (outcome_of(desk.submit("one")), outcome_of(desk.submit("two"))):
            assert isinstance(outcome, StoreError)
            assert "check the disk and the folder's permissions" in str(outcome)
    assert server.count == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a folder")
def test_a_store_in_a_read_only_folder_replays(
    desk: Desk, server: ScriptedServer
) -> None:
    desk.ask()
    desk.close()
    folder = desk.folder / ".ladder"
    binding = ["mount", "--bind", str(folder), str(folder)]
    locking = ["mount", "-o", "remount,bind,ro", str(folder)]
    for command in (binding, locking):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            subprocess.run(["umount", folder], capture_output=True, check=False)
            pytest.skip("mounting is not allowed here")
    try:
        desk.start_anew(live=False)
        assert desk.ask().text == "say blue"
        desk.start_anew()
        refused = outcome_of(desk.submit("something new"))
        assert "check the disk and the folder's permissions" in str(refused)
        desk.close()
    finally:
        subprocess.run(["umount", folder], check=True)
    assert server.count == 1


def test_damaged_claims_are_set_aside_with_a_sentence(store: Store) -> None:
    path = store.path.with_name("claims.sqlite")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff" * PAGE)
    for _ in range(2):
        claims = Claims(path)
        assert claims.take("key")
        claims.close()
    (notice,) = store.notices(0)
    assert "claims.sqlite was damaged (file is not a database) and is set" in notice


@pytest.mark.parametrize(
    ("column", "value"),
    [("until", "soon"), ("pid", "me"), ("pid", 2**40), ("until", None)],
)
def test_a_claim_that_makes_no_sense_holds_nobody_up(
    tmp_path: Path, column: str, value: Any
) -> None:
    claims = Claims(tmp_path / "claims.sqlite")
    claims._connection.execute(
        "INSERT INTO claims VALUES ('key', ?, 4194303, ?)",
        (socket.gethostname(), time.time() + 3600),
    )
    with contextlib.suppress(sqlite3.IntegrityError):
        claims._connection.execute(f"UPDATE claims SET {column} = ?", (value,))
    assert claims.take("key")
    claims.close()


GOOD = {"text": "45 days", "model": "x", "finish_reason": "stop", "cost_usd": 0.5}
USAGE = {"input": 12, "cached_input": 0, "cache_write": 0, "output": 5, "reasoning": 2}
ODD_ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "finish reason": ({"finish_reason": {"type": "stop"}}, {"finish_reason": None}),
    "usage": ({"usage": 7}, {"usage": None}),
    "tool calls": ({"tool_calls": "none"}, {"tool_calls": ()}),
    "timing": ({"timing": {"sent_s": "soon"}}, {"timing": None}),
    "failed attempts": ({"failed": [{"problem": 5}]}, {"failed": ()}),
    "cost": ({"cost_usd": "0.5"}, {"cost_usd": None}),
}
"""What an older version wrote as it came, and what it is read as."""


@pytest.mark.parametrize("name", ODD_ROWS)
def test_a_field_of_another_type_in_an_old_row_counts_as_not_said(
    store: Store, name: str
) -> None:
    odd, expected = ODD_ROWS[name]
    store.put([entry(1)])
    rewrite(store, json.dumps(GOOD | odd))
    found, ((_, kept),) = store.get(entry(1)[0]), store.kept([entry(1)[0]])
    assert found is not None
    assert kept is not None
    assert kept[0] == found
    said = {**GOOD, **expected}
    assert {field: getattr(found, field) for field in said} == said
    assert store.notices(0) == []


def test_of_an_odd_usage_in_an_old_row_the_rest_is_kept(store: Store) -> None:
    store.put([entry(1)])
    rewrite(store, json.dumps(GOOD | {"usage": USAGE | {"reasoning": True}}))
    found = store.get(entry(1)[0])
    assert found is not None
    assert found.usage == Usage(input=12, output=5)


BAD_ROWS: dict[str, str | bytes] = {
    "no JSON": "not a reply",
    "no object": "[1, 2]",
    "no text": '{"model": "x"}',
    "no end": '{"text": "45 da',
    "nested deeply": '{"text": "a", "tool_calls": ' + "[" * 5000 + "]" * 5000 + "}",
    "no UTF-8": b'{"text": "\xff\xfe"}',
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_row_that_is_no_reply_is_set_aside_with_a_sentence(
    store: Store, name: str
) -> None:
    store.put([entry(1), entry(2)])
    rewrite(store, BAD_ROWS[name])
    assert store.get(entry(1)[0]) is None
    assert [*store.kept([entry(1)[0]])] == [(entry(1)[0], None)]
    assert store.get(entry(2)[0]) is not None
    (notice,) = store.notices(0)
    assert "1 row could not be read as a reply (" in notice
    # It can be called for and kept again, and what was there is not lost.
    store.put([entry(1)])
    assert store.get(entry(1)[0]) is not None
    with sqlite3.connect(store.path) as connection:
        rows = connection.execute("SELECT key, CAST(reply AS BLOB) FROM set_aside")
        (row,) = rows.fetchall()
    connection.close()
    written = BAD_ROWS[name]
    assert row == (
        entry(1)[0],
        written.encode() if isinstance(written, str) else written,
    )


def rewrite(store: Store, reply: str | bytes) -> None:
    """Put any text where the first reply is."""
    with sqlite3.connect(store.path) as connection:
        connection.execute(
            "UPDATE replies SET reply = CAST(? AS TEXT) WHERE key = ?",
            (reply, entry(1)[0]),
        )
    connection.close()


def test_a_store_that_is_gone_in_the_middle_is_begun_anew(store: Store) -> None:
    store.put([entry(1)])
    assert store.get(entry(1)[0]) is not None
    for path in store.path.parent.iterdir():
        path.unlink()
    assert store.get(entry(1)[0]) is None
    store.put([entry(2)])
    assert store.get(entry(2)[0]) is not None


@pytest.mark.processes
def test_nothing_is_left_open() -> None:
    script = (
        "import logging, sys, pathlib, tempfile\n"
        # A warning of asyncio is that a step took long: on a busy machine any may.
        "logging.getLogger('asyncio').setLevel(logging.ERROR)\n"
        "from tests.calls.engine.engine_under_test import Desk\n"
        "from tests.scripted_server import ScriptedServer\n"
        "with ScriptedServer() as server:\n"
        "    with Desk(pathlib.Path(tempfile.mkdtemp()), server.api_base) as desk:\n"
        "        desk.ask_many(20)\n"
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_path_that_sqlite_cannot_open_is_told_with_its_limit(tmp_path: Path) -> None:
    folder = tmp_path
    while len(str(folder)) < 504:
        folder /= "d" * 60
    folder.mkdir(parents=True)
    limit = "bytes, and SQLite opens none of more than 504: move the project"
    with pytest.raises(StoreError, match=limit):
        Claims(folder / "claims.sqlite").take("key")
    with pytest.raises(StoreError, match=limit):
        Store(folder / "store.sqlite").put([])
