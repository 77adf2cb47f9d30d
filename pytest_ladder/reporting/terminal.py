"""The matrix on a terminal: lines with their markup, which the caller prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import Cell, Matrix, RungResult
from pytest_ladder.reporting.report import Report, RunInfo
from pytest_ladder.reporting.sentences.judges import (
    MEASURES,
    NO_LABELS,
    are_unlabelled,
    calibrated_quality,
    judge_notes,
    judge_remarks,
    measured,
    measures_of,
    more_sentences,
    names_of,
    rung_cells,
)
from pytest_ladder.reporting.sentences.matrix import (
    criteria,
    details,
    headline,
    outgrown_sentence,
    part_sentence,
    price_column,
    recorded_latency,
    remarks,
    spend_line,
)
from pytest_ladder.text.numbers import count, interval, per_calls, percent, seconds
from pytest_ladder.text.table import (
    GAP,
    Column,
    aligned,
    fitted,
    joined,
    rows_of,
    total_width,
)
from pytest_ladder.text.untrusted import display_width, plain

if TYPE_CHECKING:
    from pytest_ladder.judging.calibration.calibrate import Calibration
    from pytest_ladder.judging.calibration.judged_level import CalibratedQuality

Line = tuple[str, dict[str, bool]]
"""Text, and markup in the words of pytest's `TerminalReporter.write_line`."""

BAR_WIDTH = 8

_QUIET = {"light": True}
_WARNING = {"yellow": True}
_STRONG = {"bold": True}

_ANY = 10_000
"""Columns of a sentence, which is wrapped afterwards."""
_CALIBRATED = "calibrated"
_RUNG_HEADER = ("rung", "judge says", "people would say", "labels", "how")
_TRANSFERRED = (
    "~ by the judge's errors on other replies, which may differ here: label these"
)


class Glyphs(msgspec.Struct, frozen=True, kw_only=True):
    """The characters of the table beyond letters and digits."""

    current: str
    full: str
    empty: str
    ellipsis: str


# None of these is of ambiguous width, save the ellipsis, which ends a column.
UNICODE = Glyphs(current="▸", full="▰", empty="▱", ellipsis="…")
ASCII = Glyphs(current=">", full="#", empty=".", ellipsis="...")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Glyphs that a stream of this encoding can show; ASCII where it cannot."""
    try:
        "".join(msgspec.structs.astuple(UNICODE)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def report_lines(
    report: Report, width: int, glyphs: Glyphs = UNICODE, *, whole: bool = False
) -> list[Line]:
    """Render the matrix, its judges, and users: all of these where `whole`."""
    calibrated = calibrated_quality(report)
    lines = matrix_lines(report.matrix, report.info, width, glyphs, calibrated)
    for found in report.outgrown:
        text = plain(outgrown_sentence(found), _ANY)
        lines += [(line, _WARNING) for line in _wrapped(text, width)]
    lines += _judge_lines(report, width)
    return [*lines, *_user_lines(report, width, whole=whole)]


def matrix_lines(
    matrix: Matrix,
    info: RunInfo,
    width: int,
    glyphs: Glyphs = UNICODE,
    calibrated: Mapping[str, CalibratedQuality] | None = None,
) -> list[Line]:
    """Render the matrix in at most `width` columns where that can be done.

    `calibrated` is the judged level corrected by labels, by rung. Columns go in this
    order when there is no room: the bar, calls, p50, p95, and that of `calibrated`,
    which then becomes a line for each rung.
    """
    rungs = [rung for rung in matrix.rungs if rung.levels]
    calibrated_by_rung = calibrated or {}
    lines = list(
        _table(rungs, matrix.levels, info.current, width, glyphs, calibrated_by_rung)
    )
    for text, markup in _notes(matrix, rungs, info, glyphs):
        lines += [(line, markup) for line in _wrapped(text, width)]
    unrun = [rung.id for rung in matrix.rungs if not rung.levels]
    if unrun:
        lines.append((_listed("not run: ", unrun, width), _QUIET))
    lines += [(line, {}) for line in _wrapped(spend_line(matrix.spend), width)]
    return lines


def decision_lines(report: Report, width: int) -> list[Line]:
    """Say what was decided and why, the headline last."""
    said = headline(report.decision)
    # The looks that decided nothing are in the other reports.
    looks = [look.sentence for look in report.looks if look.decides]
    lines = [
        (line, _QUIET)
        for text in (*looks, *details(report.decision))
        for line in _wrapped(text, width)
    ]
    if said is None:
        return lines
    verdict = report.decision.recommendation and report.decision.recommendation.verdict
    colour = {"pass": "green", "fail": "red"}.get(verdict or "", "yellow")
    return [*lines, (said, {colour: True, "bold": True})]


def _table(
    rungs: Sequence[RungResult],
    levels: Sequence[Level],
    current: str | None,
    width: int,
    glyphs: Glyphs,
    calibrated: Mapping[str, CalibratedQuality],
) -> Iterator[Line]:
    if not rungs:
        return
    marks = [glyphs.current if rung.id == current else " " for rung in rungs]
    names = [f"{mark} {rung.id}" for mark, rung in zip(marks, rungs, strict=True)]
    columns = fitted(
        [
            Column(header="  rung", cells=names, right=False),
            *_level_columns(rungs, levels, glyphs, calibrated),
            *_use_columns(rungs),
        ],
        width,
        glyphs.ellipsis,
    )
    yield joined(columns, [column.header for column in columns]), _QUIET
    for row, rung in enumerate(rungs):
        text = joined(columns, [column.cells[row] for column in columns])
        yield text, _STRONG if rung.id == current else {}
    if not any(column.key == _CALIBRATED for column in columns):
        for text in _calibrated_lines(rungs, calibrated):
            yield from ((line, {}) for line in _wrapped(text, width))
    if any(quality.transferred for quality in calibrated.values()):
        yield from ((line, _QUIET) for line in _wrapped(_TRANSFERRED, width))


def _level_columns(
    rungs: Sequence[RungResult],
    levels: Sequence[Level],
    glyphs: Glyphs,
    calibrated: Mapping[str, CalibratedQuality],
) -> Iterator[Column]:
    for index, level in enumerate(levels):
        cells = [rung.levels.get(level) for rung in rungs]
        if index == 0:
            bars = [_bar(cell, glyphs) for cell in cells]
            yield Column(header="", cells=bars, drop=5, right=False)
        header, *parts = aligned(
            [
                [plain(_title(cells) or level), "95 % CI", "n"],
                *(_quality(cell) for cell in cells),
            ]
        )
        yield Column(header=header, cells=parts, right=False)
        if level is Level.JUDGED and calibrated:
            header, *parts = aligned(
                [
                    [_CALIBRATED, "95 % CI"],
                    *(_calibrated(calibrated.get(rung.id)) for rung in rungs),
                ]
            )
            yield Column(
                header=header, cells=parts, drop=1, right=False, key=_CALIBRATED
            )


def _use_columns(rungs: Sequence[RungResult]) -> list[Column]:
    calls, costs = price_column(rungs)
    return [
        Column(header="$ per 1M" if calls == "million" else "$ per 1k", cells=costs),
        _latencies(rungs, "p50", [rung.latency.p50_s for rung in rungs], drop=3),
        _latencies(rungs, "p95", [rung.latency.p95_s for rung in rungs], drop=2),
        _calls(rungs, drop=4),
    ]


def _calls(rungs: Sequence[RungResult], drop: int) -> Column:
    """Count live and replayed calls, or only those there are."""
    live = [f"{rung.calls.live:,}" for rung in rungs]
    replayed = [f"{rung.calls.replayed:,}" for rung in rungs]
    if not any(rung.calls.replayed for rung in rungs):
        return Column(header="live", cells=live, drop=drop)
    if not any(rung.calls.live for rung in rungs):
        return Column(header="replayed", cells=replayed, drop=drop)
    both = ["/".join(pair) for pair in zip(live, replayed, strict=True)]
    return Column(header="live/replayed", cells=both, drop=drop)


def _latencies(
    rungs: Sequence[RungResult], header: str, values: list[float | None], drop: int
) -> Column:
    """Star recorded figures, or the header when all of them are."""
    recorded = [rung.latency.recorded for rung in rungs]
    cells = [seconds(value) for value in values]
    if all(recorded):
        header += "*"
    elif any(recorded):
        header += " "
        stars = ["*" if starred else " " for starred in recorded]
        cells = [cell + star for cell, star in zip(cells, stars, strict=True)]
    return Column(header=header, cells=cells, drop=drop)


def _quality(cell: Cell | None) -> list[str]:
    if cell is None:
        return ["", "", ""]
    n = count(cell.n, cell.noun) if cell.outcome else f"{cell.n:,}"
    return [percent(cell.quality), interval(cell.low, cell.high), n]


def _title(cells: Sequence[Cell | None]) -> str:
    """Name a column of what users did by its outcome; empty: it is none."""
    return next((cell.outcome for cell in cells if cell is not None), "")


def _calibrated(quality: CalibratedQuality | None) -> list[str]:
    if quality is None:
        return ["", ""]
    mark = "~" if quality.transferred else ""
    return [mark + percent(quality.value), interval(quality.low, quality.high)]


def _calibrated_lines(
    rungs: Sequence[RungResult], calibrated: Mapping[str, CalibratedQuality]
) -> Iterator[str]:
    """Say what has no room in the table."""
    for rung in rungs:
        if rung.id in calibrated:
            value, bounds = _calibrated(calibrated[rung.id])
            raw = percent(rung.levels[Level.JUDGED].quality)
            yield f"{rung.id}: judged {raw}, {_CALIBRATED} {value} ({bounds})"


def _user_lines(report: Report, width: int, *, whole: bool) -> Iterator[Line]:
    # Most suites know nothing of users, nor of people who review.
    if report.users is not None:
        from pytest_ladder.reporting.users_terminal import sentences_of

        for text in sentences_of(report, whole=whole):
            yield from ((line, {}) for line in _wrapped(plain(text, _ANY), width))
    if report.people is not None:
        from pytest_ladder.reporting.terminal_people import people_lines

        people, current = report.people, report.info.current
        yield from ((line, {}) for line in people_lines(people, current, width))


def _judge_lines(report: Report, width: int) -> Iterator[Line]:
    calibrations = measured(report.calibrations)
    if calibrations:
        yield "judges, measured by labels:", _QUIET
        yield from ((line, {}) for line in measure_lines(calibrations, width))
    for texts, markup in (
        (judge_remarks(report), _WARNING),
        (judge_notes(report), _QUIET),
    ):
        for text in texts:
            yield from ((line, markup) for line in _wrapped(plain(text, _ANY), width))


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
        yield from _wrapped(plain(title, _ANY), width)
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
            yield from _wrapped(text, width)
        yield ""


def _bar(cell: Cell | None, glyphs: Glyphs) -> str:
    if cell is None or cell.quality is None:
        return ""
    full = round(cell.quality * BAR_WIDTH)
    return glyphs.full * full + glyphs.empty * (BAR_WIDTH - full)


def _notes(
    matrix: Matrix, rungs: Sequence[RungResult], info: RunInfo, glyphs: Glyphs
) -> Iterator[Line]:
    if any(rung.id == info.current for rung in rungs):
        yield f"{glyphs.current} {info.current} is the current rung", _QUIET
    if info.part is not None:
        yield plain(part_sentence(info.part), _ANY), _WARNING
    if recorded := recorded_latency(rungs):
        yield f"* {recorded}", _QUIET
    for text in criteria(matrix):
        yield plain(text, _ANY), {}
    for text in remarks(matrix):
        yield text, _WARNING
    priced = [rung for rung in rungs if rung.cost.known]
    if len(priced) > 1:
        cost = per_calls(priced[0].cost.usd_per_1k)
        yield f"cheapest: {priced[0].id} at {cost}", {}


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        subsequent_indent=GAP,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _listed(start: str, names: Sequence[str], width: int) -> str:
    """Join as many names as fit on one line and count the others."""
    for kept in range(len(names), 0, -1):
        left = len(names) - kept
        more = f" and {left:,} more" if left else ""
        line = f"{start}{', '.join(names[:kept])}{more}"
        if display_width(line) <= width:
            return line
    return f"{start}{count(len(names), 'rung')}"
