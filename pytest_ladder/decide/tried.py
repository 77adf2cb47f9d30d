"""What became of a model that was tried: better, worse or undecided against what ships.

By the paired interval over the cases of both (docs/methods.md §2.2), and not by the
gate, which asks whether one rung has become worse. Several rungs that are tried at once
share the 5 %: together they err as often as one (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import Comparison
from pytest_ladder.decide.evidence import Evidence, comparison
from pytest_ladder.decide.matrix import Matrix

TriedVerdict = Literal["better", "worse", "undecided"]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A rung that was tried, against the one that ships."""

    rung: str
    against: str
    """The rung that ships."""
    level: Level | None
    """The level at which they were compared; None: neither was measured."""
    verdict: TriedVerdict
    compared: Comparison | None
    """On the cases that both finished; None: there is none."""
    errors: int = 0
    """Rows of either that came to no score: for `better` they count as misses of the
    tried one and passes of the other, for `worse` the other way round."""
    over_budget: int = 0
    """Those of the `errors` that are none: the budget did not allow a call."""
    why: str = ""
    """What keeps it undecided besides its interval; empty: nothing else does."""
    usd_per_1k: float | None = None
    """What 1,000 calls cost, building spread; None: not known."""
    against_usd_per_1k: float | None = None
    at_once: int = 1
    """Rungs that were tried together."""


def hold_against(
    matrix: Matrix,
    evidence: Evidence,
    rungs: Sequence[str],
    current: str,
    level: Level | None,
    *,
    is_climb: bool = False,
) -> tuple[Tried, ...]:
    """Hold rungs against the `current` one.

    `level` is that of the objective; None: the first at which the current one was
    measured. A climb runs no rung that it need not come to.
    """
    run_it = "--ladder-live asks for what is not stored"
    if is_climb:
        run_it = "the climb did not come to it, and without --ladder=climb it is run"
    by_id = {rung.id: rung for rung in matrix.rungs}
    shipped = by_id.get(current)
    levels = list(shipped.levels) if shipped is not None else []
    if level not in levels:
        level = next((each for each in Level if each in levels), None)
    costs = {rung.id: rung.cost.usd_per_1k for rung in matrix.rungs}
    found = []
    for rung in rungs:
        verdict, compared, why = _verdict(evidence, level, rung, current, len(rungs))
        if shipped is not None and rung in by_id and not by_id[rung].levels:
            why = f"{rung} was not run; {run_it}"
        cells = [
            cell
            for name in (rung, current)
            if name in by_id and level is not None
            if (cell := by_id[name].levels.get(level)) is not None
        ]
        found.append(
            Tried(
                rung=rung,
                against=current,
                level=level,
                verdict=verdict,
                compared=compared,
                errors=sum(cell.errors for cell in cells),
                over_budget=sum(cell.over_budget for cell in cells),
                why=why,
                usd_per_1k=costs.get(rung),
                against_usd_per_1k=costs.get(current),
                at_once=len(rungs),
            )
        )
    return tuple(found)


def _verdict(
    evidence: Evidence, level: Level | None, rung: str, current: str, of: int
) -> tuple[TriedVerdict, Comparison | None, str]:
    if level is None:
        return "undecided", None, f"{current} was not run"
    compared = evidence.compare(level, rung, current, of)
    if compared is None:
        missing = [name for name in (rung, current) if not evidence.scores(level, name)]
        why = "no case was finished by both"
        if missing:
            why = f"{' and '.join(missing)} has no score at the {level} level"
        return "undecided", None, why
    doubt = evidence.trust.get(rung) or evidence.trust.get(current)
    if level is Level.JUDGED and doubt is not None and doubt.why_not:
        return "undecided", compared, doubt.why_not
    worst, best = _extremes(evidence, level, rung, current, of) or (compared, compared)
    if worst.established and worst.mean > 0:
        return "better", compared, ""
    if best.established and best.mean < 0:
        return "worse", compared, ""
    is_told = compared.established
    return "undecided", compared, "errors may hide the opposite" if is_told else ""


def _extremes(
    evidence: Evidence, level: Level, rung: str, current: str, of: int
) -> tuple[Comparison, Comparison] | None:
    """Compare with every error at the rung's cost, and to its good; None: no errors."""
    own, other = evidence.ends(level, rung), evidence.ends(level, current)
    if own.worst is own.best and other.worst is other.best:
        return None
    units = [unit for unit in own.worst if unit in other.worst]
    clusters = evidence.clusters(level, units)
    worst = [own.worst[unit] - other.best[unit] for unit in units]
    best = [own.best[unit] - other.worst[unit] for unit in units]
    return comparison(worst, clusters, of), comparison(best, clusters, of)
