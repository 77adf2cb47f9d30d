"""What the page shows at each level and volume: decided here, only picked there."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Decision, Recommendation, Roi
from pytest_ladder.decide.matrix import Matrix, RungResult, at_volume
from pytest_ladder.decide.objective import decide
from pytest_ladder.reporting.charts.records import decision_records
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.matrix import (
    gain_text,
    price_text,
    return_text,
    signed,
    standing_text,
)
from pytest_ladder.text.numbers import bar, count, dollars, interval, percent, seconds

View = dict[str, Any]

DECADES = 3
"""Volumes go this far to both sides of the configured one."""
PER_DECADE = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0)
"""Renard's series R10, a fixed ratio apart."""


def volumes_around(volume: int) -> list[int]:
    """Give about 60 round volumes around the configured one, which is among them."""
    exponent = math.floor(math.log10(max(volume, 1)))
    decades = range(max(0, exponent - DECADES), max(0, exponent - DECADES) + 6)
    grid = {round(step * 10**decade) for decade in decades for step in PER_DECADE}
    return sorted({*grid, 10 ** (decades[-1] + 1), volume})


def all_views(report: Report, volumes: list[int]) -> dict[str, list[View]]:
    """Decide at every level with rows and every volume; views are in `volumes` order.

    At the configured level and volume it is the report's own decision.
    """
    matrices = {volume: at_volume(report.matrix, volume) for volume in volumes}
    return {
        str(level): [
            _view(
                report,
                matrices[volume],
                _decided(report, matrices[volume], level, volume),
            )
            for volume in volumes
        ]
        for level in Level
        if level in report.matrix.levels or level is report.decision.level
    }


def _decided(report: Report, matrix: Matrix, level: Level, volume: int) -> Decision:
    given = report.decision
    if (level, volume) == (given.level, given.volume):
        return given
    return decide(
        matrix,
        report.evidence,
        report.objective,
        current=report.info.current,
        level=level,
    )


def _view(report: Report, matrix: Matrix, decision: Decision) -> View:
    standings = {standing.rung: standing for standing in decision.standings}
    return {
        "hero": _hero(report, matrix, decision),
        "order": [rung.id for rung in matrix.rungs],
        "costs": {rung.id: dollars(rung.cost.usd_per_1k) for rung in matrix.rungs},
        "verdicts": decision.verdicts,
        "standings": {
            rung.id: standing_text(standings.get(rung.id))
            for rung in matrix.rungs
            if rung.levels
        },
        "notes": _chart_notes(report, matrix, decision.level),
        "steps": [_step(step) for step in decision.steps],
        "data": decision_records(report, matrix, decision),
    }


def _chart_notes(report: Report, matrix: Matrix, level: Level) -> list[str]:
    """Name the rungs that no chart can show in their place, with the reason."""
    notes: defaultdict[str, list[str]] = defaultdict(list)
    for rung in matrix.rungs:
        cell = rung.levels.get(level)
        if rung.state == "not run":
            why = report.reasons.get(rung.id)
            notes[f"not run ({why})" if why else "not run"].append(rung.id)
        elif cell is None or cell.quality is None:
            notes[f"not measured at {level}"].append(rung.id)
        elif rung.cost.usd_per_1k is None:
            notes["cost unknown, so not in the chart"].append(
                f"{rung.id} ({percent(cell.quality)})"
            )
        elif rung.cost.usd_per_1k == 0:
            notes["costs nothing, so drawn left of all prices"].append(rung.id)
    return [f"{', '.join(rungs)}: {why}." for why, rungs in notes.items()]


def _hero(report: Report, matrix: Matrix, decision: Decision) -> View:
    advice = decision.recommendation
    if advice is None:
        return _no_objective(matrix, decision)
    rungs = {rung.id: rung for rung in matrix.rungs}
    picked = rungs.get(advice.rung or "")
    return {
        "verdict": advice.verdict,
        "title": "Stand on" if picked else "No rung to stand on",
        "rung": picked.id if picked else None,
        "reason": advice.reason,
        "stats": _stats(picked, decision, advice) if picked else [],
        "next": _next(advice),
        "last": (
            "No dearer rung is worth trying."
            if picked
            else "No other rung is left to try."
        ),
        "changes": list(advice.changes),
        "shipped": _shipped(report, rungs, decision, advice),
    }


def _no_objective(matrix: Matrix, decision: Decision) -> View:
    measured = [
        (cell.quality, rung.id)
        for rung in matrix.rungs
        if (cell := rung.levels.get(decision.level)) and cell.quality is not None
    ]
    reason = "Nothing was measured at this level."
    if measured:
        best = max(measured)
        reason = (
            f"The best quality at {decision.level} is {percent(best[0])}, by {best[1]}."
        )
    return {
        "verdict": "none",
        "title": f"{count(len(measured), 'rung')}, no objective",
        "rung": None,
        "reason": f"{reason} For advice, write an [objective] into ladder.toml.",
        "stats": [],
        "next": None,
        "changes": [],
        "shipped": None,
    }


def _stats(
    rung: RungResult, decision: Decision, advice: Recommendation
) -> list[list[str]]:
    """Give label, number and note of what the recommended rung is and costs."""
    stats = []
    cell = rung.levels.get(decision.level)
    if cell is not None and cell.quality is not None:
        note = f"95 %: {interval(cell.low, cell.high)}, n = {cell.n:,}"
        if advice.certified_floor is not None:
            note += f"; certified floor {percent(advice.certified_floor)}"
        stats.append(["quality", percent(cell.quality), note])
    usd, build = rung.cost.usd_per_1k, rung.cost.build_usd
    note = "per 1,000 calls"
    if build:
        note += f", {dollars(rung.cost.serve_usd_per_1k)} of it to use"
    stats.append(["cost", dollars(usd), note])
    total = None if usd is None else usd * decision.volume / 1000
    note = f"for {decision.volume:,} calls"
    if build:
        hours = f" and {rung.cost.build_hours:g} h" if rung.cost.build_hours else ""
        note += f", {dollars(build)}{hours} of it to build"
    stats.append(["total", dollars(total), note])
    latency = rung.latency
    when = "when recorded" if latency.recorded else count(latency.n_live, "live reply")
    when = when.replace("replys", "replies")
    note = f"p95; p50 {seconds(latency.p50_s)}, {when}"
    stats.append(["latency", seconds(latency.p95_s), note])
    return stats


def _next(advice: Recommendation) -> View | None:
    if advice.next_rung is None:
        return None
    step = advice.roi
    return {
        "rung": advice.next_rung,
        "gain": gain_text(step) if step else "not measured yet",
        "price": price_text(step) if step else "",
        "note": _doubt(step),
    }


def _doubt(step: Roi | None) -> str:
    if step is None or step.established:
        return ""
    return "Not established: the paired interval of the gain covers 0."


def _shipped(
    report: Report,
    rungs: dict[str, RungResult],
    decision: Decision,
    advice: Recommendation,
) -> str | None:
    """Say how the rung that ships does, where another one is recommended."""
    current = rungs.get(report.info.current or "")
    if current is None:
        return None
    if current.id == advice.rung:
        return f"You ship {current.id} already."
    cell = current.levels.get(decision.level)
    done = percent(cell.quality if cell else None)
    text = f"You ship {current.id}: {done}"
    text += f", {dollars(current.cost.usd_per_1k)} per 1,000 calls"
    verdict = decision.verdicts.get(current.id)
    text += f", {verdict}." if verdict else "."
    if advice.switch is None:
        return text
    change = f"{gain_text(advice.switch)}, {price_text(advice.switch)}"
    return f"{text} Switching: {change}."


def _step(step: Roi) -> list[str]:
    """Give the cells of the table of steps; the page names the columns alike."""
    money = return_text(step.points_per_1000_usd) if step.established else ""
    good = dollars(step.usd_per_good_answer) if step.established else ""
    hour = step.points_per_build_hour
    volume = step.break_even_volume
    return [
        step.from_rung,
        step.to_rung,
        gain_text(step),
        dollars(step.extra_usd_per_1k),
        money or "not established",
        good or "not established",
        "" if hour is None else signed(hour),
        "" if volume is None else count(round(volume), "call"),
    ]


def objective_text(objective: Objective | None) -> str:
    """Say what the team is after: `good enough: quality ≥ 85.0 % at cheap`."""
    if objective is None:
        return "no objective"
    wanted = []
    if objective.quality is not None:
        wanted.append(f"quality ≥ {bar(objective.quality)} at {objective.level}")
    if objective.usd_per_1k is not None:
        wanted.append(f"at most {dollars(objective.usd_per_1k)} per 1,000 calls")
    if objective.latency_p95_s is not None:
        wanted.append(f"p95 ≤ {seconds(objective.latency_p95_s)}")
    if objective.build_hours is not None:
        wanted.append(f"built within {objective.build_hours:g} h")
    if objective.min_n is not None:
        wanted.append(f"n ≥ {objective.min_n:,}")
    kind = objective.kind.replace("-", " ")
    return f"{kind}: {', '.join(wanted)}" if wanted else kind
