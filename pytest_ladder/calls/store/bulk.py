"""All replies of a store at once, for commands that copy them.

On a connection of its own, in one thread; processes are kept apart by SQLite's locks.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_ladder import clock
from pytest_ladder.calls.store.store import Store
from pytest_ladder.calls.store.stored_reply import StoreRow
from pytest_ladder.disk.sqlite import connect, transaction
from pytest_ladder.errors import StoreError

_AT_ONCE = 500
_COLUMNS = "CAST(identity AS BLOB), CAST(request AS BLOB), CAST(reply AS BLOB)"


class BulkStore:
    """The file of a store, for reading all of it and adding much to it."""

    def __init__(self, path: Path) -> None:
        """Open the file, made if need be; raises `StoreError`."""
        self.path = path
        # Makes the file and its table, or sets a damaged one aside.
        made = Store(path)
        made.put([])
        made.close()
        with self._telling():
            self._connection = connect(path, "", durable=True)

    def __len__(self) -> int:
        """Return how many replies there are; raises `StoreError`."""
        with self._telling():
            counted = self._connection.execute("SELECT COUNT(*) FROM replies")
            number: int = counted.fetchone()[0]
        return number

    def rows(self) -> Iterator[StoreRow]:
        """Yield all replies, by key; what is no text is left out.

        Raises `StoreError`.
        """
        last = ""
        while some := self._after(last):
            last = some[-1][0]
            for key, *texts in some:
                with contextlib.suppress(UnicodeDecodeError):
                    identity, request, reply = (text.decode() for text in texts)
                    yield key, identity, request, reply

    def add(self, rows: Sequence[StoreRow]) -> int:
        """Keep replies in one transaction; one that is there stays as it is.

        Returns how many were new. Raises `StoreError`.
        """
        now = clock.unix()
        dated = [(*row[:2], now, *row[2:]) for row in rows]
        with self._telling(), transaction(self._connection):
            return self._connection.executemany(
                "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?)", dated
            ).rowcount

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _after(self, key: str) -> list[tuple[str, bytes, bytes, bytes]]:
        with self._telling():
            return self._connection.execute(
                f"SELECT key, {_COLUMNS} FROM replies WHERE key > ? ORDER BY key "
                f"LIMIT {_AT_ONCE}",
                (key,),
            ).fetchall()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{self.path}: the store cannot be copied ({error}); check the disk "
                "and the folder's permissions."
            ) from error
