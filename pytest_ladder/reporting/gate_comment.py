"""The comment on a pull request: what a gate found, below 60 KB whatever it found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_ladder.decide.cost import Spend
from pytest_ladder.decide.gate.result import Flip, GateResult, Side
from pytest_ladder.reporting.markdown import matrix_markdown, table_row, within
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.gate import (
    compared,
    gate_headline,
    notes,
    other_reasons,
    unit_name,
)
from pytest_ladder.reporting.sentences.matrix import spend_line
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text.numbers import count, percent
from pytest_ladder.text.untrusted import markdown_text

MARK = "<!-- pytest-ladder gate -->"
"""First line of the comment: by it a later run finds the one to replace."""
MAX_BYTES = 60_000
"""GitHub cuts comments at 65,536 characters; the rest is room for its own."""
LINE_COLUMNS = 1_000
REPLY_COLUMNS = 600
TABLE_BYTES = 12_000
LIST_BYTES = 4_000
END_BYTES = 1_000
"""Kept free for the sentences on what is left out."""


def report_markdown(report: Report) -> str:
    """Render a report for a pull request: its gate, if it has one, before its matrix.

    Together they stay below 60 KB; where they do not fit, the matrix is left out.
    """
    if report.gate is None:
        return matrix_markdown(report)
    page = f"{gate_markdown(report.gate)}\n{matrix_markdown(report)}"
    if len(page.encode()) <= MAX_BYTES:
        return page
    return gate_markdown(report.gate, report.matrix.spend)


def gate_markdown(
    result: GateResult,
    spend: Spend | None = None,
    edited: Sequence[str] = (),
) -> str:
    """Render the verdict, the table, and folded what flipped; below 60 KB.

    `spend` is that of the change's run; `edited` are the recordings that the change
    edits, which stand on top: their replies are claims of its author.
    """
    blocks = [
        MARK,
        f"## pytest-ladder gate: {result.verdict}",
        *_edited(edited),
        f"**{_text(gate_headline(result))}**",
        *_table(result),
        *_sentences(result, spend),
        *_unpaired(result),
        *_on_flips(result),
    ]
    page = "\n\n".join(blocks) + "\n"
    room = MAX_BYTES - END_BYTES - len(page.encode())
    worse = [flip for flip in result.flips if flip.move < 0]
    better = [flip for flip in result.flips if flip.move > 0]
    first = _flips("broke", worse, room if not better else room * 3 // 4)
    return page + first + _flips("fixed", better, room - len(first.encode()))


def _on_flips(result: GateResult) -> Iterator[str]:
    """Keep a reader from taking single cases for the verdict."""
    if result.flips and result.suites:
        yield (
            "The verdict rests on the means above; a case by itself may flip by chance."
        )


def _edited(files: Sequence[str]) -> Iterator[str]:
    if not files:
        return
    lines = [f"- {_text(name)}" for name in files]
    kept, left = within(lines, LIST_BYTES)
    if left:
        kept.append(f"- and {left:,} more.")
    head = (
        f"> [!WARNING]\n> This change edits {count(len(files), 'recording')}: replies "
        "in them are what its author says they are, and no model was asked."
    )
    yield f"{head}\n\n" + "\n".join(kept)


def _table(result: GateResult) -> Iterator[str]:
    rows = [
        # Figures are ours, but for GitHub two dollar signs are a formula.
        table_row([_text(line.what), *(c.replace("$", "&#36;") for c in line[1:])])
        for line in compared(result)
    ]
    if not rows:
        return
    header = ["", "before", "after", "change (95 % interval)"]
    kept, left = within(rows, TABLE_BYTES)
    lines = [table_row(header), table_row(["---"] * len(header)), *kept]
    yield "\n".join(lines)
    if left:
        yield f"And {count(left, 'more suite')}."


def _sentences(result: GateResult, spend: Spend | None) -> Iterator[str]:
    sentences = [*other_reasons(result), *notes(result)]
    if spend is not None:
        line = spend_line(spend)
        sentences.append(f"The run {line}.")
    kept, left = within([f"- {_text(line)}" for line in sentences], 2 * LIST_BYTES)
    if left:
        kept.append(f"- And {count(left, 'more remark')}.")
    if kept:
        yield "\n".join(kept)


def _unpaired(result: GateResult) -> Iterator[str]:
    """Fold the names of the cases that were not compared."""
    left = result.unpaired
    for how, units in (
        ("changed", left.changed),
        ("added", left.added),
        ("dropped", left.dropped),
    ):
        if units:
            lines = [f"- {markdown_text(unit_name(unit), 80)}" for unit in units]
            kept, more = within(lines, LIST_BYTES)
            if more:
                kept.append(f"- and {more:,} more.")
            summary = f"{count(len(units), 'case')} {how}, not compared"
            yield _folded(summary, "\n".join(kept))


def _flips(how: str, flips: Sequence[Flip], room: int) -> str:
    """Fold cases with both replies, as many as fit into `room` bytes."""
    if not flips:
        return ""
    order = ", most frequent first" if len(flips) > 1 else ""
    start = f"\n### {count(len(flips), 'case')} {how}{order}\n\n"
    room -= len(start.encode()) + 100
    kept: list[str] = []
    # One by one: there may be thousands, and few of them fit.
    for flip in flips:
        block = _flip(flip)
        room -= len(block.encode()) + 1
        if room < 0:
            kept.append(f"And {count(len(flips) - len(kept), 'more case')}.")
            break
        kept.append(block)
    return start + "\n".join(kept) + "\n"


def _flip(flip: Flip) -> str:
    name = markdown_text(flip.case or flip.test, 80)
    test = f", {markdown_text(flip.test, 120)}" if flip.case else ""
    scores = f"passed {_score(flip.before)} → {_score(flip.after)}"
    return _folded(
        f"{name}{test}: {scores}",
        f"Before:{_said(flip.before)}\n\nAfter:{_said(flip.after)}",
    )


def _said(side: Side) -> str:
    reply = markdown_text(side.text, REPLY_COLUMNS) or "(no reply)"
    reason = f"\n\n{markdown_text(side.reason)}" if side.reason else ""
    return f"\n\n> {reply}{reason}"


def _score(side: Side) -> str:
    """Write how many samples passed; of graded ones the mean."""
    passed = side.score * side.samples
    if math.isclose(passed, round(passed), abs_tol=TINY):
        return f"{round(passed):,} of {side.samples:,}"
    return f"{percent(side.score)} of {side.samples:,}"


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _text(text: str) -> str:
    return markdown_text(text, LINE_COLUMNS)
