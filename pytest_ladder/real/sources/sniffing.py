"""How a file begins: what is between cells of a CSV, and whether JSON is by line."""

from __future__ import annotations

import csv
import json
from typing import IO, NamedTuple

_CANDIDATES = (",", ";", "\t", "|")
_LINES = 20
_MOST_BYTES = 2**16
"""That are looked at; a stream may have fewer at hand."""


class Start(NamedTuple):
    """What precedes the rows."""

    delimiter: str
    skip: int = 0
    """Lines before the header."""


def start_of(stream: IO[bytes], usual: str) -> Start:
    """Tell what is between cells: what cuts most rows into as many as the header.

    `usual` where nothing does, or two do so alike. Excel's `sep=;` in the first line
    says it. Text that is no UTF-8 is told by whoever reads it.
    """
    try:
        raw = stream.peek(_MOST_BYTES)[:_MOST_BYTES]  # type: ignore[attr-defined]
    except (EOFError, OSError):
        return Start(usual)
    lines = raw.decode("utf-8", "replace").splitlines(keepends=True)[:_LINES]
    first = lines[0].strip().lower() if lines else ""
    if first[:4] == "sep=" and len(first) == len("sep=") + 1:
        return Start(first[-1], 1)
    if len(lines) > 1 and not lines[-1].endswith(("\n", "\r")):
        # It may be cut.
        lines.pop()
    fits = {sign: _fit(lines, sign) for sign in (usual, *_CANDIDATES)}
    best = max(fits.values())
    if best.cells < 2 or fits[usual] == best:
        return Start(usual)
    return Start(next(sign for sign in _CANDIDATES if fits[sign] == best))


def is_by_line(stream: IO[bytes]) -> bool:
    """Whether JSON has a value a line, as exports of BigQuery and Amplitude do."""
    try:
        first, second = stream.readline(), stream.readline()
        return bool(second.strip()) and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError, EOFError, OSError):
        return False


class _Fit(NamedTuple):
    """How a sign cuts rows up."""

    cells: int
    """Of every row; 1: they have not all as many."""
    is_clean: bool
    """Whether no cell has a quote left in it, as one that was cut in two has."""


def _fit(lines: list[str], sign: str) -> _Fit:
    try:
        rows = [row for row in csv.reader(lines, delimiter=sign) if row]
    except csv.Error:
        return _Fit(1, is_clean=False)
    widths = {*map(len, rows)}
    if len(widths) != 1:
        return _Fit(1, is_clean=False)
    return _Fit(widths.pop(), not any('"' in cell for row in rows for cell in row))
