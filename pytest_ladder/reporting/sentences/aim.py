"""How reports of runs that decide nothing word what ladder.toml asks for."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import Cell
from pytest_ladder.reporting.report import Report, decides
from pytest_ladder.text.numbers import bar, quality


def without(report: Report) -> str:
    """Say why nothing is recommended: only of some runs it is known to be that."""
    return "no objective" if decides(report.info.mode) else "nothing decided"


def aim_sentences(report: Report) -> Iterator[str]:
    """Say how the shipped rung stands to the objective of ladder.toml.

    None where a report decides by it, and where none is known.
    """
    aim = report.info.aim
    if aim is None or report.objective is not None:
        return
    asked = "the objective"
    if stands := _against_the_bar(report):
        yield stands
    else:
        asked += f" ({aim_text(report)})"
    yield f"This run decides nothing by {asked}; `pytest --ladder=matrix` does."


def why_no_advice(report: Report) -> str:
    """Say why no rung is recommended."""
    said = " ".join(aim_sentences(report))
    if not said and decides(report.info.mode):
        return "No objective is set, so no rung is recommended."
    return said or "This run decides nothing, so no rung is recommended."


def aim_title(report: Report) -> str:
    """Say it in a few words: `Below the bar of 70 %`; empty: there is no such bar."""
    aim, cell = report.info.aim, _shipped(report)
    if aim is None or aim.quality is None or cell is None or cell.quality is None:
        return ""
    where = "Below" if cell.quality < aim.quality else "At or above"
    return f"{where} the bar of {bar(aim.quality)}"


def aim_text(report: Report) -> str:
    """Say what ladder.toml asks for; empty: nothing that is known."""
    aim = report.info.aim
    if aim is None:
        return ""
    # Whatever decides nothing needs no kind of objective but here.
    from pytest_ladder.decide.objectives.table import OBJECTIVES

    kind = OBJECTIVES.get(aim.kind)
    return "the objective" if kind is None else kind.summary(aim)


def _shipped(report: Report) -> Cell | None:
    aim = report.info.aim
    for rung in report.matrix.rungs:
        if aim is not None and rung.id == report.info.current:
            return rung.levels.get(aim.level)
    return None


def _against_the_bar(report: Report) -> str:
    aim, cell, title = report.info.aim, _shipped(report), aim_title(report)
    if aim is None or cell is None or not title:
        return ""
    scored = quality(cell.quality, cell.low, cell.high, cell.n, cell.noun)
    trust = report.evidence.trust.get(report.info.current or "")
    word = ""
    if aim.level is Level.JUDGED and trust is not None and trust.why_not:
        word = ", by its judge's word alone"
    stands = f"{title[0].lower()}{title[1:]}"
    level = report.level_name(aim.level)
    return f"{report.info.current} is {stands} at {level}: {scored}{word}."
