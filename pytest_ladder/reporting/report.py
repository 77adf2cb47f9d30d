"""What a report holds, from which every rendering of it is made."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.rung import Model
from pytest_ladder.decide.decision import Decision
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.gate.result import GateResult, MoreSamples
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.decide.objective import decide, with_verdicts
from pytest_ladder.judging.calibration.calibrate import Calibration
from pytest_ladder.judging.calibration.judged_level import trust_of


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One run of pytest."""

    id: str
    started: str
    """ISO 8601, in UTC."""
    mode: str
    """Which rungs were asked for: `current`, `matrix`, …"""
    git_sha: str | None = None
    """Commit of the checkout; None outside of one."""
    seed: int | None = None
    versions: dict[str, str] = {}
    """Versions of what can change a result, by name."""
    machine: dict[str, Any] = {}
    """As `machine_info` gives it; goes into `benchmark.json` only."""
    current: str | None = None
    """Id of the rung that is shipped."""
    escalation: MoreSamples = ""
    """What became of the samples that the gate asked for."""
    stopped: bool = False
    """Whether it was ended early: by Ctrl-C, `-x` or the like."""
    skipped: tuple[str, ...] = ()
    """Tests whose items were all skipped on the current rung."""
    partial: dict[str, int] = {}
    """Of tests of which a part ran there, by `-k` say: their items before that."""


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


def machine_info() -> dict[str, Any]:
    """Describe this machine in pytest-benchmark's words.

    Its name (`node`) is left out, because reports are handed around.
    """
    return {
        "machine": platform.machine(),
        "python_implementation": platform.python_implementation(),
        "python_implementation_version": platform.python_version(),
        "python_version": platform.python_version(),
        "release": platform.release(),
        "system": platform.system(),
    }
