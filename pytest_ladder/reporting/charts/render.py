"""Charts of a report: as a specification, as a picture, or for GitHub to render.

The same specification is drawn by the page in a browser and by `vl-convert` to a file.
A specification says what is drawn; colours and type come from a theme, so that one
specification serves light and dark.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.charts.key import strategies_of
from pytest_ladder.reporting.charts.parts import Spec
from pytest_ladder.reporting.charts.records import (
    bar_of,
    decision_records,
    latency_records,
)
from pytest_ladder.reporting.charts.specs import (
    latency_chart,
    quality_cost_chart,
    roi_chart,
)
from pytest_ladder.reporting.charts.theme import GROUNDS, PALETTES, Theme, theme_config
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.matrix import price_column

Chart = Literal["quality-cost", "roi", "latency"]

BARS = 30
"""Rungs in the chart for Markdown; more cannot be read."""
_NOT_PLAIN = re.compile(r"[^\w./ +-]")


def chart_spec(report: Report, chart: Chart = "quality-cost") -> Spec:
    """Give one chart of the report, at its level and volume, with its data."""
    strategies = strategies_of(report)
    if chart == "latency":
        return latency_chart(strategies, latency_records(report))
    data = decision_records(report, report.matrix, report.decision)
    if chart == "roi":
        return roi_chart(strategies, data["steps"])
    return quality_cost_chart(
        strategies, data, calls=price_column(report.matrix.rungs)[0]
    )


def chart_svg(
    report: Report, chart: Chart = "quality-cost", theme: Theme = "light"
) -> str:
    """Render a chart as SVG; `ConfigError` without the extra `charts`."""
    config = {**theme_config(theme), "background": GROUNDS[theme], "padding": 12}
    return str(
        converter().vegalite_to_svg({**chart_spec(report, chart), "config": config})
    )


def mermaid_chart(report: Report) -> str:
    """Give a Mermaid chart of quality per rung, cheapest first, for Markdown.

    The line is the objective's bar. Empty when nothing is measured at the level.
    """
    level = report.decision.level
    bars = [
        (rung.id, cell.quality)
        for rung in report.matrix.rungs
        if (cell := rung.levels.get(level)) is not None and cell.quality is not None
    ][:BARS]
    if not bars:
        return ""
    names = ", ".join(f'"{_NOT_PLAIN.sub("_", name)}"' for name, _ in bars)
    heights = ", ".join(f"{100 * height:.1f}" for _, height in bars)
    # Colours that show on light and dark, and a height that suits the bars.
    look = {
        "xyChart": {"width": 700, "height": 110 + 30 * len(bars)},
        "themeVariables": {
            "xyChart": {"plotColorPalette": ", ".join(PALETTES["light"][:2])}
        },
    }
    lines = [
        "```mermaid",
        f"%%{{init: {json.dumps(look)}}}%%",
        "xychart-beta horizontal",
        f'    title "Quality at {level}, cheapest rung first"',
        f"    x-axis [{names}]",
        '    y-axis "quality in %" 0 --> 100',
        f"    bar [{heights}]",
    ]
    bar = bar_of(report.objective)
    if bar is not None:
        lines.append(f"    line [{', '.join([f'{100 * bar:g}'] * len(bars))}]")
    return "\n".join([*lines, "```", ""])


def converter() -> Any:
    """Load what draws charts to files; `ConfigError` without the extra `charts`."""
    try:
        import vl_convert
    except ImportError as error:
        raise ConfigError(
            "Charts as files need the extra `charts`; install pytest-ladder[charts]."
        ) from error
    return vl_convert
