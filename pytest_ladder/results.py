"""The results of a run, gathered in the controller: shares, reports, recordings."""

from __future__ import annotations

import datetime
import itertools
import platform
import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_ladder import __version__, shortfalls
from pytest_ladder.calls.store.archive import Needed
from pytest_ladder.core.row import Row
from pytest_ladder.decide.funnel import funnelled, is_held_back
from pytest_ladder.decide.gate.result import GateResult, MoreSamples
from pytest_ladder.decide.matrix import Matrix, build_matrix
from pytest_ladder.disk import git
from pytest_ladder.errors import LadderError
from pytest_ladder.judging.calibration.calibrate import Calibration, calibrations_of
from pytest_ladder.judging.calibration.labels import read_labels
from pytest_ladder.opened import OpenLadder
from pytest_ladder.outcomes import Payload
from pytest_ladder.reporting.exchanges import exchanges_of
from pytest_ladder.reporting.files import write
from pytest_ladder.reporting.report import Report, RunInfo, machine_info, report_on
from pytest_ladder.reporting.sentences.gate import gate_lines
from pytest_ladder.reporting.sentences.judges import are_unlabelled, judge_command
from pytest_ladder.reporting.terminal import decision_lines, glyphs_for, report_lines
from pytest_ladder.session import LadderSession
from pytest_ladder.shortfalls import Arrived
from pytest_ladder.text.phrases import shown
from pytest_ladder.text.untrusted import plain

if TYPE_CHECKING:
    from pytest_ladder.climbing import Ascent, Route

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


@dataclass
class Results:
    """Gathers what rides on reports; one per run, in the controller."""

    session: LadderSession
    items: dict[str, Arrived] = field(default_factory=dict)
    ascent: Ascent | None = None
    """The climbs of the run, in the process that decides them."""
    _ended: bool = False
    """Whether the tests ran to their end."""
    _odd_bills: list[str] = field(default_factory=list)
    """What is told of bills that were higher than they could be."""
    _finished: list[LadderResult] | None = None
    problems: list[str] = field(default_factory=list)
    """Why something could not be written."""

    def take(self, report: pytest.TestReport) -> None:
        """Take in the report of one phase of a test."""
        payload = getattr(report, "ladder", None)
        # pytest-rerunfailures has an outcome of its own for what it runs again.
        if payload is None or str(report.outcome) == "rerun":
            return
        self.items[report.nodeid] = Arrived(
            payload=msgspec.json.decode(payload["payload"], type=Payload),
            location=report.location,
        )

    @property
    def finished(self) -> list[LadderResult]:
        """The result of each ladder; made when first asked for, after the last test."""
        if self._finished is None:
            self._finished = list(self._results())
        return self._finished

    def report_shortfalls(self, session: pytest.Session) -> None:
        """Report what no single item can tell as failures, when all tests ran."""
        self._ended = True
        missed = [one for result in self.finished for one in _shortfalls(result)]
        shortfalls.report(session, self.items, self.session, missed)
        self._odd_bills = shortfalls.surprising_bills(self.session)

    def missed_lines(self) -> list[str]:
        """List the misses for `-rm`."""
        return [
            f"MISSED {nodeid} - {arrived.rows[0].reason}"
            for nodeid, arrived in self.items.items()
            if arrived.payload.missed
        ]

    def write(self, session: pytest.Session) -> None:
        """Write the reports, and after a live run the recordings."""
        for result in self.finished:
            if self.session.settings.live:
                # First: these were paid for.
                self._try(
                    _record,
                    result.opened,
                    self._items_of(result.opened),
                    self.session.started,
                )
            self._try(_write_report, result)

        if self.problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def print_summary(self, reporter: pytest.TerminalReporter) -> None:
        """Print the matrix of each ladder, and the misses where `-rm` asks for them."""
        asked = set(self.session.config.option.reportchars)
        if asked & {"m", "a", "A"}:
            self._print_misses(reporter)
        for result in self.finished:
            several = len(self.finished) > 1
            named = f" {shown(result.opened.ladder.path)}" if several else ""
            reporter.section(f"ladder{named}", sep="=", bold=True)
            if not self.session.tests:
                # The controller of xdist collects nothing, so it had no header.
                reporter.write_line(self.session.header_of(result.opened))
            _print_result(reporter, result)
        shares = shortfalls.partial_shares(self.items)
        for line in [*shares, *self._notices()]:
            reporter.write_line(line)
        for problem in self.problems:
            reporter.write_line(problem, red=True)

    def _try(self, write: Callable[..., None], *arguments: Any) -> None:
        """Write something; what cannot be written is told at the end."""
        try:
            write(*arguments)
        except (LadderError, OSError) as error:
            self.problems.append(str(error))

    def _notices(self) -> Iterator[str]:
        """Tell of damaged stores, of odd bills, and of what did not end."""
        for opened in self.session.opened:
            yield from opened.archive.store.notices(self.session.started)
        yield from self._odd_bills
        for name in self.session.left_behind:
            yield f"{name} waits for something else than a model; it was left behind."

    def _print_misses(self, reporter: pytest.TerminalReporter) -> None:
        lines = self.missed_lines()
        if lines:
            reporter.section("misses", sep="=")
        for line in lines:
            reporter.write_line(plain(line))

    def _items_of(self, opened: OpenLadder) -> list[Arrived]:
        name = str(opened.ladder.path)
        return [one for one in self.items.values() if one.payload.config == name]

    def gates_so_far(self) -> dict[str, GateResult]:
        """Hold what came in so far against the baseline, by configuration file."""
        gates = {}
        for config in self._configs():
            opened = self.session.open(Path(config))
            arrived, rows = self._rows_of(opened)
            if rows:
                states = self._states(arrived, rows, None)
                matrix = build_matrix(rows, opened.rungs, states, volume=opened.volume)
                info = self._info(opened, None)
                held = self._gate(opened, report_on(info, matrix, rows, None))
                gates.update({config: held} if held is not None else {})
        return gates

    def _configs(self) -> list[str]:
        return sorted({arrived.payload.config for arrived in self.items.values()})

    def _rows_of(self, opened: OpenLadder) -> tuple[list[Arrived], list[Row]]:
        arrived = self._items_of(opened)
        if opened.has_funnel:
            _funnel(arrived)
        return arrived, [row for one in arrived for row in one.rows]

    def _results(self) -> Iterator[LadderResult]:
        configs = self._configs()
        for config in configs:
            opened = self.session.open(Path(config))
            arrived, rows = self._rows_of(opened)
            if rows:
                folder = _folder(self.session, opened, several=len(configs) > 1)
                yield self._result(opened, arrived, rows, folder)

    def _result(
        self, opened: OpenLadder, arrived: list[Arrived], rows: list[Row], folder: Path
    ) -> LadderResult:
        path = str(opened.ladder.path)
        route = None if self.ascent is None else self.ascent.route_of(path)
        mode, objective = self.session.settings.mode, opened.ladder.objective
        matrix = build_matrix(
            rows,
            opened.rungs,
            self._states(arrived, rows, route),
            volume=opened.volume,
            settled=route.course.settled if route else None,
        )
        # One rung by itself decides nothing.
        judged = objective if mode in ("matrix", "climb") else None
        calibrations = self._calibrations(opened, matrix, rows)
        info = self._info(opened, route)
        report = report_on(info, matrix, rows, judged, calibrations)
        feasible = ""
        if mode == "litmus" and objective is not None:
            from pytest_ladder.decide.feasibility import feasibility

            feasible = feasibility(report.matrix, report.evidence, objective).sentence
        return LadderResult(
            opened=opened,
            report=msgspec.structs.replace(
                report,
                gate=self._gate(opened, report),
                exchanges=exchanges_of(opened.archive, rows),
                attempts=[str(seed) for seed in route.attempts] if route else (),
                models=opened.ladder.models,
                reasons=_reasons(route),
                looks=[str(look) for look in route.course.looks] if route else (),
            ),
            folder=folder,
            whole=bool(route) or _is_whole(arrived, len(opened.rungs)),
            feasible=feasible,
            spared=route.summary() if route else "",
        )

    def _gate(self, opened: OpenLadder, report: Report) -> GateResult | None:
        """Hold the run against the baseline, if one is given."""
        name = self.session.settings.baseline
        if name is None:
            return None
        from pytest_ladder.decide.gate.compare import gate
        from pytest_ladder.reporting.files.baseline import read_baseline, results_of

        try:
            base = results_of(read_baseline(name, opened.ladder.folder))
        except LadderError as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))
            return None
        ladder = opened.ladder
        return gate(base, results_of(report), ladder.gate, report.objective)

    def _calibrations(
        self, opened: OpenLadder, matrix: Matrix, rows: Sequence[Row]
    ) -> tuple[Calibration, ...]:
        """Measure the judges by what people labelled, if anybody did."""
        path = opened.ladder.labels
        try:
            labels = read_labels(path) if path.exists() else ()
        except LadderError as error:
            self.problems.append(str(error))
            return ()
        rungs = [rung.id for rung in matrix.rungs]
        return calibrations_of(rows, labels, rungs)

    def _states(
        self, arrived: list[Arrived], rows: list[Row], route: Route | None
    ) -> dict[str, str]:
        if route is not None:
            return route.states(rows)
        states = {a.payload.rung: "not run" for a in arrived if a.payload.not_run}
        return states | {row.rung: "run" for row in rows}

    def _info(self, opened: OpenLadder, route: Route | None) -> RunInfo:
        arrived = self._items_of(opened)
        return RunInfo(
            id=uuid.uuid4().hex[:12],
            started=datetime.datetime.fromtimestamp(
                self.session.started, datetime.UTC
            ).isoformat(timespec="seconds"),
            mode=self.session.settings.mode,
            current=opened.current.id,
            escalation=_escalation(arrived),
            stopped=not self._ended,
            **_left_out(arrived),
            git_sha=git.head(opened.ladder.folder),
            seed=route.attempts[-1] if route else None,
            versions={
                "pytest-ladder": __version__,
                "pytest": pytest.__version__,
                "python": platform.python_version(),
            },
            machine=machine_info(),
        )


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


def _funnel(arrived: list[Arrived]) -> None:
    """Let the funnel have the last word, for now all cheap checks are known."""
    rows = iter(funnelled([row for one in arrived for row in one.rows]))
    for one in arrived:
        settled = tuple(itertools.islice(rows, len(one.rows)))
        one.payload = msgspec.structs.replace(one.payload, rows=settled)


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


def _reasons(route: Route | None) -> dict[str, str]:
    """Say why a climb stopped a rung, or never ran it."""
    if route is None:
        return {}
    said = {rung: route.course.reason(rung) for rung in route.course.rungs}
    return {rung: reason for rung, reason in said.items() if reason is not None}


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
