"""What a run may spend, and has spent, over all machines: the sums of its ledgers."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from pytest_ladder.calls.contract import MachinesRun
from pytest_ladder.calls.coordinator import Refused, Surprise
from pytest_ladder.calls.shared.at_hand import standing
from pytest_ladder.calls.shared.told import ToldOfStore
from pytest_ladder.calls.shared.words import LedgerSums, usd
from pytest_ladder.errors import LadderError

RUN = "run:"
"""What the name of a run's own ledger begins with."""


class SharedSpending:
    """Asks the database for what its sums are; see `Spending`.

    Each question takes a connection of its own, so that any thread may ask: it happens
    a few times, at the end of a run. While the database is away the last sums count.
    """

    def __init__(
        self, run: MachinesRun, budget_usd: float | None, told: ToldOfStore
    ) -> None:
        self._run = run
        self._budget_usd = budget_usd
        self._told = told
        self._known: tuple[LedgerSums, ...] = ()

    @property
    def ledger(self) -> str:
        """The ledger that refused a call, else that of the run if it has a budget."""
        refused = self._told.refused()[1]
        if refused or self._budget_usd is not None:
            return "" if refused.startswith(RUN) else refused
        return next((sums.name for sums in self._sums() if sums.cap is not None), "")

    @property
    def cap_usd(self) -> float:
        """The cap of that ledger."""
        sums = self._of_ledger()
        if sums is None or sums.cap is None:
            return float("inf") if self._budget_usd is None else self._budget_usd
        return usd(sums.cap)

    def spent_usd(self) -> float:
        """Return what is spent or set aside of it, over all machines."""
        sums = self._of_ledger()
        return 0.0 if sums is None else usd(sums.settled + sums.reserved)

    def refused(self) -> Refused:
        """Return the calls that were not allowed, of the processes of this machine."""
        return self._told.refused()[0]

    def surprises(self) -> Sequence[Surprise]:
        """Return which models billed more than was set aside, on this machine."""
        return self._told.surprises()

    def _of_ledger(self) -> LedgerSums | None:
        name = self.ledger or RUN + self._run.name
        return next((sums for sums in self._sums() if sums.name == name), None)

    def _sums(self) -> tuple[LedgerSums, ...]:
        with contextlib.suppress(LadderError):
            self._known = standing(
                self._run.address, self._run.ledgers, run=self._run.name
            )
        return self._known
