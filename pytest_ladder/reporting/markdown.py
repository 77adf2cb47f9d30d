"""The matrix as a Markdown page for pull requests and CI summaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import RungResult, outcome_at
from pytest_ladder.reporting.charts.render import mermaid_chart
from pytest_ladder.reporting.missed_markdown import missed_markdown
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.aim import aim_sentences
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
    outgrown_sentence,
    part_sentence,
    recorded_latency,
    remarks,
    ruled_out,
    spend_sentence,
)
from pytest_ladder.reporting.sentences.tags import tag_levels, tag_notes, tag_rows
from pytest_ladder.text.markdown import folded, table_row, within
from pytest_ladder.text.numbers import (
    calls_of_prices,
    count,
    dollars,
    quality,
    seconds,
    times,
)
from pytest_ladder.text.untrusted import markdown_text

MAX_BYTES = 60_000
"""GitHub cuts comments at 65,536 characters; the rest is room for its own."""
TABLE_BYTES = 24_000
REMARKS_BYTES = 6_000
JUDGES_BYTES = 4_000
DECISION_BYTES = 8_000
MOST_CHARTED = 40
"""Rungs that a chart can still tell apart."""
MOST_TAGS = 20
END_BYTES = 2_000
"""Kept free for the headings, the spend and the sentences on what is left out."""


def matrix_markdown(report: Report, max_bytes: int = MAX_BYTES) -> str:
    """Render the decision, the matrix and the missed cases.

    These take what is left of `max_bytes`; what does not fit is counted and found in
    `matrix.json` and `rows.jsonl`.
    """
    matrix = report.matrix
    rungs = [rung for rung in matrix.rungs if rung.levels]
    measured = sum(standing.comparable for standing in report.decision.standings)
    # One rung alone has nothing to be compared with.
    chart = mermaid_chart(report).strip() if 1 < measured <= MOST_CHARTED else ""
    store = markdown_text(report.info.store, 200)
    title = f"{count(len(rungs), 'rung')}, cheapest first"
    if len(rungs) < 2:
        title = markdown_text(rungs[0].id) if rungs else "no rung was run"
    blocks = [
        f"## pytest-ladder: {title}",
        markdown_text(part_sentence(report.info.part), MAX_BYTES),
        *_tried(report),
        *_decision(report),
        *_table(report, rungs),
        *_against(report),
        chart,
        *_judges(report),
        *_tags(report),
        *_of_people(report),
        *_remarks(report),
        markdown_text(spend_sentence(matrix.spend), MAX_BYTES),
        f"Replies are shared by {store}." if store else "",
    ]
    page = "\n\n".join(filter(None, blocks)) + "\n"
    room = max_bytes - END_BYTES - len(page.encode())
    ids = [rung.id for rung in rungs]
    roles = {rung: ", ".join(_roles(report, rung)) for rung in ids}
    return page + missed_markdown(report, roles, room)


def _tried(report: Report) -> Iterator[str]:
    """Say what became of a model that was tried, and how to keep it."""
    if not report.tried:
        return
    from pytest_ladder.reporting.sentences.tried import lines_to_keep, tried_sentences

    for text in tried_sentences(report):
        yield f"**{markdown_text(text, MAX_BYTES)}**"
    if lines := lines_to_keep(report):
        yield folded(lines[0].rstrip(":"), "\n".join(["```toml", *lines[2:], "```"]))


def _decision(report: Report) -> Iterator[str]:
    """Say which rung is recommended; what that rests on is folded."""
    said = headline(report.decision)
    if said is not None:
        yield f"**{markdown_text(said, MAX_BYTES)}**"
    looks = [look.sentence for look in report.looks]
    if stands := " ".join(aim_sentences(report)):
        yield markdown_text(stands, MAX_BYTES)
    more = [*details(report.decision), *looks]
    if more:
        kept, left = within(
            [f"- {markdown_text(line, MAX_BYTES)}" for line in more], DECISION_BYTES
        )
        if left:
            kept.append(f"- {count(left, 'more line')} in `matrix.json`.")
        summary = "What it rests on, and what would change it"
        lines = "\n".join(kept)
        yield folded(summary, lines)


def _table(report: Report, rungs: Sequence[RungResult]) -> Iterator[str]:
    if not rungs:
        return
    columns = list(_columns(report, rungs))
    header = table_row(["rung", *(name for name, _ in columns)])
    rule = table_row(["---", *["---:"] * len(columns)])
    lines = []
    for rung in rungs:
        name, roles = markdown_text(rung.id), ", ".join(_roles(report, rung.id))
        name = f"**{name}** ({roles})" if roles else name
        lines.append(table_row([name, *(cell(rung) for _, cell in columns)]))
    kept, left = within(lines, TABLE_BYTES)
    yield "\n".join([header, rule, *kept])
    if left:
        yield f"{count(left, 'more rung')} in `matrix.json`."
    if recorded := recorded_latency(rungs):
        yield rf"\* {recorded}."


def _against(report: Report) -> Iterator[str]:
    """Yield what moved since another run, where the report was held against one."""
    if report.against is not None:
        from pytest_ladder.reporting.against_text import against_markdown

        yield from against_markdown(report.against)


def _of_people(report: Report) -> Iterator[str]:
    """Yield what users did, and what people said whom nobody took for users."""
    if report.users is not None:
        from pytest_ladder.reporting.users_markdown import users_markdown

        yield from users_markdown(report.users)
    if report.people is not None:
        from pytest_ladder.reporting.people_markdown import people_markdown

        yield from people_markdown(report.people, report.info.current)


def _columns(
    report: Report, rungs: Sequence[RungResult]
) -> Iterator[tuple[str, Callable[[RungResult], str]]]:
    """Yield name and cells of each column; what nobody needs is left out."""
    if any(rung.verdict for rung in rungs):
        yield "verdict", lambda rung: rung.verdict or ""
    for level in report.matrix.levels:
        title = markdown_text(outcome_at(report.matrix, level) or level)
        yield f"{title}, 95 % interval", partial(_quality, level=level)
    # What the objective requires is the same for all rungs.
    named = ([one.name for one in rung.requirements] for rung in rungs)
    for place, name in enumerate(next(filter(None, named), [])):
        yield markdown_text(name), partial(_criterion, place=place)
    calls, by = calls_of_prices(rung.cost.usd_per_1k for rung in rungs)
    yield f"$ per {calls} calls", lambda rung: _money(times(rung.cost.usd_per_1k, by))
    if any(rung.cost.build_usd for rung in rungs):
        yield "build", lambda rung: _money(rung.cost.build_usd)
    yield "p50", lambda rung: _latency(rung, rung.latency.p50_s)
    yield "p95", lambda rung: _latency(rung, rung.latency.p95_s)
    if any(rung.latency.tokens_per_second for rung in rungs):
        yield "tokens/s", lambda rung: _number(rung.latency.tokens_per_second)
    if any(map(_reasoning, rungs)):
        yield "reasoning tokens", lambda rung: _number(_reasoning(rung))
    yield (
        "calls live / replayed",
        lambda rung: f"{rung.calls.live:,} / {rung.calls.replayed:,}",
    )
    if any(map(_errors, rungs)):
        yield "errors", lambda rung: f"{_errors(rung):,}" if _errors(rung) else ""


def _roles(report: Report, rung: str) -> Iterator[str]:
    """Say why a reader looks at this rung first."""
    advice = report.decision.recommendation
    if rung == report.info.current:
        yield "current"
    if advice is not None and rung == advice.rung:
        yield "recommended"


def _criterion(rung: RungResult, place: int) -> str:
    held = rung.requirements[place : place + 1]
    return markdown_text(held[0].outcome) if held else ""


def _quality(rung: RungResult, level: Level) -> str:
    cell = rung.levels.get(level)
    if cell is None:
        return ""
    return quality(cell.quality, cell.low, cell.high, cell.n, cell.noun)


def _money(usd: float | None) -> str:
    return markdown_text(dollars(usd))


def _latency(rung: RungResult, duration: float | None) -> str:
    return markdown_text(seconds(duration)) + (r"\*" if rung.latency.recorded else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _reasoning(rung: RungResult) -> float:
    """Return how many tokens a reply spent on reasoning, on average."""
    return rung.tokens.reasoning if rung.tokens else 0.0


def _errors(rung: RungResult) -> int:
    return sum(cell.errors - cell.over_budget for cell in rung.levels.values())


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


def _tags(report: Report) -> Iterator[str]:
    """Fold quality by tag, for the tags with most cases."""
    if not report.tags:
        return
    levels = tag_levels(report)
    heads = [f"{level}, 95 % interval" for level in levels]
    tags = report.tags[:MOST_TAGS]
    lines = [
        [markdown_text(tag), markdown_text(rung), *map(_figures, cells)]
        for tag, rung, cells in tag_rows(tags, levels)
    ]
    table = _short_table(["tag", "rung", *heads], lines, "more line")
    notes = (markdown_text(note) for note in tag_notes(report, len(tags)))
    yield folded("Quality by tag", "\n\n".join([*table, *notes]))


def _figures(cells: Sequence[str]) -> str:
    value, between, n = cells
    return f"{value} ({between}, n={n})" if value else ""


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
    sentences = [
        *ruled_out(matrix),
        *remarks(matrix),
        *map(outgrown_sentence, report.outgrown),
        *judge_remarks(report),
        *judge_notes(report),
    ]
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
