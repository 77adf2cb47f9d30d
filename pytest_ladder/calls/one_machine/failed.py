"""Calls of this run that failed for good: none is made again for another test.

A failure may be found ahead of the test that wants the reply, or by another worker of
xdist. It is kept here until that test asks, and what the attempts may have cost is kept
to the end: not every call that is made ahead is in a row. A test that was told of a
failure and runs again, as pytest-rerunfailures does it, calls anew.

Workers share their failures by a file in the folder of the run. A failure is in it
before the claim on the reply is released, so that who waited for the claim finds it.
`read`, `lost` and `lost_before` are called on any thread, all else on the engine's
loop; the lock guards what is known and how far the file was read.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import msgspec

from pytest_ladder.core.row import LostCalls
from pytest_ladder.disk.shared_lines import SharedLines
from pytest_ladder.errors import CallError, LadderError

Call = tuple[Path, str]
"""The folder of an archive, and the key of a reply in it."""


class _Line(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a process tells the others; not a word of an answer, and no key to it."""

    pid: int
    folder: str
    key: str
    lost: LostCalls | None = None
    message: str | None = None
    """None: it is no failure for others, or there was a reply in the end."""
    status: int | None = None
    transient: bool = False
    unsure: bool = False
    refused_key: str = ""


class FailedCalls:
    """Failures by the call, and attempts that brought no reply."""

    def __init__(self, shared: Path | None) -> None:
        self._shared = None if shared is None else SharedLines(shared)
        """None: the run is this process alone."""
        self._failures: dict[Call, LadderError] = {}
        self._told: set[Call] = set()
        """Failures that a test of this process was told of."""
        self._lost: dict[Call, LostCalls] = {}
        """What the last attempts for a reply may have cost."""
        self._all_lost: list[LostCalls] = []
        self._lock = threading.Lock()

    def keep(self, call: Call, error: LadderError) -> None:
        """Keep a failure for the test that will ask."""
        with self._lock:
            self._failures[call] = error
            self._told.discard(call)

    def get(self, call: Call) -> LadderError | None:
        """Return a failure of this run, told or not: no call ahead repeats it."""
        with self._lock:
            self._read()
            return self._failures.get(call)

    def take(self, call: Call) -> LadderError | None:
        """Return a failure for the test that asks: the next one calls anew."""
        with self._lock:
            self._read()
            if call in self._told:
                return None
            failure = self._failures.get(call)
            if failure is not None:
                self._told.add(call)
            return failure

    def tell(
        self, call: Call, lost: LostCalls | None, error: CallError | None = None
    ) -> None:
        """Tell the other processes of a call that failed, and note what it cost.

        Without an `error` it brought a reply, after attempts that may be billed.
        """
        folder, key = call
        line = _Line(pid=os.getpid(), folder=str(folder), key=key, lost=lost)
        if error is not None:
            line = msgspec.structs.replace(
                line,
                message=str(error),
                status=error.status,
                transient=error.transient,
                unsure=error.unsure,
                refused_key=error.refused_key,
            )
        with self._lock:
            self._note(call, lost)
            if error is not None:
                # Told to those who wait for it; `keep` follows where nobody does.
                self._failures[call] = error
                self._told.add(call)
            if self._shared is not None:
                # On a full disk other workers find out by themselves.
                with contextlib.suppress(OSError):
                    self._shared.append([msgspec.json.encode(line)])

    def lost_before(self, call: Call) -> LostCalls | None:
        """Return the attempts before a reply that may have been billed.

        Those of this process, and what was read of others.
        """
        with self._lock:
            return self._lost.get(call)

    def read(self) -> None:
        """Read what other processes told, as long as the file is there; any thread."""
        with self._lock:
            self._read()

    def lost(self) -> list[LostCalls]:
        """Return all calls that brought no reply, as far as is known; any thread."""
        with self._lock:
            return list(self._all_lost)

    def _note(self, call: Call, lost: LostCalls | None) -> None:
        if lost is not None:
            self._lost[call] = lost
            self._all_lost.append(lost)

    def _read(self) -> None:
        lines: list[bytes] = []
        if self._shared is not None:
            with contextlib.suppress(OSError):
                lines = self._shared.new()
        for text in lines:
            line = msgspec.json.decode(text, type=_Line)
            if line.pid == os.getpid():
                continue
            call = (Path(line.folder), line.key)
            self._note(call, line.lost)
            if line.message is not None:
                error = CallError(
                    line.message,
                    status=line.status,
                    transient=line.transient,
                    unsure=line.unsure,
                )
                error.lost, error.refused_key = line.lost, line.refused_key
                self._failures[call] = error
