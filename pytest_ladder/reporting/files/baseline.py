"""Baselines: what a change is compared with, from a folder or a commit, and pooled.

A baseline is a report of which only `matrix.json`, `rows.jsonl` and `inputs.jsonl` are
kept, so that it can be committed and read in a diff. Several runs of main in it are
several samples of every case: one lucky run would redden every change
(docs/methods.md §2.6).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_ladder.core.row import DRAW, Outcome, Row, UsedReply
from pytest_ladder.decide.gate.result import ComparedRun
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.reporting.files.committed import (
    FILES,
    GIT,
    INPUTS,
    commit_of,
    place_of,
    read_committed,
    unknown_commit,
)
from pytest_ladder.reporting.files.outdated import why_outdated
from pytest_ladder.reporting.files.read import read_report, rungs_of
from pytest_ladder.reporting.files.write import inputs_jsonl, matrix_json, rows_jsonl
from pytest_ladder.reporting.report import Report, report_on
from pytest_ladder.text.phrases import shown

MOST_RUNS = 5
"""Runs that a baseline is made of: more make it little better.

See docs/methods.md §2.6.
"""
_AND = "+"

_Key = tuple[str, ...]
"""Rung, test, level, source and case: what draws are draws of."""


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """A baseline made of several runs."""

    report: Report
    runs: tuple[str, ...]
    """Ids of the runs that went in, newest first."""
    stale: int
    """Rows left out: of other cases, prompts, models or judges than the newest run."""
    repeated: int
    """Rows left out because they replay a reply that is in already."""
    failed: int
    """Errors of the newest run left out: of the same test and case a draw finished."""

    @property
    def is_empty(self) -> bool:
        """Whether no row finished on the rung that ships, and no gate can compare."""
        ships = self.report.info.current
        return not any(
            row.outcome is not Outcome.ERROR and ships in (None, row.rung)
            for row in self.report.rows
        )


def compared_run(report: Report) -> ComparedRun:
    """Return what a gate needs of a report."""
    return ComparedRun(
        rows=_with_runs(report, report.info.current),
        matrix=report.matrix,
        current=report.info.current,
        escalation=report.info.escalation,
        stopped=report.info.stopped,
        part=report.info.part,
        climbs=report.info.mode == "climb",
        skipped=report.info.skipped,
        partial=report.info.partial,
        evidence=report.evidence,
        users=report.users,
    )


def read_baseline(name: str, folder: Path) -> Report:
    """Read `FILE`, `git:REF` or `git:REF:FOLDER`; `folder` is that of the ladder.

    FILE is a report's folder, or its `matrix.json` with `rows.jsonl` beside it. Of a
    commit the folder `ladder-baseline` beside the ladder is read, or the one named
    from there. Raises `ConfigError`.
    """
    if name.startswith(GIT):
        place = place_of(name, folder)
        commit = commit_of(place)
        if commit is None:
            raise unknown_commit(place)
        return read_committed(place, commit)
    return read_report(_folder_of(name))


def why_old(name: str) -> str:
    """Return why a later run was to replace a report; empty: none was.

    `name` is as for `read_baseline`.
    """
    return "" if name.startswith(GIT) else why_outdated(_folder_of(name))


def _folder_of(name: str) -> Path:
    path = Path(name)
    return path.parent if path.name in FILES else path


def refuse_own(name: str, reports: Iterable[Path]) -> None:
    """Raise `ConfigError` for a baseline in a folder that the run writes over."""
    if name.startswith(GIT):
        return
    folder = _folder_of(name)
    written = {(folder / file).resolve().parent for file in FILES}
    own = {report.resolve() for report in reports}
    if not own.isdisjoint({folder.resolve(), *written}):
        raise ConfigError(
            f"--ladder-baseline={name}: this run writes its own report there, and the "
            "next would be held to it; keep the baseline elsewhere: copy the folder, "
            f"or call `pytest-ladder baseline update {shown(folder)}`."
        )


def pooled(reports: Sequence[Report]) -> Pooled:
    """Pool the newest five runs into one, with a sample for each.

    The newest says what is covered, so all are to be of runs that were not stopped.
    Rows of older runs that are about something else than those of the newest run, or
    that replay what another run has, are left out, and so are errors where another
    draw finished. At most five samples of a case are kept, or as many as the newest
    run has. Raises ValueError without a report.
    """
    runs = _newest(reports)
    newest = runs[0]
    pool = _Pool(_with_runs(newest))
    for report in runs[1:]:
        pool.add(_with_runs(report))
    rows = pool.rows()
    matrix = build_matrix(
        rows,
        rungs_of(newest),
        {line.id: line.state for line in newest.matrix.rungs},
        volume=newest.matrix.volume,
        settled=newest.matrix.settled,
    )
    # A baseline that is pooled again and again would have an endless name.
    names = [name for report in runs for name in _ids(report)][:MOST_RUNS]
    info = msgspec.structs.replace(newest.info, id=_AND.join(names))
    return Pooled(
        report=msgspec.structs.replace(
            report_on(info, matrix, rows, newest.objective, declared=newest.declared),
            models=newest.models,
            makings=newest.makings,
            cases=newest.cases,
        ),
        runs=tuple(report.info.id for report in runs),
        stale=pool.stale,
        repeated=pool.repeated,
        failed=pool.failed,
    )


def write_baseline(folder: Path, report: Report) -> None:
    """Write what a gate reads, and nothing that keeps git from taking it.

    Raises `LadderError` when the folder cannot be written.
    """
    document = msgspec.json.encode(matrix_json(report))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rows = rows_jsonl(report.matrix, report.rows)
        write_atomically(folder / "rows.jsonl", rows)
        if report.cases:
            write_atomically(folder / INPUTS, inputs_jsonl(report))
        else:
            (folder / INPUTS).unlink(missing_ok=True)
        document = msgspec.json.format(document, indent=2) + b"\n"
        write_atomically(folder / "matrix.json", document)
    except OSError as error:
        raise LadderError(
            f"The baseline could not be written to {folder}: "
            f"{error.strerror or error}. Free the place or name another folder with "
            "--output."
        ) from error


class _Pool:
    """Draws of each test on each case, those of the newest run first."""

    def __init__(self, newest: Sequence[Row]) -> None:
        self._newest = _grouped(newest)
        self._draws = {
            key: [row for row in group if row.outcome is not Outcome.ERROR]
            for key, group in self._newest.items()
        }
        most = max((len(group) for group in self._newest.values()), default=0)
        self._room = max(MOST_RUNS, most)
        self.stale = 0
        self.repeated = 0

    @property
    def failed(self) -> int:
        """Errors of the newest run that another draw stands in for."""
        return sum(
            row.outcome is Outcome.ERROR
            for key, draws in self._draws.items()
            if draws
            for row in self._newest[key]
        )

    def add(self, rows: Iterable[Row]) -> None:
        """Add an older run."""
        run = _grouped(rows)
        asked = {
            key: _asks_other(self._newest[key], group)
            for key, group in run.items()
            if key in self._newest and _is_same_case(self._newest[key], group)
        }
        prompts = _OtherPrompts(asked)
        for key, group in run.items():
            other = asked.get(key, True)
            if other is None:
                finished = bool(self._draws[key])
                other = prompts.are_other(key, finished=finished)
            if other:
                self.stale += len(group)
                continue
            for row in group:
                if row.outcome is not Outcome.ERROR:
                    self._add(self._draws[key], row)

    def rows(self) -> list[Row]:
        """Return all rows, samples numbered anew."""
        # The replies of a draw are told from those of the same key in others.
        return [
            msgspec.structs.replace(
                row,
                sample=sample,
                replies=tuple(_marked(bill, sample) for bill in row.replies),
                evaluations=tuple(_marked(bill, sample) for bill in row.evaluations),
            )
            for key, draws in self._draws.items()
            for sample, row in enumerate(draws or self._newest[key], start=1)
        ]

    def _add(self, draws: list[Row], row: Row) -> None:
        twins = [draw for draw in draws if _keys(draw) == _keys(row)]
        for twin in twins:
            if twin.whole_text == row.whole_text and not (
                _is_live(twin) and _is_live(row)
            ):
                # One reply, replayed: the row that was measured live is kept.
                if _is_live(row):
                    draws[draws.index(twin)] = row
                self.repeated += 1
                return
        if len(draws) < self._room:
            draws.append(row)


class _OtherPrompts:
    """Whether an older run asked other prompts, where a case itself does not show it.

    Cases with replies show it for those without, such as errors.
    """

    def __init__(self, asked: Mapping[_Key, bool | None]) -> None:
        self._by_test: dict[_Key, set[bool]] = defaultdict(set)
        self._by_rung: dict[str, set[bool]] = defaultdict(set)
        for key, other in asked.items():
            if other is not None:
                self._by_test[key[:-1]].add(other)
                self._by_rung[key[0]].add(other)

    def are_other(self, key: _Key, *, finished: bool) -> bool:
        """Tell by the test, else by the rung, whether another prompt was asked.

        `finished` says that the newest run has a row that is no error: one that says
        nothing, of a task, is taken for the same.
        """
        by_test = self._by_test.get(key[:-1])
        if by_test or finished:
            return True in (by_test or ())
        # Of a test that has only errors nothing may be said of its prompt.
        return self._by_rung.get(key[0]) != {False}


def _newest(reports: Sequence[Report]) -> list[Report]:
    """Return the newest runs, each once: a baseline may hold one that is named too."""
    if not reports:
        raise ValueError("A baseline needs one report or more.")
    most_first = sorted(reports, key=lambda report: len(_ids(report)), reverse=True)
    known: set[str] = set()
    kept = []
    for report in most_first:
        if not known.issuperset(_ids(report)):
            kept.append(report)
            known.update(_ids(report))
    kept.sort(key=lambda report: report.info.started, reverse=True)
    return kept[:MOST_RUNS]


def _ids(report: Report) -> list[str]:
    return report.info.id.split(_AND)


def shipped_run(report: Report) -> ComparedRun:
    """Return what drift is seen in: no row of a rung that did not ship.

    Up to fifty baselines are looked at together.
    """
    run = compared_run(report)
    rows = run.rows
    if run.current is not None:
        rows = [row for row in rows if row.rung == run.current]
    return msgspec.structs.replace(run, rows=rows, evidence=None)


def _with_runs(report: Report, rung: str | None = None) -> Sequence[Row]:
    """Let each row say of which run it is, or only those of one rung.

    In what earlier releases pooled the draws stand by the age of their runs, as far as
    all of them finished.
    """
    ids = _ids(report)
    return [
        row
        if row.run or rung not in (None, row.rung)
        else msgspec.structs.replace(row, run=ids[min(row.sample, len(ids)) - 1])
        for row in report.rows
    ]


def _grouped(rows: Iterable[Row]) -> dict[_Key, list[Row]]:
    groups: dict[_Key, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.sample):
        groups[row.rung, row.test, row.level, row.source, row.case].append(row)
    return dict(groups)


def _is_same_case(newest: Sequence[Row], older: Sequence[Row]) -> bool:
    hashes = {newest[0].case_hash, older[0].case_hash} - {""}
    return len(hashes) < 2


def _asks_other(newest: Sequence[Row], older: Sequence[Row]) -> bool | None:
    """Tell whether other prompts, models or judges are behind the draws of a case.

    The key of a reply says what was asked of which model. Not so that of a task, nor
    that of a later call, which may rest on what was said before. None: nothing tells.
    """
    judges, others = (
        {(v.judge, v.rubric) for row in rows if (v := row.verdict) is not None}
        for rows in (newest, older)
    )
    if judges and others and judges.isdisjoint(others):
        return True
    first, second = _asked(newest), _asked(older)
    if first.keys().isdisjoint(second):
        return None
    return set(first.values()).isdisjoint(second.values())


def _asked(rows: Iterable[Row]) -> dict[int, str]:
    """Return the key of the first reply of each sample, as far as it tells anything."""
    return {
        row.sample: row.replies[0].request_key
        for row in rows
        if row.replies and not row.replies[0].calls
    }


def _is_live(row: Row) -> bool:
    return any(bill.live for bill in row.replies)


def _keys(row: Row) -> tuple[str, ...]:
    return tuple(bill.request_key for bill in row.replies)


def _marked(bill: UsedReply, sample: int) -> UsedReply:
    mark = f"{DRAW}{sample}" if sample > 1 else ""
    return msgspec.structs.replace(
        bill,
        key=bill.request_key + mark,
        calls=tuple(call.partition(DRAW)[0] + mark for call in bill.calls),
    )
