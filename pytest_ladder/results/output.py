"""What is done with the results of a run when its tests are over."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.calls.store.archive import Archive, Needed
from pytest_ladder.core.row import Row
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.decide.gate.result import MoreSamples
from pytest_ladder.reporting.files import write
from pytest_ladder.reporting.report import Exchange, Report
from pytest_ladder.reporting.sentences.gate import gate_lines
from pytest_ladder.reporting.sentences.judges import are_unlabelled, judge_command
from pytest_ladder.reporting.terminal import decision_lines, glyphs_for, report_lines
from pytest_ladder.results.run_failures import Arrived
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.phrases import shown

_REPORT_FOLDER = "ladder-report"


@dataclass(frozen=True, kw_only=True)
class LadderResult:
    """The finished result of one ladder."""

    opened: OpenLadder
    report: Report
    folder: Path
    whole: bool
    """Whether every test came in that an objective needs for its verdict."""
    feasible: str = ""
    """The answer of a litmus run, a sentence."""
    spared: str = ""
    """What a climb did not have to spend."""


def check_baseline(session: LadderSession, name: str) -> None:
    """Read the baseline of each ladder, so that a wrong one stops the run at once.

    Raises `ConfigError`, also for a baseline that the run would write over: the next
    run would be held to this one.
    """
    from pytest_ladder.reporting.files.baseline import read_baseline, refuse_own

    # Whether several ladders will have rows shows later.
    may_be = {False, len(session.opened) > 1}
    refuse_own(
        name,
        [_folder(session, one, several=n) for one in session.opened for n in may_be],
    )
    for opened in session.opened:
        read_baseline(name, opened.ladder.folder)


def _folder(session: LadderSession, opened: OpenLadder, *, several: bool) -> Path:
    """Return where a ladder's report goes: a plain run never writes over a matrix."""
    settings, root = session.settings, session.config.rootpath
    folder = settings.report or root / _REPORT_FOLDER
    if settings.report is None and settings.mode == "current":
        folder /= "current"
    return folder / _slug(opened.ladder.folder, root) if several else folder


def _record(opened: OpenLadder, arrived: list[Arrived], started: float) -> None:
    """Write the recordings of the files whose tests ran on the current rung.

    `started` is when the run did, in Unix time.
    """
    modules: dict[str, list[Arrived]] = defaultdict(list)
    for one in arrived:
        # What the gate alone asked for no replay needs.
        if one.payload.current and not one.payload.extra:
            modules[one.payload.module].append(one)
    for module, items in sorted(modules.items()):
        rows = [row for one in items for row in one.rows]
        finished = [one for one in items if one.is_finished]
        opened.archive.record(
            module,
            _needed(rows),
            prune=len(finished) == items[0].payload.module_items,
            held_back={row.case for row in rows if is_held_back(row)},
            since=started,
        )


def _needed(rows: Iterable[Row]) -> dict[str, Needed]:
    """Say by key what replies were needed for; of several cases the first one."""
    needed: dict[str, Needed] = {}
    for row in rows:
        for replies, judge in ((row.replies, False), (row.evaluations, True)):
            for key in (key for one in replies for key in one.calls or (one.key,)):
                this = Needed(row.case or row.test, judge)
                needed[key] = min(this, needed.get(key, this))
    return needed


def _print_result(reporter: pytest.TerminalReporter, result: LadderResult) -> None:
    """Print the matrix of a ladder, and the decision last."""
    report, width = result.report, reporter._tw.fullwidth
    glyphs = glyphs_for(getattr(sys.stdout, "encoding", None))
    for text, markup in report_lines(report, width, glyphs):
        reporter.write_line(text, **markup)
    reporter.write_line(f"report: {shown(result.folder)}")
    if report.calibrations and are_unlabelled(report.calibrations):
        labels = result.opened.ladder.labels
        reporter.write_line(judge_command("label", result.folder, labels))
    held = gate_lines(report.gate) if report.gate is not None else ()
    for line in filter(None, (result.spared, result.feasible, *held)):
        reporter.write_line(line)
    for text, markup in decision_lines(report, width):
        reporter.write_line(text, **markup)


def _escalation(arrived: list[Arrived]) -> MoreSamples:
    """Say what became of the samples that the gate asked for."""
    extra = [one.payload for one in arrived if one.payload.extra]
    if any(payload.over_budget for payload in extra):
        return "budget"
    return "run" if extra else ""


def _left_out(arrived: list[Arrived]) -> dict[str, Any]:
    """Say which tests of the current rung were skipped, and of which a part ran."""
    ran: dict[str, int] = defaultdict(int)
    expected: dict[str, int] = {}
    for one in arrived:
        if one.payload.current and not one.payload.extra:
            ran[one.payload.test] += bool(one.rows)
            expected[one.payload.test] = one.payload.expected
    return {
        "skipped": tuple(sorted(test for test, items in ran.items() if not items)),
        "partial": {
            test: expected[test]
            for test, items in sorted(ran.items())
            if 0 < items < expected[test]
        },
    }


def _is_whole(arrived: list[Arrived], rungs: int) -> bool:
    """Tell whether every item of every test came in, on every rung of the ladder."""
    counts: dict[str, int] = defaultdict(int)
    collected = [one for one in arrived if not one.payload.extra]
    for one in collected:
        counts[one.payload.test] += 1
    expected = {one.payload.test: one.payload.expected for one in collected}
    return all(counts[test] == rungs * items for test, items in expected.items())


def _shortfalls(result: LadderResult) -> Iterator[tuple[str, str]]:
    """Name what fails the run although no test does, with the reason."""
    file, terms = result.opened.ladder.path.name, result.opened.ladder.gate
    failing = {"fail", "broken"}
    if terms.undecided == "fail":
        failing.add("undecided")
    advice = result.report.decision.recommendation
    if advice is not None and result.whole and advice.verdict in failing:
        yield f"{file}::ladder objective", advice.reason
    held = result.report.gate
    if held is not None and held.verdict in failing:
        yield f"{file}::ladder gate", held.reason


def _write_report(result: LadderResult) -> None:
    write.write_report(result.folder, result.report)
    write.append_step_summary(result.folder)


def _slug(folder: Path, root: Path) -> str:
    inside = folder.relative_to(root) if folder.is_relative_to(root) else folder
    return "-".join(part for part in inside.parts if part.strip("/")) or "root"


MOST = 20_000
"""Calls that are kept for reading; a suite beyond that is not read call by call."""


def exchanges_of(archive: Archive, rows: Iterable[Row]) -> dict[str, Exchange]:
    """Look up what each call was sent and said, by key; the first 20,000 of them."""
    exchanges: dict[str, Exchange] = {}
    for row in rows:
        for bill in (*row.replies, *row.evaluations):
            for key in bill.calls or (bill.key,):
                if len(exchanges) >= MOST:
                    return exchanges
                if key not in exchanges:
                    found = archive.exchange(key)
                    if found is not None:
                        messages, text = found
                        exchanges[key] = Exchange(
                            key=key, messages=tuple(messages), text=text
                        )
    return exchanges
