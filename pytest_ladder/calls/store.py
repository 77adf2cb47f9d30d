"""The store: every reply ever paid for, in one SQLite file per ladder."""

from __future__ import annotations

import datetime
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.calls.lane import Request
from pytest_ladder.errors import LadderError
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


class Store:
    """Replies by key, on disk before anyone sees them.

    Safe to share between threads and processes; the file is made by the first
    `put`, so that looking up in a store that was never written leaves no trace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def get(self, key: str) -> tuple[StoredReply, float] | None:
        """Return a reply and when it was stored (Unix time), or None."""
        with self._lock:
            connection = self._open(create=False)
            if connection is None:
                return None
            query = "SELECT reply, created FROM replies WHERE key = ?"
            found = connection.execute(query, (key,)).fetchone()
        if found is None:
            return None
        return msgspec.json.decode(found[0], type=StoredReply), found[1]

    def put(
        self, key: str, identity: str, request: Request, reply: StoredReply
    ) -> None:
        """Keep a reply, durably; one that was stored under the key is replaced."""
        asked = {
            "messages": request.messages,
            "params": request.params,
            "sample": request.sample,
        }
        row = (
            key,
            identity,
            datetime.datetime.now(datetime.UTC).timestamp(),
            msgspec.json.encode(asked).decode(),
            msgspec.json.encode(reply).decode(),
        )
        with self._lock:
            connection = self._open(create=True)
            assert connection is not None
            with connection:
                connection.execute(
                    "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)", row
                )

    def requests(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what was asked (`messages`, `params`, `sample`) by key."""
        found = {}
        with self._lock:
            connection = self._open(create=False)
            if connection is None:
                return {}
            for key in keys:
                query = "SELECT request, identity FROM replies WHERE key = ?"
                row = connection.execute(query, (key,)).fetchone()
                if row is not None:
                    found[key] = {**msgspec.json.decode(row[0]), "identity": row[1]}
        return found

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self, *, create: bool) -> sqlite3.Connection | None:
        if self._connection is not None:
            return self._connection
        if not create and not self.path.exists():
            return None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            ignore = self.path.parent / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise LadderError(
                f"{self.path}: the store cannot be opened ({error}); check the disk "
                "and the folder's permissions."
            ) from error
        self._connection = connection
        return connection
