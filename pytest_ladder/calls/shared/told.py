"""What the processes of a run on one machine tell each other of the shared store.

Files in the folder of the run, for what no table has: which calls were refused, which
bills were too high, which replies were paid twice. Written on the engine's loop of any
process, and read on the main thread of the one that reports; each by one small write,
so that no lock is needed.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from pytest_ladder.calls.coordinator import Refused, Surprise
from pytest_ladder.disk.shared_lines import SharedLines


class PaidTwice(NamedTuple):
    """Replies that another process had paid for by the time they came."""

    replies: int
    stood_still_s: float
    """The longest time for which their processes showed no life, in seconds."""


class ToldOfStore:
    """Notes, and tells, what came of calls that machines share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def refuse(self, key: str, usd: float, ledger: str) -> None:
        """Note a call that a ledger had no money for."""
        self._append("refused", key, repr(usd), ledger)

    def surprise(self, quota: str, usd: float) -> None:
        """Note a bill that was higher than what was set aside."""
        self._append("surprises", quota, repr(usd))

    def pay_twice(self, replies: int, stood_still_s: float) -> None:
        """Note replies that were paid for in vain by this process."""
        self._append("twice", str(replies), repr(stood_still_s))

    def refused(self) -> tuple[Refused, str]:
        """Return the calls that were refused, and the ledger that refused last."""
        lines = self._lines("refused")
        calls = {key: float(usd) for key, usd, _ in lines}
        latest = lines[-1][2] if lines else ""
        return Refused(len(calls), sum(calls.values())), latest

    def surprises(self) -> list[Surprise]:
        """Return which models billed more than was set aside."""
        bills: dict[str, list[float]] = {}
        for quota, usd in self._lines("surprises"):
            bills.setdefault(quota, []).append(float(usd))
        return [Surprise(name, len(usd), max(usd)) for name, usd in bills.items()]

    def paid_twice(self) -> PaidTwice:
        """Return how many replies were paid for in vain."""
        told = [(int(replies), float(s)) for replies, s in self._lines("twice")]
        still = max((seconds for _, seconds in told), default=0.0)
        return PaidTwice(sum(replies for replies, _ in told), still)

    def _append(self, name: str, *parts: str) -> None:
        # On a full disk it is missing from the report; the ledger has the money.
        with contextlib.suppress(OSError):
            SharedLines(self._folder / name).append(["\t".join(parts).encode()])

    def _lines(self, name: str) -> list[list[str]]:
        with contextlib.suppress(OSError):
            lines = SharedLines(self._folder / name).new()
            return [line.decode().split("\t") for line in lines]
        return []
