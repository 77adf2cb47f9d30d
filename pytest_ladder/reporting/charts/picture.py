"""A picture of a report to show around: what was decided, the chart, and its key.

1,200 by 630 pixels, which is what previews of links show. The chart is drawn by
`vl-convert`, the words around it are SVG of our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from textwrap import shorten, wrap

from pytest_ladder.reporting.charts.key import KeyModel, key_of, strategies_of
from pytest_ladder.reporting.charts.parts import SHAPES, shape_of
from pytest_ladder.reporting.charts.records import decision_records
from pytest_ladder.reporting.charts.render import converter
from pytest_ladder.reporting.charts.specs import quality_cost_chart
from pytest_ladder.reporting.charts.theme import (
    FONT,
    GROUNDS,
    INKS,
    PALETTES,
    VERDICTS,
    Theme,
    theme_config,
)
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.aim import (
    aim_text,
    aim_title,
    why_no_advice,
    without,
)
from pytest_ladder.reporting.sentences.matrix import price_column
from pytest_ladder.text.numbers import count, percent
from pytest_ladder.text.table import shortened
from pytest_ladder.text.untrusted import plain

WIDTH, HEIGHT = 1200, 630
MARGIN = 36
TOP = 176
"""Where the chart and its key begin, in pixels."""
CHART_WIDTH = 760
PLOT = (CHART_WIDTH - 86, HEIGHT - TOP - 78)
"""About what axes and padding leave of the chart, for placing its labels."""
REASON_LINES = 2
REASON_LETTERS = 118
LINE_HEIGHTS = (22, 13)
"""Of the key, in pixels: of few rungs and of many."""
ROOMY = 300
"""Width of a column of the key that has room for qualities, in pixels."""
_LETTER = 0.56
"""Width of a letter, as a share of its size."""
_MOST_LETTER = 40
_ANY = 10_000
_END = 'text-anchor="end"'


def picture_svg(report: Report, theme: Theme = "light") -> str:
    """Draw the picture as SVG; `ConfigError` without the extra `charts`."""
    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{GROUNDS[theme]}"/>',
        *_headline(report, theme),
        _chart(report, theme),
        *_key(report, theme),
    ]
    said = escape(
        plain(f"{' '.join(filter(None, _title(report)))}. {_reason(report)}", _ANY)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="{escape(FONT)}">'
        f"<title>{said}</title>{''.join(parts)}</svg>\n"
    )


def picture_png(report: Report, theme: Theme = "light") -> bytes:
    """Draw the picture as PNG, 1,200 by 630; `ConfigError` without `charts`."""
    return bytes(converter().svg_to_png(picture_svg(report, theme)))


def _headline(report: Report, theme: Theme) -> Iterator[str]:
    """Say what was measured and when, what was decided, and why."""
    ink, quiet, accent = INKS[theme]
    yield _text(MARGIN, 50, _measured(report), 17, quiet)
    lead, rung = _title(report)
    advice = report.decision.recommendation
    verdict = None if advice is None else advice.verdict
    room = WIDTH - 2 * MARGIN - (170 if verdict else 0)
    rung = shortened(rung, 60)
    size = min(_MOST_LETTER, int(room / (_LETTER * (len(lead) + len(rung) + 1))))
    styled = f'<tspan fill="{accent}">{escape(rung)}</tspan>'
    yield (
        f'<text x="{MARGIN}" y="104" font-size="{size}" font-weight="700" '
        f'fill="{ink}">{escape(lead)} {styled}</text>'
    )
    if verdict is not None:
        word, (soft, strong) = verdict.upper(), VERDICTS[theme][verdict]
        wide = 28 + round(11.5 * len(word))
        left = WIDTH - MARGIN - wide
        yield (
            f'<rect x="{left}" y="70" width="{wide}" height="42" rx="21" '
            f'fill="{soft}"/>'
        )
        middle = left + wide / 2
        yield _text(
            middle, 97, word, 17, strong, 'text-anchor="middle" font-weight="700"'
        )
    lines = wrap(_reason(report), REASON_LETTERS)
    if len(lines) > REASON_LINES:
        kept = shorten(
            _reason(report), REASON_LINES * REASON_LETTERS - 4, placeholder="…"
        )
        lines = wrap(kept, REASON_LETTERS)[:REASON_LINES]
    for n, line in enumerate(lines):
        yield _text(MARGIN, 136 + 24 * n, line, 16.5, quiet)


def _measured(report: Report) -> str:
    decision, info = report.decision, report.info
    cells = [rung.levels.get(decision.level) for rung in report.matrix.rungs]
    sizes = {cell.n for cell in cells if cell}
    noun = next((cell.noun for cell in cells if cell), "case")
    measured = ("up to " if len(sizes) > 1 else "") + count(max(sizes, default=0), noun)
    objective = aim_text(report) or without(report)
    if report.objective is not None:
        from pytest_ladder.decide.objectives.table import kind_of

        objective = kind_of(report.objective).summary(report.objective)
    parts = (objective, measured, info.started[:10], "pytest-ladder")
    return "  ·  ".join(part for part in parts if part)


def _title(report: Report) -> tuple[str, str]:
    advice = report.decision.recommendation
    if advice is None:
        measured = sum(bool(rung.levels) for rung in report.matrix.rungs)
        if title := aim_title(report):
            return title, report.info.current or ""
        return count(measured, "rung"), without(report)
    if advice.rung is not None:
        return "Stand on", advice.rung
    if advice.verdict == "undecided":
        return "Not decided yet", ""
    return "No rung to stand on", ""


def _reason(report: Report) -> str:
    advice = report.decision.recommendation
    return why_no_advice(report) if advice is None else advice.reason


def _chart(report: Report, theme: Theme) -> str:
    data = decision_records(report, report.matrix, report.decision, (PLOT,))
    strategies, calls = strategies_of(report), price_column(report.matrix.rungs)[0]
    spec = quality_cost_chart(strategies, data, legend=False, calls=calls)
    height = HEIGHT - TOP - 18
    spec |= {
        "width": CHART_WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "config": theme_config(theme) | {"padding": 6},
    }
    drawn = str(converter().vegalite_to_svg(spec))
    return drawn.replace("<svg ", f'<svg x="{MARGIN - 12}" y="{TOP}" ', 1)


def _key(report: Report, theme: Theme) -> Iterator[str]:
    """Name the rungs by their numbers, by models, in as many columns as it takes."""
    models = key_of(report)
    lines = sum(1 + len(model.rungs) for model in models)
    room = HEIGHT - TOP - 30
    most, least = LINE_HEIGHTS
    height = max(least, min(most, room // max(lines, 1)))
    rows = room // height
    columns = max(1, -(-lines // rows))
    left = MARGIN + CHART_WIDTH + 4
    width = (WIDTH - MARGIN - left) / columns
    size = 0.62 * height + 3.4
    x, y = float(left), TOP + 14.0
    for model in models:
        # The name of a model does not stand alone at the foot of a column.
        if y + 2 * height > TOP + 14 + rows * height:
            x, y = x + width, TOP + 14.0
        for line in _key_lines(report, model, theme, size, width):
            if y + 0.5 * height > TOP + 14 + rows * height:
                x, y = x + width, TOP + 14.0
            if x + 0.5 * width > WIDTH - MARGIN:
                return
            yield f'<g transform="translate({x:.1f} {y:.1f})">{line}</g>'
            y += height


def _key_lines(
    report: Report, model: KeyModel, theme: Theme, size: float, width: float
) -> Iterator[str]:
    ink, quiet, _ = INKS[theme]
    strategies, palette = strategies_of(report), PALETTES[theme]
    level = report.decision.level
    cells = {rung.id: rung.levels.get(level) for rung in report.matrix.rungs}
    letters = int((width - 8) / (_LETTER * size))
    tier = f", {model.tier}"
    name = shortened(model.name, letters - 2)
    note = tier if model.tier != model.name and len(name + tier) <= letters else ""
    yield _text(0, 0, name + note, size, quiet, 'font-weight="600"')
    start = 3.5 * size
    letters = int((width - 4 - start) / (_LETTER * size))
    for rung in model.rungs:
        colour = palette[strategies.index(rung.strategy) % len(palette)]
        shape = SHAPES[shape_of(strategies, rung.strategy)]
        cell = cells.get(rung.id)
        value = percent(cell.quality) if cell else ""
        strategy = shortened(rung.strategy, letters)
        texts = [
            _text(start - 0.5 * size, 0, str(rung.number), size, ink, _END),
            _text(start, 0, strategy, size, ink),
        ]
        if width > ROOMY:
            texts.append(_text(width - 16, 0, value, size, quiet, _END))
        scale = size / 13
        place = f"translate(0 {-10.5 * scale:.1f}) scale({scale:.2f})"
        yield f'<path d="{shape}" fill="{colour}" transform="{place}"/>{"".join(texts)}'


def _text(
    x: float, y: float, text: str, size: float, colour: str, more: str = ""
) -> str:
    if not text:
        return ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:.1f}" fill="{colour}" {more}>'
        f"{escape(plain(text, _ANY))}</text>"
    )
