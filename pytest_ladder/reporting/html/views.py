"""What the page shows at each level and volume: decided here, only picked there."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Decision, Recommendation, Roi
from pytest_ladder.decide.matrix import Matrix, RungResult, at_volume
from pytest_ladder.decide.objective import decide
from pytest_ladder.reporting.charts.records import decision_records
from pytest_ladder.reporting.report import Report, decides
from pytest_ladder.reporting.sentences.aim import aim_sentences, aim_title, without
from pytest_ladder.reporting.sentences.matrix import (
    gain_text,
    outgrown_sentence,
    price_text,
    return_text,
    signed,
    standing_text,
)
from pytest_ladder.reporting.sentences.planned import need_text, planned_sentences
from pytest_ladder.text.numbers import (
    NOT_AVAILABLE,
    calls_of_prices,
    count,
    dollars,
    interval,
    per_calls,
    percent,
    seconds,
    times,
)

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
        str(level): list(_views(report, matrices, level))
        for level in Level
        if level in report.matrix.levels or level == report.decision.level
    }


def _views(
    report: Report, matrices: Mapping[int, Matrix], level: Level
) -> Iterator[View]:
    """Yield the view of a level at each volume, with what the last one shares with it.

    Where no rung has a build to spread, most decisions differ in their volume alone,
    and most of plain runs tell nothing that depends on it.
    """
    rungs: tuple[RungResult, ...] | None = None
    decision, view = report.decision, dict[str, Any]()
    for volume, matrix in matrices.items():
        is_same = matrix.rungs == rungs
        names_volume = decision.recommendation or decision.steps or decision.planned
        if is_same and report.objective is None and not names_volume:
            yield view
            continue
        last, decision = decision, _decided(report, matrix, level, volume)
        if is_same and decision == replace(last, volume=volume):
            view = {**view, **_told(report, matrix, decision)}
        else:
            view = _view(report, matrix, decision)
        rungs = matrix.rungs
        yield view


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
        part=report.info.part,
    )


def _view(report: Report, matrix: Matrix, decision: Decision) -> View:
    standings = {standing.rung: standing for standing in decision.standings}
    by = _calls(report)[1]
    told = _told(report, matrix, decision)
    return {
        "hero": told["hero"],
        "order": [rung.id for rung in matrix.rungs],
        "costs": {
            rung.id: dollars(times(rung.cost.usd_per_1k, by)) for rung in matrix.rungs
        },
        "verdicts": decision.rung_verdicts,
        "standings": {
            rung.id: standing_text(standings.get(rung.id))
            for rung in matrix.rungs
            if rung.levels
        },
        "notes": _chart_notes(report, matrix, decision),
        "steps": told["steps"],
        "data": decision_records(report, matrix, decision),
    }


def _told(report: Report, matrix: Matrix, decision: Decision) -> View:
    """Give what names the volume of a decision that recommends, steps or plans."""
    by = _calls(report)[1]
    return {
        "hero": _hero(report, matrix, decision),
        "steps": [_step(step, by, decision.volume) for step in decision.steps],
    }


def _calls(report: Report) -> tuple[str, int]:
    """Say for how many calls tables give prices, the same at every volume."""
    return calls_of_prices(rung.cost.usd_per_1k for rung in report.matrix.rungs)


def _chart_notes(report: Report, matrix: Matrix, decision: Decision) -> list[str]:
    """Say what the chart cannot show: rungs that have no place in it, and why."""
    notes: defaultdict[str, list[str]] = defaultdict(list)
    level = decision.level
    for rung in matrix.rungs:
        cell = rung.levels.get(level)
        if rung.state == "not run":
            why = report.reasons.get(rung.id)
            notes[f"not run ({why})" if why else "not run"].append(rung.id)
        elif cell is None or cell.quality is None:
            notes[f"not measured at {report.level_name(level)}"].append(rung.id)
        elif rung.cost.usd_per_1k is None:
            notes["cost unknown, so not in the chart"].append(
                f"{rung.id} ({percent(cell.quality)})"
            )
        elif rung.cost.usd_per_1k == 0:
            notes["costs nothing, so drawn left of all prices"].append(rung.id)
    for worth in decision.planned:
        if worth.quality is not None:
            why = "planned, drawn hollow at the quality that would be worth its build"
            notes[why].append(f"{worth.rung} ({need_text(worth)})")
        else:
            notes[f"planned; what would be worth it: {need_text(worth)}"].append(
                worth.rung
            )
    return [
        *(outgrown_sentence(each) for each in report.outgrown if each.level is level),
        *(f"{', '.join(rungs)}: {why}." for why, rungs in notes.items()),
    ]


def _hero(report: Report, matrix: Matrix, decision: Decision) -> View:
    advice = decision.recommendation
    if advice is None:
        return _no_objective(report, matrix, decision)
    rungs = {rung.id: rung for rung in matrix.rungs}
    picked = rungs.get(advice.rung or "")
    last = "No dearer rung is worth trying."
    if not picked:
        left = "would tell" if advice.verdict == "undecided" else "is left to try"
        last = f"No other rung {left}."
    # Undecided is not that there is none.
    none = "Not decided yet" if advice.verdict == "undecided" else "No rung to stand on"
    return {
        "verdict": advice.verdict,
        "title": none if picked is None else "Stand on",
        "rung": picked.id if picked else None,
        "reason": advice.reason,
        "stats": _stats(report, picked, decision, advice) if picked else [],
        "users": _user_lines(report, decision, advice.rung),
        "next": _next(decision, advice),
        "last": last,
        "changes": [*advice.changes, *planned_sentences(decision)],
        "shipped": _shipped(report, rungs, decision, advice),
    }


def _no_objective(report: Report, matrix: Matrix, decision: Decision) -> View:
    measured = [
        (cell.quality, rung.id)
        for rung in matrix.rungs
        if (cell := rung.levels.get(decision.level)) and cell.quality is not None
    ]
    reason = "Nothing was measured at this level."
    if measured:
        # Of equals the first, which is the cheapest.
        best = max(measured, key=lambda one: one[0])
        reason = (
            f"The best quality at {report.level_name(decision.level)} is "
            f"{percent(best[0])}, by {best[1]}."
        )
    title = aim_title(report) or f"{count(len(measured), 'rung')}, {without(report)}"
    if said := " ".join(aim_sentences(report)):
        reason = said
    elif decides(report.info.mode):
        reason += " For advice, write an [objective] into ladder.toml."
    else:
        reason += (
            " For advice, run `pytest --ladder=matrix`, with an [objective] in "
            "ladder.toml."
        )
    others = _user_lines(report, decision, None)
    if report.tried:
        from pytest_ladder.reporting.sentences.tried import tried_sentences

        title = f"Tried: {', '.join(tried.verdict for tried in report.tried)}"
        reason, *more = tried_sentences(report)
        others = [*more, *others]
    return {
        "verdict": "none",
        "title": title,
        "rung": None,
        "reason": reason,
        "stats": [],
        "users": others,
        "next": None,
        "changes": [*planned_sentences(decision)],
        "shipped": None,
    }


def _user_lines(report: Report, decision: Decision, rung: str | None) -> list[str]:
    if report.users is None or decision.level is not Level.REAL:
        return []
    # Most suites know nothing of users.
    from pytest_ladder.reporting.html.users import lines_on

    said = decision.recommendation.reason if decision.recommendation else ""
    return lines_on(report.users, rung or report.info.current, said)


def _quality_stat(report: Report, rung: RungResult, level: Level) -> list[str]:
    """Give label, figure and interval; at level real in the outcome's own unit."""
    cell = rung.levels.get(level)
    if cell is None or cell.quality is None:
        return []
    if level is Level.REAL and report.users and report.users.primary:
        from pytest_ladder.reporting.html.users import stat_of

        return stat_of(report.users.primary, rung.id)
    between = f"95 %: {interval(cell.low, cell.high)}, n = {cell.n:,}"
    return ["quality", percent(cell.quality), between]


def _stats(
    report: Report, rung: RungResult, decision: Decision, advice: Recommendation
) -> list[list[str]]:
    """Give label, number and note of what the recommended rung is and costs."""
    stats = []
    if quality := _quality_stat(report, rung, decision.level):
        if advice.certified_floor is not None:
            quality[-1] += f"; certified floor {percent(advice.certified_floor)}"
        stats.append(quality)
    usd, build = rung.cost.usd_per_1k, rung.cost.build_usd
    calls, by = calls_of_prices([usd, rung.cost.serve_usd_per_1k])
    note = f"per {calls} calls"
    if build:
        note += f", {dollars(times(rung.cost.serve_usd_per_1k, by))} of it to use"
    stats.append(["cost", dollars(times(usd, by)), note])
    total = None if usd is None else usd * decision.volume / 1000
    note = f"for {decision.volume:,} calls"
    if build:
        hours = f" and {rung.cost.build_hours:g} h" if rung.cost.build_hours else ""
        note += f", {dollars(build)}{hours} of it to build"
    stats.append(["total", dollars(total), note])
    latency = rung.latency
    when = "when recorded" if latency.recorded else count(latency.n_live, "live reply")
    when = when.replace("replys", "replies")
    speed = latency.tokens_per_second
    told = "" if speed is None else f", {speed:,.0f} tokens/s"
    note = f"p95; p50 {seconds(latency.p50_s)}{told}, {when}"
    stats.append(["latency", seconds(latency.p95_s), note])
    return stats


def _next(decision: Decision, advice: Recommendation) -> View | None:
    if advice.next_rung is None:
        return None
    step = advice.roi
    # Users of two rungs are different people, who cannot be paired.
    paired = "" if decision.level is Level.REAL else "paired "
    doubt = f"Not established: the {paired}interval of the gain covers 0."
    return {
        "rung": advice.next_rung,
        "gain": gain_text(step) if step else "not measured yet",
        "price": price_text(step) if step else "",
        "note": "" if step is None or step.established else doubt,
    }


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
    quality = _quality_stat(report, current, decision.level)
    text = f"You ship {current.id}: {quality[1] if quality else NOT_AVAILABLE}"
    text += f", {per_calls(current.cost.usd_per_1k)}"
    verdict = decision.rung_verdicts.get(current.id)
    text += f", {verdict}." if verdict else "."
    if advice.switch is None:
        return text
    change = f"{gain_text(advice.switch)}, {price_text(advice.switch)}"
    return f"{text} Switching: {change}."


def _step(step: Roi, by: int, volume: int) -> list[str]:
    """Give the cells of the table of steps; the page names the columns alike."""
    money = ""
    if step.established:
        money = return_text(step.points_per_1000_usd, volume)
    usd = step.usd_per_good_answer
    good = dollars(times(usd, 1000)) if step.established else ""
    hour = step.points_per_build_hour
    even = step.break_even_volume
    return [
        step.from_rung,
        step.to_rung,
        gain_text(step),
        dollars(times(step.extra_usd_per_1k, by)),
        money or "not established",
        good or "not established",
        "" if hour is None else signed(hour),
        "" if even is None else count(round(even), "call"),
    ]
