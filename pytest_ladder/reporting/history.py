"""The history of what ships, on a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.decide.gate.result import Figure
from pytest_ladder.decide.history import COST, Moment, Run
from pytest_ladder.reporting.files.baseline import compared_run
from pytest_ladder.reporting.report import Report
from pytest_ladder.text.markdown import table_row
from pytest_ladder.text.numbers import (
    NOT_AVAILABLE,
    count,
    dollars,
    interval,
    percent,
    points,
    seconds,
)
from pytest_ladder.text.table import Column, fitted, rows_of, total_width
from pytest_ladder.text.untrusted import markdown_text, plain

LEGEND = (
    "▲ ▼ established against the run before, on the cases of both, at 95 % for all "
    "steps at once; without one, what moved may be chance."
)
_ANY = 1_000


def run_of(report: Report, label: str) -> Run:
    """Return what a history needs of a report: the rung that ships."""
    side = compared_run(report)
    rungs = {row.rung for row in side.rows}
    rung = side.current or (next(iter(rungs)) if len(rungs) == 1 else None)
    spend = report.matrix.spend
    parts = (spend.product_usd, spend.evaluation_usd)
    known = [usd for usd in parts if usd is not None]
    return Run(
        label=label,
        started=report.info.started,
        rung=rung,
        rows=[row for row in side.rows if row.rung == rung],
        spent_usd=sum(known) if len(known) == len(parts) else None,
    )


def history_table(moments: Sequence[Moment]) -> tuple[list[str], list[list[str]]]:
    """Give heads and lines, oldest first."""
    levels = [level for level in Level if any(level in one.levels for one in moments)]
    heads = ["when", "run", "ships", *levels, "$ per 1,000", "p95, live", "spent"]
    return [str(head) for head in heads], [list(_line(one, levels)) for one in moments]


def history_lines(
    moments: Sequence[Moment], width: int, ellipsis: str = "…"
) -> Iterator[str]:
    """Render it for a terminal."""
    heads, lines = history_table(moments)
    # Where there is no room the interval of the cost goes first, then spend, latency,
    # cost and the run.
    drops = {"spent": 4, "p95, live": 3, "$ per 1,000": 2, "run": 1}
    columns = [
        Column(
            header=head,
            cells=[plain(line[place], _ANY) for line in lines],
            drop=drops.get(head, 0),
            right=False,
        )
        for place, head in enumerate(heads)
    ]
    if total_width(columns) > width:
        alone = [msgspec.structs.replace(one.cost, low=None) for one in moments]
        costs = [
            _marked(one, COST, _between(cost, dollars))
            for one, cost in zip(moments, alone, strict=True)
        ]
        place = heads.index("$ per 1,000")
        columns[place] = msgspec.structs.replace(columns[place], cells=costs)
    yield from rows_of(fitted(columns, width, ellipsis))
    yield from step_sentences(moments)
    yield LEGEND


def history_markdown(moments: Sequence[Moment]) -> str:
    """Render it as a page of Markdown."""
    heads, lines = history_table(moments)
    rows = [table_row([_cell(text) for text in line]) for line in lines]
    table = [table_row(list(map(_cell, heads))), table_row(["---"] * len(heads)), *rows]
    said = [f"- {_cell(sentence)}" for sentence in step_sentences(moments)]
    title = f"## pytest-ladder: what ships, over {count(len(moments), 'run')}"
    blocks = [title, "\n".join(table), "\n".join(said), LEGEND]
    return "\n\n".join(block for block in blocks if block) + "\n"


def step_sentences(moments: Sequence[Moment]) -> Iterator[str]:
    """Say each established change in a sentence."""
    for moment in moments:
        for step in moment.steps:
            moved = points(step.change)
            if step.what == COST:
                sign = "+" if step.change > 0 else "-"
                moved = f"{sign}{dollars(abs(step.change))} per 1,000 calls"
            yield (
                f"{moment.when}, {moment.label}: {step.what} {moved} on "
                f"{count(step.n, 'case')}."
            )


def _line(moment: Moment, levels: Sequence[Level]) -> Iterator[str]:
    yield moment.when
    yield moment.label
    yield moment.rung or NOT_AVAILABLE
    for level in levels:
        yield _marked(moment, str(level), _quality(moment.levels.get(level)))
    yield _marked(moment, COST, _between(moment.cost, dollars))
    yield _between(moment.latency, seconds)
    yield dollars(moment.spent_usd)


def _marked(moment: Moment, what: str, text: str) -> str:
    """Add an arrow where that figure has moved, established."""
    arrows = {"up": " ▲", "down": " ▼"}
    moved = [step.direction for step in moment.steps if step.what == what]
    return text + "".join(arrows[direction] for direction in moved)


def _quality(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return NOT_AVAILABLE
    return f"{percent(figure.value)} ({interval(figure.low, figure.high)})"


def _between(figure: Figure, text: Callable[[float | None], str]) -> str:
    if figure.value is None:
        return NOT_AVAILABLE
    if figure.low is None or figure.high is None:
        return text(figure.value)
    return f"{text(figure.value)} ({text(figure.low)} to {text(figure.high)})"


def _cell(text: str) -> str:
    return markdown_text(text, _ANY)
