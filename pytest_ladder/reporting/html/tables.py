"""The tables of the page that are the same at every volume: rungs, spend, the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_ladder.core.score import Level
from pytest_ladder.decide.cost import Spend, spend_of
from pytest_ladder.decide.matrix import Cell, RungResult
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.judges import judge_notes, judge_remarks
from pytest_ladder.reporting.sentences.matrix import (
    criteria,
    recorded_latency,
    remarks,
    spend_sentence,
)
from pytest_ladder.reporting.sentences.tags import tag_levels, tag_notes, tag_rows
from pytest_ladder.text.numbers import (
    calls_of_prices,
    count,
    dollars,
    interval,
    percent,
    seconds,
    times,
)

Table = dict[str, Any]


def rung_table(report: Report) -> list[Table]:
    """Give what the matrix says of each rung whatever the volume."""
    return [_rung(report, rung) for rung in report.matrix.rungs]


def tag_table(report: Report) -> Table:
    """Give quality by tag: heads, lines, and what is left out."""
    levels = tag_levels(report)
    return {
        "heads": ["tag", "rung", *map(str, levels)],
        "lines": [
            [tag, rung, *map(_with_interval, figures)]
            for tag, rung, figures in tag_rows(report.tags, levels)
        ],
        "worst": [*_worst_tags(report, levels)],
        "notes": tag_notes(report, len(report.tags)),
    }


def _worst_tags(report: Report, levels: Sequence[Level]) -> Iterator[list[int]]:
    """Give line and level of the lowest cells of the rung that ships.

    Only where the interval is below what the rung has of all cases.
    """
    lines = [rung for tag in report.tags for rung in tag.rungs]
    current = report.info.current
    own = next((one.levels for one in report.matrix.rungs if one.id == current), {})
    for place, level in enumerate(levels):
        whole = own[level].quality if level in own else None
        if whole is None or (level is Level.JUDGED and report.calibrations):
            # Labels correct what a judge says of all cases, but not of those of a tag.
            continue
        below = [
            (cell.quality, line)
            for line, rung in enumerate(lines)
            if rung.id == current
            and (cell := rung.levels.get(level)) is not None
            and cell.quality is not None
            and cell.high is not None
            and cell.high < whole
        ]
        if below:
            yield [min(below)[1], place]


def ledger(report: Report) -> Table:
    """Give what the run spent, on what, and what building the models had cost."""
    spend = report.matrix.spend
    # Rungs of one model share what building it cost.
    built = {rung.model: rung.cost.build_usd for rung in report.matrix.rungs}
    return {
        "line": spend_sentence(spend),
        "cards": [
            ["product", dollars(spend.product_usd), "live replies"],
            ["evaluation", dollars(spend.evaluation_usd), "live judge calls"],
            ["saved", dollars(spend.saved_usd), "what replayed calls once cost"],
            ["build", dollars(math.fsum(built.values())), "of all models, paid before"],
        ],
        "rungs": [_spend_line(report, rung) for rung in report.matrix.rungs],
    }


def how_run(report: Report) -> list[list[str]]:
    """Give label and text of how the run was made."""
    info = report.info
    # Git is asked for the commit, and may be missing or refuse; not for the checkout.
    in_checkout = "no commit yet, or git could not tell it"
    no_commit = in_checkout if info.ladder else "not in a repository"
    lines = [
        ["run", info.id],
        ["started", info.started],
        ["mode", info.mode],
        ["commit", info.git_sha or no_commit],
        ["rung that ships", info.current or "not declared"],
        ["seed of the case order", "none" if info.seed is None else str(info.seed)],
    ]
    if report.attempts:
        *earlier, _ = report.attempts
        text = "1: the first case order that was tried"
        if earlier:
            text = f"{len(report.attempts)}; earlier seeds: {', '.join(earlier)}"
        lines.append(["attempts", text])
    lines += [[name, version] for name, version in sorted(info.versions.items())]
    return lines


def page_remarks(report: Report) -> list[str]:
    """Give what a reader must know before trusting the numbers."""
    judged = (*judge_remarks(report), *judge_notes(report))
    sentences = [*criteria(report.matrix), *remarks(report.matrix), *judged]
    if recorded := recorded_latency(report.matrix.rungs):
        sentences.insert(0, f"* {recorded}.")
    if report.tried:
        from pytest_ladder.reporting.sentences.tried import tried_sentences

        sentences[:0] = tried_sentences(report)
    return sentences


def _rung(report: Report, rung: RungResult) -> Table:
    latency, cost = rung.latency, rung.cost
    _, by = calls_of_prices(one.cost.usd_per_1k for one in report.matrix.rungs)
    hours = f", {cost.build_hours:g} h" if cost.build_hours else ""
    star = "*" if latency.recorded else ""
    used = rung.tokens
    thoughts = f" ({used.reasoning:,.0f} reasoning)" if used and used.reasoning else ""
    return {
        "id": rung.id,
        "model": rung.model,
        "strategy": rung.strategy,
        "tier": str(rung.tier),
        "state": rung.state,
        "why": report.reasons.get(rung.id, ""),
        "current": rung.id == report.info.current,
        "levels": {
            str(level): _cell(cell) | _of_users(report, rung, level)
            for level, cell in rung.levels.items()
        },
        "serve": dollars(times(cost.serve_usd_per_1k, by)) if rung.levels else "",
        "build": f"{dollars(cost.build_usd)}{hours}" if cost.build_usd or hours else "",
        "latency": (
            f"{seconds(latency.p50_s)} / {seconds(latency.p95_s)}{star}"
            if rung.levels
            else ""
        ),
        "tokens": f"{used.input:,.0f} / {used.output:,.0f}{thoughts}" if used else "",
        "calls": f"{rung.calls.live:,} / {rung.calls.replayed:,}",
    }


def _cell(cell: Cell) -> Table:
    return {
        "quality": cell.quality,
        "low": cell.low,
        "high": cell.high,
        "text": percent(cell.quality),
        "interval": interval(cell.low, cell.high),
        "n": cell.n,
        "missed": cell.missed,
        "errors": cell.errors,
        "coverage": cell.coverage,
    }


def _of_users(report: Report, rung: RungResult, level: Level) -> Table:
    """Give who is counted at level real, and the outcome in its own unit."""
    state = report.users.primary if report.users else None
    own = state.of(rung.id) if state else None
    if level is not Level.REAL or state is None or own is None or own.value is None:
        return {}
    in_quality = state.is_share and state.goal == "up"
    notes = [] if in_quality else [f"{state.name} {state.text(own.value.value)}"]
    if own.mark:
        notes.append(own.mark)
    return {"units": " users", "notes": notes}


def _with_interval(figures: Sequence[str]) -> str:
    value, between, n = figures
    return f"{value} ({between}, n = {n})" if value else ""


def _spend_line(report: Report, rung: RungResult) -> list[str]:
    spend: Spend = spend_of(row for row in report.rows if row.rung == rung.id)
    unknown = spend.unknown_calls + spend.unknown_replayed_calls
    return [
        rung.id,
        dollars(spend.product_usd),
        dollars(spend.evaluation_usd),
        dollars(spend.saved_usd),
        f"{spend.live_calls:,}",
        f"{spend.replayed_calls:,}",
        count(unknown, "call") if unknown else "",
    ]
