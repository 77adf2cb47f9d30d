"""Claims: who is calling for a reply, so that two processes never pay for it twice."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS claims (
    key TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    until REAL NOT NULL
) WITHOUT ROWID
"""
# Longer than any pause of a living process between two renewals.
LEASE_S = 60.0
RENEW_S = 15.0


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Claims:
    """One table of claims for all processes that share a store.

    A claim ends when it is released, when its process is dead, or when its lease runs
    out on a machine that cannot be asked.
    """

    def __init__(self, path: Path) -> None:
        self._host = socket.gethostname()
        self._pid = os.getpid()
        self._held: set[str] = set()
        self._connection = sqlite3.connect(
            path, timeout=60, check_same_thread=False, isolation_level=None
        )
        # Claims need not survive a power cut: those who held them did not.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(_SCHEMA)

    def take(self, key: str) -> bool:
        """Claim a key; False when somebody else holds it."""
        until = time.time() + LEASE_S
        mine = (key, self._host, self._pid, until)
        taken = self._connection.execute(
            "INSERT INTO claims VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", mine
        )
        if taken.rowcount == 0 and not self._take_over(key, until):
            return False
        self._held.add(key)
        return True

    def release(self, keys: list[str]) -> None:
        """Let go of keys; those that are not held are left alone."""
        held = [(key,) for key in keys if key in self._held]
        self._held.difference_update(keys)
        self._connection.executemany("DELETE FROM claims WHERE key = ?", held)

    def renew(self) -> None:
        """Lengthen the lease of all held keys; called every `RENEW_S` seconds."""
        until = time.time() + LEASE_S
        held = [(until, key) for key in self._held]
        self._connection.executemany("UPDATE claims SET until = ? WHERE key = ?", held)

    def close(self) -> None:
        """Let go of everything."""
        self.release(list(self._held))
        self._connection.close()

    def _take_over(self, key: str, until: float) -> bool:
        """Take a claim whose holder is gone; atomic among those who try."""
        query = "SELECT host, pid, until FROM claims WHERE key = ?"
        row = self._connection.execute(query, (key,)).fetchone()
        if row is None:
            return False
        host, pid, held_until = row
        gone = held_until < time.time() or (host == self._host and not is_alive(pid))
        if not gone and not (host == self._host and pid == self._pid):
            return False
        changed = self._connection.execute(
            "UPDATE claims SET host = ?, pid = ?, until = ? "
            "WHERE key = ? AND host = ? AND pid = ? AND until = ?",
            (self._host, self._pid, until, key, host, pid, held_until),
        )
        return changed.rowcount == 1
