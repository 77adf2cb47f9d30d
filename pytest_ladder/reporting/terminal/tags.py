"""Quality by tag on a terminal, which is shown where somebody asks for more (`-v`)."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.tags import tag_levels, tag_notes, tag_rows
from pytest_ladder.reporting.terminal.lines import (
    QUIET,
    UNICODE,
    Glyphs,
    Line,
    sentences,
)
from pytest_ladder.text.table import Column, aligned, fitted, rows_of
from pytest_ladder.text.untrusted import plain

MOST_TAGS = 20
WIDTH = 24
"""Columns that a tag may take."""


def tag_lines(report: Report, width: int, glyphs: Glyphs = UNICODE) -> Iterator[Line]:
    """Render quality by tag, for the tags with most cases."""
    tags, levels = report.tags[:MOST_TAGS], tag_levels(report)
    rows = tag_rows(tags, levels)
    if not rows:
        return
    columns = [
        Column(
            header="tag", cells=[plain(tag, WIDTH) for tag, *_ in rows], right=False
        ),
        Column(header="rung", cells=[rung for _, rung, _ in rows], right=False),
    ]
    for index, level in enumerate(levels):
        header, *cells = aligned(
            [[level, "95 % CI", "n"], *(figures[index] for *_, figures in rows)]
        )
        columns.append(Column(header=header, cells=cells, right=False))
    head, *lines = rows_of(fitted(columns, width, glyphs.ellipsis))
    yield head, QUIET
    yield from ((line, {}) for line in lines)
    yield from sentences(tag_notes(report, len(tags)), width, QUIET)
