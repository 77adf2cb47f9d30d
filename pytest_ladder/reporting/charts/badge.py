"""A badge for a README: the rung that is recommended, its verdict and its quality."""

from __future__ import annotations

from html import escape

from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.aim import aim_title, without
from pytest_ladder.text.numbers import percent
from pytest_ladder.text.table import shortened

COLOURS = {"pass": "#1a7f4f", "fail": "#b3401a", "undecided": "#7a5d00"}
"""White letters on each have a contrast of at least 4.5 to 1."""
_LABEL = "ladder"
_LETTER = 6.3
"""Pixels of a letter of 11 pixels; `textLength` makes it so with every font."""
_MOST = 48


def badge_svg(report: Report) -> str:
    """Draw the badge: 20 pixels high, as wide as its words."""
    words = shortened(badge_text(report), _MOST)
    advice = report.decision.recommendation
    colour = COLOURS.get(advice.verdict if advice else "", "#4b5563")
    left, right = (round(_LETTER * len(text)) + 12 for text in (_LABEL, words))
    said = escape(f"{_LABEL}: {words}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" '
        f'role="img" aria-label="{said}"><title>{said}</title>'
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#3b4350"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_words(6, left - 12, _LABEL)}{_words(left + 6, right - 12, words)}"
        "</g></svg>\n"
    )


def badge_text(report: Report) -> str:
    """Say it in words: `pass · fine-tuned/rag · 39.4 %`."""
    advice = report.decision.recommendation
    if advice is None:
        return aim_title(report).lower() or without(report)
    if advice.rung is None:
        return advice.verdict if advice.verdict == "undecided" else "no rung"
    rung = next(one for one in report.matrix.rungs if one.id == advice.rung)
    cell = rung.levels.get(report.decision.level)
    quality = percent(cell.quality) if cell and cell.quality is not None else ""
    return " · ".join(filter(None, (advice.verdict, rung.id, quality)))


def _words(x: int, width: int, text: str) -> str:
    return f'<text x="{x}" y="14" textLength="{width}">{escape(text)}</text>'
