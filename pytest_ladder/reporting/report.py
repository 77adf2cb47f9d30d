"""A whole report: what all its renderings are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.rung import Model
from pytest_ladder.decide.decision import Decision
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.decide.objective import decide, with_verdicts
from pytest_ladder.judging.calibration.calibrate import Calibration
from pytest_ladder.judging.calibration.judged_level import trust_of
from pytest_ladder.reporting.run import RunInfo


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was said in one call, for people to read."""

    key: str
    """As in `UsedReply.key` or `UsedReply.calls`."""
    messages: tuple[Message, ...]
    """What the model was sent; its answer is `text`."""
    text: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One ladder's results of one run."""

    info: RunInfo
    matrix: Matrix
    rows: Sequence[Row]
    evidence: Evidence
    objective: Objective | None
    decision: Decision
    gate: GateResult | None = None
    """Against a baseline; None without one."""
    exchanges: Mapping[str, Exchange] = {}
    """By key; empty where only the rows were kept."""
    attempts: Sequence[str] = ()
    """Seeds that a climb over these cases was tried with, this one last."""
    looks: Sequence[str] = ()
    """What a climb saw at each look, a sentence each."""
    reasons: Mapping[str, str] = {}
    """Why rungs were stopped or not run, by rung."""
    models: Sequence[Model] = ()
    """The models of the ladder as configured; empty where that is not known."""
    calibrations: Sequence[Calibration] = ()
    """Of each judge on each test; empty where no model judged."""


def report_on(
    info: RunInfo,
    matrix: Matrix,
    rows: Sequence[Row],
    objective: Objective | None = None,
    calibrations: Sequence[Calibration] = (),
) -> Report:
    """Decide what follows from a matrix and the rows that it is made of.

    `calibrations` say how far what judges said of the rungs may decide anything.
    """
    evidence = Evidence(rows, trust_of(matrix, rows, calibrations))
    decision = decide(matrix, evidence, objective, current=info.current)
    return Report(
        info=info,
        matrix=with_verdicts(matrix, decision),
        rows=rows,
        evidence=evidence,
        objective=objective,
        decision=decision,
        calibrations=calibrations,
    )
