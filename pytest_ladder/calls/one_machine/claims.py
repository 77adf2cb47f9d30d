"""Claims: who is calling for a reply, so that two processes never pay for it twice.

One SQLite table beside the store, for all processes and runs that use that store. The
engine's loop takes, renews and releases claims, and the engine's end releases what is
left; so one thread at a time uses the connection, and there is no lock in the process.
Between processes each step is one SQL statement or transaction.

A process that is killed leaves claims behind. On its own machine others see that it is
dead, and a living one keeps its claims however long it takes. Of a process elsewhere
only its renewals are seen: its claims end when it has renewed them for 60 s no more, by
the clock of the one who waits. No time of day decides anything: clocks differ between
machines, and jump.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from pytest_ladder import clock
from pytest_ladder.calls.one_machine import processes
from pytest_ladder.disk.sqlite import connect, transaction, usable
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
# How long a look at a process holds: hundreds of calls may wait for one process.
_LOOK_S = 0.1

_Owner = tuple[str, int]
"""What stands in `host` and `pid`: the machine with the start of the process, and its
number."""


class _Watched(NamedTuple):
    """A claim of a process that cannot be looked at, as it was seen first."""

    owner: _Owner
    until: float
    since: float
    """`clock.monotonic()`."""


class Claims:
    """One table of claims for all processes that share a store.

    A claim ends when it is released, when its process is dead, or, where that cannot be
    seen, when its lease runs out.
    """

    def __init__(self, path: Path) -> None:
        self._machine = socket.gethostname()
        self._pid = os.getpid()
        # Older versions write the machine alone, and take this for another one.
        self._host = f"{self._machine} {processes.start_of(self._pid)}"
        self._held: set[str] = set()
        self._looks: dict[_Owner, tuple[float, bool | None]] = {}
        self._watched: dict[str, _Watched] = {}
        self._path = path
        with usable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _opened(path)
            self._version = self._read_version()
        self._alone_since = clock.monotonic()

    def take(self, *keys: str) -> set[str]:
        """Claim keys in one step; returns those that nobody else holds.

        Raises `StoreError`, and then none is claimed.
        """
        until = clock.unix() + LEASE_S
        with usable(self._path), transaction(self._connection):
            taken = {key for key in keys if self._take(key, until)}
            version = self._read_version()
        if version != self._version:
            self._version, self._alone_since = version, clock.monotonic()
        self._held |= taken
        return taken

    def holds(self, key: str) -> bool:
        """Tell whether this process has claimed a key, and not released it."""
        return key in self._held

    def is_free(self, key: str) -> bool:
        """Tell whether nobody else holds a key. Raises `StoreError`."""
        with usable(self._path):
            query = "SELECT host, pid, until FROM claims WHERE key = ?"
            row = self._connection.execute(query, (key,)).fetchone()
        return row is None or self._is_mine(*row[:2]) or self._has_ended(key, *row)

    def alone_since(self, at: float) -> bool:
        """Tell whether no other process has ended a claim since then, for certain.

        Up to the last `take`. `at` is of `clock.monotonic()`. Who stores a reply holds
        the claim on it until it is stored: what was not stored then, and was claimed
        by that `take`, is not stored now.
        """
        return at > self._alone_since

    def release(self, keys: list[str]) -> None:
        """End the claims on keys; keys that are not held are passed over.

        Raises `StoreError`.
        """
        claims = [(key, self._host, self._pid) for key in keys if key in self._held]
        self._held.difference_update(keys)
        with usable(self._path), transaction(self._connection):
            # With host and process: a claim that ran out while this process was
            # stopped may be another's now.
            self._connection.executemany(
                "DELETE FROM claims WHERE key = ? AND host = ? AND pid = ?", claims
            )

    def renew(self) -> None:
        """Lengthen the lease of all held keys; called every `RENEW_S` seconds.

        Raises `StoreError`.
        """
        until = clock.unix() + LEASE_S
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

    def _take(self, key: str, until: float) -> bool:
        claim = (key, self._host, self._pid, until)
        inserted = self._connection.execute(
            "INSERT INTO claims VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", claim
        )
        if inserted.rowcount == 0 and not self._take_over(key, until):
            return False
        self._watched.pop(key, None)
        return True

    def _take_over(self, key: str, until: float) -> bool:
        """Take a claim whose holder is gone."""
        query = "SELECT host, pid, until FROM claims WHERE key = ?"
        row = self._connection.execute(query, (key,)).fetchone()
        if not (self._is_mine(*row[:2]) or self._has_ended(key, *row)):
            return False
        # Its holder may have stored a reply, and died before it released the key.
        self._alone_since = clock.monotonic()
        self._connection.execute(
            "UPDATE claims SET host = ?, pid = ?, until = ? WHERE key = ?",
            (self._host, self._pid, until, key),
        )
        return True

    def _is_mine(self, host: Any, pid: Any) -> bool:
        return bool((host, pid) == (self._host, self._pid))

    def _read_version(self) -> int:
        """Return a number that changes whenever another process changes the file."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _has_ended(self, key: str, host: Any, pid: Any, until: Any) -> bool:
        """Tell whether a claim of another process holds no more."""
        if not isinstance(pid, int) or not isinstance(until, float):
            return True  # a damaged row
        owner: _Owner = (str(host), pid)
        machine, _, start = owner[0].partition(" ")
        if machine == self._machine:
            looked_at, alive = self._looks.get(owner, (-_LOOK_S, None))
            if clock.monotonic() - looked_at >= _LOOK_S:
                alive = processes.is_alive(pid, _number(start))
                self._looks[owner] = (clock.monotonic(), alive)
            if alive is not None:
                return not alive
        seen = self._watched.get(key)
        if seen is None or (seen.owner, seen.until) != (owner, until):
            seen = self._watched[key] = _Watched(owner, until, clock.monotonic())
        return clock.monotonic() - seen.since > LEASE_S


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


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
        aside = path.with_name(f"damaged-{clock.unix_ns()}-{path.name}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(f"{aside}{suffix}")
        Path(f"{aside}.txt").write_text(
            f"{path} was damaged ({damage}) and is set aside as {aside.name}; two runs "
            "at once may have paid for the same reply.",
            encoding="utf-8",
        )
        return connect(path, _SCHEMA, durable=False)
