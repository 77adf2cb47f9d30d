"""What people said of replies, on a terminal: a table of rungs, and the sentences."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_ladder.decide.people.sums import People
from pytest_ladder.reporting.people import (
    GRADED,
    PREFERRED,
    graded_rows,
    people_sentences,
    preferred_rows,
    view_of,
)
from pytest_ladder.text.table import Column, fitted, rows_of, wrapped
from pytest_ladder.text.untrusted import plain


def people_tables(people: People, current: str | None, width: int) -> Iterator[str]:
    """Yield the lines of the tables, whose columns go where there is no room."""
    view = view_of(people, current)
    for header, rows in (
        (PREFERRED, preferred_rows(view)),
        (GRADED, graded_rows(view)),
    ):
        if rows:
            columns = [
                Column(
                    header=header[n] if n else f"  {header[n]}",
                    cells=[plain(cell) if n else f"  {plain(cell)}" for cell in cells],
                    right=n > 0,
                    drop={2: 1, 3: 3, 5: 2}.get(n, 0),
                )
                for n, cells in enumerate(zip(*rows, strict=True))
            ]
            yield from rows_of(fitted(columns, width, "..."))


def people_lines(people: People, current: str | None, width: int) -> Iterator[str]:
    """Yield all lines; none where nobody has reviewed anything."""
    if people.is_empty:
        return
    yield "people, asked about replies:"
    yield from people_tables(people, current, width)
    for text in people_sentences(view_of(people, current)):
        yield from wrapped(text, width)
