"""What charts are made of: the frame, marks, tooltips, colours and shapes of rungs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Record = dict[str, Any]
Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
SHAPES = {
    "circle": "M6 1.2a4.8 4.8 0 1 0 .01 0z",
    "square": "M1.6 1.6h8.8v8.8H1.6z",
    "diamond": "M6 .4 11 6 6 11.6 1 6z",
    "triangle-up": "M6 1 11.4 10.6H.6z",
    "cross": "M4.2 1h3.6v3.2H11v3.6H7.8V11H4.2V7.8H1V4.2h3.2z",
    "triangle-down": "M6 11 11.4 1.4H.6z",
    "triangle-right": "M11 6 1.4 11.4V.6z",
    "triangle-left": "M1 6l9.6 5.4V.6z",
}
"""Shapes of strategies by Vega's names, each as a path in a box of 12 by 12."""


def chart(description: str, datasets: Mapping[str, list[Record]], **parts: Any) -> Spec:
    """Return a specification around its parts."""
    return {
        "$schema": SCHEMA,
        "description": description,
        "width": 680,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "datasets": dict(datasets),
        **parts,
    }


def mark(kind: str, style: str, **more: Any) -> Record:
    """Return a mark that looks as a style of the theme says."""
    return {"type": kind, "style": style, **more}


def tooltip(**labels: str) -> list[Record]:
    """Show fields, by name, under their labels."""
    return [
        {"field": field, "type": "nominal", "title": label}
        for field, label in labels.items()
    ]


def strategy_colour(strategies: list[str], *, legend: bool) -> Record:
    """Mark the strategy of a rung by the colour that it has in every chart."""
    return {
        "field": "strategy",
        "type": "nominal",
        "scale": {"domain": strategies},
        "legend": {"title": "strategy"} if legend else None,
    }


def strategy_shape(strategies: list[str], *, legend: bool) -> Record:
    """Mark the strategy by a shape as well, for whoever sees colours alike."""
    return {
        "field": "strategy",
        "type": "nominal",
        "legend": {"title": "strategy"} if legend else None,
        "scale": {
            "domain": strategies,
            "range": [shape_of(strategies, name) for name in strategies],
        },
    }


def shape_of(strategies: Sequence[str], strategy: str) -> str:
    """Name the shape of a strategy; where colours come again, shapes are others."""
    place = strategies.index(strategy)
    shapes = tuple(SHAPES)
    return shapes[(place + place // len(shapes)) % len(shapes)]


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Give round numbers from `low` to `high`, at most `most` where that is possible.

    In steps of 1, 2, 5 over few powers of ten, of whole powers over more; over less
    than a factor of three evenly, as on any axis. Of one price it is that, in the
    digits that people read. Both ends are above 0.
    """
    if high <= low:
        return [float(f"{low:.3g}")]
    if high < 3 * low:
        step = 10 ** math.floor(math.log10(high - low))
        fitting = (
            step * n for n in (0.2, 0.5, 1, 2, 5) if (high - low) / n < most * step
        )
        step = next(fitting, step)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return [_round(step * n) for n in range(first, last + 1)]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps, every in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3)):
        ticks = [
            _round(step * 10.0**power)
            for power in powers
            if power % every == 0
            for step in steps
            if 0.999 * low <= step * 10.0**power <= 1.001 * high
        ]
        if len(ticks) <= most:
            break
    return ticks


def _round(tick: float) -> float:
    return float(f"{tick:.6g}")
