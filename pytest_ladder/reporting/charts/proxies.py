"""What a level scored against what users did: a point for each rung, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.decide.real.proxies import Proxy
from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.reporting.charts.key import strategies_of
from pytest_ladder.reporting.charts.parts import (
    Record,
    Spec,
    chart,
    mark,
    strategy_colour,
    strategy_shape,
    tooltip,
)
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.users import interval_text
from pytest_ladder.text.numbers import interval, percent


def proxy_chart(report: Report, proxy: Proxy, state: OutcomeState) -> Spec:
    """Draw an outcome against a level's quality; points bear the numbers of a list."""
    points = proxy_points(report.matrix, proxy, state)
    better = "more is better" if state.goal == "up" else "less is better"
    x = _axis("score", f"quality at {proxy.level}", is_share=True)
    y = _axis("value", f"{state.name}, {better}", is_share=state.is_share)
    return chart(
        f"{state.name} of users against the quality at {proxy.level}, by rung.",
        {"rungs": points},
        height=230,
        data={"name": "rungs"},
        encoding={"x": x, "y": y},
        layer=list(_layers(strategies_of(report))),
    )


def proxy_points(matrix: Matrix, proxy: Proxy, state: OutcomeState) -> list[Record]:
    """Give the rungs that have both: fresh ones, and stale ones, which are hollow."""
    points: list[Record] = []
    for rung in matrix.rungs:
        cell, own = rung.levels.get(proxy.level), state.of(rung.id)
        if cell is None or cell.quality is None or own is None or own.value is None:
            continue
        ends = own.value.low, own.value.high
        is_bounded = all(map(math.isfinite, ends))
        points.append(
            {
                "number": str(len(points) + 1),
                "rung": rung.id,
                "strategy": rung.strategy,
                "tier": str(rung.tier),
                "score": cell.quality,
                "score_low": cell.quality if cell.low is None else cell.low,
                "score_high": cell.quality if cell.high is None else cell.high,
                "value": own.value.value,
                "low": ends[0] if is_bounded else own.value.value,
                "high": ends[1] if is_bounded else own.value.value,
                "score_text": percent(cell.quality),
                "score_between": interval(cell.low, cell.high),
                "value_text": state.text(own.value.value),
                "value_between": interval_text(state, own),
                "users": f"{own.units:,}",
                "stale": "stale: changed since users met it"
                if own.is_stale
                else own.mark,
            }
        )
    return points


def _axis(field: str, title: str, *, is_share: bool) -> Record:
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"zero": False, "nice": False, "padding": 14},
        "axis": {
            "title": title,
            "format": ".1~%" if is_share else "~g",
            "tickCount": 5,
            "labelOverlap": "greedy",
            "domain": False,
            "ticks": False,
        },
    }


def _layers(strategies: list[str]) -> Iterator[Record]:
    colour = strategy_colour(strategies, legend=False)
    for axis, low, high in (("x", "score_low", "score_high"), ("y", "low", "high")):
        yield {
            "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.6},
            "encoding": {
                axis: {"field": low, "type": "quantitative"},
                f"{axis}2": {"field": high},
                "color": colour,
            },
        }
    for filled, test in ((True, "!datum.stale"), (False, "datum.stale")):
        yield {
            "transform": [{"filter": test}],
            "mark": {"type": "point", "filled": filled, "size": 110, "strokeWidth": 2},
            "encoding": {
                "color": colour,
                "opacity": {"value": 1},
                "shape": strategy_shape(strategies, legend=False),
                "tooltip": tooltip(
                    rung="rung",
                    score_text="quality",
                    score_between="its interval",
                    value_text="outcome",
                    value_between="its interval ",
                    users="users",
                    stale="note",
                ),
            },
        }
    yield {
        "mark": mark("text", "name", align="left", dx=8, dy=-8),
        "encoding": {"text": {"field": "number"}},
    }
