"""The view: each rung with what stands between it and the recommendation."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.bounds import certified_floor, corrected_floor
from pytest_ladder.decide.comparison import Trust
from pytest_ladder.decide.decision import Requirement, Roi, Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.frontier import roi
from pytest_ladder.decide.matrix import LEAST_COVERAGE, Cell, Matrix, RungResult

MISSING = "not measured"
"""The doubt of a rung that nothing is known about."""
NO_PRICE = "an unknown cost"
"""The doubt of a rung whose cost counts, and is not known."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A rung with what stands between it and the recommendation."""

    result: RungResult
    cell: Cell | None
    corrected: Trust | None
    """Its quality corrected by labels; None where it is not, or needs none."""
    least: float | None
    """Quality with whatever did not finish taken for a miss; None: unknown."""
    mistrust: str
    """Why the judge's word decides nothing, like `doubts`; empty: it does, or no
    judge is in it."""
    verdict: Verdict | None
    """Against the bar alone, by the judge's word where a judge decides; None without
    a bar, and where nothing is measured."""
    requirements: tuple[Requirement, ...]
    """What became of each criterion of the objective."""
    limits: tuple[str, ...]
    """Constraints that it does not meet, to be read after "it"."""
    kept_out: tuple[tuple[str, str], ...]
    """Criteria that it fails though it may meet the bar: their names, and how."""
    over_budget: str | None
    """Why it does not fit the budget, likewise."""
    doubts: tuple[str, ...]
    """Why nothing can be said yet."""

    @property
    def id(self) -> str:
        """The rung's id."""
        return self.result.id

    @property
    def quality(self) -> float | None:
        """Quality at the level that decides, corrected if it can be; None: unknown."""
        if self.corrected is not None:
            return self.corrected.value
        return self.cell.quality if self.cell else None

    @property
    def usd_per_1k(self) -> float | None:
        """What 1,000 calls cost at the matrix's volume; None: not known."""
        return self.result.cost.usd_per_1k

    @property
    def is_measured(self) -> bool:
        """Whether anything is known of it at the level that decides."""
        return self.quality is not None or self.verdict in ("pass", "fail")

    @property
    def failed(self) -> bool:
        """Whether calls were made, and none brought a score."""
        cell = self.cell
        return bool(cell and cell.quality is None and cell.errors > cell.over_budget)

    @property
    def is_whole(self) -> bool:
        """Whether all its cases are measured, so that any bar can be held against it.

        Of a rung that a climb stopped early nothing but its own bar is decided.
        """
        if self.cell is None or self.quality is None or self.result.state != "run":
            return False
        return self.cell.coverage >= LEAST_COVERAGE

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Constraints and budget together."""
        return (*self.limits, self.over_budget) if self.over_budget else self.limits

    @property
    def status(self) -> Verdict:
        """Bar and constraints together."""
        if self.standing == "fail" or self.obstacles:
            return "fail"
        if self.open or self.standing == "undecided":
            return "undecided"
        return "pass"

    @property
    def standing(self) -> Verdict | None:
        """The verdict as far as the judge's word may be taken."""
        return "undecided" if self.mistrust and self.verdict else self.verdict

    @property
    def open(self) -> tuple[str, ...]:
        """Doubts and mistrust together."""
        return (*self.doubts, self.mistrust) if self.mistrust else self.doubts


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The matrix and its evidence, seen with an objective."""

    matrix: Matrix
    evidence: Evidence
    objective: Objective
    goal: str
    """What a rung has to do, to be read after "no rung"."""
    cap: float | None
    """What 1,000 calls may cost, in USD; None: no cap."""
    candidates: tuple[Candidate, ...]
    """In the order of the matrix: cheapest first, unknown cost last."""

    @property
    def bar(self) -> float:
        """The bar, 0 without one."""
        return self.objective.quality or 0.0

    @property
    def fitting(self) -> tuple[Candidate, ...]:
        """Rungs that meet the constraints, as far as these are known."""
        return tuple(rung for rung in self.candidates if not rung.obstacles)

    def find(self, rung: str | None) -> Candidate | None:
        """Return the rung of this id, if it is in the matrix."""
        return next(
            (candidate for candidate in self.candidates if candidate.id == rung), None
        )

    def floor(self, rung: Candidate, competed: int = 1) -> float | None:
        """One-sided 95 % lower bound of a rung's quality, the best of so many.

        None where there is none, or where nothing but a judge's word is behind it.
        """
        if rung.corrected is not None:
            value, least = rung.corrected.value, rung.least
            finished = least / value if least and value else 1.0
            return finished * corrected_floor(rung.corrected, competed)
        if rung.mistrust:
            return None
        return certified_floor(
            rung.result, self.evidence, self.objective.level, competed
        )

    def dearer_than(self, chosen: Candidate) -> tuple[Candidate, ...]:
        """Rungs after `chosen` in the order of cost."""
        ids = [rung.id for rung in self.candidates]
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
        return tuple(
            candidate for candidate in map(self.find, rungs) if candidate is not None
        )

    def step(self, first: Candidate, second: Candidate) -> Roi | None:
        """Return of going from one rung to the other; None: one is not measured."""
        if first.quality is None or second.quality is None:
            return None
        level = self.objective.level
        return roi(
            first.result, second.result, self.evidence, level, self.matrix.volume
        )


def by_quality(rung: Candidate) -> float:
    """Return what candidates are sorted by; one without a quality is the lowest."""
    return -1.0 if rung.quality is None else rung.quality
