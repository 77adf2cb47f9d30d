"""Columns and sentences that fit a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_ladder.text.untrusted import display_width, pad, plain

GAP = "  "
NARROWEST_NAME = 16
"""Columns that a name keeps however narrow the terminal is."""
_ANY = 10_000
"""Columns of a sentence, which is wrapped afterwards."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column: its header and a cell per row."""

    header: str
    cells: list[str]
    drop: int = 0
    """The column with the highest number goes first when there is no room; 0: never.

    One below 0 goes only where names are as short as they may be: the lowest first.
    """
    right: bool = True
    key: str = ""
    """By which it is asked for once the table is fitted; empty: nobody does."""

    @property
    def width(self) -> int:
        """Characters that its widest cell takes on a terminal."""
        return max(display_width(text) for text in (self.header, *self.cells))


def aligned(parts: list[list[str]]) -> list[str]:
    """Join the parts of each cell, padded so that they line up from row to row."""
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


def fitted(columns: list[Column], width: int, ellipsis: str) -> list[Column]:
    """Drop columns, then shorten names, until the table fits into `width` columns."""
    while (excess := total_width(columns) - width) > 0:
        too_narrow = excess > columns[0].width - NARROWEST_NAME
        may_go = [column for column in columns if column.drop > 0] or [
            column for column in columns if column.drop < 0 and too_narrow
        ]
        if not may_go:
            room = max(NARROWEST_NAME, columns[0].width - excess)
            names = [shortened(name, room, ellipsis) for name in columns[0].cells]
            return [msgspec.structs.replace(columns[0], cells=names), *columns[1:]]
        next_to_go = max(may_go, key=lambda column: abs(column.drop))
        columns = [column for column in columns if column is not next_to_go]
    return columns


def total_width(columns: Sequence[Column]) -> int:
    """Return what a table of these columns takes on a terminal."""
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def joined(columns: Sequence[Column], cells: Sequence[str]) -> str:
    """Make one line of a table."""
    return GAP.join(
        pad(cell, column.width, right=column.right)
        for column, cell in zip(columns, cells, strict=True)
    ).rstrip()


def rows_of(columns: Sequence[Column]) -> list[str]:
    """Make the lines of a table, its headers first."""
    lines = [[column.header for column in columns]]
    lines += map(list, zip(*(column.cells for column in columns), strict=True))
    return [joined(columns, line) for line in lines]


def name_table(*columns: tuple[str, list[str]]) -> list[str]:
    """Make the lines of a table of headers and cells, whose first column is a name."""
    return rows_of(
        [
            Column(header=header, cells=cells, right=number > 0 and bool(header))
            for number, (header, cells) in enumerate(columns)
        ]
    )


def shortened(name: str, room: int, ellipsis: str = "…") -> str:
    """Cut in the middle: rungs of a model differ at the end. Names are ASCII."""
    if len(name) <= room:
        return name
    shown = room - len(ellipsis)
    head = shown // 2
    return f"{name[:head]}{ellipsis}{name[head - shown :]}"


def wrapped(text: str, width: int) -> list[str]:
    """Break a sentence into lines, which are indented from the second on.

    Whatever it quotes is made safe. Names are not broken, however narrow it is.
    """
    lines: list[str] = []
    for word in plain(text, _ANY).split():
        if lines and len(lines[-1]) + len(word) < width:
            lines[-1] += f" {word}"
        else:
            lines.append(GAP + word if lines else word)
    return lines
