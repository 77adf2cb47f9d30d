"""The matrix as a Markdown page for pull requests and CI summaries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import Matrix, RungResult
from pytest_ladder.reporting.charts.render import mermaid_chart
from pytest_ladder.reporting.report import Report, RunInfo
from pytest_ladder.reporting.sentences.judges import (
    EXPLAINED,
    MEASURES,
    judge_notes,
    judge_remarks,
    measured,
    measures_of,
    names_of,
    rung_cells,
)
from pytest_ladder.reporting.sentences.matrix import (
    details,
    headline,
    remarks,
    spend_sentence,
    unfinished,
)
from pytest_ladder.text.numbers import count, dollars, quality, seconds
from pytest_ladder.text.untrusted import markdown_text

MAX_BYTES = 60_000
"""GitHub cuts comments at 65,536 characters; the rest is room for its own."""
TABLE_BYTES = 24_000
REMARKS_BYTES = 6_000
JUDGES_BYTES = 4_000
DECISION_BYTES = 8_000
MOST_CHARTED = 40
"""Rungs that a chart can still tell apart."""
END_BYTES = 2_000
"""Kept free for the headings, the spend and the sentences on what is left out."""
MISSES_PER_RUNG = 50
"""Missed cases listed for one rung; people read the first few."""


def matrix_markdown(report: Report) -> str:
    """Render the decision, the matrix and, folded, the missed cases; below 60 KB.

    What does not fit is counted and found in `matrix.json` and `rows.jsonl`.
    """
    matrix, info = report.matrix, report.info
    rungs = [rung for rung in matrix.rungs if rung.levels]
    blocks = [
        _headline(rungs),
        *_decision(report),
        *_table(matrix, rungs, info),
        *_chart(report),
        *_judges(report),
        *_remarks(report),
        markdown_text(spend_sentence(matrix.spend), MAX_BYTES),
    ]
    page = "\n\n".join(blocks) + "\n"
    room = MAX_BYTES - END_BYTES - len(page.encode())
    return page + _missed(rungs, report.rows, room)


def _headline(rungs: Sequence[RungResult]) -> str:
    if not rungs:
        return "## pytest-ladder: no rung was run"
    if len(rungs) == 1:
        return f"## pytest-ladder: {markdown_text(rungs[0].id)}"
    return f"## pytest-ladder: {count(len(rungs), 'rung')}, cheapest first"


def _decision(report: Report) -> Iterator[str]:
    """Say which rung is recommended; what that rests on is folded."""
    said = headline(report.decision)
    if said is None:
        return
    yield f"**{markdown_text(said, MAX_BYTES)}**"
    more = [*details(report.decision), *report.looks]
    if more:
        kept, left = within(
            [f"- {markdown_text(line, MAX_BYTES)}" for line in more], DECISION_BYTES
        )
        if left:
            kept.append(f"- {count(left, 'more line')} in `matrix.json`.")
        summary = "What it rests on, and what would change it"
        lines = "\n".join(kept)
        yield f"<details><summary>{summary}</summary>\n\n{lines}\n\n</details>"


def _chart(report: Report) -> Iterator[str]:
    """Draw quality against cost, where there is something to compare."""
    measured = sum(standing.comparable for standing in report.decision.standings)
    if 1 < measured <= MOST_CHARTED:
        yield mermaid_chart(report).strip()


def _table(matrix: Matrix, rungs: Sequence[RungResult], info: RunInfo) -> Iterator[str]:
    if not rungs:
        return
    builds = any(rung.cost.build_usd for rung in rungs)
    errors = any(map(_errors, rungs))
    header = [
        "rung",
        *(f"{level}, 95 % interval" for level in matrix.levels),
        "$ per 1,000 calls",
        *(["build"] if builds else []),
        "p50",
        "p95",
        "calls live / replayed",
        *(["errors"] if errors else []),
    ]
    lines = [table_row(header), table_row(["---", *["---:"] * (len(header) - 1)])]
    cells = [_cells(rung, matrix.levels, info, builds, errors) for rung in rungs]
    kept, left = within([table_row(line) for line in cells], TABLE_BYTES)
    yield "\n".join([*lines, *kept])
    if left:
        yield f"{count(left, 'more rung')} in `matrix.json`."
    if any(rung.latency.recorded for rung in rungs):
        yield r"\* latency when recorded; no call was live."


def _errors(rung: RungResult) -> int:
    return sum(cell.errors - cell.over_budget for cell in rung.levels.values())


def _cells(
    rung: RungResult,
    levels: Sequence[Level],
    info: RunInfo,
    builds: bool,
    errors: bool,
) -> list[str]:
    name = markdown_text(rung.id)
    star = r"\*" if rung.latency.recorded else ""
    cells = [rung.levels.get(level) for level in levels]
    failed = _errors(rung)
    return [
        f"**{name}** (current)" if rung.id == info.current else name,
        *(quality(c.quality, c.low, c.high, c.n) if c else "" for c in cells),
        markdown_text(dollars(rung.cost.usd_per_1k)),
        *([markdown_text(dollars(rung.cost.build_usd))] if builds else []),
        markdown_text(seconds(rung.latency.p50_s)) + star,
        markdown_text(seconds(rung.latency.p95_s)) + star,
        f"{rung.calls.live:,} / {rung.calls.replayed:,}",
        *([f"{failed:,}" if failed else ""] if errors else []),
    ]


def _judges(report: Report) -> Iterator[str]:
    """Say how far each judge agrees with people, and what that makes of its quality."""
    calibrations = measured(report.calibrations)
    if not calibrations:
        return
    names = [markdown_text(name) for name in names_of(calibrations)]
    header = ["judge of", *MEASURES]
    yield from _short_table(
        header,
        [
            [name, *map(markdown_text, measures_of(calibration))]
            for name, calibration in zip(names, calibrations, strict=True)
        ],
        "more judge",
    )
    yield from _short_table(
        ["rung", "judge of", "judge says", "people would say", "its labels", "how"],
        [
            [rung, name, *cells]
            for name, calibration in zip(names, calibrations, strict=True)
            for rung, *cells in (
                map(markdown_text, rung_cells(quality)) for quality in calibration.rungs
            )
        ],
        "more rung",
    )
    yield markdown_text(EXPLAINED, MAX_BYTES)


def _short_table(
    header: Sequence[str], lines: Sequence[Sequence[str]], noun: str
) -> Iterator[str]:
    """Write a table of text, as many of its lines as have room."""
    rows = [table_row(header), table_row(["---", *["---:"] * (len(header) - 1)])]
    kept, left = within([table_row(line) for line in lines], JUDGES_BYTES)
    yield "\n".join([*rows, *kept])
    if left:
        yield f"{count(left, noun)} in `matrix.json`."


def _remarks(report: Report) -> Iterator[str]:
    matrix = report.matrix
    sentences = [*remarks(matrix), *judge_remarks(report), *judge_notes(report)]
    notes = [f"- {markdown_text(text, MAX_BYTES)}" for text in sentences]
    unrun = [markdown_text(rung.id) for rung in matrix.rungs if not rung.levels]
    if unrun:
        kept, left = within(unrun, REMARKS_BYTES)
        more = f" and {left:,} more" if left else ""
        notes.insert(0, f"- Not run: {', '.join(kept)}{more}.")
    kept, left = within(notes, REMARKS_BYTES)
    if left:
        kept.append(f"- {count(left, 'more remark')} on the terminal.")
    if kept:
        yield "\n".join(kept)


def _missed(rungs: Sequence[RungResult], rows: Sequence[Row], room: int) -> str:
    """Fold the missed cases of each rung; every rung gets the same share of room."""
    failed = _failed_rows(rows)
    concerned = [rung for rung in rungs if failed[rung.id]]
    blocks = []
    for index, rung in enumerate(concerned):
        share = room // (len(concerned) - index)
        block = _folded(rung, failed[rung.id], share)
        if len(block.encode()) > share:
            left = len(concerned) - index
            blocks.append(
                f"\nMissed cases of {count(left, 'more rung')} are in `rows.jsonl`.\n"
            )
            break
        room -= len(block.encode())
        blocks.append(block)
    return "".join(blocks)


def _failed_rows(rows: Sequence[Row]) -> defaultdict[str, list[Row]]:
    """Group what did not pass by rung."""
    failed: defaultdict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.test, row.case, row.sample)):
        if row.outcome is not Outcome.PASSED:
            failed[row.rung].append(row)
    return failed


def _folded(rung: RungResult, failed: Sequence[Row], room: int) -> str:
    errors = sum(row.outcome is Outcome.ERROR for row in failed)
    summary = f"{markdown_text(rung.id)}: {len(failed) - errors:,} missed"
    if errors:
        summary += f", {unfinished(errors, sum(row.over_budget for row in failed))}"
    start = f"\n<details><summary>{summary}</summary>\n\n"
    end = "\n\n</details>\n"
    lines = [_missed_line(row) for row in failed[:MISSES_PER_RUNG]]
    more = "- {:,} more in `rows.jsonl`."
    spare = len(f"{start}{end}{more}".encode()) + 20
    kept, _ = within(lines, room - spare)
    if len(kept) < len(failed):
        kept.append(more.format(len(failed) - len(kept)))
    return start + "\n".join(kept) + end


def _missed_line(row: Row) -> str:
    parts = [row.case and markdown_text(row.case, 80), markdown_text(row.test, 120)]
    label = ", ".join(part for part in parts if part)
    sample = f", sample {row.sample}" if row.sample > 1 else ""
    kind = "error: " if row.outcome is Outcome.ERROR else ""
    return f"- **{label}**{sample}: {kind}{markdown_text(row.reason) or 'no reason'}"


def table_row(cells: Sequence[str]) -> str:
    """Write a line of a table; its cells are Markdown already."""
    return f"| {' | '.join(cells)} |"


def within(lines: Sequence[str], room: int) -> tuple[list[str], int]:
    """Keep the first lines that fit into `room` bytes; count the others."""
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return kept, len(lines) - len(kept)
