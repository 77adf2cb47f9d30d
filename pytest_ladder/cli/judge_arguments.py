"""What the commands about judges share: the file of labels, and what was judged."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_ladder.cli.arguments import Given
from pytest_ladder.config.load import find_ladder, load_ladder
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.calibration.calibrate import calibrations_of
from pytest_ladder.judging.calibration.labels import Label, read_labels
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.revise import with_calibrations
from pytest_ladder.text.phrases import shown

_FOLDERS = (Path("ladder-report"), Path("ladder-report/current"))
"""Where runs write that are not told where."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the report, and the file of labels."""
    parser.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        type=Path,
        help="folder of a report, the one with its matrix.json (default: the newer of "
        f"{_FOLDERS[0]} and {_FOLDERS[1]})",
    )
    parser.add_argument(
        "--labels",
        metavar="FILE",
        type=Path,
        help="file of labels (default: that of the ladder in reach, labels.jsonl "
        "beside ladder.toml)",
    )


def report_folder(given: Given) -> Path:
    """Return the folder that is given, else that of the newer report."""
    if given.folder is not None:
        return Path(given.folder)
    written = {folder: folder / "matrix.json" for folder in _FOLDERS}
    reports = [folder for folder, file in written.items() if file.is_file()]
    return max(reports, key=lambda f: written[f].stat().st_mtime, default=_FOLDERS[0])


def labels_path(given: Given) -> Path:
    """Return the file of labels, which need not be there.

    That of the configuration in reach of the report, else of the working folder.
    Raises `ConfigError` where there is none.
    """
    path: Path | None = given.labels or _in_reach(given.folder)
    if path is not None:
        return path
    raise ConfigError(
        f"No ladder.toml is in reach of {shown(given.folder)} or of the working "
        "folder, beside which the labels lie; name their file with --labels FILE."
    )


def labels_in(path: Path) -> tuple[Label, ...]:
    """Read the labels, if there are any yet; raises `ConfigError` for broken ones."""
    return read_labels(path) if path.exists() else ()


def calibrated(report: Report, folder: Path) -> Report:
    """Measure the judges of a report anew, by the labels in reach of its folder."""
    path = _in_reach(folder)
    rungs = [rung.id for rung in report.matrix.rungs]
    labels = () if path is None else labels_in(path)
    return with_calibrations(report, calibrations_of(report.rows, labels, rungs))


def nothing_judged(given: Given, report: Report) -> ConfigError:
    """Return the error for a report without what a judge's model said."""
    return ConfigError(
        f"{shown(given.folder)}: no judge graded any of its {len(report.rows):,} rows; "
        "run tests that are marked `judged`, such as "
        '@pytest.mark.judged(judge="correctness").'
    )


def _in_reach(folder: Path) -> Path | None:
    for start in (folder.resolve(), Path.cwd()):
        ladder = find_ladder(start)
        if ladder is not None:
            return load_ladder(ladder).labels
    return None
