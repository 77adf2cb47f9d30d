"""What a run leaves when its tests are over: recordings, reports, lines on a terminal.

Called by `results` in the process that has all rows, the controller of xdist.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Container, Iterator
from pathlib import Path

import pytest

from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.reporting.files import write
from pytest_ladder.reporting.files.outdated import mark, unmark
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.judges import are_unlabelled, judge_command
from pytest_ladder.reporting.terminal.lines import Line, glyphs_for
from pytest_ladder.reporting.terminal.report import decision_lines, report_lines
from pytest_ladder.reporting.terminal.tags import tag_lines
from pytest_ladder.results.ladder_result import Arrived, LadderResult
from pytest_ladder.results.outdated import report_root, sentence
from pytest_ladder.results.part import PART
from pytest_ladder.session.open_ladder import OpenLadder, folder_name
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.phrases import shown


def check_baseline(session: LadderSession, name: str) -> None:
    """Read the baseline of each ladder, so that a wrong one stops the run at once.

    Called when tests are collected. Raises `ConfigError`, also for a baseline that the
    run would write over: the next run would be held to this one.
    """
    from pytest_ladder.reporting.files.anchor import check_anchor
    from pytest_ladder.reporting.files.baseline import read_baseline, refuse_own

    # Whether several ladders will have tests shows later.
    possible = {False, len(session.opened) > 1}
    wholes = [
        report_folder(session, opened, several=several)
        for opened in session.opened
        for several in possible
    ]
    refuse_own(name, [*wholes, *(folder / PART for folder in wholes)])
    for opened in session.opened:
        read_baseline(name, opened.ladder.folder)
        anchor = opened.ladder.gate.anchor
        if anchor is not None:
            check_anchor(anchor, opened.ladder.folder)


def report_folder(session: LadderSession, opened: OpenLadder, *, several: bool) -> Path:
    """Return where a ladder's report goes, if it is of the whole suite.

    `several`: more than one ladder has tests, and each gets a folder of its own.
    """
    root = session.config.rootpath
    folder = report_root(session.config, session.settings)
    return folder / folder_name(opened.ladder.folder, root) if several else folder


def write_recordings(
    opened: OpenLadder, items: list[Arrived], called: Container[str]
) -> None:
    """Write the recordings of the files whose tests ran on the current rung.

    `called` are the keys of the replies that this run called for.
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
            rows,
            prune=0 < finished == in_module[0].payload.module_items,
            held_back={row.case for row in rows if is_held_back(row)},
            called=called,
        )


def write_report(result: LadderResult) -> str:
    """Write the report of a ladder, and its step summary on GitHub.

    Returns a warning where that could not be written, else `""`.
    """
    write.write_report(result.folder, result.report)
    unmark(result.folder)
    return write.append_step_summary(result.folder)


def mark_outdated(result: LadderResult, status: int, *, written: bool) -> None:
    """Mark the report that a ladder's run was to replace, if it failed and did not."""
    replaced = written and result.folder == result.replaces
    if not replaced and status != pytest.ExitCode.OK:
        mark(result.replaces, sentence(status))


def print_result(
    reporter: pytest.TerminalReporter, result: LadderResult, *, written: bool
) -> None:
    """Print the matrix of a ladder, and the decision last.

    `written`: its report could be written, and is named.
    """
    report = result.report
    width = reporter.config.get_terminal_writer().fullwidth
    glyphs = glyphs_for(getattr(sys.stdout, "encoding", None))
    is_verbose = reporter.config.get_verbosity() > 0
    lines = report_lines(report, width, glyphs, whole=is_verbose)
    if is_verbose:
        lines += tag_lines(report, width, glyphs)
    for text, markup in lines:
        reporter.write_line(text, **markup)
    if written:
        _print_place(reporter, result.folder)
    if result.folder != result.replaces:
        kept = shown(result.replaces)
        reporter.write_line(f"The report of more of the suite in {kept} was kept.")
    if report.calibrations and are_unlabelled(report.calibrations):
        labels = result.opened.ladder.labels
        reporter.write_line(judge_command("label", result.folder, labels))
    for line in filter(None, (result.spared, result.feasible)):
        reporter.write_line(line)
    if report.gate is not None:
        from pytest_ladder.reporting.sentences.gate import gate_lines

        for line in gate_lines(report.gate, verbose=reporter.verbosity > 0):
            reporter.write_line(line)
    decided = decision_lines(report, width, wrap_headline=bool(reporter.isatty))
    for text, markup in (*decided, *_tried_lines(report)):
        reporter.write_line(text, **markup)


def _tried_lines(report: Report) -> Iterator[Line]:
    """Yield what became of a tried model, and the lines that keep it."""
    if report.tried:
        from pytest_ladder.reporting.sentences.tried import (
            lines_to_keep,
            tried_sentences,
        )

        for line in (*tried_sentences(report), *lines_to_keep(report)):
            yield line, {}


def _print_place(reporter: pytest.TerminalReporter, folder: Path) -> None:
    reporter.write_line(f"report: {shown(folder)}")
    if reporter.isatty:
        # Terminals open it by a click.
        reporter.write_line((folder.resolve() / "index.html").as_uri())
