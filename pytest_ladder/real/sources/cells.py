"""The cells of a CSV: row by row, or by column and many rows at a time.

Most exports quote nothing. A block of such text is split at once, in a third of the
time that `csv.reader` takes for its rows; from the first block on that has a quote, or
a line that is too long or too short, `csv.reader` reads the rest.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, NamedTuple

from pytest_ladder.errors import ConfigError

_BLOCK = 2**16
"""Bytes that are split at a time: few enough to stay in the cache."""

_ROWS = 500
"""Rows of `csv.reader` that are handed over at a time."""


class Layout(NamedTuple):
    """How the rows of a CSV look, and how its mistakes are told."""

    width: int
    """Cells of a row."""
    delimiter: str
    fail: Callable[[int, str], ConfigError]
    """Makes the error of a line out of its number and what is wrong with it."""


def rows_of(
    lines: Iterable[bytes], layout: Layout, before: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each row that is not empty.

    `before` is the number of lines in front of the first. Raises `ConfigError`.
    """
    reader = csv.reader(
        (line.decode() for line in lines), delimiter=layout.delimiter, strict=True
    )
    try:
        for row in reader:
            if len(row) == layout.width:
                yield before + reader.line_num, row
            elif row:
                problem = f"{len(row)} cells where the header has {layout.width}"
                line = before + reader.line_num
                raise layout.fail(line, f"{problem}; correct this line.")
    except UnicodeDecodeError as error:
        problem = "the text is not UTF-8; save the file as UTF-8."
        raise layout.fail(before + reader.line_num + 1, problem) from error
    except (csv.Error, EOFError, OSError) as error:
        problem = f"this cannot be read ({error}); correct this line."
        raise layout.fail(before + reader.line_num + 1, problem) from error


def columns_of(
    stream: IO[bytes], layout: Layout, before: int
) -> Iterator[list[Sequence[str]]]:
    """Yield all columns of many rows at a time. Raises `ConfigError`."""
    while block := _block(stream, layout, before):
        columns = _split(block, layout)
        if columns is None:
            lines = itertools.chain(block.splitlines(keepends=True), stream)
            rows = (row for _, row in rows_of(lines, layout, before))
            while some := [*itertools.islice(rows, _ROWS)]:
                yield [*zip(*some, strict=True)]
            return
        yield columns
        before += len(columns[0])


def _block(stream: IO[bytes], layout: Layout, before: int) -> bytes:
    """Read some whole lines; none at the end of the file."""
    try:
        return stream.read(_BLOCK) + stream.readline()
    except (EOFError, OSError) as error:
        problem = f"what follows cannot be read ({error}); export the file again."
        raise layout.fail(before + 1, problem) from error


def _split(block: bytes, layout: Layout) -> list[Sequence[str]] | None:
    """Return the columns of a block; None where that takes more than splitting."""
    try:
        text = block.decode()
    except UnicodeDecodeError:
        return None
    end = "\r\n" if "\r\n" in text else "\n"
    if not text.endswith(end):
        text += end
    # Each end of a line becomes a cell of its own, the last one of its row. Where all
    # are in that place, no line has a cell more or less than the header.
    cells = text.replace(end, f"{layout.delimiter}\n{layout.delimiter}")
    each = cells.split(layout.delimiter)
    row = layout.width + 1
    ends = each[layout.width :: row]
    rows = cells.count("\n")
    is_odd = '"' in cells or "\r" in cells
    if is_odd or len(each) != rows * row + 1 or ends.count("\n") != rows:
        return None
    return [each[place:-1:row] for place in range(layout.width)]
