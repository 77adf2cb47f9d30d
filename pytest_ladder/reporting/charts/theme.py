"""How charts look: colours, letters and lines, for a light and a dark ground."""

from __future__ import annotations

from typing import Any, Literal

Theme = Literal["light", "dark"]

# After Paul Tol's "bright" scheme, distinct for every kind of colour vision; the
# second is the same, lightened for a dark ground.
PALETTES: dict[Theme, tuple[str, ...]] = {
    "light": (
        *("#2f6fb0", "#e0662e", "#1f8a4c", "#a8327b"),
        *("#b48a00", "#2aa5c4", "#6b6f76", "#7a4fc0"),
    ),
    "dark": (
        *("#6aa9e9", "#ff9a66", "#57c785", "#e27cb9"),
        *("#e3c04a", "#6fd3ea", "#a9adb5", "#b396f0"),
    ),
}
GROUNDS: dict[Theme, str] = {"light": "#ffffff", "dark": "#171c24"}


INKS: dict[Theme, tuple[str, str, str]] = {
    "light": ("#1b2430", "#5a6675", "#1d4ed8"),
    "dark": ("#e6e9ee", "#9aa4b2", "#8fb8ff"),
}
"""Of words, of what is said quietly, and of what stands out."""
VERDICTS: dict[Theme, dict[str, tuple[str, str]]] = {
    "light": {
        "pass": ("#d7f0e6", "#0b5d44"),
        "fail": ("#fde4d8", "#97330c"),
        "undecided": ("#fbefc6", "#6d5300"),
    },
    "dark": {
        "pass": ("#143528", "#7fdcb8"),
        "fail": ("#43200f", "#ffb08c"),
        "undecided": ("#3b3009", "#f0d070"),
    },
}
"""Grounds and inks of verdicts, as the page has them."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def theme_config(theme: Theme) -> dict[str, Any]:
    """Give the part of a specification that says how charts look."""
    dark = theme == "dark"
    ink, quiet, accent = INKS[theme]
    line = "#2d3542" if dark else "#dfe4ea"
    return {
        "font": FONT,
        "background": "transparent",
        "view": {"stroke": None},
        "range": {"category": list(PALETTES[theme])},
        "axis": {
            "labelColor": quiet,
            "titleColor": quiet,
            "titleFontWeight": 500,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titlePadding": 10,
            "gridColor": line,
            "domainColor": line,
            "tickColor": line,
        },
        "legend": {
            "orient": "top",
            "labelColor": quiet,
            "titleColor": quiet,
            "symbolSize": 90,
            # Four long names in a row would not fit.
            "columns": 2,
        },
        # Vega-Lite asks styles for `color` only, not for `fill` and `stroke`.
        "style": {
            "limit": {"color": accent, "strokeDash": [5, 4], "strokeWidth": 1.5},
            "limit-label": {"color": accent, "fontSize": 12, "fontWeight": 600},
            "front": {"color": quiet, "strokeWidth": 2},
            "hull": {"color": quiet, "strokeWidth": 1, "strokeDash": [2, 3]},
            "model": {"color": quiet, "strokeWidth": 1, "opacity": 0.3},
            "leader": {"color": quiet, "strokeWidth": 0.8, "opacity": 0.8},
            "ring": {"color": accent, "strokeWidth": 2, "filled": False},
            "name": {"color": ink, "fontSize": 12, "fontWeight": 500},
            "note": {"color": quiet, "fontSize": 12},
            "whisker": {"color": ink, "strokeWidth": 1.5},
            "median": {"color": ink},
        },
    }
