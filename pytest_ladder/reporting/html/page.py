"""One HTML page from a report: style, scripts and data all within it.

Nothing of a model, a case or a judge is ever markup: it travels as JSON, and the page
puts it in place as text. The page's own policy forbids every request and every script
but the two whose hashes it names.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from pytest_ladder.reporting.charts.records import latency_records
from pytest_ladder.reporting.charts.specs import (
    SHAPES,
    latency_chart,
    quality_cost_chart,
    roi_chart,
    strategies_of,
)
from pytest_ladder.reporting.charts.theme import PALETTES, theme_config
from pytest_ladder.reporting.html.cases import Keep, case_columns
from pytest_ladder.reporting.html.tables import (
    how_run,
    ledger,
    page_remarks,
    rung_table,
)
from pytest_ladder.reporting.html.views import all_views, objective_text, volumes_around
from pytest_ladder.reporting.report import Report

MAX_BYTES = 2_000_000
"""Larger pages are slow to open and refused as attachments."""
PLAIN_BYTES = 20_000
"""Data below this size is not worth compressing."""
KEEPS = (
    Keep(),
    Keep(prompts="missed"),
    Keep(prompts="missed", clip=2000),
    Keep(prompts="none", clip=2000),
    Keep(prompts="none", clip=400),
    Keep(prompts="none", clip=100),
    Keep(prompts="none", clip=0),
)
"""What is tried in turn until the page is small enough."""
SCRIPTS = ("text", "data", "charts", "decision", "tables", "explorer", "detail", "main")
"""Files of the page's script, in the order in which they are joined."""

_SLOT = re.compile(r"\{\{(\w+)\}\}")


def page_html(report: Report, max_bytes: int = MAX_BYTES) -> str:
    """Render the report as one page of at most `max_bytes` where that can be done.

    Texts go first: prompts of passing cases, then all prompts, then the ends of what is
    left; the page says so.
    """
    slots = _slots(report)
    room = (
        max_bytes - sum(len(text) for text in slots.values()) - len(_asset("page.html"))
    )
    for keep in KEEPS:
        cases = _data(case_columns(report, keep))
        if len(cases) <= room:
            break
    slots["cases"] = cases
    return _SLOT.sub(lambda slot: slots[slot[1]], _asset("page.html"))


def _slots(report: Report) -> dict[str, str]:
    script, charts, style = _script(), _charts(), _asset("page.css")
    policy = {
        "default-src": "'none'",
        "script-src": f"{_hash(script)} {_hash(charts)}",
        "style-src": _hash(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return {
        "policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "title": html.escape(_title(report)),
        "headline": html.escape(_headline(report)),
        "style": style,
        "summary": _data(_summary(report)),
        "charts": base64.b64encode(_charts_gz()).decode(),
        "script": script,
    }


def _summary(report: Report) -> dict[str, Any]:
    """Give all data of the page but the cases."""
    volumes = volumes_around(report.decision.volume)
    views = all_views(report, volumes)
    given = report.decision
    latency = latency_records(report)
    tiers = dict.fromkeys(str(rung.tier) for rung in report.matrix.rungs)
    return {
        "start": {"level": str(given.level), "volume": given.volume},
        "objective": objective_text(report.objective),
        "volumes": volumes,
        "views": views,
        "rungs": rung_table(report),
        "strategies": strategies_of(report.matrix),
        "tiers": {tier: shape for tier, shape in SHAPES.items() if tier in tiers},
        "palettes": PALETTES,
        "themes": {name: theme_config(name) for name in PALETTES},
        "specs": {
            "quality": quality_cost_chart(report.matrix, _EMPTY, legend=False),
            "roi": roi_chart(report.matrix, []),
            "latency": latency_chart(report.matrix, latency),
        },
        "ledger": ledger(report),
        "how": how_run(report),
        "looks": list(report.looks),
        "remarks": page_remarks(report),
    }


_EMPTY: dict[str, list[Any]] = {"points": [], "front": [], "hull": [], "limits": []}


def _headline(report: Report) -> str:
    advice = report.decision.recommendation
    if advice is None:
        return "No objective is set, so no rung is recommended."
    return advice.reason


def _title(report: Report) -> str:
    advice = report.decision.recommendation
    if advice is None or advice.rung is None:
        return "pytest-ladder report"
    return f"{advice.rung}: {advice.verdict}, pytest-ladder report"


def _data(value: Any) -> str:
    """Write data so that it can stand in a script element; gzip it if that pays."""
    # A model may return half of a surrogate pair, which UTF-8 does not know.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        errors="replace"
    )
    if len(text) > PLAIN_BYTES:
        return base64.b64encode(gzip.compress(text, compresslevel=9, mtime=0)).decode()
    # Without this character no text can end the script element or open a comment.
    return text.decode().replace("<", "\\u003c")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _script() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


@cache
def _charts() -> str:
    return gzip.decompress(_charts_gz()).decode()


def _charts_gz() -> bytes:
    return _assets("vega.min.js.gz")


@cache
def _asset(name: str) -> str:
    return _assets(name).decode()


def _assets(name: str) -> bytes:
    return (files(__package__) / "assets" / name).read_bytes()
