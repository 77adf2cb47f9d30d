"""The matrix on a terminal: a table of rungs, and what to know of its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Recommendation
from pytest_ladder.decide.matrix import Cell, Matrix, RungResult
from pytest_ladder.reporting.report import RunInfo
from pytest_ladder.reporting.sentences.matrix import (
    criteria,
    part_sentence,
    price_column,
    recorded_latency,
    remarks,
    spend_line,
)
from pytest_ladder.reporting.terminal.lines import (
    QUIET,
    STRONG,
    UNICODE,
    VERDICT_COLOURS,
    WARNING,
    Glyphs,
    Line,
    sentences,
)
from pytest_ladder.text.numbers import count, interval, per_calls, percent, seconds
from pytest_ladder.text.table import Column, aligned, fitted, joined
from pytest_ladder.text.untrusted import display_width, plain

if TYPE_CHECKING:
    from pytest_ladder.judging.calibration.judged_level import CalibratedQuality

BAR_WIDTH = 8

_CALIBRATED = "calibrated"
_LATENCY = "latency"
_TRANSFERRED = (
    "~ by the judge's errors on other replies, which may differ here: label these"
)


def matrix_lines(
    matrix: Matrix,
    info: RunInfo,
    width: int,
    glyphs: Glyphs = UNICODE,
    calibrated: Mapping[str, CalibratedQuality] | None = None,
    advice: Recommendation | None = None,
) -> list[Line]:
    """Render the matrix in at most `width` columns where that can be done.

    `calibrated` is the judged level corrected by labels, by rung, and `advice` what is
    recommended. Columns go in this order when there is no room: the bar, calls, p50,
    p95, verdicts, and that of `calibrated`, which then becomes a line for each rung.
    Then names get shorter, and where they cannot, intervals go, and prices.
    """
    rungs = [rung for rung in matrix.rungs if rung.levels]
    by_rung = calibrated or {}
    marks = {info.current: glyphs.current} if info.current else {}
    markups = {info.current: STRONG} if info.current else {}
    if advice is not None and advice.rung is not None:
        marks[advice.rung] = marks.get(advice.rung, "") + glyphs.recommended
        markups[advice.rung] = {VERDICT_COLOURS[advice.verdict]: True, **STRONG}
    columns = []
    if rungs:
        found = [
            *_name_columns(rungs, marks),
            *_level_columns(rungs, matrix.levels, glyphs, by_rung),
            *_use_columns(rungs),
        ]
        columns = fitted(found, width, glyphs.ellipsis)
    keys = {column.key for column in columns}
    lines = [*_rows(rungs, columns, markups)]
    if _CALIBRATED not in keys:
        lines += sentences(_calibrated_lines(rungs, by_rung), width, {})
    if any(quality.transferred for quality in by_rung.values()):
        lines += sentences([_TRANSFERRED], width, QUIET)
    lines += sentences(_marked(rungs, info, glyphs, advice), width, QUIET)
    if info.part is not None:
        lines += sentences([part_sentence(info.part)], width, WARNING)
    if _LATENCY in keys and (recorded := recorded_latency(rungs)):
        lines += sentences([f"* {recorded}"], width, QUIET)
    lines += sentences(criteria(matrix), width, {})
    lines += sentences(remarks(matrix), width, WARNING)
    priced = [rung for rung in rungs if rung.cost.known]
    if len(priced) > 1:
        cost = per_calls(priced[0].cost.usd_per_1k)
        lines += sentences([f"cheapest: {priced[0].id} at {cost}"], width, {})
    unrun = [rung.id for rung in matrix.rungs if not rung.levels]
    if unrun:
        lines.append((_listed("not run: ", unrun, width), QUIET))
    return [*lines, *sentences([spend_line(matrix.spend)], width, {})]


def _rows(
    rungs: Sequence[RungResult],
    columns: Sequence[Column],
    markups: Mapping[str, dict[str, bool]],
) -> Iterator[Line]:
    """Yield the lines of the table, its headers first."""
    if columns:
        yield joined(columns, [column.header for column in columns]), QUIET
    for row, rung in enumerate(rungs):
        text = joined(columns, [column.cells[row] for column in columns])
        yield text, markups.get(rung.id, {})


def _marked(
    rungs: Sequence[RungResult],
    info: RunInfo,
    glyphs: Glyphs,
    advice: Recommendation | None,
) -> Iterator[str]:
    """Say what the marks of the table mean."""
    if any(rung.id == info.current for rung in rungs):
        yield f"{glyphs.current} {info.current} is the current rung"
    if advice is not None and advice.rung is not None:
        yield f"{glyphs.recommended} {advice.rung} is recommended ({advice.verdict})"


def _name_columns(
    rungs: Sequence[RungResult], marks: Mapping[str, str]
) -> Iterator[Column]:
    """Name the rungs, with what marks some before their names, and their verdicts."""
    room = max([1, *(display_width(marks.get(rung.id, "")) for rung in rungs)])
    cells = [f"{marks.get(rung.id, ''):<{room}} {rung.id}" for rung in rungs]
    yield Column(header=f"{'':<{room}} rung", cells=cells, right=False)
    if any(verdicts := [str(rung.verdict or "") for rung in rungs]):
        yield Column(header="verdict", cells=verdicts, drop=2, right=False)


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
            yield Column(header="", cells=bars, drop=6, right=False)
        # A column of what users did has the name of its outcome.
        title = next((cell.outcome for cell in cells if cell is not None), "")
        values, *sure = zip(*map(_quality, cells), strict=True)
        yield Column(header=plain(title or level), cells=[*values])
        # `users`, say, where it shows an outcome.
        nouns = (f"{cell.noun}s" for cell in cells if cell is not None and cell.outcome)
        header, *parts = aligned(
            [["95 % CI", next(nouns, "n")], *map(list, zip(*sure, strict=True))]
        )
        yield Column(header=header, cells=parts, drop=-2, right=False)
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
        Column(
            header="$ per 1M" if calls == "million" else "$ per 1k",
            cells=costs,
            drop=-1,
        ),
        _latencies(rungs, "p50", [rung.latency.p50_s for rung in rungs], drop=4),
        _latencies(rungs, "p95", [rung.latency.p95_s for rung in rungs], drop=3),
        _calls(rungs, drop=5),
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
    return Column(header=header, cells=cells, drop=drop, key=_LATENCY)


def _quality(cell: Cell | None) -> list[str]:
    if cell is None:
        return ["", "", ""]
    return [percent(cell.quality), interval(cell.low, cell.high), f"{cell.n:,}"]


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


def _bar(cell: Cell | None, glyphs: Glyphs) -> str:
    if cell is None or cell.quality is None:
        return ""
    full = round(cell.quality * BAR_WIDTH)
    return glyphs.full * full + glyphs.empty * (BAR_WIDTH - full)


def _listed(start: str, names: Sequence[str], width: int) -> str:
    """Join as many names as fit on one line and count the others."""
    for kept in range(len(names), 0, -1):
        left = len(names) - kept
        more = f" and {left:,} more" if left else ""
        line = f"{start}{', '.join(names[:kept])}{more}"
        if display_width(line) <= width:
            return line
    return f"{start}{count(len(names), 'rung')}"
