"""The tables of the page that are the same at every volume: rungs, spend, the run."""

from __future__ import annotations

import math
from typing import Any

from pytest_ladder.decide.cost import Spend, spend_of
from pytest_ladder.decide.matrix import Cell, RungResult
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.judges import judge_notes, judge_remarks
from pytest_ladder.reporting.sentences.matrix import remarks, spend_sentence
from pytest_ladder.text.numbers import count, dollars, interval, percent, seconds

Table = dict[str, Any]


def rung_table(report: Report) -> list[Table]:
    """Give what the matrix says of each rung whatever the volume."""
    return [_rung(report, rung) for rung in report.matrix.rungs]


def ledger(report: Report) -> Table:
    """Give what the run spent, on what, and what building the models had cost."""
    spend = report.matrix.spend
    return {
        "line": spend_sentence(spend),
        "cards": [
            ["product", dollars(spend.product_usd), "live replies"],
            ["evaluation", dollars(spend.evaluation_usd), "live judge calls"],
            ["saved", dollars(spend.saved_usd), "what replayed calls once cost"],
            ["build", dollars(_build_usd(report)), "of all models, paid before"],
        ],
        "rungs": [_spend_line(report, rung) for rung in report.matrix.rungs],
    }


def how_run(report: Report) -> list[list[str]]:
    """Give label and text of how the run was made."""
    info = report.info
    attempts = len(report.attempts)
    lines = [
        ["run", info.id],
        ["started", info.started],
        ["mode", info.mode],
        ["commit", info.git_sha or "not in a repository"],
        ["rung that ships", info.current or "not declared"],
        ["seed of the case order", "none" if info.seed is None else str(info.seed)],
    ]
    if attempts:
        lines.append(["attempts", _attempts(report)])
    lines += [[name, version] for name, version in sorted(info.versions.items())]
    return lines


def page_remarks(report: Report) -> list[str]:
    """Give what a reader must know before trusting the numbers."""
    judged = (*judge_remarks(report), *judge_notes(report))
    sentences = [*remarks(report.matrix), *judged]
    if any(rung.latency.recorded for rung in report.matrix.rungs):
        sentences.insert(0, "* latency when recorded; no call was live.")
    return sentences


def _attempts(report: Report) -> str:
    earlier = report.attempts[:-1]
    if not earlier:
        return "1: the first case order that was tried"
    return f"{len(report.attempts)}; earlier seeds: {', '.join(earlier)}"


def _rung(report: Report, rung: RungResult) -> Table:
    latency, cost = rung.latency, rung.cost
    hours = f", {cost.build_hours:g} h" if cost.build_hours else ""
    star = "*" if latency.recorded else ""
    return {
        "id": rung.id,
        "model": rung.model,
        "strategy": rung.strategy,
        "tier": str(rung.tier),
        "state": rung.state,
        "why": report.reasons.get(rung.id, ""),
        "current": rung.id == report.info.current,
        "levels": {str(level): _cell(cell) for level, cell in rung.levels.items()},
        "serve": dollars(cost.serve_usd_per_1k) if rung.levels else "",
        "build": f"{dollars(cost.build_usd)}{hours}" if cost.build_usd or hours else "",
        "latency": (
            f"{seconds(latency.p50_s)} / {seconds(latency.p95_s)}{star}"
            if rung.levels
            else ""
        ),
        "tokens": (
            f"{rung.tokens.input:,.0f} / {rung.tokens.output:,.0f}"
            if rung.tokens
            else ""
        ),
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


def _spend_line(report: Report, rung: RungResult) -> list[str]:
    rows = [row for row in report.rows if row.rung == rung.id]
    spend: Spend = spend_of(
        [bill for row in rows for bill in row.replies],
        [bill for row in rows for bill in row.evaluations],
    )
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


def _build_usd(report: Report) -> float:
    """Sum building over models: rungs of one model share it."""
    built = {rung.model: rung.cost.build_usd for rung in report.matrix.rungs}
    return math.fsum(built.values())
