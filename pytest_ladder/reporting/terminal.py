"""The matrix on a terminal: lines with their markup, which the caller prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import msgspec

from pytest_ladder.decide.matrix import Cell, Matrix, RungResult
from pytest_ladder.figures import (
    count,
    dollars,
    interval,
    percent,
    seconds,
)
from pytest_ladder.reporting.headline import details, headline
from pytest_ladder.reporting.numbers import (
    display_width,
    pad,
)
from pytest_ladder.reporting.remarks import remarks, spend_line
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.run import RunInfo
from pytest_ladder.words.level import Level

Line = tuple[str, dict[str, bool]]
"""Text, and markup in the words of pytest's `TerminalReporter.write_line`."""

GAP = "  "
BAR_WIDTH = 8
NARROWEST_NAME = 16
"""Columns that a rung's name keeps however narrow the terminal is."""

_QUIET = {"light": True}
_WARNING = {"yellow": True}
_STRONG = {"bold": True}


class Glyphs(msgspec.Struct, frozen=True, kw_only=True):
    """The characters of the table beyond letters and digits."""

    current: str
    full: str
    empty: str
    ellipsis: str


# None of these is of ambiguous width, save the ellipsis, which ends a column.
UNICODE = Glyphs(current="▸", full="▰", empty="▱", ellipsis="…")
ASCII = Glyphs(current=">", full="#", empty=".", ellipsis="...")


class _Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column: its header and a cell per rung."""

    header: str
    cells: list[str]
    drop: int = 0
    """Columns with the highest number go first when there is no room; 0 stays."""
    right: bool = True

    @property
    def width(self) -> int:
        return max(display_width(text) for text in (self.header, *self.cells))


def glyphs_for(encoding: str | None) -> Glyphs:
    """Glyphs that a stream of this encoding can show; ASCII where it cannot."""
    try:
        "".join(msgspec.structs.astuple(UNICODE)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def matrix_lines(
    matrix: Matrix, info: RunInfo, width: int, glyphs: Glyphs = UNICODE
) -> list[Line]:
    """Render the matrix in at most `width` columns where that can be done.

    Columns go in this order when there is no room: the bar, calls, p50, p95.
    """
    rungs = [rung for rung in matrix.rungs if rung.levels]
    lines = list(_table(rungs, matrix.levels, info.current, width, glyphs))
    for text, markup in _notes(matrix, rungs, info, glyphs):
        lines += [(line, markup) for line in _wrapped(text, width)]
    unrun = [rung.id for rung in matrix.rungs if not rung.levels]
    if unrun:
        lines.append((_listed("not run: ", unrun, width), _QUIET))
    lines += [(line, {}) for line in _wrapped(spend_line(matrix.spend), width)]
    return lines


def decision_lines(report: Report, width: int) -> list[Line]:
    """Say what to do, the headline last: what people came for."""
    said = headline(report.decision)
    if said is None:
        return []
    lines = [
        (line, _QUIET)
        for text in (*report.looks, *details(report.decision))
        for line in _wrapped(text, width)
    ]
    verdict = report.decision.recommendation and report.decision.recommendation.verdict
    colour = {"pass": "green", "fail": "red"}.get(verdict or "", "yellow")
    return [*lines, (said, {colour: True, "bold": True})]


def _table(
    rungs: Sequence[RungResult],
    levels: Sequence[Level],
    current: str | None,
    width: int,
    glyphs: Glyphs,
) -> Iterator[Line]:
    if not rungs:
        return
    marks = [glyphs.current if rung.id == current else " " for rung in rungs]
    names = [f"{mark} {rung.id}" for mark, rung in zip(marks, rungs, strict=True)]
    columns = _fitted(
        [
            _Column(header="  rung", cells=names, right=False),
            *_level_columns(rungs, levels, glyphs),
            *_use_columns(rungs),
        ],
        width,
        glyphs,
    )
    yield _joined(columns, [column.header for column in columns]), _QUIET
    for row, rung in enumerate(rungs):
        text = _joined(columns, [column.cells[row] for column in columns])
        yield text, _STRONG if rung.id == current else {}


def _level_columns(
    rungs: Sequence[RungResult], levels: Sequence[Level], glyphs: Glyphs
) -> Iterator[_Column]:
    for index, level in enumerate(levels):
        cells = [rung.levels.get(level) for rung in rungs]
        if index == 0:
            bars = [_bar(cell, glyphs) for cell in cells]
            yield _Column(header="", cells=bars, drop=4, right=False)
        header, *parts = _aligned(
            [[level, "95 % CI", "n"], *(_quality(cell) for cell in cells)]
        )
        yield _Column(header=header, cells=parts, right=False)


def _use_columns(rungs: Sequence[RungResult]) -> list[_Column]:
    costs = [dollars(rung.cost.usd_per_1k) for rung in rungs]
    return [
        _Column(header="$ per 1k", cells=costs),
        _latencies(rungs, "p50", [rung.latency.p50_s for rung in rungs], drop=2),
        _latencies(rungs, "p95", [rung.latency.p95_s for rung in rungs], drop=1),
        _calls(rungs, drop=3),
    ]


def _calls(rungs: Sequence[RungResult], drop: int) -> _Column:
    """Count live and replayed calls, or only those there are."""
    live = [f"{rung.calls.live:,}" for rung in rungs]
    replayed = [f"{rung.calls.replayed:,}" for rung in rungs]
    if not any(rung.calls.replayed for rung in rungs):
        return _Column(header="live", cells=live, drop=drop)
    if not any(rung.calls.live for rung in rungs):
        return _Column(header="replayed", cells=replayed, drop=drop)
    both = ["/".join(pair) for pair in zip(live, replayed, strict=True)]
    return _Column(header="live/replayed", cells=both, drop=drop)


def _latencies(
    rungs: Sequence[RungResult], header: str, values: list[float | None], drop: int
) -> _Column:
    """Star recorded figures, or the header when all of them are."""
    recorded = [rung.latency.recorded for rung in rungs]
    cells = [seconds(value) for value in values]
    if all(recorded):
        header += "*"
    elif any(recorded):
        header += " "
        stars = ["*" if starred else " " for starred in recorded]
        cells = [cell + star for cell, star in zip(cells, stars, strict=True)]
    return _Column(header=header, cells=cells, drop=drop)


def _quality(cell: Cell | None) -> list[str]:
    if cell is None:
        return ["", "", ""]
    return [percent(cell.quality), interval(cell.low, cell.high), f"{cell.n:,}"]


def _bar(cell: Cell | None, glyphs: Glyphs) -> str:
    if cell is None or cell.quality is None:
        return ""
    full = round(cell.quality * BAR_WIDTH)
    return glyphs.full * full + glyphs.empty * (BAR_WIDTH - full)


def _aligned(parts: list[list[str]]) -> list[str]:
    widths = [
        max(display_width(text) for text in column)
        for column in zip(*parts, strict=True)
    ]
    return [
        GAP.join(
            pad(text, width, right=True)
            for text, width in zip(row, widths, strict=True)
            if width
        )
        for row in parts
    ]


def _fitted(columns: list[_Column], width: int, glyphs: Glyphs) -> list[_Column]:
    """Drop columns, then shorten names, until the table fits."""
    while (excess := _total_width(columns) - width) > 0:
        least = max(columns, key=lambda column: column.drop)
        if least.drop == 0:
            room = max(NARROWEST_NAME, columns[0].width - excess)
            names = [_shortened(name, room, glyphs) for name in columns[0].cells]
            return [msgspec.structs.replace(columns[0], cells=names), *columns[1:]]
        columns = [column for column in columns if column is not least]
    return columns


def _shortened(name: str, room: int, glyphs: Glyphs) -> str:
    """Cut in the middle: rungs of a model differ at the end. Names are ASCII."""
    if len(name) <= room:
        return name
    kept = room - len(glyphs.ellipsis)
    head = kept // 2
    return f"{name[:head]}{glyphs.ellipsis}{name[head - kept :]}"


def _total_width(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def _joined(columns: Sequence[_Column], cells: Sequence[str]) -> str:
    return GAP.join(
        pad(cell, column.width, right=column.right)
        for column, cell in zip(columns, cells, strict=True)
    ).rstrip()


def _notes(
    matrix: Matrix, rungs: Sequence[RungResult], info: RunInfo, glyphs: Glyphs
) -> Iterator[Line]:
    if any(rung.id == info.current for rung in rungs):
        yield f"{glyphs.current} {info.current} is the current rung", _QUIET
    if any(rung.latency.recorded for rung in rungs):
        yield "* latency when recorded; no call was live", _QUIET
    for text in remarks(matrix):
        yield text, _WARNING
    priced = [rung for rung in rungs if rung.cost.known]
    if len(priced) > 1:
        cost = dollars(priced[0].cost.usd_per_1k)
        yield f"cheapest: {priced[0].id} at {cost} per 1,000 calls", {}


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
