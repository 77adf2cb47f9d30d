"""`pytest-ladder report`: a report again, from its rows, without a call."""

from __future__ import annotations

import argparse
import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from pytest_ladder.cli.arguments import (
    Given,
    Subparsers,
    add_command,
    add_reports,
    not_negative,
    positive,
    share,
    whole,
)
from pytest_ladder.cli.comparing import compared_with
from pytest_ladder.cli.judge_arguments import calibrated_by, labels_in, reviewed_by
from pytest_ladder.cli.met_users import met_by
from pytest_ladder.cli.printing import say, show
from pytest_ladder.cli.reach import ladder_in_reach
from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.ladder import Ladder, Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.objectives.table import OBJECTIVES
from pytest_ladder.disk.files import write_atomically, writing
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.calibration.labels import Label
from pytest_ladder.reporting.charts.badge import badge_svg
from pytest_ladder.reporting.charts.picture import picture_png, picture_svg
from pytest_ladder.reporting.charts.theme import Theme
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.files.write import write_report
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.revise import replanned, repriced, revised
from pytest_ladder.reporting.sentences.judges import are_unlabelled
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown

_OBJECTIVE = {
    "quality": "0.9",
    "usd_per_1k": "0.50",
    "level": "judged",
    "latency_p95_s": "2",
    "build_hours": "24",
    "min_n": "100",
    "tolerance": "0.05",
    "best": "speed",
    "right_usd": "0.05",
    "wrong_usd": "0.20",
}
"""Options that change the objective, each with an example."""
_OVERRIDES = ("config", "objective", "volume", *_OBJECTIVE)

_DESCRIPTION = """\
Render a report again from its rows, without a call: as it is, or for another
objective, another volume or other prices. Prints the matrix and the headline and
writes all files of the report: in place where nothing is changed, else to --output.
With --against it also shows what moved since another run, rung by rung and case by
case, and the verdict of `pytest-ladder gate`; its exit status stays 0.
"""
_EXAMPLES = """\
An option for the objective changes that of the report and leaves the rest of it; with
another --objective the bar and the budget of the old one are left out. --config takes
prices, building, objective, labels, reviews and imported outcomes from a ladder.toml:
models are matched by name, replies are priced by their tokens (self-hosted ones by
their time where no throughput is declared), and the options are applied after it. What
the run spent stays what it was.

examples:
  pytest-ladder report ladder-report
  pytest-ladder report ladder-report --quality 0.95 --output stricter
  pytest-ladder report ladder-report --objective budget --usd-per-1k 0.5 --output cheap
  pytest-ladder report ladder-report --volume 5_000_000 --output at-scale
  pytest-ladder report ladder-report --config next-year.toml --output next-year
  pytest-ladder report ladder-report --png picture.png --badge docs/ladder.svg
  pytest-ladder report ladder-report --against git:origin/main
"""


class _Change(NamedTuple):
    """What the options change of each report."""

    ladder: Ladder | None
    """The configuration with other prices, None: those of the run."""
    options: dict[str, Any]
    """What was given beside it."""

    @property
    def given(self) -> list[str]:
        """The options as they are typed."""
        names = [name for name in _OVERRIDES if name in self.options]
        names += ["config"] if self.ladder else []
        return [f"--{name.replace('_', '-')}" for name in names]


def add_to(commands: Subparsers) -> None:
    """Add the command with its arguments."""
    parser = add_command(
        commands,
        "report",
        "render a report again from its rows: other objective, volume or prices",
        _DESCRIPTION,
        _EXAMPLES,
    )
    add_reports(parser, "a report, the one with its matrix.json")
    _add_outputs(parser.add_argument_group("what is written"))
    compared = parser.add_argument_group("what it is compared with")
    compared.add_argument(
        "--against",
        metavar="BASE",
        help="the report to hold it against: FILE, DIR or git:REF, as for gate",
    )
    _add_objective(parser.add_argument_group("what is changed"))
    parser.set_defaults(run=_run)


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        help="where the report goes; of several, a subfolder for each",
    )
    group.add_argument(
        "--svg",
        metavar="FILE",
        type=Path,
        help="write a picture of verdict and chart, and no report without --output",
    )
    group.add_argument(
        "--png", metavar="FILE", type=Path, help="the same as 1,200 by 630 pixels"
    )
    group.add_argument(
        "--theme", choices=get_args(Theme), default="light", help="of the picture"
    )
    group.add_argument(
        "--badge",
        metavar="FILE",
        type=Path,
        help="write a badge for a README, as SVG: verdict, rung and quality",
    )


def _add_objective(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--objective", choices=tuple(OBJECTIVES), help="what is wanted")
    add("--quality", type=share, metavar="Q", help="the bar, from 0 to 1")
    add("--level", choices=[str(level) for level in Level], help="the one that decides")
    add("--volume", type=whole, metavar="N", help="calls to spread building over")
    add("--usd-per-1k", type=not_negative, metavar="USD", help="the budget")
    add("--latency-p95-s", type=positive, metavar="S", help="p95 latency, at most")
    add("--build-hours", type=not_negative, metavar="H", help="building, at most")
    add("--min-n", type=whole, metavar="N", help="cases for a verdict, at least")
    add("--tolerance", type=share, metavar="Q", help="as good as the best, from 0 to 1")
    add("--best", choices=("quality", "speed"), help="what is best within a budget")
    add("--right-usd", type=positive, metavar="USD", help="worth of a right answer")
    add("--wrong-usd", type=not_negative, metavar="USD", help="cost of a wrong answer")
    add("--config", metavar="FILE", type=Path, help="another ladder.toml")


def _run(given: Given) -> int:
    change = _Change(
        ladder=None if given.config is None else load_ladder(given.config),
        options={
            name: value
            for name in _OVERRIDES
            if name != "config" and (value := getattr(given, name)) is not None
        },
    )
    folders: Sequence[Path] = given.folders
    pictures = any(path is not None for path in (given.svg, given.png, given.badge))
    if pictures and len(folders) > 1:
        raise ConfigError("--svg, --png and --badge draw one report; name one DIR.")
    targets = _targets(folders, given.output, change, pictures=pictures)
    for folder, target in zip(folders, targets, strict=True):
        report = _changed(read_report(folder), change)
        if given.against is not None:
            report = compared_with(report, folder, given.against, given.config)
        if target is not None:
            write_report(target, report, option="--output")
        if given.svg is not None:
            _draw(given.svg, picture_svg(report, given.theme).encode())
        if given.png is not None:
            _draw(given.png, picture_png(report, given.theme))
        if given.badge is not None:
            _draw(given.badge, badge_svg(report).encode())
        if change.ladder is None:
            for line in _labels_beside(report, folder):
                say(line)
        show(report, target)
    return 0


def _labels_beside(report: Report, folder: Path) -> Iterator[str]:
    """Say how labels are taken in that were given after the run."""
    ladder = ladder_in_reach(folder) if report.calibrations else None
    if ladder is None or not are_unlabelled(report.calibrations):
        return
    labels: tuple[Label, ...] = ()
    # What is wrong with the file is told by who needs it.
    with contextlib.suppress(ConfigError):
        labels = labels_in(ladder.labels)
    if labels:
        words = ["pytest-ladder", "report", shown(folder)]
        words += ["--config", shown(ladder.path), "--output", "DIR"]
        yield (
            f"{shown(ladder.labels)} holds {count(len(labels), 'label')}, and this "
            f"report none; to take them in: {shlex.join(words)}"
        )


def _targets(
    folders: Sequence[Path], output: Path | None, change: _Change, *, pictures: bool
) -> list[Path | None]:
    """Return where each report goes; None: nowhere."""
    if output is None:
        if pictures:
            return [None] * len(folders)
        if change.given:
            verb = "makes" if len(change.given) == 1 else "make"
            raise ConfigError(
                f"{' and '.join(change.given)} {verb} another report; say where it "
                "goes with --output DIR."
            )
        return list(folders)
    targets = [output]
    if len(folders) > 1:
        targets = [output / folder.resolve().name for folder in folders]
    if len(set(targets)) < len(targets):
        raise ConfigError(
            "Two of the folders have the same name, and their reports would go to one "
            "place; render them one by one."
        )
    there = {folder.resolve() for folder in folders}
    for target in targets:
        if change.given and target.resolve() in there:
            raise ConfigError(
                f"--output {shown(target)} is the report that is read; name another "
                "folder, so that it is kept as it was measured."
            )
    return list(targets)


def _changed(report: Report, change: _Change) -> Report:
    if change.ladder is not None:
        ladder = change.ladder
        new = repriced(report, ladder.models, shown(ladder.path))
        for line in new.kept:
            say(line)
        report = replanned(new.report, ladder)
        if ladder.labels.exists():
            # Else what the run knew of its judges stays.
            report = calibrated_by(report, labels_in(ladder.labels))
        report = met_by(reviewed_by(report, ladder), ladder)
    if not change.given:
        return report
    objective = _objective(report, change)
    volume = change.options.get("volume")
    if volume is None:
        declared = change.ladder and change.ladder.objective
        volume = declared.volume if declared else report.matrix.volume
    return revised(report, objective, volume)


def _objective(report: Report, change: _Change) -> Objective | None:
    """Return the objective that is asked for: the options over file over report."""
    base = report.objective
    if change.ladder is not None and change.ladder.objective is not None:
        base = change.ladder.objective
    asked = {key: value for key, value in change.options.items() if key in _OBJECTIVE}
    kind: str | None = change.options.get("objective") or (base.kind if base else None)
    if kind is None:
        if not asked:
            return None
        raise ConfigError(
            "The report has no objective to change; say what is wanted with "
            f"--objective {'|'.join(OBJECTIVES)}."
        )
    kept = {} if base is None else msgspec.structs.asdict(base)
    if base is not None and kind != base.kind:
        # What is asked for by a kind means another thing in another.
        kept |= dict.fromkeys(key for one in OBJECTIVES.values() for key in one.needs)
        kept["best"] = "quality"
    made = {**kept, **asked, "kind": kind}
    for needed in OBJECTIVES[kind].needs:
        if made.get(needed) is None:
            option = f"--{needed.replace('_', '-')}"
            raise ConfigError(
                f"--objective {kind} needs a number; add {option}, such as {option} "
                f"{_OBJECTIVE[needed]}."
            )
    objective = msgspec.convert(made, Objective)
    if (problem := OBJECTIVES[kind].problem(objective)) is not None:
        key, said = problem
        raise ConfigError(f"--{key} {getattr(objective, key)}: {said}")
    return objective


def _draw(path: Path, content: bytes) -> None:
    with writing(path, " Name another file."):
        write_atomically(path, content)
