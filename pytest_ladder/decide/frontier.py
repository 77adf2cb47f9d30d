"""The Pareto front of quality and cost, and what each step on it returns.

See docs/methods.md §4.3 and §4.4. A rung without a quality or with an unknown cost is
on no front: it is shown apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pytest_ladder.core.score import Level
from pytest_ladder.decide.cost import PER, break_even, tco, usd_per_call
from pytest_ladder.decide.decision import Roi, Standing
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Matrix, RungResult
from pytest_ladder.stats.checks import TINY

POINTS = 100
"""Points in a quality of 1."""
_THOUSAND_USD = 1000


def standings(matrix: Matrix, evidence: Evidence, level: Level) -> tuple[Standing, ...]:
    """Say where each rung of the matrix stands, in its order.

    The front is that of the scores as they are; "dominated" needs a cheaper rung whose
    paired difference is 0 or more with one-sided 95 % support over all cheaper ones:
    that is the first step of Holm, and one rung is all that it takes.
    """
    compared = [rung for rung in matrix.rungs if is_comparable(rung, level)]
    if len(compared) < 2:
        return tuple(
            Standing(rung=rung.id, on_front=True, dominated_by=None, comparable=True)
            if rung in compared
            else _apart(rung)
            for rung in matrix.rungs
        )
    by_rung = {}
    for index, rung in enumerate(compared):
        on_front = _on_front(compared, evidence, level, index)
        dominant = (
            rival.id
            for rival in compared[:index]
            if (found := evidence.compare(level, rival.id, rung.id, index))
            and found.at_least
        )
        by_rung[rung.id] = Standing(
            rung=rung.id,
            on_front=on_front,
            dominated_by=None if on_front else next(dominant, None),
            comparable=True,
        )
    return tuple(by_rung.get(rung.id) or _apart(rung) for rung in matrix.rungs)


def steps(
    matrix: Matrix,
    evidence: Evidence,
    level: Level,
    standing: Sequence[Standing],
) -> tuple[Roi, ...]:
    """Return of each step from a rung of the front to the next."""
    fronts = {point.rung for point in standing if point.on_front}
    front = [rung for rung in matrix.rungs if rung.id in fronts]
    return tuple(
        roi(first, second, evidence, level, matrix.volume)
        for first, second in pairwise(front)
    )


def is_comparable(rung: RungResult, level: Level) -> bool:
    """Whether the rung has both a quality at the level and a known cost."""
    cell = rung.levels.get(level)
    return (
        cell is not None
        and cell.quality is not None
        and not cell.doubt
        and rung.cost.usd_per_1k is not None
    )


def roi(
    first: RungResult,
    second: RungResult,
    evidence: Evidence,
    level: Level,
    volume: int,
) -> Roi:
    """Return of the step from one rung to another, at `volume` calls.

    See docs/methods.md §4.4. A figure is None where a cost is unknown, the second costs
    no more, or there is nothing to divide by.
    """
    gain = evidence.compare(level, second.id, first.id)
    gained = None if gain is None else POINTS * gain.mean
    pairs = (
        (cost(first.cost, volume), cost(second.cost, volume))
        for cost in (usd_per_call, tco)
    )
    per_call, total = (
        None if before is None or after is None else after - before
        for before, after in pairs
    )
    hours = second.cost.build_hours - first.cost.build_hours
    per_money = per_answer = None
    if gained is not None and total is not None and total > 0:
        per_money = gained / (total / _THOUSAND_USD)
    if gained and per_call is not None and gained > 0 and per_call >= 0:
        per_answer = per_call / (gained / POINTS)
    return Roi(
        from_rung=first.id,
        to_rung=second.id,
        points=gained,
        low=_points(gain.low if gain else None),
        high=_points(gain.high if gain else None),
        extra_usd_per_1k=None if per_call is None else PER * per_call,
        points_per_1000_usd=per_money,
        usd_per_good_answer=per_answer,
        points_per_build_hour=(
            gained / hours if gained is not None and hours > 0 else None
        ),
        break_even_volume=(
            break_even(first.cost, second.cost)
            if second.cost.build_usd > first.cost.build_usd
            else None
        ),
        established=gain is not None and gain.established,
        only_cases=_only(first, second, gain.n, level) if gain else None,
    )


def _only(
    first: RungResult, second: RungResult, shared: int, level: Level
) -> int | None:
    """Return how many cases both finished; None: all, or users, who are not paired."""
    if level is Level.REAL:
        return None
    cells = (rung.levels.get(level) for rung in (first, second))
    ran = max((cell.n for cell in cells if cell), default=0)
    stopped = "stopped" in (first.state, second.state)
    return shared if stopped or shared < ran else None


def _on_front(
    rungs: Sequence[RungResult], evidence: Evidence, level: Level, index: int
) -> bool:
    """Whether nothing that costs as little is as good as a rung; cheapest come first.

    Of two that cost the same the better one is on the front.
    """
    rung = rungs[index]
    for rival in rungs[:index]:
        gain = evidence.gain(level, rival.id, rung.id)
        if gain is not None and gain >= -TINY:
            return False
    for rival in rungs[index + 1 :]:
        if rival.cost.usd_per_1k != rung.cost.usd_per_1k:
            break
        gain = evidence.gain(level, rival.id, rung.id)
        if gain is not None and gain > TINY:
            return False
    return True


def _apart(rung: RungResult) -> Standing:
    return Standing(
        rung=rung.id,
        on_front=False,
        dominated_by=None,
        comparable=False,
    )


def _points(share: float | None) -> float | None:
    return None if share is None else POINTS * share
