"""`pytest-ladder log mlflow`: a report as runs of MLflow, a run a rung."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from pytest_ladder.cli.arguments import Given, Subparsers, add_command
from pytest_ladder.cli.printing import ProgressLine, say
from pytest_ladder.core.review import Review
from pytest_ladder.errors import ConfigError, TrackingError
from pytest_ladder.judging.calibration.labels import Label, read_labels
from pytest_ladder.real.reviews import read_reviews
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.report import Report
from pytest_ladder.text.numbers import count, few
from pytest_ladder.text.phrases import shown
from pytest_ladder.tracking.mlflow import LoggedToMlflow, log_mlflow
from pytest_ladder.tracking.mlflow_address import ADDRESS, host
from pytest_ladder.tracking.mlflow_runs import LoggedReport, Which, logged
from pytest_ladder.tracking.mlflow_server import DEFAULT_EXPERIMENT, EXPERIMENT
from pytest_ladder.tracking.mlflow_traces import MOST, traced_rows

_DESCRIPTION = """\
Log a report to the MLflow server of MLFLOW_TRACKING_URI: a run for it, in it a run for
each rung with params, metrics and a table of its cases, the report's files as
artifacts, and the cases as a dataset. Logged again, the same runs are completed. No
question, reply or reason leaves this machine unless you ask for --traces.
"""
_EXAMPLES = """\
Passwords and tokens come from the environment, as MLflow's client reads them:
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.

examples:
  MLFLOW_TRACKING_URI=http://localhost:5000 pytest-ladder log mlflow ladder-report
  pytest-ladder log mlflow ladder-report --experiment support --traces misses
  pytest-ladder log mlflow ladder-report --traces all --labels labels.jsonl
  pytest-ladder log mlflow ladder-report --dry-run
"""
_FAILED = 1


def add_mlflow_to(actions: Subparsers) -> None:
    """Add the action to `pytest-ladder log`."""
    parser = add_command(
        actions,
        "mlflow",
        "log a report as runs of MLflow, a run a rung",
        _DESCRIPTION,
        _EXAMPLES,
    )
    add = parser.add_argument
    add("folder", metavar="REPORT", type=Path, help="folder of the report")
    add(
        "--experiment",
        metavar="NAME",
        help=f"where the runs go (default: {EXPERIMENT}, else {DEFAULT_EXPERIMENT})",
    )
    add(
        "--traces",
        choices=get_args(Which),
        default="none",
        help="rows that are sent with what was asked and said, as traces and in "
        f"tables, misses first, at most {MOST:,} traces (default: none)",
    )
    for option, words in (("--labels", "labels"), ("--reviews", "reviews")):
        add(
            option,
            metavar="FILE",
            type=Path,
            help=f"people's {words} of replies, which become feedback on their traces",
        )
    add("--dry-run", action="store_true", help="print what would be sent; send nothing")
    parser.set_defaults(run=_run)


def _run(given: Given) -> int:
    experiment: str | None = given.experiment
    if experiment is None:
        experiment = os.environ.get(EXPERIMENT) or DEFAULT_EXPERIMENT
    if not experiment.strip():
        raise ConfigError("--experiment is empty; name an experiment.")
    labels, reviews = _people(given)
    where = host()  # What is wrong with it is told before a long report is read.
    report = read_report(given.folder)
    if given.dry_run:
        for line in _planned(logged(report, given.traces), report, given.traces):
            say(line)
        say(f"would go to the experiment {experiment} of {where}; nothing was sent")
        return 0
    progress = ProgressLine()

    def tell(what: str, done: int, of: int) -> None:
        label, share = shown(given.folder), done / of
        progress(label, share, f"{done:,} of {of:,} {what}")

    try:
        done = log_mlflow(
            report,
            experiment,
            traces=given.traces,
            labels=labels,
            reviews=reviews,
            progress=tell,
        )
    except TrackingError as error:
        sys.stderr.write(f"pytest-ladder: {error}\n")
        return _FAILED
    finally:
        progress.end()
    for line in _said(done, report, experiment):
        say(line)
    return 0


def _people(given: Given) -> tuple[Sequence[Label], Sequence[Review]]:
    """Read what people said; raises `ConfigError` where it would go nowhere."""
    for path in filter(None, (given.labels, given.reviews)):
        if given.traces == "none":
            raise ConfigError(
                f"{shown(path)} is about replies, which stay here; add --traces misses "
                "or --traces all."
            )
        if not path.is_file():
            raise ConfigError(f"{shown(path)} does not exist; name another file.")
    labels = read_labels(given.labels) if given.labels else ()
    return labels, read_reviews(given.reviews) if given.reviews else ()


def _planned(told: LoggedReport, report: Report, which: Which) -> Iterator[str]:
    for run in told.runs:
        yield f"run {run.name}{'' if run.rung else ', the parent'}"
        for kind in ("tags", "params"):
            for name, value in getattr(run, kind).items():
                first, _, rest = value.partition("\n")
                yield f"  {kind[:-1]} {name} = {first}{' …' if rest else ''}"
        for name, number in run.metrics.items():
            yield f"  metric {name} = {number:g}"
        for name, made in run.files.items():
            yield f"  artifact {name}, {len(made()):,} bytes"
        table = run.table()
        lines, columns = (
            count(len(table.data), "line"),
            ", ".join(table.columns),
        )
        yield f"  table {run.table_name}, {lines}: {columns}"
    data = told.dataset
    yield f"dataset {data.name}, {count(data.cases, 'case')}, digest {data.digest}"
    yield from _left_out(told.left_out)
    if which != "none":
        traces = len(traced_rows(report.rows, which))
        yield f"{count(min(traces, MOST), 'trace')}, with what was asked and said"


def _said(done: LoggedToMlflow, report: Report, experiment: str) -> Iterator[str]:
    runs = len(done.told.runs)
    known = runs - done.runs.created
    again = f", {known} of them known already" if known else ""
    yield (
        f"logged to the experiment {experiment}: {count(runs, 'run')}{again}, "
        f"{count(done.runs.metrics, 'new metric')}"
    )
    sent = done.traces
    if sent is None:
        yield "without texts; --traces misses or all sends what was asked and said, too"
    else:
        new = f"{sent.new:,} of them new, {count(sent.assessments, 'new assessment')}"
        yield f"{count(sent.traces, 'trace')}, {new}"
        if sent.left_out:
            yield f"{MOST:,} traces are the most; {sent.left_out:,} stayed here"
        if not report.info.texts:
            yield "without texts: the report has none ([report] texts = false)"
    yield from _left_out(done.told.left_out)
    yield from done.runs.kept
    # Last, where a terminal is read first.
    yield done.runs.url or f"the runs are where {ADDRESS} says"


def _left_out(rungs: Sequence[str]) -> Iterator[str]:
    if rungs:
        yield f"left out, for it was not run: {few(rungs)}"
