"""`pytest-ladder plan`: what the matrix would call, or what would tell rungs apart."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_ladder.cli.arguments import Given, Subparsers, add_command, positive
from pytest_ladder.core.score import Level
from pytest_ladder.errors import ConfigError

if TYPE_CHECKING:
    from pytest_ladder.decide.telling import Judge, Telling
    from pytest_ladder.reporting.report import Report

_DESCRIPTION = """\
Print rungs, calls, tokens, dollars and hosts of the full matrix; further arguments go
to pytest. With --tell, say instead how many cases, samples or labels would tell two
rungs apart by so many points, 4 times in 5, and what these would cost: from the rows of
the report of a matrix or a climb in which most cases ran on both, without a call.
"""
_EXAMPLES = """\
examples:
  pytest-ladder plan tests/llm
  pytest-ladder plan --tell 3
  pytest-ladder plan --tell 2 --rungs bot/plain bot/few-shot --level judged
"""
_JUDGE = (0.9, 0.8)
"""Sensitivity and specificity of a judge that nobody measured."""
_LEAST_POINTS, _MOST_POINTS = 0.1, 100


def add_to(commands: Subparsers) -> None:
    """Add the command; options that it does not know go to pytest."""
    parser = add_command(
        commands,
        "plan",
        "print what the full matrix would call and cost, or what would tell rungs "
        "apart",
        _DESCRIPTION,
        _EXAMPLES,
    )
    add = parser.add_argument
    add("--tell", type=_points, metavar="POINTS", help="the difference to be told")
    add(
        "--rungs",
        nargs=2,
        metavar="RUNG",
        help="which two (default: the recommended one and the next best)",
    )
    add(
        "--level",
        choices=[str(level) for level in Level],
        help="at which level (default: the one that decides)",
    )
    add(
        "--report",
        type=Path,
        metavar="DIR",
        help="folder of the report (default: of the last matrix and the last climb "
        "the one with most cases of both rungs)",
    )
    parser.set_defaults(run=_run, takes_rest=True)


def _points(text: str) -> float:
    value = positive(text)
    if not _LEAST_POINTS <= value <= _MOST_POINTS:
        raise argparse.ArgumentTypeError(
            f"{text!r} does not fit; write points from {_LEAST_POINTS} to "
            f"{_MOST_POINTS}, such as 3"
        )
    return value


def _run(given: Given) -> int:
    if given.tell is not None:
        return _tell(given)
    for option in ("rungs", "level", "report"):
        if getattr(given, option) is not None:
            raise ConfigError(f"--{option} is for --tell; add --tell POINTS.")
    # Let pytest collect, and print the plan of the matrix.
    import pytest

    from pytest_ladder.cli.collect import QUIETLY

    options = ("--ladder=matrix", "--ladder-plan", "-q")
    return int(pytest.main([*options, *given.rest, *QUIETLY]))


def _tell(given: Given) -> int:
    from pytest_ladder.cli.printing import say
    from pytest_ladder.reporting.sentences.telling import telling_lines
    from pytest_ladder.text.phrases import shown

    if given.rest:
        raise ConfigError(
            f"--tell runs no pytest, so that it has no use for {' '.join(given.rest)}; "
            "leave it out, or --tell."
        )
    folders = [given.report] if given.report else _newest_first()
    told, source = None, ""
    if folders:
        told, folder = _best_told(given, folders)
        source = shown(folder)
    for line in telling_lines(told or _by_prices(given), source):
        say(line)
    return 0


def _best_told(given: Given, folders: Sequence[Path]) -> tuple[Telling | None, Path]:
    """Plan from the report in which most cases ran on both rungs, and name it.

    The newest says which two rungs, where it can: a climb stops most of them early.
    """
    newest, *older = folders
    told, best = _by_rows(given, newest), newest
    for folder in older:
        asked = Given(**vars(given))
        if told is not None:
            asked.rungs, asked.level = told.rungs, told.level
        try:
            other = _by_rows(asked, folder)
        except ConfigError:
            # It knows nothing of these two, and is none that was asked for.
            continue
        if other is not None and (told is None or other.n > told.n):
            told, best = other, folder
    return told, best


def _newest_first() -> list[Path]:
    """Return the folders of reports with several rungs."""
    from pytest_ladder.session.options import REPORT_FOLDER

    written = {
        folder: folder / "matrix.json"
        for folder in (Path(REPORT_FOLDER), Path(REPORT_FOLDER) / "climb")
    }
    there = [folder for folder, file in written.items() if file.is_file()]
    return sorted(there, key=lambda f: written[f].stat().st_mtime, reverse=True)


def _by_rows(given: Given, folder: Path) -> Telling | None:
    """Plan from a report; None: it has not measured two rungs at the level."""
    from pytest_ladder.cli.judge_arguments import calibrated
    from pytest_ladder.cli.reach import labels_in_reach
    from pytest_ladder.decide.telling import pair_of, telling
    from pytest_ladder.reporting.files.read import read_report

    report, labels = read_report(folder), labels_in_reach(folder)
    if labels is not None and labels.exists():
        report = calibrated(report, folder)
    level = Level(given.level) if given.level else report.decision.level
    measured = {
        rung.id: report.evidence.quality(level, rung.id)
        for rung in report.matrix.rungs
        if report.evidence.scores(level, rung.id)
    }
    if level is Level.REAL and not measured:
        raise _about_users()
    advice = report.decision.recommendation
    pair = pair_of(measured, advice.rung if advice else None)
    if given.rungs is not None:
        pair = _named(given.rungs, list(measured), f"are measured at {level}")
    if pair is None:
        return None
    judge = _judge(report, pair) if level is Level.JUDGED else None
    try:
        told = telling(
            report.rows, report.evidence, level, pair, given.tell / 100, judge
        )
    except ValueError as error:
        raise ConfigError(f"{error} Name two rungs that do with --rungs.") from None
    stopped = (rung.id for rung in report.matrix.rungs if rung.state == "stopped")
    return msgspec.structs.replace(
        told, stopped=tuple(rung for rung in stopped if rung in pair)
    )


def _about_users() -> ConfigError:
    return ConfigError(
        "--tell plans cases, and no users: `pytest-ladder outcomes plan` says how many "
        "of these it takes; or name a --level that tests measure."
    )


def _named(rungs: Sequence[str], known: Sequence[str], what: str) -> tuple[str, str]:
    from pytest_ladder.text.phrases import did_you_mean, listed

    for rung in rungs:
        if rung not in known:
            fix = did_you_mean(rung, known, f"these {what}: {listed(known)}.")
            raise ConfigError(f"--rungs: `{rung}` is none to plan with; {fix}")
    first, second = rungs
    if first == second:
        raise ConfigError(f"--rungs: `{first}` is named twice; name two rungs.")
    return first, second


def _judge(report: Report, rungs: tuple[str, str]) -> Judge | None:
    """Return how far the model that judged errs; None: functions did.

    Of several tests the poorest judge counts.
    """
    from pytest_ladder.decide.telling import Judge
    from pytest_ladder.reporting.sentences.judges import lacking
    from pytest_ladder.stats.agreement import MIN_JUDGE
    from pytest_ladder.stats.checks import TINY

    graded = any(row.verdict.graded for row in report.rows if row.verdict)
    judges = []
    for calibration in report.calibrations:
        found, labels = calibration.agreement, dict.fromkeys(rungs, 0)
        labels |= {of.rung: of.labels for of in calibration.rungs if of.rung in rungs}
        shares = None if found is None else (found.sensitivity, found.specificity)
        known = calibration.calibrated and shares is not None and None not in shares
        # Who labels only what the judge passed never sees it fail anything.
        known = known and found is not None and min(map(sum, found.table)) > 0
        sensitivity, specificity = _JUDGE
        if known and shares is not None:
            sensitivity, specificity = (s.value if s else 0.0 for s in shares)
        judges.append(
            Judge(
                sensitivity=sensitivity,
                specificity=specificity,
                labels=(labels[rungs[0]], labels[rungs[1]]),
                assumed=not known,
                missing=tuple(lacking(calibration, rungs)),
                graded=graded,
            )
        )
    poorest = min(judges, key=lambda judge: judge.shows, default=None)
    if poorest is not None and poorest.shows < MIN_JUDGE - 1 - TINY:
        raise ConfigError(
            "The judge is right too seldom to tell anything: sensitivity and "
            f"specificity add up to {poorest.shows + 1:.2f}, below {MIN_JUDGE}; "
            "improve its rubric, or take another model."
        )
    return poorest


def _by_prices(given: Given) -> Telling:
    """Plan without results, by the configuration in reach."""
    from pytest_ladder.config.load import find_ladder, load_ladder
    from pytest_ladder.decide.cost import DEFAULT_VOLUME, run_order
    from pytest_ladder.decide.telling import Draw, Judge, assumed_telling
    from pytest_ladder.prompting.strategies import expected_usd_by
    from pytest_ladder.stats.sums import total

    path = find_ladder(Path.cwd())
    if path is None:
        raise ConfigError(
            "There is no report of two rungs, and no ladder.toml in reach that says "
            "which there are; run pytest --ladder=matrix, or name a folder with "
            "--report DIR."
        )
    ladder = load_ladder(path)
    expected = expected_usd_by(ladder)
    usd = {rung.id: expected(rung, None, None) for rung in ladder.rungs}
    volume = ladder.objective.volume if ladder.objective else DEFAULT_VOLUME
    order = [rung.id for rung in run_order(ladder.rungs, volume, lambda r: usd[r.id])]
    if given.rungs is not None:
        pair = _named(given.rungs, order, "are rungs")
    elif len(order) > 1:
        # The rung that ships, and the next dearer one or else the cheaper one.
        shipped = order[0] if ladder.current is None else ladder.current.id
        place = order.index(shipped)
        following = place + 1 if place + 1 < len(order) else place - 1
        pair = shipped, order[following]
    else:
        raise ConfigError(
            f"{path.name} has one rung, {order[0]}, and nothing to tell it from."
        )
    level = ladder.objective.level if ladder.objective else Level.CHEAP
    level = Level(given.level) if given.level else level
    if level is Level.REAL:
        raise _about_users()
    judge = None
    if level is Level.JUDGED and ladder.judge is not None:
        judge = Judge(
            sensitivity=_JUDGE[0], specificity=_JUDGE[1], labels=(0, 0), assumed=True
        )
    draw = Draw(calls=2, usd=total(usd[rung] for rung in pair))
    return assumed_telling(level, pair, given.tell / 100, draw, judge)
