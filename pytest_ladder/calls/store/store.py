"""The store: every reply ever paid for, in one SQLite file per ladder.

Threads and processes: any thread may read; new replies are written by `Writer`, in a
thread of `asyncio.to_thread`. There are two connections, each with a lock that is held
while it is used: `_reading` and `_writing`. So a reader never waits for a writer, which
may wait for the disk; but one that meets a row that it cannot read moves it aside, with
the writer's connection and lock. Between processes SQLite's own locks hold (WAL: many
readers beside one writer).

Whoever finds the file damaged renames it and begins a new one, under the file lock
`mending.lock`; other processes notice by the file's number (inode) that it is another
file, and open it anew. Ctrl-C in the middle of a write rolls the transaction back.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.store.stored_reply import (
    UNREADABLE,
    StoredReply,
    StoreRow,
    read_reply,
)
from pytest_ladder.core.case import Message
from pytest_ladder.disk.sqlite import connect, lazily, transaction
from pytest_ladder.errors import StoreError
from pytest_ladder.text.numbers import count

# Files of older versions have this table WITHOUT ROWID, where each reply fills a page
# of its own; they are read and written as they are.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY,
    identity TEXT NOT NULL,
    created REAL NOT NULL,
    request TEXT NOT NULL,
    reply TEXT NOT NULL
)
"""
_INSERT = "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)"
# Read as bytes, for SQLite fails over text that is not UTF-8.
_REPLY = "CAST(reply AS BLOB)"
_ASIDE = """
CREATE TABLE IF NOT EXISTS set_aside (
    key TEXT NOT NULL,
    identity TEXT NOT NULL,
    created REAL NOT NULL,
    request TEXT NOT NULL,
    reply TEXT NOT NULL,
    problem TEXT NOT NULL
)
"""
# The outbox: what other machines may not have yet. In the file of the replies, so that
# a reply and its place here are written in one step.
_OUTBOX = "CREATE TABLE IF NOT EXISTS outbox (key TEXT PRIMARY KEY)"
_IS_OUTBOX = "SELECT 1 FROM sqlite_master WHERE name = 'outbox'"
# Of SQLite's older versions one statement takes 999 values.
_AT_ONCE = 500
KeptReply = tuple[StoredReply, str, list[Message]]
"""A reply, the identity of what gave it, and what it answers."""
_Row = tuple[str, str, float, str, str]
T = TypeVar("T")


class _StoredRequest(msgspec.Struct):
    """What is read of a stored request."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]


_REQUEST_READER = msgspec.json.Decoder(_StoredRequest)


class Store:
    """Replies by key, on disk before anyone sees them.

    Safe to share between threads and processes. The file is made by the first `put`:
    looking up in a store that was never written makes no file. A file that is damaged
    is set aside, and `notices` tells of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_shared = False
        """Whether other machines are to have what is put here: set before any is."""
        self.ledgers: tuple[str, ...] | None = None
        """What calls for it draw on there; None: all that their run draws on."""
        # Readers do not wait for the writer, which may be waiting for the disk.
        self._reader = _Connection(path, makes_file=False)
        self._writer = _Connection(path, makes_file=True)
        self._reading = threading.Lock()
        self._writing = threading.Lock()

    def get(self, key: str, *, since: float | None = None) -> StoredReply | None:
        """Return a reply; with `since` (Unix time) only one that was stored later."""
        query = f"SELECT {_REPLY} FROM replies WHERE key = ?"
        if since is not None:
            query += " AND CAST(created AS REAL) >= ?"
        rows = self._select(query, [key] if since is None else [key, since])
        found = self._read(key, *rows[0]) if rows else None
        return None if found is None else found[0]

    def among(self, keys: Sequence[str]) -> set[str]:
        """Return which of many replies are stored."""
        found: set[str] = set()
        for some in (keys[i : i + _AT_ONCE] for i in range(0, len(keys), _AT_ONCE)):
            places = ", ".join("?" * len(some))
            query = f"SELECT key FROM replies WHERE key IN ({places})"
            found.update(key for (key,) in self._select(query, some))
        return found

    def put(self, rows: Sequence[StoreRow], *, from_others: bool = False) -> None:
        """Keep replies, durably, in one transaction; an older reply is replaced.

        Of a store that is shared they are in the outbox as well, unless they are
        `from_others`: a power cut may take those, for they can be fetched again.
        Raises `StoreError` when the disk does not take them.
        """
        now = clock.unix()
        dated = [(*row[:2], now, *row[2:]) for row in rows]
        sends = self.is_shared and not from_others

        def insert(connection: sqlite3.Connection) -> None:
            with lazily(connection) if from_others else contextlib.nullcontext():
                _insert(connection, dated, sends=sends)

        self._write(insert)

    def outbox(self, most: int) -> list[StoreRow]:
        """Return replies that other machines may not have yet, so many at most."""
        query = (
            "SELECT key, identity, request, reply FROM replies WHERE key IN "
            "(SELECT key FROM outbox) LIMIT ?"
        )
        has_one = self.path.exists() and self._select(_IS_OUTBOX, ())
        return self._select(query, [most]) if has_one else []

    def sent(self, keys: Sequence[str]) -> None:
        """Take replies out of the outbox: others have them. Raises `StoreError`."""

        def forget(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute(_OUTBOX)
                connection.executemany(
                    "DELETE FROM outbox WHERE key = ?", [(key,) for key in keys]
                )

        self._write(forget)

    def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        with self._writing:
            try:
                self.make_folder()
                self._writer.run(work)
            except (OSError, sqlite3.Error) as error:
                raise StoreError(
                    f"{self.path}: the store cannot be written ({error}), so no more "
                    "calls are made; check the disk and the folder's permissions."
                ) from error

    def kept(self, keys: Iterable[str]) -> Iterator[tuple[str, KeptReply | None]]:
        """Yield replies with what was asked, to be read by people and recorded.

        Each with its key, in order; None where it is not stored. Hundreds are looked up
        at once, in a quarter of the time of as many look-ups.
        """
        left = iter(keys)
        while some := list(itertools.islice(left, _AT_ONCE)):
            query = (
                f"SELECT key, {_REPLY}, CAST(identity AS BLOB), "
                "CAST(request AS BLOB) FROM replies "
                f"WHERE key IN ({', '.join('?' * len(some))})"
            )
            found = {key: rest for key, *rest in self._select(query, some)}
            for key in some:
                row = found.get(key)
                yield key, None if row is None else self._read(key, *row)

    def request(self, key: str) -> bytes | None:
        """Return what was asked for a reply, as JSON; None where it is not stored."""
        query = "SELECT CAST(request AS BLOB) FROM replies WHERE key = ?"
        return next((request for (request,) in self._select(query, [key])), None)

    def requests_with(self, part: str, most: int) -> list[bytes]:
        """Return requests that hold a text, as JSON, the newest first; reads all."""
        query = (
            "SELECT CAST(request AS BLOB) FROM replies WHERE instr(request, ?) "
            "ORDER BY created DESC LIMIT ?"
        )
        return [request for (request,) in self._select(query, (part, most))]

    def notices(self, since: float) -> list[str]:
        """Return the notices of files that were set aside since then (Unix time).

        By any process, because workers of xdist have no terminal to show them on.
        """
        paths = sorted(self.path.parent.glob("damaged-*.sqlite.txt"))
        recent = (path for path in paths if path.stat().st_mtime >= since)
        return [path.read_text(encoding="utf-8") for path in recent]

    def _read(
        self,
        key: str,
        reply: bytes,
        identity: bytes = b"",
        request: bytes | None = None,
    ) -> KeptReply | None:
        """Read a row; one that cannot be read is set aside, and counts as missing."""
        try:
            asked = [] if request is None else _REQUEST_READER.decode(request).messages
            return read_reply(reply), identity.decode(), asked
        except UNREADABLE as error:
            problem = str(error)
        # In a read-only checkout it stays where it is; it is missing all the same.
        with self._writing, contextlib.suppress(OSError, sqlite3.Error):
            rows = self._writer.run(
                lambda connection: _set_row_aside(connection, key, problem)
            )
            notice = (
                f"{self.path}: {count(rows, 'row')} could not be read as a reply "
                f"({problem}). Nothing is deleted: they are set aside in the table "
                "`set_aside` of that file, and with --ladder-live the model is called "
                "again."
            )
            file = self.path.with_name(f"damaged-rows-of-{self.path.name}.txt")
            file.write_text(notice, encoding="utf-8")
        return None

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._reading, self._writing:
            self._reader.close()
            self._writer.close()

    def make_folder(self) -> None:
        """Make the store's folder, which git ignores."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        ignore = self.path.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")

    def _select(self, query: str, values: Sequence[str | float]) -> list[Any]:
        with self._reading:
            try:
                return self._reader.run(
                    lambda connection: connection.execute(query, values).fetchall()
                )
            except FileNotFoundError:
                return []
            except (OSError, sqlite3.Error) as error:
                raise StoreError(
                    f"{self.path}: the store cannot be read ({error}); check the "
                    "folder's permissions."
                ) from error


class _Connection:
    """A connection to a store that sets a damaged file aside, and begins a new one.

    Unless it makes the file, `run` raises `FileNotFoundError` where there is none. Used
    by one thread at a time: its owner holds a lock.
    """

    def __init__(self, path: Path, *, makes_file: bool) -> None:
        self._path = path
        self._makes_file = makes_file
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call `work` with the connection; once more on a new file if it is damaged."""
        try:
            return work(self._opened())
        except sqlite3.DatabaseError as error:
            # An operational error, such as a full disk, is no damage. But where another
            # process sets the file aside just now it only means: try the new file.
            is_same_file = self._inode in (None, _inode(self._path))
            if isinstance(error, sqlite3.OperationalError) and is_same_file:
                raise
            from filelock import FileLock

            self.close()
            # Several processes may find the damage at once: one sets the file aside.
            with FileLock(self._path.with_name("mending.lock")):
                if _inode(self._path) == self._inode:
                    _set_aside(self._path, error)
        return work(self._opened())

    def close(self) -> None:
        """Close the file; `run` opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        inode = _inode(self._path)
        if inode is None and not self._makes_file:
            raise FileNotFoundError(self._path)
        if self._connection is not None and inode != self._inode:
            # Another process has set the file aside.
            self.close()
        if self._connection is None:
            self._inode = inode
            self._connection = _connect(self._path)
            self._inode = _inode(self._path)
        return self._connection


def _inode(path: Path) -> int | None:
    try:
        # Of each look-up: `Path.stat` takes twice as long.
        return os.stat(path).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def _connect(path: Path) -> sqlite3.Connection:
    if path.exists() and not os.access(path.parent, os.W_OK):
        # In a folder that is read-only SQLite cannot make the log that WAL needs.
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False
        )
    connection = connect(path, _SCHEMA, durable=True)
    try:
        # Reads the table, and not its index alone: most damage shows here and not in
        # the middle of a run.
        connection.execute("SELECT LENGTH(created) FROM replies LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _insert(
    connection: sqlite3.Connection, rows: list[_Row], *, sends: bool = False
) -> None:
    with transaction(connection):
        connection.executemany(_INSERT, rows)
        if sends:
            connection.execute(_OUTBOX)
            connection.executemany(
                "INSERT OR IGNORE INTO outbox VALUES (?)", [row[:1] for row in rows]
            )


def _set_aside(path: Path, error: sqlite3.Error) -> None:
    """Rename a damaged file, save what can still be read of it, and leave a notice."""
    aside = path.with_name(f"damaged-{clock.unix_ns()}-{path.name}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            old = path.with_name(path.name + suffix)
            old.rename(aside.with_name(aside.name + suffix))
    with contextlib.closing(_connect(path)) as fresh:
        saved = {row[0]: row for row in _readable_rows(aside)}
        _insert(fresh, list(saved.values()))
    notice = (
        f"{path} was damaged ({error}) and is set aside as {aside.name}; "
        f"{len(saved)} replies could be saved from it."
    )
    aside.with_name(f"{aside.name}.txt").write_text(notice, encoding="utf-8")


def _readable_rows(path: Path) -> Iterator[_Row]:
    """Yield the rows before the first damaged page, and those after the last one.

    Also by key: an old file has no row numbers, and by the index other pages are met.
    """
    for order in ("rowid ASC", "rowid DESC", "key ASC", "key DESC"):
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(path)) as connection,
        ):
            yield from connection.execute(f"SELECT * FROM replies ORDER BY {order}")


def _set_row_aside(connection: sqlite3.Connection, key: str, problem: str) -> int:
    """Move a row into a table of its own; returns how many are there."""
    with transaction(connection):
        connection.execute(_ASIDE)
        connection.execute(
            "INSERT INTO set_aside SELECT *, ? FROM replies WHERE key = ?",
            (problem, key),
        )
        connection.execute("DELETE FROM replies WHERE key = ?", (key,))
        return int(connection.execute("SELECT COUNT(*) FROM set_aside").fetchone()[0])
