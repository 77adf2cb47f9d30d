"""One HTML page from a report: style, scripts and data all within it.

Nothing of a model, a case or a judge is ever markup: it travels as JSON, and the page
puts it in place as text. The page's own policy forbids every request and every script
but the two whose hashes it names.
"""

from __future__ import annotations

import base64
import bisect
import hashlib
import html
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.reporting.charts.key import key_of, numbers_of, strategies_of
from pytest_ladder.reporting.charts.parts import SHAPES, shape_of
from pytest_ladder.reporting.charts.records import latency_records
from pytest_ladder.reporting.charts.specs import (
    latency_chart,
    quality_cost_chart,
    roi_chart,
)
from pytest_ladder.reporting.charts.theme import PALETTES, theme_config
from pytest_ladder.reporting.html.cases import Keep, case_columns
from pytest_ladder.reporting.html.tables import (
    how_run,
    ledger,
    page_remarks,
    rung_table,
    tag_table,
)
from pytest_ladder.reporting.html.views import View, all_views, volumes_around
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.aim import aim_text, why_no_advice, without
from pytest_ladder.reporting.sentences.matrix import part_sentence, price_column

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
STYLES = ("page", "cases", "reading", "print")
"""Files of the page's style, in the order in which they are joined."""
SCRIPTS = (
    "text",
    "data",
    "charts",
    "decision",
    "sorting",
    "tables",
    "users",
    "people",
    "against",
    "explorer",
    "csv",
    "links",
    "diff",
    "replies",
    "detail",
    "main",
)
"""Files of the page's script, in the order in which they are joined."""

_GZIP = 31
"""`wbits` of gzip's format, with the largest window."""
_ASSETS = files(__package__) / "assets"
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
    slots["cases"], slots["replies"] = _cases(report, room)
    return _SLOT.sub(lambda slot: slots[slot[1]], _asset("page.html"))


def _cases(report: Report, room: int) -> tuple[str, ...]:
    """Give the cases, and what was said in them, with as much of the texts as has room.

    All of them first, as most reports are small; then by halves, since each try writes
    and compresses every row.
    """
    made = {}

    def fits(step: int) -> bool:
        made[step] = tuple(map(_data, case_columns(report, KEEPS[step])))
        return sum(map(len, made[step])) <= room

    if fits(0):
        return made[0]
    last = len(KEEPS) - 1
    step = 1 + bisect.bisect_left(range(1, last), True, key=fits)
    return made.get(step) or tuple(map(_data, case_columns(report, KEEPS[last])))


def _slots(report: Report) -> dict[str, str]:
    script, style = _script(), style_of(*STYLES)
    volumes = volumes_around(report.decision.volume)
    views = all_views(report, volumes)
    # Of the bundle as the page unpacks it; it is not unpacked for each report.
    charts_hash = f"'sha256-{_asset('vega.min.js.sha256').strip()}'"
    title, advice = "pytest-ladder report", report.decision.recommendation
    headline = why_no_advice(report)
    if advice is not None:
        headline = advice.reason
        if advice.rung is not None:
            title = f"{advice.rung}: {advice.verdict}, {title}"
    return {
        "policy": policy_of(style, _hash(script), charts_hash),
        "title": html.escape(title),
        "headline": html.escape(headline),
        "part": html.escape(part_sentence(report.info.part)),
        "style": style,
        "summary": _data(_summary(report, volumes, views)),
        "views": _data({level: _once(of_level) for level, of_level in views.items()}),
        "charts": base64.b64encode(_bytes_of("vega.min.js.gz")).decode(),
        "script": script,
    }


def _once(views: Sequence[View]) -> Sequence[View]:
    """Write a view once that is the same at all volumes, as those of plain runs are."""
    return views[:1] if all(view is views[0] for view in views) else views


def policy_of(style: str, *scripts: str) -> str:
    """Return the policy of a page: its style, scripts of these hashes, no request."""
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(scripts) or "'none'",
        "style-src": _hash(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def _summary(
    report: Report, volumes: list[int], views: Mapping[str, Sequence[View]]
) -> dict[str, Any]:
    """Give what the page shows as it opens, but the cases."""
    given = report.decision
    latency, strategies = latency_records(report), strategies_of(report)
    calls, _ = price_column(report.matrix.rungs)
    users, specs = None, {}
    if report.users is not None:
        # Most suites know nothing of users.
        from pytest_ladder.reporting.html.users import proxy_specs, users_section

        users, specs = users_section(report, report.users), proxy_specs(report)
    people = None
    if report.people is not None:
        from pytest_ladder.reporting.html.people import people_section

        people = people_section(report.people, report.info.current)
    return {
        "levels": {str(level): report.level_name(level) for level in Level},
        "start": {"level": str(given.level), "volume": given.volume},
        "objective": _objective(report),
        "texts": report.info.texts,
        "volumes": volumes,
        "view": views[str(given.level)][volumes.index(given.volume)],
        "measured": list(views),
        "rungs": rung_table(report),
        "strategies": strategies,
        "shapes": [SHAPES[shape_of(strategies, name)] for name in strategies],
        "key": _key(report),
        "calls": calls,
        "numbers": numbers_of(report),
        "palettes": PALETTES,
        "themes": {name: theme_config(name) for name in PALETTES},
        "specs": {
            "quality": quality_cost_chart(
                strategies, _EMPTY, legend=False, calls=calls
            ),
            "roi": roi_chart(strategies, []),
            "latency": latency_chart(strategies, latency),
            **specs,
        },
        "users": users,
        "people": people,
        "against": _against(report),
        "tags": tag_table(report),
        "ledger": ledger(report),
        "how": how_run(report),
        "looks": [look.sentence for look in report.looks],
        "remarks": page_remarks(report),
    }


def _against(report: Report) -> dict[str, Any] | None:
    """Give what moved since another run; its cases are among the `cases`."""
    if report.against is None:
        return None
    from pytest_ladder.reporting.sentences.against import against_lead, against_table

    heads, lines = against_table(report.against)
    gate = report.gate
    return {
        "lead": against_lead(report.against),
        "verdict": gate.verdict if gate else "",
        "gate": f"Gate: {gate.reason}" if gate else "",
        "heads": heads,
        "lines": lines,
        "changes": report.against.changes,
    }


def _objective(report: Report) -> str:
    objective = report.objective
    if objective is None:
        return aim_text(report) or without(report)
    from pytest_ladder.decide.objectives.table import kind_of

    said = kind_of(objective).summary(objective)
    primary = report.users.primary if report.users else None
    if objective.level is not Level.REAL or primary is None:
        return said
    return f"{said}; real is what users did: {primary.name}"


def _key(report: Report) -> list[dict[str, Any]]:
    """List the rungs of each model with the numbers that they bear in charts."""
    return [
        {
            "model": model.name,
            "tier": model.tier,
            "rungs": [[rung.number, rung.strategy, rung.id] for rung in model.rungs],
        }
        for model in key_of(report)
    ]


_EMPTY: dict[str, list[Any]] = {
    name: [] for name in ("points", "planned", "front", "hull", "limits", "ticks")
}


def _data(value: Any) -> str:
    """Write data so that it can stand in a script element; gzip it if that pays."""
    try:
        text = msgspec.json.encode(value)
    except UnicodeEncodeError:
        # A model may return half of a surrogate pair, which UTF-8 does not know.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
            errors="replace"
        )
    if len(text) > PLAIN_BYTES:
        # Level 9 makes a page half a percent smaller, and takes three times as long.
        return base64.b64encode(zlib.compress(text, 6, wbits=_GZIP)).decode()
    # Without this character no text can end the script element or open a comment.
    return text.decode().replace("<", "\\u003c")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _script() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


def style_of(*names: str) -> str:
    """Return the style of a page, of these files."""
    return "".join(_asset(f"{name}.css") for name in names)


@cache
def _asset(name: str) -> str:
    return _bytes_of(name).decode()


def _bytes_of(name: str) -> bytes:
    return _ASSETS.joinpath(name).read_bytes()
