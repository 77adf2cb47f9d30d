"""What this run has called: such replies are live, whoever else fills the store.

Another run may write to the same store meanwhile, so neither the store nor a time tells
whose call a reply was. Workers of xdist are one run, and share their keys by a file in
the folder of the run: each appends a line by one small write before the reply can be
found in the store, and reads the lines that came since when it meets an unknown key.
`note` is called on the engine's loop, the rest on any thread; the lock guards what is
known and how far the file was read.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

from pytest_ladder import clock
from pytest_ladder.disk.shared_lines import SharedLines


class _Came(NamedTuple):
    """A reply that came to this run."""

    at: float
    """Unix time."""
    usd: float | None
    """What it cost; None: nobody knows."""


class CalledKeys:
    """The keys of the replies that the processes of this run called for.

    With the time of day when each came: until it is stored, the store may still hold an
    older reply to the same request. And with what it cost: not every reply that is
    called for ahead is in a row at the end.
    """

    def __init__(self, shared: Path | None) -> None:
        self._shared = None if shared is None else SharedLines(shared)
        """None: the run is this process alone."""
        self._came: dict[str, _Came] = {}
        self._lock = threading.Lock()

    def note(self, key: str, usd: float | None = None) -> None:
        """Note a reply that came, and what it cost; called before it is stored."""
        now = clock.unix()
        with self._lock:
            self._came[key] = _Came(now, usd)
            if self._shared is not None:
                # On a full disk other workers take it for a replay; it is paid once.
                with contextlib.suppress(OSError):
                    self._shared.append([f"{key} {now!r} {usd!r}".encode()])

    def __contains__(self, key: str) -> bool:
        return self.since(key) is not None

    def since(self, key: str) -> float | None:
        """Return when a reply came, before it was stored; None: not to this run."""
        with self._lock:
            if key not in self._came:
                self._read()
            came = self._came.get(key)
        return None if came is None else came.at

    def read(self) -> None:
        """Read what other processes noted, as long as the file is there."""
        with self._lock:
            self._read()

    def usd(self, key: str) -> float | None:
        """Return what the reply with a key of this run cost; None: nobody knows."""
        with self._lock:
            return self._came[key].usd

    def costs_but_of(self, keys: Container[str]) -> list[float | None]:
        """Return what the replies with other keys than these cost, each in USD."""
        with self._lock:
            return [came.usd for key, came in self._came.items() if key not in keys]

    def _read(self) -> None:
        lines: list[bytes] = []
        if self._shared is not None:
            with contextlib.suppress(OSError):
                lines = self._shared.new()
        for line in lines:
            key, at, usd = line.decode().split()
            cost = None if usd == "None" else float(usd)
            self._came.setdefault(key, _Came(float(at), cost))
