"""What the commands about judges share: the file of labels, and what was judged."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_ladder.cli.arguments import Given
from pytest_ladder.cli.printing import say
from pytest_ladder.cli.reach import (
    go_where,
    is_judged,
    labels_in_reach,
    ladder_in_reach,
)
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.review import ADJUDICATOR
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.calibration.calibrate import calibrations_of, measurable
from pytest_ladder.judging.calibration.label_plan import label_plans
from pytest_ladder.judging.calibration.labels import Label, read_labels
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.revise import with_calibrations, with_people
from pytest_ladder.session.options import REPORT_FOLDER
from pytest_ladder.text.phrases import listed, shown
from pytest_ladder.text.untrusted import plain

_LONGEST_NAME = 60
_FOLDERS = tuple(
    Path(REPORT_FOLDER) / mode for mode in ("", "current", "climb", "litmus")
)
"""Where runs of the whole suite write that are not told where."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the report, and the file of labels."""
    parser.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        type=Path,
        help="folder of a report, the one with its matrix.json (default: the newest "
        f"with what is asked about, of {listed(map(str, _FOLDERS))})",
    )
    parser.add_argument(
        "--labels",
        metavar="FILE",
        type=Path,
        help="file of labels (default: that of the ladder in reach, labels.jsonl "
        "beside ladder.toml)",
    )


def report_folder(given: Given, *, judged: bool = True) -> Path:
    """Return the folder that is given, else that of the newest report.

    `judged`: of the newest with a judged level, if there is any.
    """
    if given.folder is not None:
        return Path(given.folder)
    written = {folder: folder / "matrix.json" for folder in _FOLDERS}
    reports = [folder for folder, file in written.items() if file.is_file()]
    reports.sort(key=lambda f: written[f].stat().st_mtime, reverse=True)
    newest = next(iter(reports), _FOLDERS[0])
    found = next(filter(is_judged, reports), newest) if judged else newest
    if found != newest:
        say(
            f"By {shown(found)}: in {shown(newest)}, which is newer, nothing is judged."
        )
    return found


def labels_path(given: Given) -> Path:
    """Return the file of labels, which need not be there.

    That of the configuration in reach of the report, else of the working folder.
    Raises `ConfigError` where there is none.
    """
    path: Path | None = given.labels or labels_in_reach(given.folder)
    if path is not None:
        return path
    raise ConfigError(
        f"No ladder.toml is in reach of {shown(given.folder)} or of the working "
        f"folder, beside which the labels lie; {go_where()}, or name their file with "
        "--labels FILE."
    )


def labels_in(path: Path) -> tuple[Label, ...]:
    """Read the labels, if there are any yet; raises `ConfigError` for broken ones."""
    return read_labels(path) if path.exists() else ()


def calibrated(report: Report, folder: Path) -> Report:
    """Measure the judges of a report anew, by the labels in reach of its folder."""
    path = labels_in_reach(folder)
    return calibrated_by(report, () if path is None else labels_in(path))


def calibrated_by(report: Report, labels: Sequence[Label]) -> Report:
    """Measure the judges of a report anew, by these labels."""
    rungs = [rung.id for rung in report.matrix.rungs]
    return with_calibrations(report, calibrations_of(report.rows, labels, rungs))


def check_rater(name: str) -> None:
    """Raise `ConfigError` for what is no name of a person who answers."""
    if not name or name != plain(name, _LONGEST_NAME):
        raise ConfigError(
            f"--rater {name!r} is no name; write a short pseudonym, such as ann."
        )
    if name == ADJUDICATOR:
        raise ConfigError(
            f"--rater {name} is who decides between raters; take another pseudonym, or "
            "`pytest-ladder review --adjudicate`."
        )


def missing_labels(
    report: Report, labels: Iterable[Label], test: str = ""
) -> list[str]:
    """Say how many labels each judge lacks, and nothing of single replies."""
    rows = [row for row in report.rows if test in row.test]
    labels = list(labels)
    return [plan.sentence for plan in label_plans(measurable(rows, labels), labels)]


def reviewed(report: Report, folder: Path) -> Report:
    """Read anew what people said of its replies, in reach of the report's folder."""
    ladder = ladder_in_reach(folder)
    return report if ladder is None else reviewed_by(report, ladder)


def reviewed_by(report: Report, ladder: Ladder) -> Report:
    """Read anew what people said of its replies, if they have been asked."""
    path = ladder.folder / ladder.review.file
    if not path.is_file():
        return report
    # Most reports know of nobody who reviews.
    from pytest_ladder.decide.people.sums import people_of
    from pytest_ladder.real.reviews import read_reviews

    people = people_of(read_reviews(path), report.rows, ladder.review)
    return with_people(report, people)


def nothing_judged(given: Given, report: Report) -> ConfigError:
    """Return the error for a report without what a judge's model said."""
    if getattr(given, "test", ""):
        return ConfigError(
            f"{shown(given.folder)}: no judged reply is of a test with "
            f"{given.test!r} in its id; correct --test or leave it out."
        )
    others = (folder for folder in _FOLDERS if folder != given.folder)
    judged = next(filter(is_judged, others), None)
    instead = "" if judged is None else f"name {shown(judged)}, where replies are, or "
    return ConfigError(
        f"{shown(given.folder)}: no judge graded any of its {len(report.rows):,} rows; "
        f"{instead}run tests that are marked `judged`, such as "
        '@pytest.mark.judged(judge="correctness").'
    )
