"""The history of what ships as one HTML page: drawn here, without a script."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence

from pytest_ladder.core.score import Level
from pytest_ladder.decide.gate.result import Figure
from pytest_ladder.decide.history import COST, Moment
from pytest_ladder.reporting.history import LEGEND, history_table, step_sentences
from pytest_ladder.reporting.html.page import policy_of, style_of
from pytest_ladder.text.numbers import count, dollars, percent, seconds

STYLE = "history"
_WIDTH, _HEIGHT = 960, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 16, 16, 28
_MOST_LETTERS = 80
"""Of the dates below a chart, so that they do not run into each other."""
_Text = Callable[[float | None], str]


def history_html(moments: Sequence[Moment]) -> str:
    """Render the moments, oldest first, as one page that asks for nothing."""
    style = style_of("page", STYLE, "print")
    title = f"What ships, over {count(len(moments), 'run')}"
    heads, lines = history_table(moments)
    said = "".join(f"<li>{_safe(text)}</li>" for text in step_sentences(moments))
    cells = "".join(f'<th scope="col">{_safe(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{_safe(first)}</th>'
        + "".join(f"<td>{_safe(text)}</td>" for text in rest)
        + "</tr>"
        for first, *rest in lines
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy_of(style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{_safe(title)}: pytest-ladder</title>
<style>{style}</style>
</head>
<body>
<main>
<section aria-labelledby="title"><h1 id="title">{_safe(title)}</h1>
<p class="lead">{_safe(f"Bars are 95 % intervals. {LEGEND}").replace(" %", "&nbsp;%")}
</p>
<ul class="reasons">{said}</ul></section>
{"".join(_charts(moments))}
<section aria-labelledby="runs"><h2 id="runs">The runs</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Table of the runs">
<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div></section>
</main>
</body>
</html>
"""


def _charts(moments: Sequence[Moment]) -> Iterator[str]:
    none = Figure(value=None, n=0)
    for level in Level:
        if any(level in one.levels for one in moments):
            figures = [one.levels.get(level, none) for one in moments]
            name = f"Quality, {level}"
            yield _chart(name, moments, figures, percent, str(level))
    cost = [one.cost for one in moments]
    yield _chart("USD per 1,000 calls", moments, cost, dollars, COST)
    late = [one.latency for one in moments]
    yield _chart("p95 latency of live calls", moments, late, seconds, "")
    spent = [Figure(value=one.spent_usd, n=0) for one in moments]
    yield _chart("Spent by the run", moments, spent, dollars, "")


def _chart(
    name: str,
    moments: Sequence[Moment],
    figures: Sequence[Figure],
    text: _Text,
    what: str,
) -> str:
    """Draw one measure; empty where nothing is known of it."""
    ends = _ends(figures, from_0=what not in set(Level))
    if ends is None:
        return ""
    low, high = ends

    def y(value: float) -> float:
        share = (value - low) / (high - low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    def x(place: int) -> float:
        room = _WIDTH - _LEFT - _RIGHT
        return round(_LEFT + room * (place + 0.5) / len(figures), 1)

    ticks = "".join(
        f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(at)}" '
        f'y2="{y(at)}"/><text x="{_LEFT - 8}" y="{y(at) + 4}" class="end">'
        f"{_safe(text(at))}</text>"
        for at in (low, (low + high) / 2, high)
    )
    known = [(n, one) for n, one in enumerate(figures) if one.value is not None]
    way = " ".join(f"{x(n)},{y(one.value or 0.0)}" for n, one in known)
    bars = "".join(
        f'<line class="range" x1="{x(n)}" x2="{x(n)}" y1="{y(one.low)}" '
        f'y2="{y(one.high)}"/>'
        for n, one in known
        if one.low is not None and one.high is not None
    )
    points = "".join(
        _point(x(n), y(one.value or 0.0), moments[n], text(one.value), what)
        for n, one in known
    )
    letters = sum(len(one.when) for one in moments)
    every = -(-letters // _MOST_LETTERS)
    dates = "".join(
        f'<text x="{x(n)}" y="{_HEIGHT - 8}" class="mid">'
        f"{_safe(moments[n].when)}</text>"
        for n in range(0, len(figures), every)
    )
    return (
        f'<section><h2>{_safe(name)}</h2><svg class="history" role="img" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-label="{_safe(name)} over time; the '
        f'same numbers are in the table below.">{ticks}{bars}'
        f'<polyline points="{way}"/>{points}{dates}</svg></section>'
    )


def _ends(figures: Sequence[Figure], *, from_0: bool) -> tuple[float, float] | None:
    """Give the ends of the scale: money and time from 0, quality where it moved."""
    known = [
        end
        for one in figures
        for end in (one.value, one.low, one.high)
        if end is not None
    ]
    if not known:
        return None
    low, high = 0.0 if from_0 else min(known), max(known)
    if high - low < 1e-12:
        low, high = low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10
    return low, high


def _point(x: float, y: float, moment: Moment, said: str, what: str) -> str:
    """Draw a point, and beside it which way an established change went."""
    title = f"{moment.when} {moment.label}: {said}, {moment.rung}"
    drawn = f'<circle cx="{x}" cy="{y}" r="4"><title>{_safe(title)}</title></circle>'
    step = next((one for one in moment.steps if one.what == what), None)
    if step is None:
        return drawn
    kind = "better" if step.is_better else "worse"
    tip, foot = (y - 6, y + 5) if step.direction == "up" else (y + 6, y - 5)
    path = f"M{x + 9} {foot}h12l-6 {tip - foot}z"
    return f'{drawn}<path class="{kind}" d="{path}"><title>established</title></path>'


def _safe(text: str) -> str:
    return html.escape(text)
