"""The results of a run, gathered in the controller: shares, reports, recordings."""

from __future__ import annotations

import dataclasses
import datetime
import math
import os
import platform
import subprocess
import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder import __version__
from pytest_ladder.decide.matrix import Matrix, build_matrix
from pytest_ladder.errors import LadderError
from pytest_ladder.outcomes import Payload
from pytest_ladder.reporting import data
from pytest_ladder.reporting.numbers import plain
from pytest_ladder.reporting.run import RunInfo, machine_info
from pytest_ladder.reporting.terminal import glyphs_for, matrix_lines
from pytest_ladder.session import LadderSession, OpenLadder
from pytest_ladder.words.row import Outcome, Row

_REPORT_FOLDER = "ladder-report"


@dataclass(kw_only=True)
class _Arrived:
    """What came in for one test item; a rerun replaces it."""

    payload: Payload
    location: tuple[str, int | None, str]

    @property
    def row(self) -> Row | None:
        return self.payload.row


@dataclass(frozen=True, kw_only=True)
class LadderResult:
    """The finished result of one ladder."""

    opened: OpenLadder
    matrix: Matrix
    rows: list[Row]
    info: RunInfo
    folder: Path


@dataclass
class Results:
    """Gathers what rides on reports; one per run, in the controller."""

    session: LadderSession
    items: dict[str, _Arrived] = field(default_factory=dict)
    finished: list[LadderResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why something could not be written."""

    def take(self, report: pytest.TestReport) -> None:
        """Take in the report of one phase of a test."""
        payload = getattr(report, "ladder", None)
        # pytest-rerunfailures has an outcome of its own for what it runs again.
        if payload is None or str(report.outcome) == "rerun":
            return
        self.items[report.nodeid] = _Arrived(
            payload=msgspec.convert(payload, Payload), location=report.location
        )

    def report_shortfalls(self, session: pytest.Session) -> None:
        """Report what no single item can tell as failures.

        Too low a share of passes, and a budget that was reached. They are seen by the
        terminal, JUnit and `--lf` like any other report.
        """
        budget = self._budget_report()
        for report in [*([budget] if budget else []), *self._share_reports()]:
            # One more report than tests: without this the terminal counts to 101 %.
            session.testscollected += 1
            session.config.hook.pytest_runtest_logreport(report=report)
            _name_in_junit(session.config, report)
            # Some reports of other tools take a test for over only by its teardown.
            over = _closing_report(report)
            session.config.hook.pytest_runtest_logreport(report=over)

    def _share_reports(self) -> Iterator[pytest.TestReport]:
        for name, arrived in self._tests_on_current().items():
            problem = _share_problem(arrived)
            if problem is None:
                self._forget_failure(name)
                continue
            self._remember_misses(arrived)
            yield _failed_report(name, problem, arrived[0].location)

    def _budget_report(self) -> pytest.TestReport | None:
        """Return a failing report when the budget kept calls from being made."""
        over = [a for a in self.items.values() if a.payload.over_budget]
        budget = self.session.engine.budget if over else None
        if budget is None:
            return None
        refused, spent = budget.refused(), budget.spent_usd()
        needed = math.ceil((spent + refused.usd) * 1.05 * 100) / 100
        problem = (
            f"${spent:.4f} of ${budget.cap_usd:g} is spent, and {refused.calls} calls "
            f"that may cost up to ${refused.usd:.4f} were not made. To make them, run "
            f"again with --ladder-budget={needed:.2f}; what is stored is not "
            "paid again."
        )
        name = f"{over[0].location[0]}::ladder budget"
        return _failed_report(name, problem, over[0].location)

    def missed_lines(self) -> list[str]:
        """List the misses for `-rm`."""
        return [
            f"MISSED {nodeid} - {arrived.row.reason}"
            for nodeid, arrived in self.items.items()
            if arrived.row is not None and arrived.payload.missed
        ]

    def write(self, session: pytest.Session) -> None:
        """Write the reports, and after a live run the recordings."""
        by_config: dict[str, list[_Arrived]] = defaultdict(list)
        for arrived in self.items.values():
            by_config[arrived.payload.config].append(arrived)
        several = len(by_config) > 1
        for config, items in sorted(by_config.items()):
            opened = self.session.open(Path(config))
            result = self._result(opened, items, several=several)
            if result is None:
                continue
            self.finished.append(result)
            if self.session.settings.live:
                # First: these were paid for.
                self._try(_record, opened, items)
            self._try(_write_report, result)

        if self.problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def print_summary(self, reporter: pytest.TerminalReporter) -> None:
        """Print the matrix of each ladder, and the misses where `-rm` asks for them."""
        asked = set(self.session.config.option.reportchars)
        if asked & {"m", "a", "A"}:
            self._print_misses(reporter)
        glyphs = glyphs_for(getattr(sys.stdout, "encoding", None))
        width = reporter._tw.fullwidth
        for result in self.finished:
            reporter.section("ladder", sep="=", bold=True)
            if not self.session.tests:
                # The controller of xdist collects nothing, so it had no header.
                reporter.write_line(self.session.header_of(result.opened))
            for text, markup in matrix_lines(result.matrix, result.info, width, glyphs):
                reporter.write_line(text, **markup)
            reporter.write_line(f"report: {_shown(result.folder)}")
        for line in [*self._partial_shares(), *self._notices()]:
            reporter.write_line(line)
        for problem in self.problems:
            reporter.write_line(problem, red=True)

    def _try(self, write: Callable[..., None], *arguments: Any) -> None:
        """Write something; what cannot be written is told at the end."""
        try:
            write(*arguments)
        except (LadderError, OSError) as error:
            self.problems.append(str(error))

    def _partial_shares(self) -> Iterator[str]:
        """Tell of shares that a part of their tests leaves open."""
        for name, arrived in self._tests_on_current().items():
            expected = arrived[0].payload.expected
            if len(arrived) < expected and _share_problem(arrived) is None:
                yield f"{name}: partial, {len(arrived)} of {expected} ran"

    def _notices(self) -> Iterator[str]:
        """Tell of stores that were damaged."""
        for opened in self.session.opened:
            if opened.archive.store.notice:
                yield opened.archive.store.notice

    def _print_misses(self, reporter: pytest.TerminalReporter) -> None:
        lines = self.missed_lines()
        if lines:
            reporter.section("misses", sep="=")
        for line in lines:
            reporter.write_line(plain(line))

    def _result(
        self, opened: OpenLadder, arrived: list[_Arrived], *, several: bool
    ) -> LadderResult | None:
        rows = [a.row for a in arrived if a.row is not None]
        if not rows:
            return None
        states = {a.payload.rung: "not run" for a in arrived if a.payload.not_run}
        states.update({row.rung: "run" for row in rows})
        folder = self._folder()
        if several:
            folder /= _slug(opened.ladder.folder, self.session.config.rootpath)
        return LadderResult(
            opened=opened,
            matrix=build_matrix(rows, opened.rungs, states),
            rows=rows,
            info=self._info(opened),
            folder=folder,
        )

    def _folder(self) -> Path:
        """Return where the report goes: a plain run never writes over a matrix."""
        settings = self.session.settings
        if settings.report is not None:
            return settings.report
        folder = self.session.config.rootpath / _REPORT_FOLDER
        return folder / "current" if settings.mode == "current" else folder

    def _info(self, opened: OpenLadder) -> RunInfo:
        return RunInfo(
            id=uuid.uuid4().hex[:12],
            started=datetime.datetime.fromtimestamp(
                self.session.started, datetime.UTC
            ).isoformat(timespec="seconds"),
            mode=self.session.settings.mode,
            current=opened.current.id,
            git_sha=_git_sha(opened.ladder.folder),
            seed=None,
            versions={
                "pytest-ladder": __version__,
                "pytest": pytest.__version__,
                "python": platform.python_version(),
            },
            machine=machine_info(),
        )

    def _tests_on_current(self) -> dict[str, list[_Arrived]]:
        """Group what the current rung left by test, under the name of its share."""
        groups: dict[str, list[_Arrived]] = defaultdict(list)
        for arrived in self.items.values():
            row, payload = arrived.row, arrived.payload
            if row is not None and payload.current and payload.at_least < 1:
                groups[f"{payload.test}[{row.rung}] share"].append(arrived)
        return groups

    def _last_failed(self) -> dict[str, bool]:
        """Return what pytest remembers for `--lf`."""
        plugin: Any = self.session.config.pluginmanager.get_plugin("lfplugin")
        return plugin.lastfailed if plugin is not None else {}

    def _forget_failure(self, name: str) -> None:
        self._last_failed().pop(name, None)

    def _remember_misses(self, arrived: Iterable[_Arrived]) -> None:
        known = {id(a) for a in arrived if a.row and a.row.outcome is Outcome.MISSED}
        for nodeid, item in self.items.items():
            if id(item) in known:
                self._last_failed()[nodeid] = True


def _share_problem(arrived: list[_Arrived]) -> str | None:
    """Say in a sentence why a test's share of passes is too low; None: it is not.

    On a subset of the cases it is too low only if its misses alone are more than
    the whole test allows.
    """
    rows = [a.row for a in arrived if a.row is not None]
    finished = [row for row in rows if row.outcome is not Outcome.ERROR]
    missed = sum(row.outcome is Outcome.MISSED for row in finished)
    payload = arrived[0].payload
    total = payload.expected
    # The same care for floating point as `required passes` in the methods.
    required = math.ceil(payload.at_least * total - 1e-9)
    if missed <= total - required:
        return None
    passed = len(finished) - missed
    part = "" if len(rows) >= total else f" (a part of its {total})"
    return (
        f"{passed} of {len(finished)} passed{part}; at_least={payload.at_least} "
        f"needs {required} of {total}. The misses are listed by -rm and run again by "
        "--lf."
    )


def _failed_report(
    name: str, problem: str, location: tuple[str, int | None, str]
) -> pytest.TestReport:
    """Make a failing report that belongs to none of the run's items."""
    file, line, _ = location
    rest = name.partition("::")[2]
    report = pytest.TestReport(
        nodeid=name,
        location=(file, line, rest.replace("::", ".")),
        keywords={},
        outcome="failed",
        longrepr=problem,
        when="call",
    )
    if hasattr(report, "id"):
        # pytest 9.2 takes all behind "[" for parameters, and would print the name
        # with a bracket more than it has.
        report._id = dataclasses.replace(report.id, names=(rest,), params=None)
    return report


def _closing_report(report: pytest.TestReport) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=report.nodeid,
        location=report.location,
        keywords={},
        outcome="passed",
        longrepr=None,
        when="teardown",
    )


def _name_in_junit(config: pytest.Config, report: pytest.TestReport) -> None:
    """Mend the name in a JUnit file, which is parsed anew from the node id."""
    for plugin in config.pluginmanager.get_plugins():
        if hasattr(plugin, "node_reporter"):
            name = report.nodeid.rpartition("::")[2]
            plugin.node_reporter(report).add_attribute("name", name)


def _record(opened: OpenLadder, arrived: list[_Arrived]) -> None:
    """Write the recordings of the files whose tests ran on the current rung."""
    modules: dict[str, list[_Arrived]] = defaultdict(list)
    for one in arrived:
        if one.payload.current:
            modules[one.payload.module].append(one)
    for module, items in sorted(modules.items()):
        cases: dict[str, str] = {}
        for row in (one.row for one in items if one.row is not None):
            for reply in row.replies:
                for key in reply.calls or (reply.key,):
                    name = row.case or row.test
                    cases[key] = min(name, cases.get(key, name))
        finished = [
            one for one in items if one.row and one.row.outcome is not Outcome.ERROR
        ]
        whole = len(finished) == items[0].payload.module_items
        opened.archive.record(module, cases, prune=whole)


def _write_report(result: LadderResult) -> None:
    data.write_report(
        result.folder,
        result.info,
        result.matrix,
        result.rows,
        result.opened.ladder.objective,
    )
    _append_step_summary(result)


def _append_step_summary(result: LadderResult) -> None:
    """Show the matrix on the page of a GitHub Actions job, if this is one."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write((result.folder / "matrix.md").read_text(encoding="utf-8"))


def _git_sha(folder: Path) -> str | None:
    """Return the commit that is checked out, None outside a repository."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


def _slug(folder: Path, root: Path) -> str:
    inside = folder.relative_to(root) if folder.is_relative_to(root) else folder
    return "-".join(part for part in inside.parts if part.strip("/")) or "root"


def _shown(folder: Path) -> str:
    """Name a folder the short way: relative where that is shorter."""
    relative = os.path.relpath(folder)
    return relative if len(relative) < len(str(folder)) else str(folder)
