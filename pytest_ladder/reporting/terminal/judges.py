"""Judges on a terminal: how far they agree with people, what that makes of a rung."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.judges import (
    MEASURES,
    NO_LABELS,
    are_unlabelled,
    judge_notes,
    judge_remarks,
    measured,
    measures_of,
    more_sentences,
    names_of,
    rung_cells,
)
from pytest_ladder.reporting.terminal.lines import (
    QUIET,
    WARNING,
    Line,
    sentences,
)
from pytest_ladder.text.table import Column, rows_of, total_width, wrapped
from pytest_ladder.text.untrusted import plain

if TYPE_CHECKING:
    from pytest_ladder.judging.calibration.calibrate import Calibration

_RUNG_HEADER = ("rung", "judge says", "people would say", "labels", "how")


def judge_lines(report: Report, width: int) -> Iterator[Line]:
    """Render what is measured of the judges of a report, and what to know of it."""
    calibrations = measured(report.calibrations)
    if calibrations:
        yield "judges, measured by labels:", QUIET
        yield from ((line, {}) for line in measure_lines(calibrations, width))
    yield from sentences(judge_remarks(report), width, WARNING)
    yield from sentences(judge_notes(report), width, QUIET)


def measure_lines(calibrations: Sequence[Calibration], width: int) -> Iterator[str]:
    """Render how far each judge agrees with people, as many beside as have room.

    Raises ValueError for a judge without a label.
    """
    measures = Column(
        header="  judge of",
        cells=[f"  {name}" for name in MEASURES],
        right=False,
    )
    columns = [measures]
    names = names_of(calibrations)
    for name, calibration in zip(names, calibrations, strict=True):
        cells = measures_of(calibration)
        column = Column(header=plain(name), cells=cells, right=False)
        if len(columns) > 1 and total_width([*columns, column]) > width:
            yield from rows_of(columns)
            columns = [measures]
        columns.append(column)
    yield from rows_of(columns)


def calibration_lines(calibrations: Sequence[Calibration], width: int) -> Iterator[str]:
    """Render all that is known of judges: each with its rungs and its sentences."""
    if are_unlabelled(calibrations):
        yield NO_LABELS
        return
    for calibration in calibrations:
        judge = f"{calibration.judge} ({calibration.rubric})"
        title = f"{calibration.test}, judged by {judge}"
        yield from wrapped(title, width)
        if calibration.agreement is not None:
            yield from measure_lines([calibration], width)
        rungs = [
            [plain(cell) for cell in rung_cells(rung)] for rung in calibration.rungs
        ]
        columns = [
            Column(header=header, cells=list(cells), right=False)
            for header, cells in zip(
                _RUNG_HEADER, zip(*rungs, strict=True), strict=True
            )
        ]
        yield from rows_of(columns)
        for text in (*calibration.notes, *more_sentences(calibration)):
            yield from wrapped(text, width)
        yield ""
