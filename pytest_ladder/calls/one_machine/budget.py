"""The budget: a hard cap on what a run spends, over all its processes.

One SQLite file in the run's folder. The engine's loop of each process reserves and
settles, each in a transaction, which is all that guards it: between processes there is
no other lock. The controller reads sums at the end. What a process that was killed has
reserved stays reserved, for its calls may be billed.
"""

from __future__ import annotations

import os
from pathlib import Path

from pytest_ladder.calls.coordinator import Refused, Surprise
from pytest_ladder.calls.one_machine.processes import is_alive
from pytest_ladder.disk.sqlite import connect, transaction, usable
from pytest_ladder.errors import BudgetReached
from pytest_ladder.text.numbers import dollars

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settled (id INTEGER PRIMARY KEY, usd REAL NOT NULL);
INSERT OR IGNORE INTO settled VALUES (1, 0);
CREATE TABLE IF NOT EXISTS reserved (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    usd REAL NOT NULL,
    pid INTEGER NOT NULL,
    quota TEXT NOT NULL,
    worst REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS refused (key TEXT PRIMARY KEY, usd REAL NOT NULL);
CREATE TABLE IF NOT EXISTS surprises (
    quota TEXT PRIMARY KEY,
    bills INTEGER NOT NULL,
    usd REAL NOT NULL,
    ratio REAL NOT NULL
);
"""
# Two sums of the same bills may differ in their last digits.
_ROUNDING = 1 + 1e-9


class SharedBudget:
    """Reserves the worst case of a call before it starts, and settles to its cost."""

    ledger = ""

    def __init__(self, path: Path, cap_usd: float) -> None:
        self.cap_usd = cap_usd
        self._path = path
        with usable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # It has to survive a killed process; a power cut would end the run anyway.
            self._connection = connect(path, _SCHEMA, durable=False)

    def reserve(self, key: str, worst_usd: float, quota: str = "") -> int | None:
        """Set aside the worst case of a call, in USD; None: wait until others settle.

        `quota` names the model: after a bill that was too high its calls reserve more.
        Raises `BudgetReached` when it would not fit even if all open calls were free.
        """
        connection = self._connection
        with usable(self._path), transaction(connection):
            total, usd = self.spent_usd(), self._raised(quota, worst_usd)
            if total + usd <= self.cap_usd:
                cursor = connection.execute(
                    "INSERT INTO reserved (usd, pid, quota, worst) VALUES (?, ?, ?, ?)",
                    (usd, os.getpid(), quota, worst_usd),
                )
                return cursor.lastrowid
            if self._settled_usd() + usd <= self.cap_usd:
                # A call that is under way, of a process that lives, may free enough.
                pids = connection.execute("SELECT DISTINCT pid FROM reserved")
                if any(is_alive(pid) for (pid,) in pids.fetchall()):
                    return None
            connection.execute(
                "INSERT OR REPLACE INTO refused VALUES (?, ?)", (key, usd)
            )
        raise BudgetReached(
            f"{dollars(total)} of {dollars(self.cap_usd)} is spent and this call may "
            f"cost {dollars(usd)}."
        )

    def still_fits(self, reservation: int) -> bool:
        """Tell, right before a call is sent, whether its reservation still suffices.

        If its model billed more than expected since, the reservation is raised first;
        False: there is not enough left for that.
        """
        connection = self._connection
        with usable(self._path):
            query = "SELECT 1 FROM surprises LIMIT 1"
            if connection.execute(query).fetchone() is None:
                return True
            with transaction(connection):
                usd, quota, worst = connection.execute(
                    "SELECT usd, quota, worst FROM reserved WHERE id = ?",
                    (reservation,),
                ).fetchone()
                raised = self._raised(quota, worst)
                if self.spent_usd() - usd + raised > self.cap_usd * _ROUNDING:
                    return False
                connection.execute(
                    "UPDATE reserved SET usd = ? WHERE id = ?", (raised, reservation)
                )
        return True

    def settle(self, reservation: int, usd: float | None) -> None:
        """Replace a reservation by the true cost in USD.

        None: it is unknown, and what was reserved counts as spent.
        """
        connection = self._connection
        with usable(self._path), transaction(connection):
            row = connection.execute(
                "SELECT usd, quota, worst FROM reserved WHERE id = ?", (reservation,)
            ).fetchone()
            if row is None:
                return
            reserved, quota, worst = row
            if usd is not None and usd > reserved * _ROUNDING:
                self._note_surprise(quota, usd, worst)
            connection.execute(
                "UPDATE settled SET usd = usd + ?", (reserved if usd is None else usd,)
            )
            connection.execute("DELETE FROM reserved WHERE id = ?", (reservation,))

    def refused(self) -> Refused:
        """Return the calls that were not allowed so far, in any process."""
        query = "SELECT COUNT(*), COALESCE(SUM(usd), 0) FROM refused"
        return Refused(*self._connection.execute(query).fetchone())

    def surprises(self) -> list[Surprise]:
        """Return which models billed more than was set aside, in any process."""
        query = "SELECT quota, bills, usd FROM surprises ORDER BY quota"
        return [Surprise(*row) for row in self._connection.execute(query)]

    def spent_usd(self) -> float:
        """Return what is spent or set aside, in USD."""
        query = "SELECT COALESCE(SUM(usd), 0) FROM reserved"
        (reserved,) = self._connection.execute(query).fetchone()
        return self._settled_usd() + float(reserved)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _settled_usd(self) -> float:
        (usd,) = self._connection.execute("SELECT usd FROM settled").fetchone()
        return float(usd)

    def _note_surprise(self, quota: str, usd: float, worst_usd: float) -> None:
        """Note a bill that was too high: all later calls of its model reserve more."""
        ratio = usd / worst_usd if worst_usd else 1.0
        self._connection.execute(
            "INSERT INTO surprises VALUES (?, 1, ?, ?) ON CONFLICT DO UPDATE SET "
            "bills = bills + 1, usd = MAX(usd, excluded.usd), "
            "ratio = MAX(ratio, excluded.ratio)",
            (quota, usd, ratio),
        )

    def _raised(self, quota: str, worst_usd: float) -> float:
        """Return the worst case of a call, raised if its model billed too much before.

        It is at least the highest of those bills, and more for a call that is larger
        than the one that was billed.
        """
        query = "SELECT usd, ratio FROM surprises WHERE quota = ?"
        row = self._connection.execute(query, (quota,)).fetchone()
        if row is None:
            return worst_usd
        dearest, ratio = row
        return max(float(dearest), worst_usd * float(ratio))
