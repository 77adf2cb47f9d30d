"""Verdicts: each rung against the bar and the constraints of an objective."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.bounds import FEW, ends_of, mistrust, verdict_of
from pytest_ladder.decide.comparison import Trust
from pytest_ladder.decide.cost import is_over
from pytest_ladder.decide.decision import Requirement, Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import LEAST_COVERAGE, Cell, Matrix, RungResult
from pytest_ladder.decide.objectives.kind import Kind
from pytest_ladder.decide.objectives.table import kind_of
from pytest_ladder.decide.requirements import cheap_share, requirements_of
from pytest_ladder.decide.view import MISSING, NO_PRICE, Candidate, View
from pytest_ladder.text import numbers


def view_of(
    matrix: Matrix,
    evidence: Evidence,
    objective: Objective,
    settled: Mapping[str, Verdict],
) -> View:
    """Hold each rung against the objective; `settled` are verdicts of a climb."""
    kind = kind_of(objective)
    return View(
        matrix=matrix,
        evidence=evidence,
        objective=objective,
        goal=kind.goal(objective),
        cap=kind.cap(objective),
        candidates=tuple(
            _candidate(
                result, matrix, evidence, objective, kind, settled.get(result.id)
            )
            for result in matrix.rungs
        ),
    )


def _candidate(
    result: RungResult,
    matrix: Matrix,
    evidence: Evidence,
    objective: Objective,
    kind: Kind,
    settled: Verdict | None,
) -> Candidate:
    # Of a rung with all its rows these tell more.
    dropped_at = matrix.kept_out.get(result.id) if result.state != "run" else None
    # What a criterion dropped has not missed the bar.
    at_bar = _at_bar(result, evidence, objective, None if dropped_at else settled)
    passed_early = at_bar.settled == "pass" and result.state == "stopped"
    requirements = tuple(
        _on_the_way(one, dropped_at, passed_early=passed_early)
        for one in requirements_of(result, evidence, objective)
    )
    held = [*_held_beside(result, evidence, objective, requirements, at_bar.settled)]
    ends = ends_of(evidence, objective.level, result.id)
    failed = [one for one in held if one.verdict == "fail"]
    lacks = [one.lack for one in failed]
    # What misses the bar, too, would be out without it.
    missed = at_bar.verdict == "fail" and not at_bar.mistrust
    kept_out = [] if missed else [(one.name, one.outcome) for one in failed]
    if dropped_at is not None:
        kept_out = [dropped_at]
        lacks = [f"was dropped at {dropped_at[0]}: {dropped_at[1]}"]
    over_budget, uncosted = _at_cap(result, matrix, kind.cap(objective))
    return Candidate(
        result=result,
        cell=at_bar.cell,
        corrected=at_bar.corrected,
        least=ends[0] if ends else None,
        mistrust=at_bar.mistrust,
        verdict=at_bar.verdict,
        requirements=requirements,
        limits=(*kind.fits(result, objective), *lacks),
        kept_out=tuple(kept_out),
        over_budget=over_budget,
        doubts=(
            *at_bar.doubts,
            *uncosted,
            *kind.unknowns(result, objective),
            *(one.doubt for one in held if one.verdict == "undecided"),
        ),
    )


class _AtBar(NamedTuple):
    """What becomes of a rung at the bar alone; fields as those of `Candidate`."""

    cell: Cell | None
    corrected: Trust | None
    settled: Verdict | None
    """What stands of a climb's verdict; None: the rows decide."""
    verdict: Verdict | None
    doubts: tuple[str, ...]
    mistrust: str


def _at_bar(
    result: RungResult,
    evidence: Evidence,
    objective: Objective,
    settled: Verdict | None,
) -> _AtBar:
    """Hold a rung against the bar; `settled` is the verdict of a climb."""
    level, bar = objective.level, objective.quality
    cell, by_rows = result.levels.get(level), None
    trust = evidence.trust.get(result.id) if level is Level.JUDGED else None
    corrected = trust if trust and not trust.why_not else None
    if bar is not None and level in result.levels:
        by_rows = verdict_of(evidence, level, result.id, bar)
    settled = _standing(settled, result, corrected, by_rows)
    verdict = settled or by_rows
    doubts = tuple(_doubts(result, cell, evidence, objective, settled, by_rows))
    if doubts and verdict is not None:
        verdict = "undecided"
    if cell is not None and cell.doubt:
        # What users did is shown, and decides nothing.
        cell = None
    is_scored = cell is not None and cell.quality is not None
    doubted = mistrust(trust, bar) if trust and is_scored else ""
    return _AtBar(cell, corrected, settled, verdict, doubts, doubted)


def _on_the_way(
    held: Requirement, dropped_at: tuple[str, str] | None, *, passed_early: bool
) -> Requirement:
    """Say what a climb made of a criterion; what it says nothing of is left as it is.

    A rung that it passed early has met all shares that it was held to.
    """
    if dropped_at is not None and held.name == dropped_at[0]:
        return msgspec.structs.replace(held, verdict="fail", why="")
    if not passed_early or held.at_least is None or held.quality is None:
        return held
    return msgspec.structs.replace(held, verdict="pass", why="")


def _held_beside(
    result: RungResult,
    evidence: Evidence,
    objective: Objective,
    requirements: Iterable[Requirement],
    settled: Verdict | None,
) -> Iterator[Requirement]:
    """Yield what a rung is held against beside the bar.

    A climb that settled it held it against all shares already.
    """
    is_settled = settled in ("pass", "fail")
    for one in requirements:
        if not is_settled or one.at_least is None:
            yield one
    level = objective.level
    if is_settled or level is Level.CHEAP or level not in result.levels:
        return
    cheap = cheap_share(result, evidence)
    if cheap is not None:
        yield cheap


def _standing(
    settled: Verdict | None,
    result: RungResult,
    corrected: Trust | None,
    by_rows: Verdict | None,
) -> Verdict | None:
    """Return what stands of a climb's verdict; None: the rows decide."""
    if settled in ("pass", "fail") and result.state == "run":
        # All its rows are here, and say the same as in a matrix.
        return None
    # The climb may have gone by the judge's own word: labels must say the same.
    return settled if corrected is None or settled == by_rows else None


def _doubts(
    result: RungResult,
    cell: Cell | None,
    evidence: Evidence,
    objective: Objective,
    settled: Verdict | None,
    by_rows: Verdict | None,
) -> Iterator[str]:
    """Say why the rows decide nothing; a climb's verdict is one."""
    if settled in ("pass", "fail"):
        return
    if cell is not None and cell.doubt:
        yield cell.doubt
        return
    if cell is None or cell.quality is None:
        yield nothing_finished(cell) if cell and cell.errors else MISSING
        return
    if result.state == "stopped":
        yield "an early stop"
    least = objective.min_n or 0
    if cell.n < least:
        count = numbers.count(cell.n, cell.noun) if cell.outcome else f"n={cell.n:,}"
        yield f"{count} of at least {least:,}"
    # Without a bar, rungs are compared on the cases that all of them finished.
    too_few = objective.quality is None and cell.coverage < LEAST_COVERAGE
    if too_few or (by_rows == "undecided" and cell.errors):
        yield f"coverage {numbers.percent(cell.coverage)}"
    elif cell.n < least:
        return
    elif by_rows == "undecided":
        yield evidence.real_doubt(result.id) or f"fewer than {FEW} cases"
    elif settled == "undecided" and result.state == "run":
        yield "tests that were lost"


def nothing_finished(cell: Cell) -> str:
    """Say why a rung has no score though tests ran on it."""
    calls = numbers.count(cell.errors, "call")
    if cell.over_budget == cell.errors:
        return f"the budget allowed none of {calls}"
    return f"all {calls} failed" if cell.errors > 1 else "the only call failed"


def _at_cap(
    result: RungResult, matrix: Matrix, cap: float | None
) -> tuple[str | None, list[str]]:
    """Say that a rung is over a cap, or why nobody knows whether it is."""
    usd = result.cost.usd_per_1k
    if cap is None:
        return None, []
    if usd is None and result.levels:
        # As with `-m real`, or logged replies alone.
        uncalled = not result.calls.live + result.calls.replayed
        doubt = "no reply in this run that tells its cost" if uncalled else NO_PRICE
        return None, [doubt]
    # What 1,000 calls cost, or may cost on a rung that was not tried.
    usd = matrix.expected.get(result.id) if usd is None else usd
    is_over_cap = usd is not None and is_over(usd, cap)
    return f"costs {numbers.per_calls(usd)}" if is_over_cap else None, []
