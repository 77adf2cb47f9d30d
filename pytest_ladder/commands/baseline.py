"""`pytest-ladder baseline update`: pool runs of main into what changes are held to."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_ladder.commands.parsing import Given, Subparsers
from pytest_ladder.commands.showing import say
from pytest_ladder.figures import count
from pytest_ladder.reporting.baseline import (
    FOLDER,
    MOST_RUNS,
    pooled,
    read_baseline,
    write_baseline,
)
from pytest_ladder.wording import shown

_DESCRIPTION = f"""\
Pool the newest {MOST_RUNS} of several reports into a baseline: each is one sample of a
case. One run alone may have been lucky, and then every change looks worse than it is.
Rows of older runs that are about other cases, prompts, models or judges than the newest
are left out. Make baselines on main, never on a branch.
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
    parser = commands.add_parser(
        "baseline", help="make what changes are compared with out of runs of main"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    update = actions.add_parser(
        "update",
        help=f"pool the newest {MOST_RUNS} reports",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    reports = [read_baseline(name, Path.cwd()) for name in given.reports]
    pool = pooled(reports)
    write_baseline(given.output, pool.report)
    runs, rows = len(pool.runs), len(pool.report.rows)
    say(f"pooled {count(runs, 'run')} into {count(rows, 'row')}: {shown(given.output)}")
    if len(reports) > runs:
        say(f"  {count(len(reports) - runs, 'older run')} left out")
    if pool.stale:
        say(
            f"  {count(pool.stale, 'row')} left out: other cases, prompts, models or "
            "judges than the newest run has"
        )
    if pool.repeated:
        say(
            f"  {count(pool.repeated, 'row')} left out: they replay replies that are "
            "in already; only live runs add samples"
        )
    return 0
