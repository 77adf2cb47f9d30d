"""What a run leaves when its tests are over: recordings, reports, lines on a terminal.

Called by `results` in the process that has all rows, the controller of xdist.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from pytest_ladder.calls.store.archive import Needed
from pytest_ladder.core.row import Row
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.reporting.files import write
from pytest_ladder.reporting.sentences.gate import gate_lines
from pytest_ladder.reporting.sentences.judges import are_unlabelled, judge_command
from pytest_ladder.reporting.terminal import decision_lines, glyphs_for, report_lines
from pytest_ladder.results.ladder_result import Arrived, LadderResult
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.phrases import shown

_REPORT_FOLDER = "ladder-report"


def check_baseline(session: LadderSession, name: str) -> None:
    """Read the baseline of each ladder, so that a wrong one stops the run at once.

    Called when tests are collected. Raises `ConfigError`, also for a baseline that the
    run would write over: the next run would be held to this one.
    """
    from pytest_ladder.reporting.files.baseline import read_baseline, refuse_own

    # Whether several ladders will have rows shows later.
    possible = {False, len(session.opened) > 1}
    folders = [
        report_folder(session, opened, several=several)
        for opened in session.opened
        for several in possible
    ]
    refuse_own(name, folders)
    for opened in session.opened:
        read_baseline(name, opened.ladder.folder)


def report_folder(session: LadderSession, opened: OpenLadder, *, several: bool) -> Path:
    """Return where a ladder's report goes: a plain run never writes over a matrix.

    `several`: more than one ladder has rows, and each gets a folder of its own.
    """
    settings, root = session.settings, session.config.rootpath
    folder = settings.report or root / _REPORT_FOLDER
    if settings.report is None and settings.mode == "current":
        folder /= "current"
    return folder / _folder_name(opened.ladder.folder, root) if several else folder


def write_recordings(opened: OpenLadder, items: list[Arrived], started: float) -> None:
    """Write the recordings of the files whose tests ran on the current rung.

    `started` is when the run did, in Unix time.
    """
    modules: dict[str, list[Arrived]] = defaultdict(list)
    for item in items:
        # A replay never needs what the gate alone asked for.
        if item.payload.current and not item.payload.extra:
            modules[item.payload.module].append(item)
    for module, in_module in sorted(modules.items()):
        rows = [row for item in in_module for row in item.rows]
        finished = sum(item.is_finished for item in in_module)
        opened.archive.record(
            module,
            _needed(rows),
            prune=finished == in_module[0].payload.module_items,
            held_back={row.case for row in rows if is_held_back(row)},
            since=started,
        )


def write_report(result: LadderResult) -> None:
    """Write the report of a ladder, and its step summary on GitHub."""
    write.write_report(result.folder, result.report)
    write.append_step_summary(result.folder)


def print_result(reporter: pytest.TerminalReporter, result: LadderResult) -> None:
    """Print the matrix of a ladder, and the decision last."""
    report = result.report
    width = reporter.config.get_terminal_writer().fullwidth
    glyphs = glyphs_for(getattr(sys.stdout, "encoding", None))
    for text, markup in report_lines(report, width, glyphs):
        reporter.write_line(text, **markup)
    reporter.write_line(f"report: {shown(result.folder)}")
    if report.calibrations and are_unlabelled(report.calibrations):
        labels = result.opened.ladder.labels
        reporter.write_line(judge_command("label", result.folder, labels))
    gate = gate_lines(report.gate) if report.gate is not None else ()
    for line in filter(None, (result.spared, result.feasible, *gate)):
        reporter.write_line(line)
    for text, markup in decision_lines(report, width):
        reporter.write_line(text, **markup)


def _needed(rows: Iterable[Row]) -> dict[str, Needed]:
    """Say by key what replies were needed for; of several cases the first one."""
    needed: dict[str, Needed] = {}
    for row in rows:
        for bills, judge in ((row.replies, False), (row.evaluations, True)):
            for key in (key for bill in bills for key in bill.calls or (bill.key,)):
                purpose = Needed(row.case or row.test, judge)
                needed[key] = min(purpose, needed.get(key, purpose))
    return needed


def _folder_name(folder: Path, root: Path) -> str:
    """Return the path of a ladder as one name."""
    inside = folder.relative_to(root) if folder.is_relative_to(root) else folder
    return "-".join(part for part in inside.parts if part.strip("/")) or "root"
