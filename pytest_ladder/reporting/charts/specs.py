"""The charts as Vega-Lite specifications, in plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_ladder.core.rung import Tier
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.reporting.charts.records import Record

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
SHAPES = {
    Tier.OFF_THE_SHELF: "circle",
    Tier.FINE_TUNED: "square",
    Tier.CONTINUED_PRETRAINED: "diamond",
    Tier.PRETRAINED: "triangle-up",
}


def quality_cost_chart(
    matrix: Matrix, data: Mapping[str, list[Record]], *, legend: bool = True
) -> Spec:
    """Draw quality against cost, with intervals, the front, its hull and the limits."""
    x = {"field": "usd", "type": "quantitative"}
    y = {"field": "quality", "type": "quantitative"}
    layers = [
        {
            "data": {"name": "hull"},
            "mark": _mark("line", "hull"),
            "encoding": _xy(x, y),
        },
        {
            "data": {"name": "front"},
            "mark": _mark("line", "front", interpolate="step-after"),
            "encoding": _xy(x, y),
        },
        *_limit_layers(),
        *_interval_layers(),
        *_point_layers(matrix, legend=legend),
        *_name_layers(),
    ]
    return _spec(
        "Quality against cost of every rung, with 95 % intervals and the front.",
        {name: data[name] for name in ("points", "front", "hull", "limits")},
        height=400,
        params=[
            {"name": "narrow", "value": False},
            {"name": "priced", "value": _priced(data["points"])},
        ],
        layer=layers,
        encoding={"x": _cost_axis(), "y": _quality_axis()},
    )


def roi_chart(matrix: Matrix, steps: list[Record]) -> Spec:
    """Draw the front as a staircase: a bar per step, as long as the quality it adds."""
    y = {
        "field": "rung",
        "type": "nominal",
        "sort": {"field": "place"},
        "axis": {"title": None, "labelLimit": 170, "domain": False, "ticks": False},
    }
    end = {"x": {"field": "top", "type": "quantitative"}}
    return _spec(
        "Quality that each step along the front adds, with what it costs.",
        {"steps": steps},
        height={"step": 36},
        params=[{"name": "narrow", "value": False}],
        data={"name": "steps"},
        encoding={"y": y, "x": _quality_axis("from")},
        layer=[
            _stairs(strategies_of(matrix)),
            {
                "transform": [{"filter": "datum.place > 0"}],
                "mark": _mark("rule", "whisker"),
                "encoding": {
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                },
            },
            {
                "mark": _mark("text", "name", align="left", dx=8, fontWeight=600),
                "encoding": {**end, "text": {"field": "gain_short"}},
            },
            {
                "transform": [{"filter": "!narrow"}],
                "mark": _mark("text", "note", align="left", dx=54),
                "encoding": {**end, "text": {"field": "price_short"}},
            },
        ],
    )


def latency_chart(matrix: Matrix, data: Mapping[str, list[Record]]) -> Spec:
    """Draw the distribution of latency per rung on a logarithmic axis."""
    ids = [box["rung"] for box in data["boxes"]]
    time = {
        "title": "seconds per reply, logarithmic",
        "labelExpr": "datum.value < 1 ? format(datum.value * 1000, '~g') + ' ms' "
        ": format(datum.value, '~g') + ' s'",
        "labelOverlap": "greedy",
        "labelSeparation": 14,
        "tickCount": 6,
    }
    x = {
        "field": "s",
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": time,
    }
    y = {
        "field": "rung",
        "type": "nominal",
        "sort": ids,
        "axis": {"title": None, "labelLimit": 170, "domain": False, "ticks": False},
    }
    colour = _strategy_colour(strategies_of(matrix), legend=False)
    return _spec(
        "How long replies took, per rung: quantiles, quartiles, median and p95.",
        dict(data),
        height={"step": 26},
        encoding={"x": x, "y": y},
        layer=list(_latency_layers(colour)),
    )


def strategies_of(matrix: Matrix) -> list[str]:
    """Name the strategies in the order of their colours.

    By name: the rungs' own order is by price, and a strategy keeps its colour when
    prices change from one run to the next.
    """
    return sorted({rung.strategy for rung in matrix.rungs})


def _stairs(strategies: list[str]) -> Record:
    return {
        "mark": {"type": "bar", "size": 18, "cornerRadius": 3},
        "encoding": {
            "x2": {"field": "to"},
            "color": _strategy_colour(strategies, legend=False),
            "opacity": {
                "condition": {
                    "test": "datum.established && datum.place > 0",
                    "value": 0.95,
                },
                "value": 0.35,
            },
            "tooltip": _tooltip(rung="rung", gain="quality", price="cost", note="note"),
        },
    }


def _latency_layers(colour: Record) -> Iterator[Record]:
    boxes = {"data": {"name": "boxes"}}
    tooltip = _tooltip(rung="rung", p50="p50", p95="p95", replies="replies")
    yield {
        "data": {"name": "dots"},
        "mark": {"type": "tick", "thickness": 1.5, "size": 14, "opacity": 0.35},
        "encoding": {"color": colour},
    }
    for low, high, size, opacity in (("p5_s", "p95_s", 2, 0.9), ("q1", "q3", 9, 0.75)):
        yield {
            **boxes,
            "mark": {"type": "rule", "strokeWidth": size, "opacity": opacity},
            "encoding": {
                "x": {"field": low, "type": "quantitative"},
                "x2": {"field": high},
                "color": colour,
                "tooltip": tooltip,
            },
        }
    yield {
        **boxes,
        "mark": _mark("point", "median", filled=True, size=70, opacity=1),
        "encoding": {
            "x": {"field": "p50_s", "type": "quantitative"},
            "tooltip": tooltip,
        },
    }
    limits: Record = {"data": {"name": "limits"}}
    yield {
        **limits,
        "mark": _mark("rule", "limit"),
        "encoding": {"y": None, "x": {"field": "s", "type": "quantitative"}},
    }


def _spec(description: str, datasets: Mapping[str, list[Record]], **parts: Any) -> Spec:
    return {
        "$schema": SCHEMA,
        "description": description,
        "width": 680,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "datasets": dict(datasets),
        **parts,
    }


def _mark(kind: str, style: str, **more: Any) -> Record:
    return {"type": kind, "style": style, **more}


def _xy(x: Record, y: Record) -> Record:
    return {"x": x, "y": y}


def _tooltip(**labels: str) -> list[Record]:
    """Show fields, by name, under their labels."""
    return [
        {"field": field, "type": "nominal", "title": label}
        for field, label in labels.items()
    ]


def _priced(points: Sequence[Record]) -> float:
    """From where on the axis of cost is labelled: rungs that cost nothing lie below."""
    costs = [point["usd_low"] for point in points if not point["free"]]
    if len(costs) == len(points):
        return 0.0
    return 0.7 * min(costs, default=1e300)


def _cost_axis() -> Record:
    return {
        "field": "usd",
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 36},
        "axis": {
            "title": "USD per 1,000 calls, logarithmic",
            "labelExpr": "datum.value < priced ? '' "
            ": datum.value >= 1 ? '$' + format(datum.value, ',~r') "
            ": '$' + format(datum.value, '~r')",
            "labelOverlap": "greedy",
            "labelSeparation": 14,
            "tickCount": 6,
            "grid": False,
        },
    }


def _quality_axis(field: str = "quality") -> Record:
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"zero": False, "nice": False, "padding": 12},
        "axis": {
            "title": "quality",
            "format": ".0%",
            "tickCount": 6,
            "domain": False,
            "ticks": False,
        },
    }


def _limit_layers() -> Iterator[Record]:
    for field, axis, label in (
        ("bar", "y", {"align": "left", "x": 4, "dy": -7}),
        ("cap", "x", {"align": "left", "y": 8, "dx": 6}),
    ):
        other = "x" if axis == "y" else "y"
        encoding = {other: None, axis: {"field": field, "type": "quantitative"}}
        shared: Record = {
            "data": {"name": "limits"},
            "transform": [{"filter": f"isValid(datum.{field})"}],
        }
        yield {**shared, "mark": _mark("rule", "limit"), "encoding": encoding}
        yield {
            **shared,
            "mark": _mark("text", "limit-label", **label),
            "encoding": {**encoding, "text": {"field": "label"}},
        }


def _interval_layers() -> Iterator[Record]:
    for axis, other, low, high in (
        ("y", "x", "low", "high"),
        ("x", "y", "usd_low", "usd_high"),
    ):
        middle = "usd" if other == "x" else "quality"
        yield {
            "data": {"name": "points"},
            "mark": {"type": "rule", "strokeWidth": 1.5},
            "encoding": {
                axis: {"field": low, "type": "quantitative"},
                f"{axis}2": {"field": high},
                other: {"field": middle, "type": "quantitative"},
                "color": {"field": "strategy", "type": "nominal"},
                "opacity": {
                    "condition": {"test": "datum.on_front", "value": 0.6},
                    "value": 0.25,
                },
            },
        }


def _point_layers(matrix: Matrix, *, legend: bool) -> Iterator[Record]:
    strategies = strategies_of(matrix)
    tiers = [tier for tier in Tier if any(rung.tier is tier for rung in matrix.rungs)]
    yield {
        "data": {"name": "points"},
        "transform": [{"filter": "datum.recommended"}],
        "mark": _mark("point", "ring", shape="circle", size=480, opacity=1),
        "encoding": {},
    }
    yield {
        "data": {"name": "points"},
        "mark": {"type": "point", "filled": True, "size": 130},
        "encoding": {
            "color": _strategy_colour(strategies, legend=legend),
            "shape": {
                "field": "tier",
                "type": "nominal",
                "legend": {"title": "tier"} if legend and len(tiers) > 1 else None,
                "scale": {
                    "domain": [str(tier) for tier in tiers],
                    "range": [SHAPES[tier] for tier in tiers],
                },
            },
            "opacity": {
                "condition": {"test": "datum.on_front", "value": 1},
                "value": 0.55,
            },
            "tooltip": _tooltip(
                rung="rung",
                tier="tier",
                quality_text="quality",
                cost_text="cost",
                latency_text="latency",
                verdict_text="verdict",
                front_text="stands",
            ),
        },
    }


def _strategy_colour(strategies: list[str], *, legend: bool) -> Record:
    return {
        "field": "strategy",
        "type": "nominal",
        "scale": {"domain": strategies},
        "legend": {"title": "strategy"} if legend else None,
    }


def _name_layers() -> Iterator[Record]:
    """Name rungs where there is room, above and left of the front if need be."""
    for side, offset in (("left", 10), ("right", -10)):
        yield {
            "data": {"name": "points"},
            "transform": [
                {"filter": "narrow ? datum.named_narrow : datum.named"},
                {"filter": f"datum.side == '{side}'"},
            ],
            "mark": _mark("text", "name", align=side, dx=offset, dy=-12),
            "encoding": {"text": {"field": "rung"}},
        }
