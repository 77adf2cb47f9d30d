"""The results of a run, gathered in the controller: shares, reports, recordings."""

from __future__ import annotations

import datetime
import itertools
import platform
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder import __version__
from pytest_ladder.core.row import Row
from pytest_ladder.decide.climb.course import ClimbResult
from pytest_ladder.decide.funnel import funnelled
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.decide.matrix import Matrix, build_matrix
from pytest_ladder.disk import git
from pytest_ladder.errors import LadderError
from pytest_ladder.judging.calibration.calibrate import Calibration, calibrations_of
from pytest_ladder.judging.calibration.labels import read_labels
from pytest_ladder.reporting.report import Report, RunInfo, machine_info, report_on
from pytest_ladder.results import run_failures
from pytest_ladder.results.finish import (
    LadderResult,
    _escalation,
    _folder,
    _is_whole,
    _left_out,
    _print_result,
    _record,
    _shortfalls,
    _write_report,
    exchanges_of,
)
from pytest_ladder.results.rows import Payload
from pytest_ladder.results.run_failures import Arrived
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.phrases import shown
from pytest_ladder.text.untrusted import plain


@dataclass
class Results:
    """Gathers what rides on reports; one per run, in the controller."""

    session: LadderSession
    items: dict[str, Arrived] = field(default_factory=dict)
    climb_of: Callable[[str], ClimbResult | None] = lambda _: None
    """What the climb of a ladder came to, by its configuration file.

    Whoever decides what runs next puts it here.
    """
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
        run_failures.report(session, self.items, self.session, missed)
        self._odd_bills = run_failures.surprising_bills(self.session)

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
        shares = run_failures.partial_shares(self.items)
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
        climb = self.climb_of(str(opened.ladder.path))
        mode, objective = self.session.settings.mode, opened.ladder.objective
        matrix = build_matrix(
            rows,
            opened.rungs,
            self._states(arrived, rows, climb),
            volume=opened.volume,
            settled=climb.settled if climb else None,
        )
        # One rung by itself decides nothing.
        judged = objective if mode in ("matrix", "climb") else None
        calibrations = self._calibrations(opened, matrix, rows)
        info = self._info(opened, climb)
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
                attempts=[str(seed) for seed in climb.seeds] if climb else (),
                models=opened.ladder.models,
                reasons=climb.reasons if climb else {},
                looks=[str(look) for look in climb.looks] if climb else (),
            ),
            folder=folder,
            whole=bool(climb) or _is_whole(arrived, len(opened.rungs)),
            feasible=feasible,
            spared=climb.summary if climb else "",
        )

    def _gate(self, opened: OpenLadder, report: Report) -> GateResult | None:
        """Hold the run against the baseline, if one is given."""
        name = self.session.settings.baseline
        if name is None:
            return None
        from pytest_ladder.decide.gate.compare import gate
        from pytest_ladder.reporting.files.baseline import compared_run, read_baseline

        try:
            base = compared_run(read_baseline(name, opened.ladder.folder))
        except LadderError as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))
            return None
        ladder = opened.ladder
        return gate(base, compared_run(report), ladder.gate, report.objective)

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
        self, arrived: list[Arrived], rows: list[Row], climb: ClimbResult | None
    ) -> dict[str, str]:
        """Return what became of each rung; one that was interrupted is stopped."""
        begun = {row.rung for row in rows}
        if climb is not None:
            return {
                rung: "stopped" if state == "not run" and rung in begun else state
                for rung, state in climb.states.items()
            }
        states = {a.payload.rung: "not run" for a in arrived if a.payload.not_run}
        return states | dict.fromkeys(begun, "run")

    def _info(self, opened: OpenLadder, climb: ClimbResult | None) -> RunInfo:
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
            seed=climb.seeds[-1] if climb else None,
            versions={
                "pytest-ladder": __version__,
                "pytest": pytest.__version__,
                "python": platform.python_version(),
            },
            machine=machine_info(),
        )


def _funnel(arrived: list[Arrived]) -> None:
    """Let the funnel have the last word, for now all cheap checks are known."""
    rows = iter(funnelled([row for one in arrived for row in one.rows]))
    for one in arrived:
        settled = tuple(itertools.islice(rows, len(one.rows)))
        one.payload = msgspec.structs.replace(one.payload, rows=settled)
