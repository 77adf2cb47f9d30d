"""The data of the charts: a record per rung, per step, per latency.

Names of fields are those that the specifications in `charts.specs` use.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import UsedReply
from pytest_ladder.decide.cost import distinct, latencies
from pytest_ladder.decide.decision import Decision, Roi, Standing
from pytest_ladder.decide.matrix import Cell, Matrix, RungResult
from pytest_ladder.reporting.charts.key import numbers_of
from pytest_ladder.reporting.charts.labels import spots_of
from pytest_ladder.reporting.charts.parts import Record, log_ticks
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.matrix import (
    gain_text,
    price_text,
    signed,
    standing_text,
)
from pytest_ladder.stats.intervals import Interval
from pytest_ladder.stats.latency import percentile
from pytest_ladder.text.numbers import (
    dollars,
    per_answer,
    per_calls,
    percent,
    quality,
    seconds,
)

if TYPE_CHECKING:
    from pytest_ladder.decide.objectives.kind import Line

HULL_PIECES = 12
"""A mix of two rungs costs their weighted mean: a curve where cost is logarithmic."""
FREE_AT = 0.25
"""A rung that costs nothing is drawn at this share of the smallest cost."""
DOTS = 40
"""Quantiles that stand for the distribution of one rung's latency."""
SIZES = ((900, 400), (560, 400), (260, 330))
"""Width and height in pixels for which names are placed: window, tablet, phone."""
_LIMITS = {"quality": "bar", "cost": "cap"}
"""Lines of an objective that the chart of quality against cost draws."""


def decision_records(
    report: Report,
    matrix: Matrix,
    decision: Decision,
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> dict[str, list[Any]]:
    """Give the data of the charts that follow a decision, by the names in the specs.

    `matrix` is costed at the decision's volume; names are placed for each of `sizes`.
    """
    drawn = [*_points(report, matrix, decision), *_planned(matrix, decision)]
    numbers = numbers_of(report)
    lines = [*_lines(report.objective), *_chance(report.objective)]
    for point in drawn:
        point["number"] = numbers[point["rung"]]
    spots = [spots_of(drawn, lines, width, height) for width, height in sizes]
    for point, *found in zip(drawn, *spots, strict=True):
        point["spots"] = [list(spot) for spot in found]
    points = [point for point in drawn if not point["planned"]]
    front = [point for point in points if point["on_front"]]
    return {
        "points": points,
        "planned": [point for point in drawn if point["planned"]],
        "front": [_xy(point) for point in front],
        "hull": _hull([_xy(point) for point in front]),
        "limits": [
            {_LIMITS[line.of]: line.at, "label": line.label}
            for line in lines
            if line.of in _LIMITS
        ],
        "ticks": _ticks(points),
        "steps": _steps(decision, front),
    }


def latency_records(report: Report) -> dict[str, list[Record]]:
    """Give quantiles of latency per rung, of live replies where there are any."""
    bills: dict[str, list[UsedReply]] = {}
    for row in report.rows:
        bills.setdefault(row.rung, []).extend(row.replies)
    boxes: list[Record] = []
    dots: list[Record] = []
    for rung in report.matrix.rungs:
        used = distinct(bills.get(rung.id, ()))
        live = latencies(used, live=True)
        values = [value for value in live or latencies(used, live=False) if value > 0]
        if values:
            boxes.append(_box(rung, values, recorded=not live))
            if len(values) > DOTS:
                # Quantiles that are equally likely.
                values = [percentile(values, (k + 0.5) / DOTS) for k in range(DOTS)]
            dots += [
                {"rung": rung.id, "strategy": rung.strategy, "s": _short(value)}
                for value in values
            ]
    limits: list[Record] = [
        {"s": line.at, "label": line.label}
        for line in _lines(report.objective)
        if line.of == "latency"
    ]
    return {"boxes": boxes, "dots": dots, "limits": limits}


def _chance(objective: Objective | None) -> list[Line]:
    """Give the line of what guessing scores: none of the objective's own, no bar."""
    if objective is None or objective.chance is None:
        return []
    from pytest_ladder.decide.objectives.kind import Line

    label = f"chance {percent(objective.chance)}"
    return [Line(of="quality", at=objective.chance, label=label)]


def bar_of(objective: Objective | None) -> float | None:
    """Give the quality that the objective asks for, in [0, 1], if any."""
    bars = (line.at for line in _lines(objective) if line.of == "quality")
    return next(bars, None)


def _points(report: Report, matrix: Matrix, decision: Decision) -> list[Record]:
    """Give a record per rung that can be drawn, cheapest first."""
    standings = {standing.rung: standing for standing in decision.standings}
    picked = decision.recommendation.rung if decision.recommendation else None
    floor, points = _floor(matrix), []
    for rung in matrix.rungs:
        cell = rung.levels.get(decision.level)
        if cell is None or cell.quality is None or rung.cost.usd_per_1k is None:
            continue
        standing = standings.get(rung.id)
        points.append(
            {
                "rung": rung.id,
                "model": rung.model,
                "strategy": rung.strategy,
                "tier": str(rung.tier),
                "recommended": rung.id == picked,
                "current": rung.id == report.info.current,
                "on_front": standing is not None and standing.on_front,
                "planned": False,
                **_cost_place(rung, report.evidence.serving(rung.id), floor),
                "quality": _short(cell.quality),
                "low": _short(cell.quality if cell.low is None else cell.low),
                "high": _short(cell.quality if cell.high is None else cell.high),
                **_point_texts(rung, cell, decision, standing),
            }
        )
    return points


def _planned(matrix: Matrix, decision: Decision) -> list[Record]:
    """Give a record per planned rung, at the quality that it would need."""
    tiers = {rung.id: rung for rung in matrix.planned}
    return [
        {
            "rung": worth.rung,
            "model": tiers[worth.rung].model,
            "strategy": tiers[worth.rung].strategy,
            "tier": str(tiers[worth.rung].tier),
            "recommended": False,
            "current": False,
            "on_front": False,
            "planned": True,
            "free": worth.usd_per_1k == 0,
            **dict.fromkeys(
                ("usd", "usd_low", "usd_high"),
                _short(worth.usd_per_1k or _floor(matrix)),
            ),
            **dict.fromkeys(("quality", "low", "high"), _short(worth.quality)),
            "quality_text": f"would need {percent(worth.quality)}",
            "cost_text": (
                f"about {per_calls(worth.usd_per_1k)}, "
                f"{dollars(worth.serve_usd_per_1k)} of it to use"
            ),
            "front_text": "planned, not built yet",
        }
        for worth in decision.planned
        if worth.quality is not None
    ]


def _floor(matrix: Matrix) -> float:
    """Return where rungs that cost nothing are drawn, in USD per 1,000 calls."""
    costs = (rung.cost.usd_per_1k for rung in matrix.rungs)
    return FREE_AT * min((usd for usd in costs if usd), default=1.0)


def _cost_place(rung: RungResult, serving: Interval | None, floor: float) -> Record:
    """Place a rung in USD per 1,000 calls; only what using it costs is uncertain."""
    usd = rung.cost.usd_per_1k or 0.0
    build = usd - (rung.cost.serve_usd_per_1k or 0.0)
    low, high = serving or (usd - build, usd - build)
    return {
        "free": usd == 0,
        "usd": _short(usd or floor),
        "usd_low": _short(min(usd, build + low) or floor),
        "usd_high": _short(max(usd, build + high) or floor),
    }


def _point_texts(
    rung: RungResult, cell: Cell, decision: Decision, standing: Standing | None
) -> Record:
    """Give the texts of a tooltip."""
    cost = per_calls(rung.cost.usd_per_1k)
    if rung.cost.build_usd:
        cost += f", {dollars(rung.cost.serve_usd_per_1k)} of it to use"
    return {
        "quality_text": quality(cell.quality, cell.low, cell.high, cell.n),
        "cost_text": cost,
        "latency_text": (
            f"p50 {seconds(rung.latency.p50_s)}, p95 {seconds(rung.latency.p95_s)}"
        ),
        "verdict_text": decision.rung_verdicts.get(rung.id, "no bar"),
        "front_text": standing_text(standing),
    }


def _ticks(points: Sequence[Record]) -> list[float]:
    """Give the labels of the axis of cost: none where rungs that cost nothing lie."""
    priced = [point for point in points if not point["free"]]
    if not priced:
        return []
    low = min(point["usd_low"] for point in priced)
    return log_ticks(low, max(point["usd_high"] for point in priced))


def _xy(point: Record) -> Record:
    return {"usd": point["usd"], "quality": point["quality"]}


def _hull(front: Sequence[Record]) -> list[Record]:
    """Give the upper hull of the front, which routing between two rungs attains."""
    corners: list[Record] = []
    for point in front:
        while len(corners) > 1 and _below(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    line = corners[:1]
    for start, end in itertools.pairwise(corners):
        if end["usd"] == start["usd"]:
            # So near in price that a chart shows one: nothing is between them.
            line.append(_xy(end))
            continue
        for piece in range(1, HULL_PIECES + 1):
            usd = start["usd"] * (end["usd"] / start["usd"]) ** (piece / HULL_PIECES)
            share = (usd - start["usd"]) / (end["usd"] - start["usd"])
            rise = share * (end["quality"] - start["quality"])
            line.append({"usd": _short(usd), "quality": start["quality"] + rise})
    return line


def _below(start: Record, middle: Record, end: Record) -> bool:
    """Whether `middle` lies on or below the chord from `start` to `end`."""
    run, rise = end["usd"] - start["usd"], end["quality"] - start["quality"]
    at = (middle["usd"] - start["usd"]) * rise
    return bool((middle["quality"] - start["quality"]) * run <= at)


def _lines(objective: Objective | None) -> list[Line]:
    if objective is None:
        return []
    from pytest_ladder.decide.objectives.table import kind_of

    return list(kind_of(objective).lines(objective))


def _steps(decision: Decision, front: Sequence[Record]) -> list[Record]:
    """Give the first rung of the front, then a record per step."""
    places = {point["rung"]: point for point in front}
    records: list[Record] = []
    for step in decision.steps:
        below, above = places.get(step.from_rung), places.get(step.to_rung)
        if below is None or above is None:
            continue
        if not records:
            records.append(_landing(below))
        records.append(_stair(step, below, above, len(records)))
    return records


def _landing(point: Record) -> Record:
    return {
        "place": 0,
        "rung": point["rung"],
        "strategy": point["strategy"],
        "from": max(0.0, _short(point["low"] - 0.05)),
        "to": point["quality"],
        "top": point["quality"],
        "established": True,
        "gain_short": percent(point["quality"]),
        "price_short": "",
        "gain": point["quality_text"],
        "price": point["cost_text"],
        "note": "the cheapest rung of the front",
    }


def _stair(step: Roi, below: Record, above: Record, index: int) -> Record:
    known = step.low is not None and step.high is not None
    start = below["quality"]
    low = start + (step.low or 0.0) / 100 if known else above["quality"]
    high = start + (step.high or 0.0) / 100 if known else above["quality"]
    per_good = per_answer(step.usd_per_good_answer)
    return {
        "place": index,
        "rung": step.to_rung,
        "strategy": above["strategy"],
        "from": start,
        "to": above["quality"],
        "low": _short(low),
        "high": _short(high),
        "top": _short(max(high, above["quality"])),
        "established": step.established,
        "gain_short": signed(step.points),
        "price_short": per_good if step.established else "not established",
        "gain": gain_text(step),
        "price": price_text(step),
        "note": "" if step.established else "not established: the interval covers 0",
    }


def _box(rung: RungResult, values: list[float], *, recorded: bool) -> Record:
    marks = {"p5_s": 0.05, "q1": 0.25, "p50_s": 0.5, "q3": 0.75, "p95_s": 0.95}
    quantiles = {name: _short(percentile(values, q)) for name, q in marks.items()}
    return {
        "rung": rung.id,
        "strategy": rung.strategy,
        **quantiles,
        "p50": seconds(quantiles["p50_s"]),
        "p95": seconds(quantiles["p95_s"]),
        "replies": f"{len(values):,} {'recorded' if recorded else 'live'}",
    }


def _short(value: float) -> float:
    """Round to five significant digits: finer than a screen, and half the bytes."""
    return float(f"{value:.5g}") if math.isfinite(value) else 0.0
