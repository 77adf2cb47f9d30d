"""What a report holds, from which every rendering of it is made."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.making import Making
from pytest_ladder.core.reply import called
from pytest_ladder.core.row import Exchange, Row
from pytest_ladder.core.rung import Model
from pytest_ladder.core.score import Level
from pytest_ladder.core.shard import Shard
from pytest_ladder.core.why import Why
from pytest_ladder.decide.decision import Decision, MoreSamples, Part
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Matrix, Unit
from pytest_ladder.decide.objective import decide, with_verdicts
from pytest_ladder.decide.outgrown import Outgrown, outgrown
from pytest_ladder.decide.tags import Tag, tags_of

if TYPE_CHECKING:
    from pytest_ladder.decide.against import Against
    from pytest_ladder.decide.gate.result import GateResult
    from pytest_ladder.decide.people.sums import People
    from pytest_ladder.decide.real.users import Declared, Users
    from pytest_ladder.decide.tried import Tried
    from pytest_ladder.judging.calibration.calibrate import Calibration


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
    """Of tests of which a part ran there, by `-k` say: their rows before that.

    And of tags that a test asks a share of, as `test[tag]`.
    """
    part: Part | None = None
    """How much of the suite ran; None: all that the run was asked for."""
    shard: Shard | None = None
    """Which shard of a run it is; None: it is none."""
    store: str = ""
    """The store that machines share, and its ledgers; empty: this machine alone."""
    strategies: tuple[str, ...] = ()
    """Names of the strategies in the order of ladder.toml; empty: it is not known."""
    texts: bool = True
    """Whether its files hold what was asked, expected and answered."""
    tried: tuple[str, ...] = ()
    """Ids of the rungs that were held against the current one: of `--ladder-try`."""
    tests: dict[str, int] = {}
    """Rows of each test on all rungs, before anything was left out, by node id."""
    aim: Objective | None = None
    """What ladder.toml asks for, in a run that decides nothing by it; None: nothing."""
    ladder: str = ""
    """Its configuration file, as a path from the root of the checkout; empty: it is in
    none, or not known."""


def decides(mode: str) -> bool:
    """Whether a run of this mode decides where ladder.toml has an objective.

    One rung by itself decides nothing.
    """
    return mode in ("matrix", "climb")


class LookTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a climb saw at one look, for people to read."""

    sentence: str
    decision: str
    """As of `ClimbLook`: what followed from it."""

    @property
    def decides(self) -> bool:
        """Whether anything followed from it."""
        return self.decision != "go on"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One ladder's results of one run."""

    info: RunInfo
    matrix: Matrix
    rows: Sequence[Row]
    evidence: Evidence
    objective: Objective | None
    decision: Decision
    outgrown: Sequence[Outgrown] = ()
    """Levels that can hardly tell the rungs apart."""
    gate: GateResult | None = None
    """Against a baseline; None without one."""
    against: Against | None = None
    """What moved since another run, the baseline say; None: there is none."""
    exchanges: Mapping[str, Exchange] = {}
    """By key; empty where only the rows were kept."""
    cases: Mapping[Unit, WrittenCase] = {}
    """What they ask and expect; empty where an earlier version wrote the rows."""
    attempts: Sequence[str] = ()
    """Seeds that a climb over these cases was tried with, this one last."""
    looks: Sequence[LookTold] = ()
    """What a climb saw at each look."""
    reasons: Mapping[str, str] = {}
    """Why rungs were stopped or not run, by rung."""
    models: Sequence[Model] = ()
    """The models of the ladder as configured; empty where that is not known."""
    makings: Mapping[str, Making] = {}
    """What makes each rung beside its names, by rung; empty where that is not known."""
    calibrations: Sequence[Calibration] = ()
    """Of each judge on each test; empty where no model judged."""
    tags: Sequence[Tag] = ()
    """Quality on the cases of each tag; empty where no case has one."""
    declared: Declared | None = None
    """Outcomes of real use, as they were read; None: none is declared."""
    users: Users | None = None
    """What follows from them."""
    tried: Sequence[Tried] = ()
    """What became of the rungs that were held against the current one."""
    people: People | None = None
    """What people said of the replies; None: nobody has reviewed any."""

    def level_name(self, level: Level) -> str:
        """Name a level; `real` after the primary outcome: `resolved (real)`."""
        primary = self.users.primary if self.users else None
        if level is not Level.REAL or primary is None:
            return str(level)
        return f"{primary.name} ({level})"


def report_on(  # noqa: PLR0913 - each is another source of what is known
    info: RunInfo,
    matrix: Matrix,
    rows: Sequence[Row],
    objective: Objective | None = None,
    calibrations: Sequence[Calibration] = (),
    declared: Declared | None = None,
    people: People | None = None,
) -> Report:
    """Decide what follows from a matrix and the rows that it is made of.

    `calibrations` say how far what judges said of the rungs may decide anything,
    `declared` what users did, `people` what reviewers said; None: nothing is known.
    """
    trust = None
    if calibrations:
        from pytest_ladder.judging.calibration.judged_level import trust_of

        trust = trust_of(matrix, rows, calibrations)
    users = None
    if declared is None:
        evidence = Evidence(rows, trust)
    else:
        # Most suites know nothing of users.
        from pytest_ladder.decide.real import level_three

        users, matrix, evidence = level_three.add(
            declared, matrix, rows, trust, objective, people
        )
    decision = decide(matrix, evidence, objective, current=info.current, part=info.part)
    return Report(
        info=info,
        matrix=with_verdicts(matrix, decision),
        rows=rows,
        evidence=evidence,
        objective=objective,
        decision=decision,
        outgrown=outgrown(matrix, evidence, objective, info.part),
        calibrations=calibrations,
        tags=tags_of(rows, matrix),
        declared=declared,
        users=users,
        tried=_tried(info, matrix, evidence, objective) if info.tried else (),
        people=people,
    )


def _tried(
    info: RunInfo, matrix: Matrix, evidence: Evidence, objective: Objective | None
) -> tuple[Tried, ...]:
    from pytest_ladder.decide.tried import hold_against

    level = None if objective is None else objective.level
    current, is_climb = info.current or "", info.mode == "climb"
    return hold_against(matrix, evidence, info.tried, current, level, is_climb=is_climb)


def content_text(message: Mapping[str, Any]) -> str:
    """Write the content of a message as text, parts and tool calls included."""
    content = message.get("content")
    texts = [content] if content and isinstance(content, str) else []
    if isinstance(content, list):
        texts += [
            part["text"]
            if isinstance(part, dict) and isinstance(part.get("text"), str)
            else json.dumps(part, ensure_ascii=False, default=str)
            for part in content
        ]
    calls = message.get("tool_calls")
    texts += called(calls if isinstance(calls, list | tuple) else ())
    return "\n".join(texts)


def has_run(row: Row) -> bool:
    """Whether a row is of a test that ran, and not of one that the budget kept out."""
    return row.why is not Why.BUDGET


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
