"""SQLite files that the processes of one or several runs share.

A connection may be used from any thread, but by one at a time: its owner sees to that.
Processes are kept apart by SQLite's own locks, for which a statement waits up to 60 s.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from pytest_ladder import clock
from pytest_ladder.errors import StoreError

# Long enough for another process to finish a batch of writes on a slow disk.
_BUSY_TIMEOUT_S = 60.0
# After so many pages of 4 kB SQLite moves its log into the file: 1,000 by itself.
_PAGES, _PAGES_LAZILY = 1_000, 10_000
_STEP_S = 0.005
_LONGEST_PATH = 504
"""Bytes: 512, less what the names of SQLite's own files are longer."""


def connect(path: Path, schema: str, *, durable: bool) -> sqlite3.Connection:
    """Open a file, made if need be, for reading and writing from any thread.

    `durable`: what is committed survives a power cut, and not only the death of the
    process. Raises `sqlite3.Error`.
    """
    length = len(os.fsencode(path.absolute()))
    if length > _LONGEST_PATH:
        # SQLite itself says only that it is "unable to open database file".
        raise sqlite3.OperationalError(
            f"the path has {length} bytes, and SQLite opens none of more than "
            f"{_LONGEST_PATH}: move the project to where its path is shorter"
        )
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
    )
    try:
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        _write_ahead(connection)
        connection.executescript(schema)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def usable(path: Path) -> Iterator[None]:
    """Turn errors of the block into a `StoreError` that names the file."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        broken = StoreError(
            f"{path}: it cannot be written ({error}), so no calls are made; check the "
            "disk and the folder's permissions."
        )
        broken.refused_key = f"{path.name} cannot be written"
        raise broken from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all that the block does in one step, or nothing of it when it raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back by itself, as it does when the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def lazily(connection: sqlite3.Connection) -> Iterator[None]:
    """Wait for the disk in the block only where the file would be damaged otherwise.

    What is committed in it survives the process, and perhaps no power cut. Moving it
    from the log to the file, which is written twice, is left for when more has come.
    """
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_LAZILY}")
    try:
        yield
    finally:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL, so that readers and the writer do not wait for each other.

    SQLite does not wait for another process that is just doing the same.
    """
    until = clock.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or clock.monotonic() > until:
                raise
            time.sleep(_STEP_S)
        else:
            return
