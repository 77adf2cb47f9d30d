"""Quality by tag: the matrix once more for the cases that have a tag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import Cell, Matrix, cell_of

MOST_TAGS = 100
"""Tags that are looked at; names of single cases, say, tell nothing as tags."""


class RungOfTag(msgspec.Struct, frozen=True, kw_only=True):
    """One rung on the cases of one tag."""

    id: str
    levels: dict[Level, Cell]
    """Only levels with rows, in the order of `Level`; of judges as they say it."""


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """What the rungs make of the cases of one tag."""

    tag: str
    n: int
    """Cases that have it, of all rungs and levels together."""
    rungs: tuple[RungOfTag, ...]
    """Those with rows, in the order of the matrix."""


def tags_of(rows: Sequence[Row], matrix: Matrix) -> tuple[Tag, ...]:
    """Measure each rung on the cases of each tag, the tags with most cases first.

    By the same rules as the matrix, `rows` of which it is made. Of more than 100 tags,
    those with the fewest cases are left out.
    """
    tagged: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for tag in {*row.tags}:
            tagged[tag].append(row)
    cases = {
        tag: len({(row.source, row.case) for row in group})
        for tag, group in tagged.items()
    }
    largest = sorted(cases, key=lambda tag: (-cases[tag], tag))[:MOST_TAGS]
    return tuple(_measured(tag, cases[tag], tagged[tag], matrix) for tag in largest)


def _measured(tag: str, n: int, rows: Sequence[Row], matrix: Matrix) -> Tag:
    graded: defaultdict[tuple[str, Level], list[Row]] = defaultdict(list)
    for row in rows:
        graded[row.rung, row.level].append(row)
    rungs = []
    for rung in matrix.rungs:
        levels = {
            level: cell_of(graded[rung.id, level], stopped=rung.state == "stopped")
            for level in Level
            if (rung.id, level) in graded
        }
        if levels:
            rungs.append(RungOfTag(id=rung.id, levels=levels))
    return Tag(tag=tag, n=n, rungs=tuple(rungs))
