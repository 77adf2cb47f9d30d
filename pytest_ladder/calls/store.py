"""The store: every reply ever paid for, in one SQLite file per ladder."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.calls.lane import Request
from pytest_ladder.errors import StoreError
from pytest_ladder.words.reply import Reply, Timing, Usage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY,
    identity TEXT NOT NULL,
    created REAL NOT NULL,
    request TEXT NOT NULL,
    reply TEXT NOT NULL
) WITHOUT ROWID
"""
# Long enough for another process to finish a batch of writes on a slow disk.
_BUSY_TIMEOUT_S = 60.0


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One failed attempt of a call that was tried again."""

    problem: str
    status: int | None = None
    usd: float | None = None
    """What it cost, where the provider said; None: nothing known."""


class StoredReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reply without what its request already says."""

    text: str
    model: str = ""
    finish_reason: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    usage: Usage | None = None
    cost_usd: float | None = None
    price_source: str | None = None
    timing: Timing | None = None
    failed: tuple[Attempt, ...] = ()
    """Attempts before the one that succeeded."""

    def reply_to(self, request: Request, *, replayed: bool) -> Reply:
        """Rebuild the reply to the request that it answers."""
        answer: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.tool_calls:
            answer["tool_calls"] = list(self.tool_calls)
        return Reply(
            text=self.text,
            messages=[*request.messages, answer],
            usage=self.usage,
            cost_usd=self.cost_usd,
            price_source=self.price_source,
            timing=self.timing,
            finish_reason=self.finish_reason,
            tool_calls=self.tool_calls,
            model=self.model,
            replayed=replayed,
        )


class Entry(NamedTuple):
    """One reply to keep."""

    key: str
    identity: str
    request: Request
    reply: StoredReply


class Store:
    """Replies by key, on disk before anyone sees them.

    Safe to share between threads and processes. The file is made by the first `put`,
    so that looking up in a store that was never written leaves no trace. A file that
    is damaged is set aside, and `notice` says where.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notice = ""
        # Readers do not wait for the writer, which may be waiting for the disk.
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._writing = threading.Lock()

    def get(self, key: str) -> tuple[StoredReply, float] | None:
        """Return a reply and when it was stored (Unix time), or None."""
        found = self._select("SELECT reply, created FROM replies WHERE key = ?", key)
        if found is None:
            return None
        return msgspec.json.decode(found[0], type=StoredReply), found[1]

    def has(self, key: str) -> bool:
        """Tell whether a reply is stored."""
        return self._select("SELECT 1 FROM replies WHERE key = ?", key) is not None

    def put(self, entries: Sequence[Entry]) -> None:
        """Keep replies, durably, in one transaction; a key that is there is replaced.

        Raises `StoreError` when the disk does not take them.
        """
        rows = [_row(entry) for entry in entries]
        with self._writing:
            try:
                connection = self._open_writer()
                with connection:
                    connection.executemany(
                        "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)", rows
                    )
            except (OSError, sqlite3.Error) as error:
                raise StoreError(
                    f"{self.path}: the store cannot be written ({error}), so no more "
                    "calls are made; check the disk and the folder's permissions."
                ) from error

    def request(self, key: str) -> dict[str, Any] | None:
        """Return what was asked: `messages`, `params`, `sample`, `identity`."""
        query = "SELECT request, identity FROM replies WHERE key = ?"
        found = self._select(query, key)
        if found is None:
            return None
        return {**msgspec.json.decode(found[0]), "identity": found[1]}

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._reading, self._writing:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None

    def _select(self, query: str, key: str) -> Any:
        with self._reading:
            if self._reader is None:
                if not self.path.exists():
                    return None
                self._reader = self._connected()
            return self._reader.execute(query, (key,)).fetchone()

    def make_folder(self) -> None:
        """Make the store's folder, which git ignores."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        ignore = self.path.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            self.make_folder()
            self._writer = self._connected()
            self._writer.execute("PRAGMA synchronous = FULL")
        return self._writer

    def _connected(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"{self.path}: the store cannot be opened ({error}); check the "
                "folder's permissions."
            ) from error
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            return _connect(self.path)

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Rename a damaged file, and save what can still be read of it."""
        aside = self.path.with_name(f"damaged-{int(time.time())}-{self.path.name}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                old = self.path.with_name(self.path.name + suffix)
                old.rename(aside.with_name(aside.name + suffix))
        saved = 0
        with contextlib.closing(_connect(self.path)) as fresh:
            for row in _readable_rows(aside):
                fresh.execute("INSERT OR IGNORE INTO replies VALUES (?,?,?,?,?)", row)
                saved += 1
            fresh.commit()
        self.notice = (
            f"{self.path} was damaged ({error}) and is set aside as {aside.name}; "
            f"{saved} replies could be saved from it."
        )


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_SCHEMA)
        # Touches the table: a damaged page shows here and not in the middle of a run.
        connection.execute("SELECT key FROM replies LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _readable_rows(path: Path) -> list[Any]:
    """Return the rows before the first damaged page."""
    rows: list[Any] = []
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(path)) as connection,
    ):
        for row in connection.execute("SELECT * FROM replies"):
            rows.append(row)
    return rows


def _row(entry: Entry) -> tuple[str, str, float, str, str]:
    asked = {
        "messages": entry.request.messages,
        "params": entry.request.params,
        "sample": entry.request.sample,
    }
    request = msgspec.json.encode(asked).decode()
    reply = msgspec.json.encode(entry.reply).decode()
    return entry.key, entry.identity, time.time(), request, reply
