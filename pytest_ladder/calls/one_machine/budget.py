"""The budget: a hard cap on what a run spends, over all its processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.lanes.address import DEFAULT_TIMEOUT_S
from pytest_ladder.calls.one_machine.claims import is_alive
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.row import OVER_BUDGET
from pytest_ladder.disk.sqlite import connect, transaction, usable
from pytest_ladder.errors import BudgetReached
from pytest_ladder.text.numbers import count, dollars

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settled (id INTEGER PRIMARY KEY, usd REAL NOT NULL);
INSERT OR IGNORE INTO settled VALUES (1, 0);
CREATE TABLE IF NOT EXISTS reserved (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    usd REAL NOT NULL,
    pid INTEGER NOT NULL,
    place TEXT NOT NULL,
    worst REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS refused (key TEXT PRIMARY KEY, usd REAL NOT NULL);
CREATE TABLE IF NOT EXISTS surprises (
    place TEXT PRIMARY KEY,
    bills INTEGER NOT NULL,
    usd REAL NOT NULL,
    ratio REAL NOT NULL
);
"""
# Two sums of the same bills may differ in their last digits.
_ROUNDING = 1 + 1e-9

# What chat templates put around a message, generously.
_TEMPLATE_TOKENS = 16
_COUNTED_PARAMS = frozenset({"tools", "response_format", "functions"})


class Refused(NamedTuple):
    """What the budget turned away."""

    calls: int
    usd: float
    """What those calls would have cost at most."""


class Surprise(NamedTuple):
    """Bills of one model that were higher than its limits allow."""

    place: str
    """The model: its name, and what tells it apart from others of that name."""
    bills: int
    usd: float
    """The highest of them."""

    def __str__(self) -> str:
        model = self.place.rpartition("-")[0]
        return (
            f"Model {model!r} billed {count(self.bills, 'call')} higher than its "
            f"prompt and its limits allow, up to {dollars(self.usd)}; later calls "
            "reserve as much. Correct `price` or `max_tokens` in ladder.toml, or ask "
            "the provider what it counts."
        )


class Budget:
    """Reserves the worst case of a call before it starts, and settles to its cost."""

    def __init__(self, path: Path, cap_usd: float) -> None:
        self.cap_usd = cap_usd
        self._path = path
        with usable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # It has to outlive a process, not a power cut, which would end the run.
            self._connection = connect(path, _SCHEMA, durable=False)

    def reserve(self, key: str, worst_usd: float, place: str = "") -> int | None:
        """Set aside the worst case of a call; None: wait until others settle.

        `place` names the model: one that billed more than it should reserves more.
        Raises `BudgetReached` when it would not fit even if all open calls were free.
        """
        connection = self._connection
        with usable(self._path), transaction(connection):
            total, usd = self.spent_usd(), self._raised(place, worst_usd)
            if total + usd <= self.cap_usd:
                cursor = connection.execute(
                    "INSERT INTO reserved (usd, pid, place, worst) VALUES (?, ?, ?, ?)",
                    (usd, os.getpid(), place, worst_usd),
                )
                return cursor.lastrowid
            if self._settled_usd() + usd <= self.cap_usd and self._is_open():
                return None
            connection.execute(
                "INSERT OR REPLACE INTO refused VALUES (?, ?)", (key, usd)
            )
        raise BudgetReached(
            f"{OVER_BUDGET}: {dollars(total)} of {dollars(self.cap_usd)} is spent and "
            f"this call may cost {dollars(usd)}."
        )

    def still_fits(self, reservation: int) -> bool:
        """Tell, right before a call leaves, whether what is reserved for it is there.

        A bill that came in since may have been higher than what was set aside for it.
        """
        connection = self._connection
        with usable(self._path):
            if not self._any_surprise():
                return True
            with transaction(connection):
                usd, place, worst = connection.execute(
                    "SELECT usd, place, worst FROM reserved WHERE id = ?",
                    (reservation,),
                ).fetchone()
                raised = self._raised(place, worst)
                if self.spent_usd() - usd + raised > self.cap_usd * _ROUNDING:
                    return False
                connection.execute(
                    "UPDATE reserved SET usd = ? WHERE id = ?", (raised, reservation)
                )
        return True

    def settle(self, reservation: int, usd: float | None) -> None:
        """Replace a reservation by the true cost; None: unknown, it is kept."""
        connection = self._connection
        with usable(self._path), transaction(connection):
            found = connection.execute(
                "SELECT usd, place, worst FROM reserved WHERE id = ?", (reservation,)
            ).fetchone()
            if found is None:
                return
            reserved, place, worst = found
            if usd is not None and usd > reserved * _ROUNDING:
                self._note_surprise(place, usd, worst)
            connection.execute(
                "UPDATE settled SET usd = usd + ?", (reserved if usd is None else usd,)
            )
            connection.execute("DELETE FROM reserved WHERE id = ?", (reservation,))

    def refused(self) -> Refused:
        """Return what was turned away so far, by any process."""
        query = "SELECT COUNT(*), COALESCE(SUM(usd), 0) FROM refused"
        return Refused(*self._connection.execute(query).fetchone())

    def surprises(self) -> list[Surprise]:
        """Return which models billed more than was set aside, in any process."""
        query = "SELECT place, bills, usd FROM surprises ORDER BY place"
        return [Surprise(*row) for row in self._connection.execute(query)]

    def spent_usd(self) -> float:
        """Return what is spent or set aside."""
        query = "SELECT COALESCE(SUM(usd), 0) FROM reserved"
        (reserved,) = self._connection.execute(query).fetchone()
        return self._settled_usd() + float(reserved)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _settled_usd(self) -> float:
        (usd,) = self._connection.execute("SELECT usd FROM settled").fetchone()
        return float(usd)

    def _any_surprise(self) -> bool:
        query = "SELECT 1 FROM surprises LIMIT 1"
        return self._connection.execute(query).fetchone() is not None

    def _note_surprise(self, place: str, usd: float, worst_usd: float) -> None:
        """Let all later calls of a model reserve as much as this bill teaches."""
        ratio = usd / worst_usd if worst_usd else 1.0
        self._connection.execute(
            "INSERT INTO surprises VALUES (?, 1, ?, ?) ON CONFLICT DO UPDATE SET "
            "bills = bills + 1, usd = MAX(usd, excluded.usd), "
            "ratio = MAX(ratio, excluded.ratio)",
            (place, usd, ratio),
        )

    def _raised(self, place: str, worst_usd: float) -> float:
        """Return the worst case of a call in the light of its model's bills.

        At least the highest of those that came as a surprise, and more for a call
        that is larger than the one that was billed.
        """
        query = "SELECT usd, ratio FROM surprises WHERE place = ?"
        found = self._connection.execute(query, (place,)).fetchone()
        if found is None:
            return worst_usd
        dearest, ratio = found
        return max(float(dearest), worst_usd * float(ratio))

    def _is_open(self) -> bool:
        """Tell whether a living process has a call under way."""
        holders = self._connection.execute("SELECT DISTINCT pid FROM reserved")
        return any(is_alive(pid) for (pid,) in holders.fetchall())


def worst_usd(request: Request, prices: PriceTable) -> float:
    """Bound what a call can cost, in USD, before it starts.

    Tokens in: bytes, for no token is shorter, and the template's for each message.
    Tokens out: `max_tokens`, else the model's own limit. Raises `BudgetReached` where
    no bound is known.
    """
    model = request.model
    tokens, output = _most_input(request), most_output(request, prices)
    if output is None:
        raise BudgetReached(
            f"{OVER_BUDGET}: nothing bounds the output of model {model.name!r}; set "
            "params.max_tokens in ladder.toml."
        )
    busy_s = None
    if model.serve is not None and model.serve.tokens_per_second is None:
        busy_s = float(request.params.get("timeout") or DEFAULT_TIMEOUT_S)
    # Where a prompt is cached, writing the cache may be what costs most.
    bounds = [
        cost_of(model, usage, busy_s, prices)[0]
        for usage in (
            Usage(input=tokens, output=output),
            Usage(input=tokens, cache_write=tokens, output=output),
        )
    ]
    known = [usd for usd in bounds if usd is not None]
    if not known:
        raise BudgetReached(
            f"{OVER_BUDGET}: the price of model {model.name!r} is unknown; declare "
            "`price` or `serve` in ladder.toml, or drop --ladder-budget."
        )
    return max(known)


def _most_input(request: Request) -> int:
    extra = {k: v for k, v in request.params.items() if k in _COUNTED_PARAMS}
    size = len(msgspec.json.encode([request.messages, extra]))
    return size + _TEMPLATE_TOKENS * (len(request.messages) + 1)


def most_output(request: Request, prices: PriceTable) -> int | None:
    """Return the most tokens that a call can answer; None: nothing bounds it."""
    params = request.params | request.params.get("extra_body", {})
    limit = request.output_limit or prices.max_output_tokens(request.model)
    return None if limit is None else limit * int(params.get("n") or 1)
