"""`pytest-ladder calibrate`: how far the judges of a report agree with people."""

from __future__ import annotations

import shutil

from pytest_ladder.cli.arguments import Given, Subparsers, add_command
from pytest_ladder.cli.judge_arguments import (
    add_arguments,
    labels_in,
    labels_path,
    nothing_judged,
    report_folder,
)
from pytest_ladder.cli.printing import say
from pytest_ladder.judging.calibration.calibrate import calibrations_of, measurable
from pytest_ladder.judging.calibration.label_plan import label_plans
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.sentences.judges import are_unlabelled, judge_command
from pytest_ladder.reporting.terminal.judges import calibration_lines
from pytest_ladder.text.phrases import shown

_DESCRIPTION = """\
Compare the verdicts in a report with what people said of the same replies: accuracy,
sensitivity, specificity, kappa and AC1 with their intervals, beside a judge that always
gives one answer and beside people among themselves; and each rung's quality as the
judge sees it beside the one that people would see.
"""
_EXAMPLES = """\
Nothing is written: the next pytest run calibrates its report by the same labels.

examples:
  pytest-ladder calibrate
  pytest-ladder calibrate ladder-report --labels labels/ann.jsonl
"""


def add_to(commands: Subparsers) -> None:
    """Add the command with its arguments."""
    parser = add_command(
        commands,
        "calibrate",
        "tell how far the judges of a report agree with people",
        _DESCRIPTION,
        _EXAMPLES,
    )
    add_arguments(parser)
    parser.set_defaults(run=_run)


def _run(given: Given) -> int:
    given.folder = report_folder(given)
    report, path = read_report(given.folder), labels_path(given)
    rungs = [rung.id for rung in report.matrix.rungs]
    labels = labels_in(path)
    calibrations = calibrations_of(report.rows, labels, rungs)
    if not calibrations:
        raise nothing_judged(given, report)
    width = shutil.get_terminal_size().columns
    for line in calibration_lines(calibrations, width):
        say(line)
    # How many are missing is said last, where it is read.
    plans = label_plans(measurable(report.rows, labels), labels)
    for plan in plans:
        for text in filter(None, (plan.sentence, plan.next_sentence)):
            say(text)
    if any(plan.missing.all for plan in plans) and not are_unlabelled(calibrations):
        count = sum(plan.missing.all for plan in plans)
        say(
            "  on a page: "
            f"pytest-ladder review --ask labels --rater NAME --count {count}"
        )
    if are_unlabelled(calibrations):
        there = "has none of these replies" if path.exists() else "is not there yet"
        say(f"{shown(path)} {there}; begin with")
        say(f"  {judge_command('label', given.folder, path)}")
    return 0
