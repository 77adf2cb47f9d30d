"""How reports show quality by tag: a table of tags by rungs, its cells as text."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import Cell
from pytest_ladder.decide.tags import Tag
from pytest_ladder.reporting.report import Report
from pytest_ladder.text.numbers import count, interval, percent

RAW = "Judged quality of a tag is the judge's word; labels correct that of all cases."


def tag_levels(report: Report) -> list[Level]:
    """Return the levels at which a case with a tag was measured."""
    cells = [rung.levels for tag in report.tags for rung in tag.rungs]
    return [level for level in Level if any(level in levels for levels in cells)]


def tag_rows(
    tags: Sequence[Tag], levels: Sequence[Level]
) -> list[tuple[str, str, list[list[str]]]]:
    """Give tag, rung, and for each level quality, 95 % interval and n, as text."""
    return [
        (tag.tag, rung.id, [_figures(rung.levels.get(level)) for level in levels])
        for tag in tags
        for rung in tag.rungs
    ]


def tag_notes(report: Report, shown: int) -> list[str]:
    """Say what a table of the first `shown` tags leaves out."""
    left = len(report.tags) - shown
    notes = [f"{count(left, 'more tag')} in matrix.json."] if left > 0 else []
    judged = Level.JUDGED in tag_levels(report)
    return [*notes, RAW] if judged and report.calibrations else notes


def _figures(cell: Cell | None) -> list[str]:
    if cell is None or cell.quality is None:
        return ["", "", ""]
    return [percent(cell.quality), interval(cell.low, cell.high), f"{cell.n:,}"]
