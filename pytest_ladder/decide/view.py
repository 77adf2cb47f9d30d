"""What a recommendation is made from: the rungs held against one objective."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.decision import Roi
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.frontier import roi
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.decide.verdicts import Candidate
from pytest_ladder.text import numbers


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The matrix and its evidence, seen with an objective."""

    matrix: Matrix
    evidence: Evidence
    objective: Objective
    candidates: tuple[Candidate, ...]
    """In the order of the matrix: cheapest first, unknown cost last."""

    @property
    def bar(self) -> float:
        """The bar, 0 without one."""
        return self.objective.quality or 0.0

    @property
    def fitting(self) -> tuple[Candidate, ...]:
        """Rungs that meet the constraints, as far as these are known."""
        return tuple(one for one in self.candidates if not one.obstacles)

    @property
    def goal(self) -> str:
        """What a rung has to do, to be read after "no rung"."""
        parts = []
        if self.objective.quality is not None:
            parts.append(f"meets the bar of {numbers.bar(self.objective.quality)}")
        if self.objective.kind == "budget":
            cap = numbers.dollars(self.objective.usd_per_1k)
            parts.append(f"keeps within {cap} per 1,000 calls")
        limits = (self.objective.latency_p95_s, self.objective.build_hours)
        if any(limit is not None for limit in limits):
            parts.append("keeps to the limits")
        return " and ".join(parts) or "can be recommended"

    def find(self, rung: str | None) -> Candidate | None:
        """Return the rung of this id, if it is in the matrix."""
        return next((one for one in self.candidates if one.id == rung), None)

    def dearer_than(self, chosen: Candidate) -> tuple[Candidate, ...]:
        """Rungs after `chosen` in the order of cost."""
        ids = [one.id for one in self.candidates]
        return self.candidates[ids.index(chosen.id) + 1 :]

    def later_than(self, chosen: Candidate) -> tuple[Candidate, ...]:
        """Rungs after `chosen` in the order of the run."""
        order = self.matrix.run_order
        return self._of(order[order.index(chosen.id) + 1 :])

    def earlier_than(self, chosen: Candidate) -> tuple[Candidate, ...]:
        """Rungs before `chosen` in the order of the run."""
        order = self.matrix.run_order
        return self._of(order[: order.index(chosen.id)])

    def _of(self, rungs: Sequence[str]) -> tuple[Candidate, ...]:
        return tuple(one for one in map(self.find, rungs) if one is not None)

    def step(self, first: Candidate, second: Candidate) -> Roi | None:
        """Return of going from one rung to the other; None: one is not measured."""
        if first.quality is None or second.quality is None:
            return None
        level = self.objective.level
        return roi(
            first.result, second.result, self.evidence, level, self.matrix.volume
        )
