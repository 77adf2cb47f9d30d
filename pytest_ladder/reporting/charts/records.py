"""The data of the charts: a record per rung, per step, per latency.

Names of fields are those that the specifications in `charts.specs` use.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import UsedReply
from pytest_ladder.decide.cost import distinct, latencies
from pytest_ladder.decide.decision import Decision, Roi, Standing
from pytest_ladder.decide.matrix import Cell, Matrix, RungResult
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.matrix import (
    gain_text,
    price_text,
    signed,
    standing_text,
)
from pytest_ladder.stats.intervals import Interval
from pytest_ladder.stats.latency import percentile
from pytest_ladder.text.numbers import bar, dollars, percent, quality, seconds

Record = dict[str, Any]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""

HULL_PIECES = 12
"""A mix of two rungs costs their weighted mean: a curve where cost is logarithmic."""
FREE_AT = 0.25
"""A rung that costs nothing is drawn at this share of the smallest cost."""
DOTS = 40
"""Quantiles that stand for the distribution of one rung's latency."""
NAME_PIXELS = 6.6
"""Width of a letter of a name."""


def decision_records(
    report: Report, matrix: Matrix, decision: Decision
) -> dict[str, list[Record]]:
    """Give the data of the charts that follow a decision, by the names in the specs.

    `matrix` is costed at the decision's volume.
    """
    points = _points(report, matrix, decision)
    front = [point for point in points if point["on_front"]]
    return {
        "points": points,
        "front": [_xy(point) for point in front],
        "hull": _hull([_xy(point) for point in front]),
        "limits": list(_limits(report.objective)),
        "steps": _steps(matrix, decision, front),
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
            dots += [
                {"rung": rung.id, "strategy": rung.strategy, "s": _short(value)}
                for value in _dots(values)
            ]
    limit = report.objective.latency_p95_s if report.objective else None
    limits = [] if limit is None else [{"s": limit, "label": f"p95 ≤ {seconds(limit)}"}]
    return {"boxes": boxes, "dots": dots, "limits": limits}


def bar_of(objective: Objective | None) -> float | None:
    """Give the quality that the objective asks for, in [0, 1], if any."""
    return objective.quality if objective else None


def _points(report: Report, matrix: Matrix, decision: Decision) -> list[Record]:
    """Give a record per rung that can be drawn, cheapest first."""
    standings = {standing.rung: standing for standing in decision.standings}
    picked = decision.recommendation.rung if decision.recommendation else None
    floor = _free_cost(matrix)
    points = []
    for rung in matrix.rungs:
        cell = rung.levels.get(decision.level)
        if cell is None or cell.quality is None or rung.cost.usd_per_1k is None:
            continue
        standing = standings.get(rung.id)
        points.append(
            {
                "rung": rung.id,
                "strategy": rung.strategy,
                "tier": str(rung.tier),
                "recommended": rung.id == picked,
                "current": rung.id == report.info.current,
                "on_front": standing is not None and standing.on_front,
                **_cost_place(rung, report.evidence.serving(rung.id), floor),
                **_quality_place(cell),
                **_point_texts(rung, cell, decision, standing),
            }
        )
    for key, width in (("named", 600), ("named_narrow", 260)):
        for point, side in zip(points, _named(points, width), strict=True):
            point[key] = side is not None
            point["side"] = point.get("side") or side
    return points


def _free_cost(matrix: Matrix) -> float:
    """Where rungs that cost nothing are drawn, in USD per 1,000 calls."""
    costs = [rung.cost.usd_per_1k for rung in matrix.rungs]
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


def _quality_place(cell: Cell) -> Record:
    value = cell.quality or 0.0
    low = value if cell.low is None else cell.low
    high = value if cell.high is None else cell.high
    return {"quality": _short(value), "low": _short(low), "high": _short(high)}


def _point_texts(
    rung: RungResult, cell: Cell, decision: Decision, standing: Standing | None
) -> Record:
    """Give the texts of a tooltip."""
    cost = f"{dollars(rung.cost.usd_per_1k)} per 1,000 calls"
    if rung.cost.build_usd:
        cost += f", {dollars(rung.cost.serve_usd_per_1k)} of it to use"
    return {
        "quality_text": quality(cell.quality, cell.low, cell.high, cell.n),
        "cost_text": cost,
        "latency_text": (
            f"p50 {seconds(rung.latency.p50_s)}, p95 {seconds(rung.latency.p95_s)}"
        ),
        "verdict_text": decision.verdicts.get(rung.id, "no bar"),
        "front_text": standing_text(standing),
    }


def _named(points: Sequence[Record], width: int) -> list[str | None]:
    """Say on which side of a point its name has room, in a chart `width` pixels wide.

    The recommended and the current rung come first, then the front from its top;
    no other rung is named.
    """
    rank = sorted(
        range(len(points)),
        key=lambda n: (
            not points[n]["recommended"],
            not points[n]["current"],
            -points[n]["quality"],
        ),
    )
    places = _pixels(points, width)
    taken = [(x - 9, y - 9, x + 9, y + 9) for x, y in places]
    sides: list[str | None] = [None] * len(points)
    for n in rank:
        if not any(points[n][mark] for mark in ("recommended", "current", "on_front")):
            continue
        x, y = places[n]
        reach = 10 + NAME_PIXELS * len(points[n]["rung"])
        for side, left, right in (
            ("right", x - reach, x - 10),
            ("left", x + 10, x + reach),
        ):
            box = (left, y - 19, right, y - 5)
            if (
                left < 0
                or right > width
                or any(_overlap(box, other) for other in taken)
            ):
                continue
            taken.append(box)
            sides[n] = side
            break
    return sides


def _pixels(points: Sequence[Record], width: int) -> list[tuple[float, float]]:
    """About where points are drawn: scales take in the intervals and some room."""
    if not points:
        return []
    left = math.log(min(point["usd_low"] for point in points))
    right = math.log(max(point["usd_high"] for point in points))
    bottom = min(point["low"] for point in points)
    top = max(point["high"] for point in points)
    across = (width - 72) / ((right - left) or 1)
    down = 376 / ((top - bottom) or 1)
    return [
        (36 + (math.log(p["usd"]) - left) * across, 12 + (top - p["quality"]) * down)
        for p in points
    ]


def _overlap(box: Box, other: Box) -> bool:
    return (
        box[0] < other[2]
        and other[0] < box[2]
        and box[1] < other[3]
        and other[1] < box[3]
    )


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


def _limits(objective: Objective | None) -> Iterator[Record]:
    if objective is None:
        return
    if objective.quality is not None:
        yield {"bar": objective.quality, "label": f"bar {bar(objective.quality)}"}
    if objective.usd_per_1k:
        yield {
            "cap": objective.usd_per_1k,
            "label": f"budget {dollars(objective.usd_per_1k)}",
        }


def _steps(matrix: Matrix, decision: Decision, front: Sequence[Record]) -> list[Record]:
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
    per_good = f"{dollars(step.usd_per_good_answer)} per extra good answer"
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


def _dots(values: list[float]) -> list[float]:
    """Thin out a long distribution to quantiles that are equally likely."""
    if len(values) <= DOTS:
        return values
    return [percentile(values, (k + 0.5) / DOTS) for k in range(DOTS)]


def _short(value: float) -> float:
    """Round to five significant digits: finer than a screen, and half the bytes."""
    return float(f"{value:.5g}") if math.isfinite(value) else 0.0
