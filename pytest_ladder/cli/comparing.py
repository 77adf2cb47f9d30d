"""Two reports held against each other, for every command that does: one gate."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pytest_ladder.cli.judge_arguments import labels_in
from pytest_ladder.config.load import find_ladder, load_ladder
from pytest_ladder.core.ladder import Gate, Ladder
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.decide.judge_errors import ErrorsOf
from pytest_ladder.judging.calibration.calibrate import calibrations_of
from pytest_ladder.reporting.against import held_against
from pytest_ladder.reporting.files.anchor import read_anchor
from pytest_ladder.reporting.files.baseline import compared_run, read_baseline, why_old
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.without_texts import without_texts


def gate_between(
    base: Report, head: Report, ladder: Ladder | None, name: str, *, outdated: str = ""
) -> GateResult:
    """Gate `head` on `base`, which was named `name`, by the ladder in reach, if any."""
    folder = ladder.folder if ladder else Path.cwd()
    anchor = ladder.gate.anchor if ladder else None
    objective = head.objective
    if objective is not None and ladder is not None:
        # The ladder in reach goes first: a change does not lower its own bar.
        objective = ladder.objective or objective
    return gate(
        compared_run(base),
        msgspec.structs.replace(compared_run(head), outdated=outdated),
        ladder.gate if ladder else Gate(),
        objective,
        _errors(base, head, ladder),
        None if anchor is None else read_anchor(anchor, folder, name),
    )


def compared_with(
    report: Report, folder: Path, name: str, config: Path | None
) -> Report:
    """Return a report, read from `folder`, with all that moved since another run.

    The verdict is the gate's. Raises `ConfigError` for a report that cannot be read.
    """
    path = config or find_ladder(Path.cwd())
    ladder = None if path is None else load_ladder(path)
    base = read_baseline(name, ladder.folder if ladder else Path.cwd())
    found = gate_between(base, report, ladder, name, outdated=why_old(str(folder)))
    report = held_against(msgspec.structs.replace(report, gate=found), base, name)
    return report if report.info.texts else without_texts(report)


def _errors(base: Report, head: Report, ladder: Ladder | None) -> ErrorsOf:
    """Return what labels say of the judges; those of the baseline's replies count.

    Without a ladder in reach, whose labels they are, what the reports were told.
    """
    judges = [*base.calibrations, *head.calibrations]
    if ladder is not None:
        rungs = [line.id for line in head.matrix.rungs]
        labels = labels_in(ladder.labels)
        judges = [*calibrations_of(head.rows, labels, rungs, base.rows)]
    judges.sort(key=lambda judge: judge.errors.labels)
    return {judge.asked: judge.errors for judge in judges}
