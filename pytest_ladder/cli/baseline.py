"""`pytest-ladder baseline update`: runs of main become what changes are compared to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from pytest_ladder.cli.arguments import Given, Subparsers, add_actions, add_command
from pytest_ladder.cli.judge_arguments import calibrated_by, labels_in
from pytest_ladder.cli.printing import say
from pytest_ladder.cli.reach import labels_in_reach
from pytest_ladder.core.ladder import Gate
from pytest_ladder.core.row import Outcome
from pytest_ladder.decide.gate.runs import odd_runs
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.baseline import (
    MOST_RUNS,
    Pooled,
    pooled,
    read_baseline,
    write_baseline,
)
from pytest_ladder.reporting.files.committed import FOLDER
from pytest_ladder.reporting.report import Report, RunInfo
from pytest_ladder.reporting.revise import with_calibrations
from pytest_ladder.reporting.sentences.gate import odd_run_sentences
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown

_DESCRIPTION = f"""\
Pool the newest {MOST_RUNS} of several reports into a baseline: each is one sample of a
case. One run alone may have been lucky, and then every change looks worse than it is.
Rows of older runs that are about other cases, prompts, models or judges than the newest
are left out, and so are runs that were stopped or of a part of the suite, and errors
where another run finished the case. Make baselines on main, never on a branch.
"""
_EXAMPLES = f"""\
The baseline itself may be one of the reports: then the new run joins those in it, and
at most {MOST_RUNS} samples of a case are kept.

examples:
  pytest-ladder baseline update ladder-report --output {FOLDER}
  pytest-ladder baseline update runs/* --output {FOLDER}
  pytest-ladder baseline update ladder-report {FOLDER} --output {FOLDER}
"""


def add_to(commands: Subparsers) -> None:
    """Add the command with its arguments."""
    actions = add_actions(
        commands, "baseline", "make what changes are compared with out of runs of main"
    )
    update = add_command(
        actions,
        "update",
        f"pool the newest {MOST_RUNS} reports",
        _DESCRIPTION,
        _EXAMPLES,
    )
    update.add_argument(
        "reports", nargs="+", metavar="DIR", help="report of a run of main, or git:REF"
    )
    update.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path(FOLDER),
        help=f"where the baseline goes (default: {FOLDER})",
    )
    update.set_defaults(run=_run)


def _run(given: Given) -> int:
    reports = {name: read_baseline(name, Path.cwd()) for name in given.reports}
    why_not = {name: why for name in reports if (why := _not_all(reports[name].info))}
    whole = {name: report for name, report in reports.items() if name not in why_not}
    if not whole:
        raise ConfigError(
            f"{', '.join(f'`{name}`: {why}' for name, why in why_not.items())}, and no "
            "change would be held to the rest; run all tests to their end, and name "
            "that report."
        )
    pool = pooled(list(whole.values()))
    if pool.is_empty:
        raise _nothing_in(pool, whole)
    report, kept = _with_judges(pool.report, whole.values(), given.output)
    write_baseline(given.output, report)
    runs, rows = len(pool.runs), len(pool.report.rows)
    say(f"pooled {count(runs, 'run')} into {count(rows, 'row')}: {shown(given.output)}")
    for name, why in why_not.items():
        say(f"  `{name}` left out: {why}")
    if len(whole) > runs:
        say(f"  {count(len(whole) - runs, 'older run')} left out")
    for line in _left_out(pool):
        say(line)
    if kept:
        say(kept)
    # Which runs are unlike the others, on the rung that ships.
    ships = report.info.current or report.matrix.run_order[0]
    shipped = [row for row in report.rows if row.rung == ships]
    for sentence in odd_run_sentences(odd_runs(shipped, Gate().quality_drop)):
        say(f"  {sentence}")
    return 0


def _with_judges(
    pool: Report, runs: Iterable[Report], folder: Path
) -> tuple[Report, str]:
    """Return a pool with what labels tell of its judges, and what to say of it.

    Labels of the replies of any run in it tell. Where none are in reach, the runs were
    told of the judges' errors, which other replies do not change.
    """
    path = labels_in_reach(folder)
    labels = () if path is None else labels_in(path)
    pool = calibrated_by(pool, labels)
    if labels:
        return pool, ""
    told = [judge for run in runs for judge in run.calibrations]
    told.sort(key=lambda judge: judge.errors.labels)
    known = {judge.asked: judge.errors for judge in told if judge.errors.labels}
    judges = [
        msgspec.structs.replace(judge, errors=known.get(judge.asked, judge.errors))
        for judge in pool.calibrations
    ]
    most = max((judge.errors.labels for judge in judges), default=0)
    if not most:
        return pool, ""
    why = f"no ladder.toml is in reach of {shown(folder)} or of the working folder"
    if path is not None:
        why = f"{shown(path)} holds none"
    kept = (
        f"  no label is in reach ({why}): of its judges it keeps the errors that the "
        f"runs were told, by up to {count(most, 'label')}, for the gate; no quality is "
        "corrected by them, which labels beside ladder.toml would do"
    )
    return with_calibrations(pool, judges), kept


def _not_all(info: RunInfo) -> str:
    """Say why a run says nothing of the whole suite; empty: it does."""
    if info.stopped:
        return "stopped before all tests had run"
    return "" if info.part is None else f"a part of the suite ({info.part})"


def _nothing_in(pool: Pooled, reports: dict[str, Report]) -> ConfigError:
    newest = next(
        name for name, report in reports.items() if report.info.id == pool.runs[0]
    )
    ships = pool.report.info.current
    of = f" of {ships}, the rung that ships," if ships else ""
    return ConfigError(
        f"`{newest}`, the newest run, says what a baseline covers, and no row{of} "
        "finished in it or in an older run of the same cases; run pytest again "
        "(--ladder-live gets the replies that are missing), or leave it out."
    )


def _left_out(pool: Pooled) -> Iterator[str]:
    """Say which rows are not in the pool and why, and which errors are."""
    if pool.stale:
        yield (
            f"  {count(pool.stale, 'row')} left out: other cases, prompts, models or "
            "judges than the newest run has"
        )
    if pool.repeated:
        yield (
            f"  {count(pool.repeated, 'row')} left out: they replay replies that are "
            "in already; only live runs add samples"
        )
    if pool.failed:
        yield (
            f"  {count(pool.failed, 'row')} left out: errors of the newest run, where "
            "another draw of the case finished"
        )
    errors = sum(row.outcome is Outcome.ERROR for row in pool.report.rows)
    if errors:
        yield f"  {count(errors, 'row')} kept: errors, and no draw of the case finished"
