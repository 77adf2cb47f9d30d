"""Worth: how good a rung that is not built yet must be to be worth its build.

It is held against the recommended rung, or else against what ships, by the objective
and at the volume (docs/deciding.md).
"""

from __future__ import annotations

import math

from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import Trust
from pytest_ladder.decide.cost import Calls, Cost, Latency, break_even
from pytest_ladder.decide.decision import MARGIN, Recommendation, Rival, Worth
from pytest_ladder.decide.estimates import PlannedRung
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Cell, Matrix, RungResult
from pytest_ladder.decide.objectives.kind import Need, need_beside
from pytest_ladder.decide.objectives.table import kind_of
from pytest_ladder.decide.view import View


def worths(
    matrix: Matrix,
    evidence: Evidence,
    level: Level,
    view: View | None,
    *,
    advice: Recommendation | None,
    current: str | None,
) -> tuple[Worth, ...]:
    """Say of each planned rung how good it must be, those of a model cheapest first.

    `view` and `advice` are None without an objective.
    """
    recommended = advice.rung if advice else None
    measured = {rung.id: rung for rung in matrix.rungs if _is_measured(rung, level)}
    displaced = next((one for one in (recommended, current) if one in measured), None)
    made = []
    for planned in matrix.planned:
        cost, rival = planned.cost(matrix.volume), None
        if cost.usd_per_1k is not None and displaced is not None:
            rung = measured[displaced]
            quality = evidence.quality(level, displaced)
            need = _need(view, rung, _as_result(planned, cost), quality)
            chosen = advice if displaced == recommended else None
            rival = _rival(rung, evidence, level, cost, need, chosen)
        made.append(
            Worth(
                rung=planned.id,
                model=planned.model,
                build_usd=planned.build_usd,
                build_hours=planned.build_hours,
                serve_usd_per_1k=planned.serve_usd_per_1k,
                usd_per_1k=cost.usd_per_1k,
                rival=rival,
            )
        )
    models = [planned.model for planned in matrix.planned]

    def place(worth: Worth) -> tuple[int, float]:
        usd = worth.usd_per_1k
        return models.index(worth.model), math.inf if usd is None else usd

    return tuple(sorted(made, key=place))


def _is_measured(rung: RungResult, level: Level) -> bool:
    """Whether all its cases ran, with a quality and a cost to compare with."""
    cell = rung.levels.get(level)
    scored = cell is not None and cell.quality is not None
    return scored and rung.state == "run" and rung.cost.usd_per_1k is not None


def _need(
    view: View | None, rival: RungResult, planned: RungResult, quality: float
) -> Need:
    """Ask the objective; without one a dearer rung has to be a step up."""
    usd = planned.cost.usd_per_1k or 0.0
    if view is None:
        return need_beside(quality, rival.cost.usd_per_1k or 0.0, usd, MARGIN)
    candidate, kind = view.find(rival.id), kind_of(view.objective)
    lacks = next(iter(kind.fits(planned, view.objective)), "")
    if lacks:
        return Need(quality=None, why=f"it {lacks}")
    assert candidate is not None, "a view has all rungs of its matrix"
    return kind.need(view, candidate, usd)


def _rival(
    rung: RungResult,
    evidence: Evidence,
    level: Level,
    cost: Cost,
    need: Need,
    advice: Recommendation | None,
) -> Rival:
    """Sum up the rung whose place it would take; `advice` is that for it, if any."""
    cell = rung.levels[level]
    bounds: Cell | Trust = evidence.calibrated(level, rung.id) or cell
    return Rival(
        rung=rung.id,
        recommended=advice is not None,
        is_open=advice is not None and advice.verdict == "undecided",
        quality=evidence.quality(level, rung.id),
        low=bounds.low,
        high=bounds.high,
        n=cell.n,
        usd_per_1k=rung.cost.usd_per_1k or 0.0,
        worth_from=need.quality,
        why=need.why,
        break_even_volume=(
            break_even(rung.cost, cost)
            if cost.build_usd > rung.cost.build_usd
            else None
        ),
    )


def _as_result(planned: PlannedRung, cost: Cost) -> RungResult:
    """Return it as a rung without rows, which is what constraints are asked of."""
    return RungResult(
        id=planned.id,
        model=planned.model,
        strategy=planned.strategy,
        tier=planned.tier,
        levels={},
        cost=cost,
        latency=Latency(p50_s=None, p95_s=None, n_live=0, recorded=False),
        tokens=None,
        calls=Calls(live=0, replayed=0),
        state="not run",
    )
