"""The missed cases of a report in Markdown: what a reviewer reads after the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.reporting.missed import (
    Missed,
    MissedCase,
    asked,
    by_reason,
    missed_on,
    varied,
    wanted,
)
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.matrix import unfinished
from pytest_ladder.text.markdown import folded, table_row, within
from pytest_ladder.text.numbers import count
from pytest_ladder.text.untrusted import markdown_text, without_middle

SPARE = 300
"""Bytes kept free in each rung for the sentences on what is left out."""
MOST_FOLDED = 20
"""Reasons listed for a rung that is folded; people read the first few."""
MOST_REASONS, MOST_NAMED, MOST_SHOWN = 10, 3, 10
"""Reasons of a rung that is open, cases named for each, and cases shown."""
NAME_COLUMNS, TEST_COLUMNS, TEXT_COLUMNS = 80, 120, 200


def missed_markdown(report: Report, roles: Mapping[str, str], room: int) -> str:
    """List the missed cases of each rung in `roles`, in at most `room` bytes.

    A rung with a role, such as `current`, is shown first and open, the others are
    folded. An open one gets up to a third of the room; the others get the same share of
    what is left.
    """
    missed = missed_on(report.rows)
    concerned = [rung for rung in roles if rung in missed]
    # "current" before "recommended"; the others stay cheapest first.
    concerned.sort(key=lambda rung: (not roles[rung], roles[rung]))
    blocks = []
    for index, rung in enumerate(concerned):
        left = len(concerned) - index
        if role := roles[rung]:
            share = room // min(left, 3)
            title = f"{markdown_text(rung)} ({role})"
            block = _open(title, missed[rung], report, share)
        else:
            share = room // left
            block = _folded(markdown_text(rung), missed[rung], share)
        if len(block.encode()) > share:
            blocks.append(
                f"\nMissed cases of {count(left, 'more rung')} are in `rows.jsonl`.\n"
            )
            break
        room -= len(block.encode())
        blocks.append(block)
    return "".join(blocks)


def _open(title: str, missed: Missed, report: Report, room: int) -> str:
    """Show common reasons, then ten cases with what was asked, expected and said."""
    start = f"\n### {title}: {_sum(missed)}\n\n"
    groups = by_reason(missed.missed)
    shared = [group for group in groups if len(group) > 1]
    lines = [_reason_line(group) for group in [*shared, *by_reason(missed.errors)]]
    room -= len(start.encode()) + SPARE
    kept, left = within(lines[:MOST_REASONS], room // 3)
    left += len(lines[MOST_REASONS:])
    if left:
        kept.append(f"- {count(left, 'more reason')} in `rows.jsonl`.")
    blocks = ["\n".join(kept)] if kept else []
    room -= len(blocks[0].encode()) if blocks else 0
    blocks += _shown(varied(groups, MOST_SHOWN), len(missed.missed), report, room)
    return start + "\n\n".join(blocks) + "\n"


def _shown(
    cases: Sequence[MissedCase], of: int, report: Report, room: int
) -> Iterator[str]:
    """Write a table of cases; texts that none of them has are no column."""
    texts = [
        [
            markdown_text(text, TEXT_COLUMNS)
            for text in (
                without_middle(asked(case.row, report), TEXT_COLUMNS),
                wanted(case.row, report),
                case.row.text,
                case.row.reason,
            )
        ]
        for case in cases
    ]
    names = ["asked", "expected", "got", "why"]
    used = [place for place in range(len(names)) if any(line[place] for line in texts)]
    lines = [
        table_row([_label(case), *(line[place] for place in used)])
        for case, line in zip(cases, texts, strict=True)
    ]
    kept, _ = within(lines, room)
    if kept:
        header = table_row(["missed", *(names[place] for place in used)])
        yield "\n".join([header, table_row(["---"] * (1 + len(used))), *kept])
    if len(kept) < of:
        yield f"{of - len(kept):,} more in `rows.jsonl`."


def _folded(title: str, missed: Missed, room: int) -> str:
    summary = f"{title}: {_sum(missed)}"
    groups = [*by_reason(missed.missed), *by_reason(missed.errors)]
    lines = [_reason_line(group) for group in groups[:MOST_FOLDED]]
    kept, _ = within(lines, room - len(summary.encode()) - SPARE)
    left = sum(map(len, groups[len(kept) :]))
    if left:
        kept.append(f"- {left:,} more in `rows.jsonl`.")
    body = "\n".join(kept)
    return f"\n{folded(summary, body)}\n"


def _sum(missed: Missed) -> str:
    said = f"{len(missed.missed):,} of {count(missed.cases, 'case')} missed"
    if missed.errors:
        said += f", {unfinished(len(missed.errors), missed.over_budget)}"
    return said


def _reason_line(group: Sequence[MissedCase]) -> str:
    first = group[0].row
    kind = ""
    if first.outcome is Outcome.ERROR:
        kind = f"error ({first.why}): " if first.why else "error: "
    said = f"{kind}{markdown_text(first.reason) or 'no reason'}"
    if len(group) == 1:
        return f"- {_label(group[0])}: {said}"
    names = [markdown_text(case.row.case, NAME_COLUMNS) for case in group[:MOST_NAMED]]
    more = f" and {len(group) - MOST_NAMED:,} more" if len(group) > MOST_NAMED else ""
    label = f"**{count(len(group), 'case')}, {_test_name(first)}**"
    return f"- {label}: {said} ({', '.join(names)}{more})"


def _label(case: MissedCase) -> str:
    row = case.row
    names = (markdown_text(row.case, NAME_COLUMNS), _test_name(row))
    label = f"**{', '.join(filter(None, names))}**"
    if case.samples > 1:
        label += f", {case.missed:,} of {case.samples:,} samples"
    return label


def _test_name(row: Row) -> str:
    """Name the test without its file, which most suites have one of."""
    return markdown_text(row.test.partition("::")[2] or row.test, TEST_COLUMNS)
