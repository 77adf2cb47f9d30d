"""The results of a run: collects the rows, and has reports and recordings written.

The way of a row: `rows` makes it of a finished test, in the process that ran it, and
puts it on the test's report. `Results` takes it from there, in the controller of xdist,
or in the one process there is; all of it on the main thread. When the tests are over,
it makes a `LadderResult` of the rows of each ladder (`ladder_result`), reports what
fails the run though no test does (`run_failures`), and has recordings and reports
written and printed (`output`).
"""

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
from pytest_ladder.results import output, run_failures
from pytest_ladder.results.ladder_result import (
    Arrived,
    LadderResult,
    exchanges_of,
    failures_of,
    is_whole,
    left_out,
    state_of_extra_samples,
)
from pytest_ladder.results.rows import Payload
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

    Set by what schedules a climb (`scheduling`).
    """
    _ended: bool = False
    """Whether the tests ran to their end."""
    _odd_bills: list[str] = field(default_factory=list)
    """Sentences on bills that were higher than they could be."""
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

    def report_run_failures(self, session: pytest.Session) -> None:
        """Report as failures what no single test can tell; called when all ran."""
        self._ended = True
        failures = [each for result in self.finished for each in failures_of(result)]
        run_failures.report(session, self.items, self.session, failures)
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
                    output.write_recordings,
                    result.opened,
                    self._items_of(result.opened),
                    self.session.started,
                )
            self._try(output.write_report, result)
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
            output.print_result(reporter, result)
        shares = run_failures.partial_shares(self.items)
        for line in [*shares, *self._notices()]:
            reporter.write_line(line)
        for problem in self.problems:
            reporter.write_line(problem, red=True)

    def _try(self, write: Callable[..., None], *arguments: Any) -> None:
        """Write something; why it could not be written is printed at the end."""
        try:
            write(*arguments)
        except (LadderError, OSError) as error:
            self.problems.append(str(error))

    def _notices(self) -> Iterator[str]:
        """Yield a sentence on each damaged store, odd bill and stuck rehearsal."""
        for opened in self.session.opened:
            yield from opened.archive.store.notices(self.session.started)
        yield from self._odd_bills
        for name in self.session.stuck_rehearsals:
            yield f"{name} waits for something else than a model; it was left behind."

    def _print_misses(self, reporter: pytest.TerminalReporter) -> None:
        lines = self.missed_lines()
        if lines:
            reporter.section("misses", sep="=")
        for line in lines:
            reporter.write_line(plain(line))

    def _items_of(self, opened: OpenLadder) -> list[Arrived]:
        name = str(opened.ladder.path)
        return [item for item in self.items.values() if item.payload.config == name]

    def gates_so_far(self) -> dict[str, GateResult]:
        """Hold what came in so far against the baseline, by configuration file."""
        gates = {}
        for config in self._configs():
            opened = self.session.open(Path(config))
            items, rows = self._rows_of(opened)
            if rows:
                states = self._states(items, rows, None)
                matrix = build_matrix(rows, opened.rungs, states, volume=opened.volume)
                info = self._info(opened, None)
                gate = self._gate(opened, report_on(info, matrix, rows, None))
                gates.update({config: gate} if gate is not None else {})
        return gates

    def _configs(self) -> list[str]:
        return sorted({arrived.payload.config for arrived in self.items.values()})

    def _rows_of(self, opened: OpenLadder) -> tuple[list[Arrived], list[Row]]:
        items = self._items_of(opened)
        if opened.has_funnel:
            _apply_funnel(items)
        return items, [row for item in items for row in item.rows]

    def _results(self) -> Iterator[LadderResult]:
        configs = self._configs()
        for config in configs:
            opened = self.session.open(Path(config))
            items, rows = self._rows_of(opened)
            if rows:
                several = len(configs) > 1
                folder = output.report_folder(self.session, opened, several=several)
                yield self._result(opened, items, rows, folder)

    def _result(
        self, opened: OpenLadder, items: list[Arrived], rows: list[Row], folder: Path
    ) -> LadderResult:
        climb = self.climb_of(str(opened.ladder.path))
        mode, objective = self.session.settings.mode, opened.ladder.objective
        matrix = build_matrix(
            rows,
            opened.rungs,
            self._states(items, rows, climb),
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
            whole=bool(climb) or is_whole(items, len(opened.rungs)),
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
        self, items: list[Arrived], rows: list[Row], climb: ClimbResult | None
    ) -> dict[str, str]:
        """Return what became of each rung; one that was interrupted is stopped."""
        with_rows = {row.rung for row in rows}
        if climb is not None:
            return {
                rung: "stopped" if state == "not run" and rung in with_rows else state
                for rung, state in climb.states.items()
            }
        payloads = [item.payload for item in items]
        states = {each.rung: "not run" for each in payloads if each.not_run}
        return states | dict.fromkeys(with_rows, "run")

    def _info(self, opened: OpenLadder, climb: ClimbResult | None) -> RunInfo:
        items = self._items_of(opened)
        return RunInfo(
            id=uuid.uuid4().hex[:12],
            started=datetime.datetime.fromtimestamp(
                self.session.started, datetime.UTC
            ).isoformat(timespec="seconds"),
            mode=self.session.settings.mode,
            current=opened.current.id,
            escalation=state_of_extra_samples(items),
            stopped=not self._ended,
            **left_out(items),
            git_sha=git.head(opened.ladder.folder),
            seed=climb.seeds[-1] if climb else None,
            versions={
                "pytest-ladder": __version__,
                "pytest": pytest.__version__,
                "python": platform.python_version(),
            },
            machine=machine_info(),
        )


def _apply_funnel(items: list[Arrived]) -> None:
    """Turn judged rows into misses whose case missed a cheap check.

    Only now all cheap checks are known, of all workers.
    """
    rows = iter(funnelled([row for item in items for row in item.rows]))
    for item in items:
        final = tuple(itertools.islice(rows, len(item.rows)))
        item.payload = msgspec.structs.replace(item.payload, rows=final)
