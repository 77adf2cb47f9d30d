"""What moved since another run, on a terminal and in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pytest_ladder.decide.against import Against, CaseAgainst
from pytest_ladder.reporting.sentences.against import (
    FIXED_HEADS,
    against_lead,
    against_table,
)
from pytest_ladder.text.markdown import folded, table_row, within
from pytest_ladder.text.numbers import count, few
from pytest_ladder.text.table import Column, fitted, rows_of
from pytest_ladder.text.untrusted import markdown_text, plain

WIDE = 150
"""Columns of a terminal that has room for quality before and after, too."""
MOST_CASES = 10
"""Cases that a terminal names."""
TABLE_BYTES = 6_000
CASES_BYTES = 4_000
_ANY = 10_000


def against_lines(against: Against, width: int, ellipsis: str = "…") -> Iterator[str]:
    """Render it for a terminal: rungs and cases, those first that got worse."""
    yield from textwrap.wrap(plain(against_lead(against), _ANY), width)
    heads, lines = against_table(against, short=width < WIDE)
    if lines:
        columns = [
            Column(
                header=head,
                cells=[plain(line[place]) for line in lines],
                drop=_drop(place, len(heads)),
                right=0 < place < len(FIXED_HEADS),
            )
            for place, head in enumerate(heads)
        ]
        yield from rows_of(fitted(columns, width, ellipsis))
    worse = [case for case in against.cases if case.broken]
    for case in worse[:MOST_CASES]:
        yield from textwrap.wrap(plain(_case(case), _ANY), width)
    if len(worse) > MOST_CASES:
        yield f"and {count(len(worse) - MOST_CASES, 'more case')} broken, in the page."
    for sentence in against.changes:
        yield from textwrap.wrap(plain(sentence, _ANY), width)


def against_markdown(against: Against) -> Iterator[str]:
    """Render it for a pull request: the table, and folded what else there is."""
    yield f"### {markdown_text(against_lead(against), _ANY)}"
    heads, lines = against_table(against)
    if lines:
        numbers = len(FIXED_HEADS) - 1
        rule = ["---", *["---:"] * numbers, *["---"] * (len(heads) - 1 - numbers)]
        rows = [table_row([_cell(text) for text in line]) for line in lines]
        kept, left = within(rows, TABLE_BYTES)
        table = [table_row([_cell(head) for head in heads]), table_row(rule), *kept]
        if left:
            table.append(f"\n{count(left, 'more rung')} in `matrix.json`.")
        yield "\n".join(table)
    said = [f"- {_cell(sentence)}" for sentence in against.changes]
    said += [f"- {_cell(_case(case))}" for case in against.cases if case.broken]
    if said:
        kept, left = within(said, CASES_BYTES)
        if left:
            kept.append(f"- {count(left, 'more line')} in `matrix.json`.")
        yield folded("What changed, and which cases broke", "\n".join(kept))


def _drop(place: int, columns: int) -> int:
    """Rung, broken and fixed stay; latency goes first, then cost, then unchanged."""
    unchanged = FIXED_HEADS.index("unchanged")
    if place == unchanged:
        return 2 * (columns - 2) - 1
    return 2 * place if place > unchanged else 0


def _case(case: CaseAgainst) -> str:
    fixed = f"; fixed on {few(case.fixed)}" if case.fixed else ""
    return f"broken: {case.case or case.source} on {few(case.broken)}{fixed}"


def _cell(text: str) -> str:
    return markdown_text(text, _ANY)
