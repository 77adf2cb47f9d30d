"""`pytest-ladder merge`: the shards of a run as one report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pytest_ladder.cli.arguments import Given, Subparsers, add_command, add_reports
from pytest_ladder.cli.judge_arguments import calibrated, reviewed
from pytest_ladder.cli.printing import say, show
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.merge import coverage, merged
from pytest_ladder.reporting.files.outdated import why_outdated
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.files.write import append_step_summary, write_report
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.judges import are_unlabelled
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown

_DESCRIPTION = """\
Join the reports of several runs of one suite into one: CI jobs that each ran a shard of
the cases (--ladder-shard), some of the tests (pytest-split) or some of the rungs
(--ladder-rungs). All must be of the same configuration and commit, and no row may be in
two of them. What they spent is summed, the decision is made again from all rows, and
what only some of them have is printed. Of the shards of --ladder-shard none may be
missing, and the status is 1 where the whole run would have failed: a shard did, too few
cases passed (at_least), or the objective failed.
"""
_EXAMPLES = """\
examples:
  pytest-ladder merge shards/1 shards/2 shards/3 --output ladder-report
  pytest-ladder merge shards/* --output ladder-report

in CI, each job of the matrix:
  pytest --ladder=matrix --ladder-shard="$SHARD/20"
and after them, with their folders in one place:
  pytest-ladder merge ladder-report/shards/* --output ladder-report
"""


def add_to(commands: Subparsers) -> None:
    """Add the command with its arguments."""
    parser = add_command(
        commands,
        "merge",
        "join the reports of CI shards into one",
        _DESCRIPTION,
        _EXAMPLES,
    )
    add_reports(parser, "a shard's report, the one with its matrix.json; two or more")
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        type=Path,
        help="where the joined report goes",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="join what there is of the shards of --ladder-shard, though some are "
        "missing: the report is then a part",
    )
    parser.set_defaults(run=_run)


def _run(given: Given) -> int:
    shards = _read(given.folders, given.output)
    # Each shard measured the judges on its own share of the labelled replies.
    report = calibrated(merged(shards, partial=given.partial), given.output)
    # Whom two shards have halves of is known only now.
    report = reviewed(report, given.output)
    write_report(given.output, report, option="--output")
    warning = append_step_summary(given.output)
    say(f"joined {len(shards)} reports, {count(len(report.rows), 'row')}:")
    for name, shard in shards.items():
        say(f"  {name}: {count(len(shard.rows), 'row')}, run {shard.info.id}")
    for line in coverage(shards):
        say(line)
    if are_unlabelled(report.calibrations) and any(
        shard.calibrations and not are_unlabelled(shard.calibrations)
        for shard in shards.values()
    ):
        say("the labels of the shards are not in reach: join them beside ladder.toml")
    show(report, given.output)
    if warning:
        say(warning)
    failures = list(_failures(report, shards))
    for failure in failures:
        say(f"FAILED {failure}")
    return 1 if failures else 0


def _read(named: Iterable[Path], output: Path) -> dict[str, Report]:
    """Read the reports to join, by the names that messages call them."""
    folders: dict[Path, Path] = {}
    for folder in named:
        if folder.resolve() in folders:
            raise ConfigError(f"{shown(folder)} is named twice; name each shard once.")
        folders[folder.resolve()] = folder
    if len(folders) == 1:
        (folder,) = folders.values()
        raise ConfigError(
            f"{shown(folder)} is one report; name two or more to join, or "
            "render this one again with `pytest-ladder report`."
        )
    if output.resolve() in folders:
        raise ConfigError(
            f"--output {shown(output)} is one of the shards; name another "
            "folder, so that it is kept."
        )
    for folder in folders.values():
        if why := why_outdated(folder):
            # Joined, nobody would see that one of them is of another night.
            raise ConfigError(f"{shown(folder)} is out of date. {why}")
    return {shown(folder): read_report(folder) for folder in folders.values()}


def _failures(report: Report, shards: Mapping[str, Report]) -> Iterator[str]:
    """Say what would have failed the run, had it been in one piece.

    No shard knows by itself whether enough cases passed.
    """
    cut = {name: one.info.shard for name, one in shards.items() if one.info.shard}
    for name, shard in cut.items():
        if shard.failed:
            yield f"{shard}: its own run failed, see what it printed ({name})"
    if not cut or report.info.part is not None:
        return
    from pytest_ladder.decide.gate.checks import objective_check, share_checks

    failing = {"fail", "broken"}
    if any(shard.undecided_fails for shard in cut.values()):
        failing.add("undecided")
    own = [row for row in report.rows if row.rung == report.info.current]
    advice = report.decision.recommendation
    for check in (*share_checks(own, {}), *objective_check(advice)):
        if check.verdict in failing:
            yield f"{check.name}: {check.reason}"
