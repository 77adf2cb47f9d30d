"""The charts as Vega-Lite specifications, in plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ladder.reporting.charts.parts import (
    Record,
    Spec,
    chart,
    log_ticks,
    mark,
    strategy_colour,
    strategy_shape,
    tooltip,
)


def quality_cost_chart(
    strategies: list[str],
    data: Mapping[str, list[Any]],
    *,
    legend: bool = True,
    calls: str = "1,000",
) -> Spec:
    """Draw quality against cost, with intervals, the front, its hull and the limits.

    `calls` are those that the axis gives prices of: `1,000`, or `million`.
    """
    x = {"field": "usd", "type": "quantitative"}
    y = {"field": "quality", "type": "quantitative"}
    layers = [
        {
            "data": {"name": "hull"},
            "mark": mark("line", "hull"),
            "encoding": _xy(x, y),
        },
        {
            "data": {"name": "front"},
            "mark": mark("line", "front", interpolate="step-after"),
            "encoding": _xy(x, y),
        },
        {
            "data": {"name": "points"},
            "mark": mark("line", "model"),
            "encoding": {**_xy(x, y), "detail": {"field": "model"}},
        },
        *_limit_layers(),
        *_interval_layers(),
        *_point_layers(strategies, legend=legend),
        _planned_layer(),
        *_name_layers("points"),
        *_name_layers("planned"),
    ]
    return chart(
        "Quality against cost of every rung, with 95 % intervals and the front.",
        {name: data[name] for name in ("points", "planned", "front", "hull", "limits")},
        height=400,
        params=[
            {"name": "size", "value": 0},
            {"name": "ticks", "value": list(data["ticks"])},
        ],
        layer=layers,
        encoding={"x": _cost_axis(calls), "y": _quality_axis()},
    )


def roi_chart(strategies: list[str], steps: list[Record]) -> Spec:
    """Draw the front as a staircase: a bar per step, as long as the quality it adds."""
    y = {
        "field": "rung",
        "type": "nominal",
        "sort": {"field": "place"},
        "axis": {"title": None, "labelLimit": 170, "domain": False, "ticks": False},
    }
    end = {"x": {"field": "top", "type": "quantitative"}}
    return chart(
        "Quality that each step along the front adds, with what it costs.",
        {"steps": steps},
        height={"step": 36},
        params=[{"name": "narrow", "value": False}],
        data={"name": "steps"},
        encoding={"y": y, "x": _quality_axis("from")},
        layer=[
            _stairs(strategies),
            {
                "transform": [{"filter": "datum.place > 0"}],
                "mark": mark("rule", "whisker"),
                "encoding": {
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                },
            },
            {
                "mark": mark("text", "name", align="left", dx=8, fontWeight=600),
                "encoding": {**end, "text": {"field": "gain_short"}},
            },
            {
                "transform": [{"filter": "!narrow"}],
                "mark": mark("text", "note", align="left", dx=54),
                "encoding": {**end, "text": {"field": "price_short"}},
            },
        ],
    )


def latency_chart(strategies: list[str], data: Mapping[str, list[Record]]) -> Spec:
    """Draw the distribution of latency per rung on a logarithmic axis."""
    ids = [box["rung"] for box in data["boxes"]]
    times = [dot["s"] for dot in data["dots"]]
    time = {
        "title": "seconds per reply, logarithmic",
        "labelExpr": "datum.value < 1 ? format(datum.value * 1000, '~g') + ' ms' "
        ": format(datum.value, '~g') + ' s'",
        "labelOverlap": "greedy",
        "labelSeparation": 14,
        "values": log_ticks(min(times), max(times)) if times else [],
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
    colour = strategy_colour(strategies, legend=False)
    return chart(
        "How long replies took, per rung: quantiles, quartiles, median and p95.",
        dict(data),
        height={"step": 26},
        encoding={"x": x, "y": y},
        layer=list(_latency_layers(colour)),
    )


def _stairs(strategies: list[str]) -> Record:
    return {
        "mark": {"type": "bar", "size": 18, "cornerRadius": 3},
        "encoding": {
            "x2": {"field": "to"},
            "color": strategy_colour(strategies, legend=False),
            "opacity": {
                "condition": {
                    "test": "datum.established && datum.place > 0",
                    "value": 0.95,
                },
                "value": 0.35,
            },
            "tooltip": tooltip(rung="rung", gain="quality", price="cost", note="note"),
        },
    }


def _latency_layers(colour: Record) -> Iterator[Record]:
    boxes = {"data": {"name": "boxes"}}
    told = tooltip(rung="rung", p50="p50", p95="p95", replies="replies")
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
                "tooltip": told,
            },
        }
    yield {
        **boxes,
        "mark": mark("point", "median", filled=True, size=70, opacity=1),
        "encoding": {
            "x": {"field": "p50_s", "type": "quantitative"},
            "tooltip": told,
        },
    }
    limits: Record = {"data": {"name": "limits"}}
    yield {
        **limits,
        "mark": mark("rule", "limit"),
        "encoding": {"y": None, "x": {"field": "s", "type": "quantitative"}},
    }


def _xy(x: Record, y: Record) -> Record:
    return {"x": x, "y": y}


def _cost_axis(calls: str) -> Record:
    usd = "(1000 * datum.value)" if calls == "million" else "datum.value"
    return {
        "field": "usd",
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 36},
        "axis": {
            "title": f"USD per {calls} calls, logarithmic",
            "labelExpr": f"'$' + format({usd}, {usd} >= 1 ? ',~r' : '~r')",
            "labelOverlap": "greedy",
            "labelSeparation": 14,
            "values": {"expr": "ticks"},
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
        yield {**shared, "mark": mark("rule", "limit"), "encoding": encoding}
        yield {
            **shared,
            "mark": mark("text", "limit-label", **label),
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


def _point_layers(strategies: list[str], *, legend: bool) -> Iterator[Record]:
    yield {
        "data": {"name": "points"},
        "transform": [{"filter": "datum.recommended"}],
        "mark": mark("point", "ring", shape="circle", size=480, opacity=1),
        "encoding": {},
    }
    yield {
        "data": {"name": "points"},
        "mark": {"type": "point", "filled": True, "size": 130},
        "encoding": {
            "color": strategy_colour(strategies, legend=legend),
            "shape": strategy_shape(strategies, legend=legend),
            "opacity": {
                "condition": {"test": "datum.on_front", "value": 1},
                "value": 0.55,
            },
            "tooltip": tooltip(
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


def _planned_layer() -> Record:
    """Draw what is not built yet as a hollow mark, at the quality it would need."""
    return {
        "data": {"name": "planned"},
        "mark": {"type": "point", "filled": False, "size": 130, "strokeWidth": 2},
        "encoding": {
            "color": {"field": "strategy", "type": "nominal"},
            "shape": {"field": "strategy", "type": "nominal"},
            "tooltip": tooltip(
                rung="rung",
                tier="tier",
                quality_text="quality",
                cost_text="cost",
                front_text="stands",
            ),
        },
    }


def _name_layers(name: str) -> Iterator[Record]:
    """Name every point where its label has a place, with a line to it if need be."""
    spot = {"calculate": "datum.spots[size]", "as": "spot"}
    yield {
        "data": {"name": name},
        "transform": [spot, {"filter": "datum.spot[2] != 0 || datum.spot[3] != 0"}],
        "mark": mark(
            "rule",
            "leader",
            x2Offset={"expr": "datum.spot[2]"},
            y2Offset={"expr": "datum.spot[3]"},
        ),
        "encoding": {"x2": {"field": "usd"}, "y2": {"field": "quality"}},
    }
    yield {
        "data": {"name": name},
        "transform": [spot, {"calculate": "datum.spot[4]", "as": "label"}],
        "mark": mark(
            "text",
            "name",
            align="center",
            baseline="middle",
            xOffset={"expr": "datum.spot[0]"},
            yOffset={"expr": "datum.spot[1]"},
        ),
        "encoding": {"text": {"field": "label"}},
    }
