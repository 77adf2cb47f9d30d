"""The budget: a hard cap on what a run spends, over all its processes."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

import msgspec

from pytest_ladder.calls.claims import is_alive
from pytest_ladder.calls.direct import DEFAULT_TIMEOUT_S
from pytest_ladder.calls.lane import Request
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.errors import BudgetReached
from pytest_ladder.words.reply import Usage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spend (
    id INTEGER PRIMARY KEY,
    usd REAL NOT NULL,
    open_by INTEGER
);
CREATE TABLE IF NOT EXISTS refused (key TEXT PRIMARY KEY, usd REAL NOT NULL);
"""

# What chat templates put around a message, generously.
_TEMPLATE_TOKENS = 16
_COUNTED_PARAMS = frozenset({"tools", "response_format", "functions"})


class Refused(NamedTuple):
    """What the budget turned away."""

    calls: int
    usd: float
    """What those calls would have cost at most."""


class Budget:
    """Reserves the worst case of a call before it starts, and settles to its cost."""

    def __init__(self, path: Path, cap_usd: float) -> None:
        self.cap_usd = cap_usd
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            path, timeout=60, check_same_thread=False, isolation_level=None
        )
        # It has to outlive a process, not a power cut: the run would be over as well.
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(_SCHEMA)

    def reserve(self, key: str, worst_usd: float) -> int | None:
        """Set aside the worst case of a call; None: wait until others settle.

        Raises `BudgetReached` when it would not fit even if all open calls were free.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            total, still_open = self._sums()
            if total + worst_usd <= self.cap_usd:
                cursor = self._connection.execute(
                    "INSERT INTO spend (usd, open_by) VALUES (?, ?)",
                    (worst_usd, os.getpid()),
                )
                return cursor.lastrowid
            if still_open:
                return None
            self._connection.execute(
                "INSERT OR REPLACE INTO refused VALUES (?, ?)", (key, worst_usd)
            )
        finally:
            self._connection.execute("COMMIT")
        raise BudgetReached(
            f"not run: budget: ${total:.6g} of ${self.cap_usd:g} is spent and this "
            f"call may cost ${worst_usd:.3g}."
        )

    def settle(self, reservation: int, usd: float | None) -> None:
        """Replace a reservation by the true cost; None: unknown, it is kept."""
        self._connection.execute(
            "UPDATE spend SET usd = COALESCE(?, usd), open_by = NULL WHERE id = ?",
            (usd, reservation),
        )

    def refused(self) -> Refused:
        """Return what was turned away so far, by any process."""
        query = "SELECT COUNT(*), COALESCE(SUM(usd), 0) FROM refused"
        return Refused(*self._connection.execute(query).fetchone())

    def spent_usd(self) -> float:
        """Return what is spent or set aside."""
        return self._sums()[0]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _sums(self) -> tuple[float, bool]:
        """Return the sum of all, and whether a living process holds some open."""
        query = "SELECT COALESCE(SUM(usd), 0) FROM spend"
        (total,) = self._connection.execute(query).fetchone()
        holders = self._connection.execute(
            "SELECT DISTINCT open_by FROM spend WHERE open_by IS NOT NULL"
        )
        return total, any(is_alive(pid) for (pid,) in holders)


def worst_usd(request: Request, prices: PriceTable) -> float:
    """Bound what a call can cost, in USD, before it starts.

    Tokens in: bytes, for no token is shorter, and the template's for each message.
    Tokens out: `max_tokens`, else the model's own limit. Raises `BudgetReached` where
    no bound is known.
    """
    model = request.model
    usage = Usage(input=_most_input(request), output=_most_output(request, prices))
    busy_s = None
    if model.serve is not None and model.serve.tokens_per_second is None:
        busy_s = float(request.params.get("timeout", DEFAULT_TIMEOUT_S))
    usd, _ = cost_of(model, usage, busy_s, prices)
    if usd is None:
        raise BudgetReached(
            f"not run: budget: the price of model {model.name!r} is unknown; declare "
            "`price` or `serve` in ladder.toml, or drop --ladder-budget."
        )
    return usd


def _most_input(request: Request) -> int:
    extra = {k: v for k, v in request.params.items() if k in _COUNTED_PARAMS}
    size = len(msgspec.json.encode([request.messages, extra]))
    return size + _TEMPLATE_TOKENS * (len(request.messages) + 1)


def _most_output(request: Request, prices: PriceTable) -> int:
    params = request.params
    limit = params.get("max_completion_tokens") or params.get("max_tokens")
    limit = limit or prices.max_output_tokens(request.model)
    if limit is None:
        raise BudgetReached(
            f"not run: budget: nothing bounds the output of model "
            f"{request.model.name!r}; set params.max_tokens in ladder.toml."
        )
    return int(limit)
