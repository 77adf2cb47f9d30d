"""Where the reports of a run go, and a mark on those that a failed run left there.

Loaded at the end of every run that failed, with or without ladder tests, so it imports
no more than is loaded by then.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_ladder.session.options import REPORT_FOLDER
from pytest_ladder.session.settings import Settings, read_settings
from pytest_ladder.session.state import known_session, not_collected

SHARDS = "shards"
"""Folder of the reports of shards, in that of the whole."""
_BROKE_OFF = (
    pytest.ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR,
    pytest.ExitCode.USAGE_ERROR,
)


def report_root(config: pytest.Config, settings: Settings) -> Path:
    """Return where the report goes, or those of several ladders, each in a subfolder.

    Where that is not said, only a matrix goes into `ladder-report` itself, and each
    shard into a folder of its own.
    """
    if settings.report is not None:
        return settings.report
    folder = config.rootpath / REPORT_FOLDER
    if settings.tried:
        folder /= "try"
    elif settings.mode != "matrix":
        folder /= settings.mode
    return folder / SHARDS / settings.shard.folder if settings.shard else folder


def mark_all(config: pytest.Config, status: int) -> None:
    """Mark the reports that a run without a row leaves, if it failed for that."""
    settings = read_settings(config)
    broke_off = known_session(config) is not None and status in _BROKE_OFF
    fails = broke_off or not_collected(config)
    if not fails or config.option.collectonly or settings.plan:
        return
    for folder in _reports_in(report_root(config, settings)):
        # A suite without a report, which may have no ladder, loads no more than this.
        from pytest_ladder.reporting.files.outdated import mark

        mark(folder, sentence(status))


class Begun:
    """A mark on the reports of earlier runs while this one goes on.

    A process that is killed leaves it: what lies there may say what is no more true.
    """

    def __init__(self, config: pytest.Config) -> None:
        """Mark them; called with the first row."""
        from pytest_ladder.reporting.files.outdated import mark, why_outdated

        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._why = (
            f"The run that began at {now} goes on, or was killed, and did not replace "
            "this report, which is of an earlier one; run all tests again."
        )
        root = report_root(config, read_settings(config))
        self._before = {folder: why_outdated(folder) for folder in _reports_in(root)}
        for folder in self._before:
            mark(folder, self._why)

    def end(self) -> None:
        """Leave what the run has neither marked nor replaced as it was."""
        from pytest_ladder.reporting.files.outdated import mark, unmark, why_outdated

        for folder, before in self._before.items():
            if why_outdated(folder) != self._why:
                continue
            if before:
                mark(folder, before)
            else:
                unmark(folder)


def sentence(status: int) -> str:
    """Say that a run failed before it could replace a report."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return (
        f"The run that ended at {now} failed (exit status {int(status)}) and did not "
        "replace this report, which is of an earlier one; run all tests again."
    )


def _reports_in(root: Path) -> Iterator[Path]:
    for pattern in ("matrix.json", "*/matrix.json", "*/*/matrix.json"):
        yield from (path.parent for path in root.glob(pattern))
