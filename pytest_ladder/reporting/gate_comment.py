"""The comment on a pull request: what a gate found, below 60 KB whatever it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_ladder.decide.cost import Spend
from pytest_ladder.decide.gate.quality import p_value
from pytest_ladder.decide.gate.result import READ_DIFFERENTLY, Flip, GateResult, Side
from pytest_ladder.reporting.markdown import matrix_markdown
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.gate import (
    compared,
    flaky_case,
    gate_headline,
    notes,
    other_reasons,
    passed,
    unit_name,
)
from pytest_ladder.reporting.sentences.matrix import spend_line
from pytest_ladder.text.markdown import folded, table_row, within
from pytest_ladder.text.numbers import count
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
    gate = f"{gate_markdown(report.gate)}\n"
    page = gate + matrix_markdown(report, MAX_BYTES - len(gate.encode()))
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
        *_flaky(result),
        *_unpaired(result),
    ]
    if result.flips and result.suites:
        # It keeps a reader from taking single cases for the verdict.
        blocks.append(
            "The verdict rests on the means above; a case by itself may flip by chance."
        )
    page = "\n\n".join(blocks) + "\n"
    room = MAX_BYTES - END_BYTES - len(page.encode())
    worse = [flip for flip in result.flips if flip.move < 0]
    better = [flip for flip in result.flips if flip.move > 0]
    named = _test_names(result.flips)
    first = _flips("worse", worse, named, room if not better else room * 3 // 4)
    return page + first + _flips("better", better, named, room - len(first.encode()))


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
        (READ_DIFFERENTLY, left.reread),
        ("added", left.added),
        ("dropped", left.dropped),
    ):
        if units:
            lines = [f"- {markdown_text(unit_name(unit), 80)}" for unit in units]
            kept, more = within(lines, LIST_BYTES)
            if more:
                kept.append(f"- and {more:,} more.")
            summary = f"{count(len(units), 'case')} {how}, not compared"
            yield folded(summary, "\n".join(kept))


def _flaky(result: GateResult) -> Iterator[str]:
    """Fold the list of flaky cases."""
    flaky = result.flakiness.cases
    if flaky:
        lines = [f"- {markdown_text(flaky_case(case), 200)}" for case in flaky]
        kept, more = within(lines, LIST_BYTES)
        if more:
            kept.append(f"- and {more:,} more.")
        yield folded(f"{count(len(flaky), 'flaky case')}", "\n".join(kept))


def _test_names(flips: Sequence[Flip]) -> dict[str, str]:
    """Name tests without their file, which fills a phone, where they differ so too."""
    short = {flip.test: flip.test.partition("::")[2] or flip.test for flip in flips}
    return (
        short
        if len({*short.values()}) == len(short)
        else {name: name for name in short}
    )


def _flips(how: str, flips: Sequence[Flip], named: Mapping[str, str], room: int) -> str:
    """Fold cases with both replies, as many as fit into `room` bytes."""
    if not flips:
        return ""
    order = ", most frequent first" if len(flips) > 1 else ""
    broken = len({flip.unit for flip in flips if flip.broken})
    order = f", {broken:,} of them broken{order}" if broken else order
    start = (
        f"\n### {count(len({flip.unit for flip in flips}), 'case')} {how}{order}\n\n"
    )
    room -= len(start.encode()) + 100
    kept: list[str] = []
    # One by one: there may be thousands, and few of them fit.
    for flip in flips:
        name = markdown_text(flip.case or named[flip.test], 80)
        test = f", {markdown_text(named[flip.test], 120)}" if flip.case else ""
        scores = f"passed {passed(flip.before, ' of ')} → {passed(flip.after, ' of ')}"
        if flip.p is not None and flip.move < 0:
            scores += f", {p_value(flip.p)}{', broken' if flip.broken else ''}"
        both = f"Before:{_said(flip.before)}\n\nAfter:{_said(flip.after)}"
        block = folded(f"{name}{test}: {scores}", both)
        room -= len(block.encode()) + 1
        if room < 0:
            left = {flip.unit for flip in flips[len(kept) :]}
            more = left - {flip.unit for flip in flips[: len(kept)]}
            kept.append(f"And {count(len(more), 'more case')}.")
            break
        kept.append(block)
    return start + "\n".join(kept) + "\n"


def _said(side: Side) -> str:
    reply = markdown_text(side.text, REPLY_COLUMNS) or "(no reply)"
    reason = f"\n\n{markdown_text(side.reason)}" if side.reason else ""
    return f"\n\n> {reply}{reason}"


def _text(text: str) -> str:
    return markdown_text(text, LINE_COLUMNS)
