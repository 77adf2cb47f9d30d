"""The objective: the one function that says which rung to use, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import (
    Decision,
    Part,
    Recommendation,
    Requirement,
    Verdict,
    Worth,
)
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.frontier import standings, steps
from pytest_ladder.decide.matrix import Matrix, RungResult

if TYPE_CHECKING:
    from pytest_ladder.decide.view import View


def decide(
    matrix: Matrix,
    evidence: Evidence,
    objective: Objective | None,
    *,
    current: str | None = None,
    level: Level | None = None,
    part: Part | None = None,
) -> Decision:
    """Decide at the matrix's volume, whatever that of the objective is.

    `evidence` is made of the same rows as `matrix`, and `current` is the rung that
    ships. `level` stands in for the objective's; without either it is the first one
    that has rows. A `part` of the suite shows what it would decide, and leaves all
    undecided.
    """
    # A climb settles its own objective, at its own level.
    elsewhere = bool(objective and level and level is not objective.level)
    if objective is not None and level is not None:
        objective = msgspec.structs.replace(objective, level=level)
    if objective is not None:
        level = objective.level
    elif level is None:
        level = next(iter(matrix.levels), Level.CHEAP)
    standing = standings(matrix, evidence, level)
    stairs = steps(matrix, evidence, level, standing)
    held = _WITHOUT_OBJECTIVE
    if objective is not None:
        settled = {} if elsewhere else matrix.settled
        held = _held_to(objective, matrix, evidence, settled, current)
        if part is not None:
            held = _of_part(held, part)
    planned: tuple[Worth, ...] = ()
    if matrix.planned and part is None:
        from pytest_ladder.decide.worth import worths

        planned = worths(
            matrix,
            evidence,
            level,
            held.view,
            advice=held.recommendation,
            current=current,
        )
    return Decision(
        level=level,
        volume=matrix.volume,
        verdicts=held.verdicts,
        rung_verdicts=held.rung_verdicts,
        lacks=held.lacks,
        requirements=held.requirements,
        recommendation=held.recommendation,
        standings=standing,
        steps=stairs,
        planned=planned,
    )


class _Held(NamedTuple):
    """How rungs stand to an objective, by name."""

    view: View | None
    verdicts: dict[str, Verdict]
    rung_verdicts: dict[str, Verdict]
    lacks: dict[str, tuple[str, ...]]
    requirements: dict[str, tuple[Requirement, ...]]
    recommendation: Recommendation | None


_WITHOUT_OBJECTIVE = _Held(None, {}, {}, {}, {}, None)


def _held_to(
    objective: Objective,
    matrix: Matrix,
    evidence: Evidence,
    settled: Mapping[str, Verdict],
    current: str | None,
) -> _Held:
    # Most runs have no objective to be held to: these decide nothing.
    from pytest_ladder.decide.candidates import view_of
    from pytest_ladder.decide.recommendation import recommend

    view = view_of(matrix, evidence, objective, settled)
    at_bar = [rung for rung in view.candidates if rung.standing]
    return _Held(
        view,
        {rung.id: rung.standing for rung in at_bar if rung.standing},
        {rung.id: rung.status for rung in at_bar},
        {rung.id: rung.obstacles for rung in at_bar if rung.standing != "fail"},
        {rung.id: rung.requirements for rung in view.candidates if rung.requirements},
        recommend(view, current),
    )


def _of_part(held: _Held, part: Part) -> _Held:
    """Leave undecided what a part of the suite would decide, and say so."""
    advice = held.recommendation
    assert advice is not None
    return held._replace(
        verdicts=dict.fromkeys(held.verdicts, "undecided"),
        rung_verdicts=dict.fromkeys(held.rung_verdicts, "undecided"),
        lacks={},
        requirements={
            rung: tuple(
                msgspec.structs.replace(
                    one, verdict="undecided", why=one.why or "a part of the suite"
                )
                for one in requirements
            )
            for rung, requirements in held.requirements.items()
        },
        recommendation=msgspec.structs.replace(
            advice,
            verdict="undecided",
            reason=(
                f"Only a part of the suite ran ({part}), which decides nothing. On it: "
                f"{advice.reason}"
            ),
        ),
    )


def with_verdicts(matrix: Matrix, decision: Decision) -> Matrix:
    """Return the matrix with what becomes of its rungs, at the bar and beside it."""
    return msgspec.structs.replace(
        matrix, rungs=tuple(_judged(rung, decision) for rung in matrix.rungs)
    )


def _judged(rung: RungResult, decision: Decision) -> RungResult:
    levels = {
        level: msgspec.structs.replace(
            cell,
            verdict=decision.verdicts.get(rung.id) if level is decision.level else None,
        )
        for level, cell in rung.levels.items()
    }
    return msgspec.structs.replace(
        rung,
        levels=levels,
        requirements=decision.requirements.get(rung.id, ()),
        verdict=decision.rung_verdicts.get(rung.id),
        lacks=decision.lacks.get(rung.id, ()),
    )
