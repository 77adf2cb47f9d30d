"""The results of a run: collects the rows, and has reports and recordings written.

The way of a row: `rows` makes it of a finished test, in the process that ran it, and
puts it on the test's report. `Results` takes it from there, in the controller of xdist,
or in the one process there is; all of it on the main thread. When the tests are over,
it makes a `LadderResult` of the rows of each ladder (`ladder_result`), reports what
fails the run though no test does (`run_failures`), and has recordings and reports
written and printed (`output`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.ladder import LogConfig
from pytest_ladder.core.making import making_of
from pytest_ladder.core.row import Row
from pytest_ladder.decide.matrix import Unit, build_matrix
from pytest_ladder.disk.files import is_refused
from pytest_ladder.errors import LadderError
from pytest_ladder.reporting.report import (
    LookTold,
    Report,
    decides,
    report_on,
)
from pytest_ladder.reporting.without_texts import without_texts
from pytest_ladder.results import output, run_failures
from pytest_ladder.results.ladder_result import (
    Arrived,
    LadderResult,
    anchor_of,
    apply_funnel,
    exchanges_of,
    failures_of,
    judges_of,
    real_use,
    states_of,
    unpriced,
    with_planned,
)
from pytest_ladder.results.late_calls import put_on_rows, unused
from pytest_ladder.results.outdated import Begun
from pytest_ladder.results.part import part_of, place
from pytest_ladder.results.rows import Payload
from pytest_ladder.results.run_info import run_info
from pytest_ladder.results.shares import partial_shares
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.xdist import shared_by_processes
from pytest_ladder.text.phrases import shown
from pytest_ladder.text.table import wrapped

if TYPE_CHECKING:
    from pytest_ladder.decide.climb.course import ClimbResult
    from pytest_ladder.decide.gate.result import GateResult


class Results:
    """Gathers what rides on reports; one per run, in the controller."""

    def __init__(self, session: LadderSession) -> None:
        self.session = session
        self.items: dict[str, Arrived] = {}
        self.cases: defaultdict[str, dict[Unit, WrittenCase]] = defaultdict(dict)
        """What cases ask and expect, by configuration file."""
        self.climb_of: Callable[[str], ClimbResult | None] = lambda _: None
        """What the climb of a ladder came to, by its configuration file.

        Set by what schedules a climb (`scheduling`).
        """
        self.problems: list[str] = []
        """Why something could not be written."""
        self.warnings: list[str] = []
        """The same of what no run fails for."""
        self.notes: list[str] = []
        """What was done once the reports were written: where they were logged."""
        self._ended = False
        """Whether the tests ran to their end."""
        self._odd_bills: list[str] = []
        """Sentences on bills that were higher than they could be."""
        self._of_servers: list[str] = []
        """Sentences on judges whose servers take no JSON schema, and on lost tools."""
        self._begun: Begun | None = None
        """The mark on earlier reports; None: no row came."""
        self._refused_keys: set[str] = set()
        """Wrong keys that a test was told of in full."""
        self._baselines: dict[str, Report | None] = {}
        """What the runs are held against, by configuration; None: it cannot be read."""
        self._finished: list[LadderResult] | None = None
        self._unwritten: list[LadderResult] = []
        """Whose report could not be written."""

    def take(self, report: pytest.TestReport) -> None:
        """Take in the report of one phase of a test; a wrong key is told once."""
        carried = getattr(report, "ladder", None)
        if carried is None:
            return
        payload = msgspec.json.decode(carried["payload"], type=Payload)
        for case in payload.cases:
            self.cases[payload.config][case.source, case.case] = case
        # pytest-rerunfailures has an outcome of its own for what it runs again.
        if str(report.outcome) == "rerun":
            return
        arrived = Arrived(payload=payload, location=report.location)
        if self._begun is None:
            self._begun = Begun(self.session.config)
        self.items[report.nodeid] = arrived
        key = arrived.payload.refused_key
        if key in self._refused_keys:
            report.longrepr = f"see above: {key}"
        elif key:
            self._refused_keys.add(key)

    @property
    def finished(self) -> list[LadderResult]:
        """The result of each ladder; made when first asked for, after the last test."""
        if self._finished is None:
            if self._called_models:
                # A controller of xdist has opened none yet, and the engine is to know
                # which store they name.
                for config in self._configs():
                    self.session.open(Path(config))
                # Now: the folder that workers share is gone at the end.
                self.session.engine.called.read()
                self.session.engine.failed.read()
                put_on_rows(self.items, self.session.engine)
            self._finished = list(self._results())
        return self._finished

    @property
    def _called_models(self) -> bool:
        """Whether models may have been called: not in a run that was refused."""
        return self.session.settings.live and not self.session.problems

    def report_run_failures(self, session: pytest.Session) -> None:
        """Report as failures what no single test can tell; called when all ran."""
        self._ended = True
        failures = [each for result in self.finished for each in failures_of(result)]
        run_failures.report(session, self.items, self.session, failures)
        self._odd_bills = run_failures.surprising_bills(self.session)

    def write(self, session: pytest.Session) -> None:
        """Write the reports, and after a live run the recordings."""
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.finished:
            # Nothing was left for this shard: it has done all that there was to do.
            session.exitstatus = pytest.ExitCode.OK
        if self.session.settings.live:
            from pytest_ladder.calls.local.lost_tools import lost_tools
            from pytest_ladder.calls.response_formats import notices

            shared = Path(shared_by_processes(self.session.config)["folder"])
            self._of_servers = [*notices(shared), *lost_tools(shared)]
        if session.exitstatus != pytest.ExitCode.OK:
            self._finished = [result.of_failed_run() for result in self.finished]
        for result in self.finished:
            if self.session.settings.live:
                # First: these were paid for.
                self._try(
                    output.write_recordings,
                    result.opened,
                    self._items_of(result.opened),
                    self.session.engine.called,
                )
            if not self._try(output.write_report, result):
                self._unwritten.append(result)
        if self.problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        for result in self.finished:
            written = result not in self._unwritten
            output.mark_outdated(result, session.exitstatus, written=written)
        if self._begun is not None:
            self._begun.end()

    def to_log(self) -> list[tuple[Path, LogConfig]]:
        """Return where the reports are that are logged elsewhere, and where to."""
        if not self._ended or not self.session.settings.logs_reports:
            return []
        written = (one for one in self.finished if one not in self._unwritten)
        return [(one.folder, one.opened.ladder.log) for one in written]

    def print_summary(self, reporter: pytest.TerminalReporter) -> None:
        """Print the matrix of each ladder, and the misses where `-rm` asks for them."""
        width = self.session.config.get_terminal_writer().fullwidth
        self._print_misses(reporter, width)
        for result in self.finished:
            several = len(self.finished) > 1
            named = f" {shown(result.opened.ladder.path)}" if several else ""
            reporter.section(f"ladder{named}", sep="=", bold=True)
            if not self.session.tests:
                # The controller of xdist collects nothing, so it had no header.
                for text in self.session.headers_of([result.opened]):
                    for line in wrapped(text, width):
                        reporter.write_line(line)
            written = result not in self._unwritten
            output.print_result(reporter, result, written=written)
        shares = partial_shares(self.items)
        for line in [*shares, *self._notices(), *self.notes]:
            reporter.write_line(line)
        for warning in self.warnings:
            reporter.write_line(warning, yellow=True)
        for problem in self.problems:
            reporter.write_line(problem, red=True)

    def _print_misses(self, reporter: pytest.TerminalReporter, width: int) -> None:
        misses = [
            f"MISSED {nodeid} - {arrived.rows[0].reason}"
            for nodeid, arrived in self.items.items()
            if arrived.payload.missed
        ]
        if misses and set(self.session.config.option.reportchars) & {"m", "a", "A"}:
            reporter.section("misses", sep="=")
            for line in (line for miss in misses for line in wrapped(miss, width)):
                reporter.write_line(line)

    def _try(self, write: Callable[..., str | None], *arguments: Any) -> bool:
        """Write something; why it could not be written is printed at the end.

        A replay in a read-only checkout has nothing to lose, so it stays green.
        """
        try:
            warning = write(*arguments)
        except (LadderError, OSError) as error:
            settings = self.session.settings
            loses_nothing = not settings.live and settings.report is None
            told = self.warnings if loses_nothing else self.problems
            (told if is_refused(error) else self.problems).append(str(error))
            return False
        if warning:
            self.warnings.append(warning)
        return True

    def _notices(self) -> Iterator[str]:
        """Yield a sentence on each damaged store, bill, refusal and rehearsal."""
        for opened in self.session.opened:
            yield from opened.archive.store.notices(self.session.started)
        yield from (*self._odd_bills, *self.session.apps.notices())
        for result in self.finished:
            yield from unpriced(result)
        if self._called_models:
            yield from unused(self.items, self.session.engine)
        yield from self._of_servers
        yield from self.session.store_notices
        for name in self.session.stuck_rehearsals:
            yield f"{name} waits for something else than a model; it was left behind."

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
                states = states_of(items, rows, None)
                matrix = build_matrix(rows, opened.rungs, states, volume=opened.volume)
                info = run_info(self.session, opened, self._items_of(opened))
                known = None, (), *real_use(opened, rows, self.problems)
                gate = self._gate(opened, report_on(info, matrix, rows, *known))
                gates.update({config: gate} if gate is not None else {})
        return gates

    def _configs(self) -> list[str]:
        arrived = {arrived.payload.config for arrived in self.items.values()}
        if not self.session.settings.shard:
            return sorted(arrived)
        # A ladder with fewer cases than there are shards: some of them have nothing.
        suites = self.session.suites.items()
        return sorted(arrived | {c for c, s in suites if s.shard and not s.selected})

    def _rows_of(self, opened: OpenLadder) -> tuple[list[Arrived], list[Row]]:
        items = self._items_of(opened)
        if opened.has_funnel:
            apply_funnel(items)
        return items, [row for item in items for row in item.rows]

    def _results(self) -> Iterator[LadderResult]:
        configs = self._configs()
        several = len({*configs, *self.session.suites}) > 1
        for config in configs:
            opened = self.session.open(Path(config))
            items, rows = self._rows_of(opened)
            # A shard without a case, or all skipped, says that it was there.
            if rows or self.session.settings.shard:
                folder = output.report_folder(self.session, opened, several=several)
                yield self._result(opened, items, rows, folder)

    def _result(
        self, opened: OpenLadder, items: list[Arrived], rows: list[Row], folder: Path
    ) -> LadderResult:
        climb = self.climb_of(str(opened.ladder.path))
        states = states_of(items, rows, climb)
        matrix = build_matrix(
            *(rows, opened.rungs, states),
            volume=opened.volume,
            settled=climb.settled if climb else None,
            expected=climb.expected if climb else None,
        )
        if climb:
            matrix = msgspec.structs.replace(matrix, kept_out=climb.kept_out)
        judged = None
        if decides(self.session.settings.mode):
            judged, matrix = opened.ladder.objective, with_planned(opened, matrix)
        base = self._baseline(opened)
        calibrations = judges_of(opened, rows, base.rows if base else (), self.problems)
        part = part_of(self.session, opened, items, folder, stopped=not self._ended)
        info = run_info(
            self.session, opened, items, climb=climb, part=part, stopped=not self._ended
        )
        real = real_use(opened, rows, self.problems)
        report = report_on(info, matrix, rows, judged, calibrations, *real)
        report = msgspec.structs.replace(
            report,
            gate=self._gate(opened, report, anchored=True),
            exchanges=exchanges_of(opened.archive, rows),
            cases=self.cases[str(opened.ladder.path)],
            attempts=[str(seed) for seed in climb.seeds] if climb else (),
            models=opened.ladder.models,
            makings={rung.id: making_of(rung) for rung in opened.rungs},
            reasons=climb.reasons if climb else {},
            looks=[
                LookTold(sentence=str(look), decision=look.decision)
                for look in (climb.looks if climb else ())
            ],
        )
        if base is not None:
            from pytest_ladder.reporting.against import held_against

            report = held_against(report, base, self.session.settings.baseline or "")
        return LadderResult(
            opened=opened,
            report=report if opened.ladder.report.texts else without_texts(report),
            folder=place(folder, part, rows, info.shard if self._ended else None),
            replaces=folder,
            feasible=self._feasible(opened, report),
            spared=climb.summary if climb else "",
        )

    def _feasible(self, opened: OpenLadder, report: Report) -> str:
        """Say whether anything can meet the objective; empty but of a litmus test."""
        objective = opened.ladder.objective
        if self.session.settings.mode != "litmus" or objective is None:
            return ""
        from pytest_ladder.decide.feasibility import feasibility

        said = feasibility(report.matrix, report.evidence, objective).sentence
        if opened.litmus is None:
            return said
        tried, why = opened.litmus.rung.model, opened.litmus.why
        return f"{said} Tried on model {tried.name} ({tried.id}), which is {why}."

    def _gate(
        self, opened: OpenLadder, report: Report, *, anchored: bool = False
    ) -> GateResult | None:
        """Hold the run against the baseline, if one is given, and the anchor."""
        base = self._baseline(opened)
        if base is None:
            return None
        from pytest_ladder.decide.gate.compare import gate
        from pytest_ladder.reporting.files.baseline import compared_run

        ladder, head = opened.ladder, compared_run(report)
        measured = report.calibrations or judges_of(
            opened, report.rows, base.rows, self.problems
        )
        errors = {judge.asked: judge.errors for judge in measured}
        named = self.session.settings.baseline if anchored else None
        anchor = anchor_of(opened, named, self.problems)
        shipped = compared_run(base)
        return gate(shipped, head, ladder.gate, report.objective, errors, anchor)

    def _baseline(self, opened: OpenLadder) -> Report | None:
        """Read the baseline, once; None without one, or where it cannot be read."""
        name, config = self.session.settings.baseline, str(opened.ladder.path)
        if name is None or config in self._baselines:
            return self._baselines.get(config)
        from pytest_ladder.reporting.files.baseline import read_baseline

        try:
            self._baselines[config] = read_baseline(name, opened.ladder.folder)
        except LadderError as error:
            self._baselines[config] = None
            self.problems.append(str(error))
        return self._baselines[config]
