"""Claims: who is calling for a reply, so that two processes never pay for it twice.

One SQLite table beside the store, for all processes and runs that use that store. The
engine's loop takes, renews and releases claims, and the session's end releases what is
left; so one thread at a time uses the connection, and there is no lock in the process.
Between processes each step is one SQL statement, which SQLite makes atomic. A process
that is killed leaves claims behind: they end when another process sees that it is dead,
or, on another machine, when the lease of 60 s runs out.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from pathlib import Path

from pytest_ladder.disk.sqlite import connect, usable
from pytest_ladder.errors import StoreError

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
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    # A dead process keeps its number until its parent asks for its status (Linux).
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] not in "ZX"


class Claims:
    """One table of claims for all processes that share a store.

    A claim ends when it is released, when its process is dead, or when its lease runs
    out: on another machine nobody can see whether the process lives.
    """

    def __init__(self, path: Path) -> None:
        self._host = socket.gethostname()
        self._pid = os.getpid()
        self._held: set[str] = set()
        self._path = path
        with usable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _opened(path)

    def take(self, key: str) -> bool:
        """Claim a key; False when somebody else holds it. Raises `StoreError`."""
        until = time.time() + LEASE_S
        claim = (key, self._host, self._pid, until)
        with usable(self._path):
            inserted = self._connection.execute(
                "INSERT INTO claims VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", claim
            )
            if inserted.rowcount == 0 and not self._take_over(key, until):
                return False
        self._held.add(key)
        return True

    def release(self, keys: list[str]) -> None:
        """End the claims on keys; keys that are not held are passed over.

        Raises `StoreError`.
        """
        claims = [(key, self._host, self._pid) for key in keys if key in self._held]
        self._held.difference_update(keys)
        with usable(self._path):
            # With host and process: a claim that ran out while this process was
            # stopped may be another's now.
            self._connection.executemany(
                "DELETE FROM claims WHERE key = ? AND host = ? AND pid = ?", claims
            )

    def renew(self) -> None:
        """Lengthen the lease of all held keys; called every `RENEW_S` seconds.

        Raises `StoreError`.
        """
        until = time.time() + LEASE_S
        claims = [(until, key, self._host, self._pid) for key in self._held]
        with usable(self._path):
            self._connection.executemany(
                "UPDATE claims SET until = ? WHERE key = ? AND host = ? AND pid = ?",
                claims,
            )

    def close(self) -> None:
        """Release all claims and close the file."""
        try:
            # A claim that cannot be released ends with its lease.
            with contextlib.suppress(StoreError):
                self.release(list(self._held))
        finally:
            self._connection.close()

    def _take_over(self, key: str, until: float) -> bool:
        """Take a claim whose holder is gone; of several who try one succeeds."""
        query = "SELECT host, pid, until FROM claims WHERE key = ?"
        row = self._connection.execute(query, (key,)).fetchone()
        if row is None:
            return False
        host, pid, held_until = row
        is_here = host == self._host
        is_sound = isinstance(pid, int) and isinstance(held_until, float)
        has_ended = not is_sound or held_until < time.time()
        has_ended = has_ended or (is_here and not is_alive(pid))
        if not has_ended and not (is_here and pid == self._pid):
            return False
        changed = self._connection.execute(
            "UPDATE claims SET host = ?, pid = ?, until = ? "
            "WHERE key = ? AND host = ? AND pid = ? AND until = ?",
            (self._host, self._pid, until, key, host, pid, held_until),
        )
        return changed.rowcount == 1


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file of claims; a damaged one is set aside, with a notice.

    Claims need not survive a power cut: the processes that held them do not, either.
    """
    try:
        return connect(path, _SCHEMA, durable=False)
    except sqlite3.OperationalError:
        raise  # a full disk, say, is no damage
    except sqlite3.DatabaseError as error:
        damage = error
    from filelock import FileLock

    with FileLock(path.with_name("mending.lock")):
        # Another process may have done it meanwhile.
        with contextlib.suppress(sqlite3.DatabaseError):
            return connect(path, _SCHEMA, durable=False)
        aside = path.with_name(f"damaged-{time.time_ns()}-{path.name}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(f"{aside}{suffix}")
        Path(f"{aside}.txt").write_text(
            f"{path} was damaged ({damage}) and is set aside as {aside.name}; two runs "
            "at once may have paid for the same reply.",
            encoding="utf-8",
        )
        return connect(path, _SCHEMA, durable=False)
