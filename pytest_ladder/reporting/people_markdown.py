"""What people said of replies, as Markdown: tables of rungs, and the sentences."""

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
from pytest_ladder.text.markdown import table_row, within
from pytest_ladder.text.untrusted import markdown_text

MOST_BYTES = 4_000
"""Of each table, and of the sentences."""


def people_markdown(people: People, current: str | None) -> Iterator[str]:
    """Yield the heading, the tables, and what follows from them."""
    if people.is_empty:
        return
    view = view_of(people, current)
    yield "### People"
    for header, rows in (
        (PREFERRED, preferred_rows(view)),
        (GRADED, graded_rows(view)),
    ):
        lines = [table_row([markdown_text(cell) for cell in row]) for row in rows]
        kept, left = within(lines, MOST_BYTES)
        if kept:
            rule = table_row(["---", *["---:"] * (len(header) - 1)])
            yield "\n".join([table_row(header), rule, *kept])
        if left:
            yield f"{left} more in `matrix.json`."
    said = [f"- {markdown_text(text, MOST_BYTES)}" for text in people_sentences(view)]
    kept, left = within(said, MOST_BYTES)
    if left:
        kept.append(f"- {left} more in `matrix.json`.")
    yield "\n".join(kept)
