"""Draws the pictures of docs/pass-fail-undecided.md from what the code decides.

    python -m docs.draw_verdicts

Made up are the results only: verdicts, intervals and sentences are the package's own.
tests/test_docs.py holds that the pictures and the page are up to date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level, Verdict
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.quality import p_value
from pytest_ladder.decide.gate.result import ComparedRun
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.judging.calibration.calibrate import (
    Calibration,
    calibrate,
    judged_of,
)
from pytest_ladder.judging.calibration.labels import label_of
from pytest_ladder.reporting.report import Report, RunInfo, report_on
from pytest_ladder.text import numbers

FOLDER = Path(__file__).parent
BAR = 0.8
_RUNG = "small/plain"
_LEFT, _RIGHT, _WIDTH = 190, 590, 760
_LINE = 46
_STYLE = """
text{font:14px system-ui,-apple-system,"Segoe UI",Arial,sans-serif;fill:#1d2733}
.h{font-weight:600;font-size:15px} .s{font-size:12px;fill:#54616f} .v{font-weight:600}
.card{fill:#fff;stroke:#c3cdd9} .axis{stroke:#8a97a6}
.bar{stroke:#1f4fa3;stroke-width:2} .b{fill:#1f4fa3;font-size:12px}
.zone{fill:#b4471c;opacity:.12} .i{stroke-width:6;opacity:.45} text.v{stroke:none}
.pass{fill:#1a7f37;stroke:#1a7f37} .fail{fill:#c0322b;stroke:#c0322b}
.undecided{fill:#8a6100;stroke:#8a6100}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3} .s{fill:#9aa7b4} .card{fill:#151b23;stroke:#3d4752}
.axis{stroke:#6b7885} .bar{stroke:#79a8ff} .b{fill:#79a8ff} .zone{fill:#ff9b70}
.pass{fill:#56d364;stroke:#56d364} .fail{fill:#ff8078;stroke:#ff8078}
.undecided{fill:#e3b341;stroke:#e3b341}}
"""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a picture: an interval with a verdict on it."""

    label: str
    note: str = ""
    at: float | None
    """Where the dot is, on the scale of the picture; None: there is none."""
    low: float
    high: float
    verdict: str
    more: str = ""
    """What stands below the verdict."""
    sentence: str
    """What the run says."""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Lines on a common scale."""

    name: str
    title: str
    scale: tuple[float, float]
    ticks: Sequence[float]
    mark: float
    """Where the bar is, or where a drop begins to block."""
    marked: str
    blocks: bool = False
    """Whether what is left of the mark blocks, as in a gate."""
    lines: Sequence[Line]


def pictures() -> Iterator[Picture]:
    """Return all four, in the order of the page."""
    yield _against_bar(
        "verdict-suites",
        "Share of right answers, and where other questions may put it (95 %)",
        [_suite(*pair) for pair in _SUITES],
    )
    yield _against_bar(
        "verdict-errors",
        "From all errors wrong to all errors right, of 100 questions",
        [_with_errors(*pair) for pair in _ERRORS],
    )
    yield Picture(
        name="verdict-gate",
        title="Change in points, with 90 of 100 right before it (95 %)",
        scale=(-20, 10),
        ticks=range(-20, 11, 5),
        mark=-2,
        marked="2 points lost",
        blocks=True,
        lines=[_gate(*pair) for pair in _CHANGES],
    )
    yield _against_bar(
        "verdict-judge",
        "A judge says 90 %; what people would say (95 %)",
        [_judged(*pair) for pair in _LABELS],
    )


def _against_bar(name: str, title: str, lines: Sequence[Line]) -> Picture:
    return Picture(
        name=name,
        title=title,
        scale=(40, 100),
        ticks=range(40, 101, 10),
        mark=100 * BAR,
        marked="the bar, 80 %",
        lines=lines,
    )


_SUITES = ((8, 9), (17, 20), (85, 100), (425, 500), (70, 100))
_ERRORS = ((85, 9), (77, 17), (70, 24))
_CHANGES = ((0, 4), (1, 0), (3, 0), (10, 0))
_LABELS = ((0, 4), (20, 4), (100, 4), (100, 40))
"""How many, and how many of its 180 passes people would fail."""


def main() -> None:
    """Write the pictures."""
    for picture in pictures():
        (FOLDER / f"{picture.name}.svg").write_text(svg(picture), encoding="utf-8")


def svg(picture: Picture) -> str:
    """Draw a picture, legible on light and on dark."""
    low, high = picture.scale
    below = 62 + _LINE * len(picture.lines)

    def place(at: float) -> str:
        inside = min(max(at, low), high)
        return f"{_LEFT + (_RIGHT - _LEFT) * (inside - low) / (high - low):.1f}"

    said = " ".join(f"{_name(line)}: {line.verdict}." for line in picture.lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {below + 34}" '
        f'width="{_WIDTH}" height="{below + 34}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(picture.title)}</title>',
        f'<desc id="d">{escape(said)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="card" x=".5" y=".5" width="{_WIDTH - 1}" height="{below + 33}" '
        'rx="8"/>',
        _text(20, 28, picture.title, "h"),
    ]
    if picture.blocks:
        width = float(place(picture.mark)) - _LEFT
        parts.append(
            f'<rect class="zone" x="{_LEFT}" y="46" width="{width:.1f}" '
            f'height="{below - 46}"/>'
        )
    mark = place(picture.mark)
    parts += [
        f'<path class="axis" d="M{_LEFT} {below}H{_RIGHT}"/>',
        *(
            _text(place(at), below + 18, f"{at:g}", "s", "middle")
            for at in picture.ticks
        ),
        f'<path class="bar" d="M{mark} 56V{below}"/>',
        _text(mark, 52, picture.marked, "b", "middle"),
    ]
    for index, line in enumerate(picture.lines):
        y = 62 + _LINE * index + _LINE // 2
        left, right = place(line.low), place(line.high)
        kind = line.verdict.lower()
        parts += [
            _text(20, y if line.note else y + 5, line.label),
            _text(20, y + 16, line.note, "s"),
            f'<path class="i {kind}" d="M{left} {y}H{right}"/>',
            _text(_RIGHT + 24, y if line.more else y + 5, line.verdict, f"v {kind}"),
            _text(_RIGHT + 24, y + 16, line.more, "s"),
        ]
        if line.at is not None:
            parts.append(
                f'<circle class="{kind}" cx="{place(line.at)}" cy="{y}" r="6"/>'
            )
    return "\n".join([*filter(None, parts), "</svg>", ""])


def _name(line: Line) -> str:
    return f"{line.label}, {line.note}" if line.note else line.label


def _text(x: float | str, y: float, text: str, kind: str = "", anchor: str = "") -> str:
    if not text:
        return ""
    kind = f' class="{kind}"' if kind else ""
    anchor = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x}" y="{y}"{kind}{anchor}>{escape(text)}</text>'


def _suite(right: int, of: int) -> Line:
    report = _report(_rows([1.0] * right + [0.0] * (of - right)))
    cell = report.matrix.rungs[0].levels[Level.CHEAP]
    return _held(
        report, f"{right} of {of} right", "", cell.quality, cell.low, cell.high
    )


def _with_errors(right: int, wrong: int) -> Line:
    errors = 100 - right - wrong
    report = _report(_rows([1.0] * right + [0.0] * wrong + [None] * errors))
    note = f"{wrong} wrong, {errors} errors"
    ends = right / 100, (right + errors) / 100
    return _held(report, f"{right} right", note, None, *ends)


def _judged(labels: int, flattered: int) -> Line:
    """Return what a judge says that passes 180 of 200, with so many labels."""
    rows = _rows([1.0] * 180 + [0.0] * 20, Level.JUDGED)
    replies = judged_of(rows)
    given = [
        label_of(
            replies[place],
            "pass" if place < 180 and place % (180 / flattered) >= 1 else "fail",
            "ann",
        )
        for place in range(0, 200, 200 // labels if labels else 200)
        if labels
    ]
    calibration = calibrate(given, replies)
    found = calibration.rungs[0].calibrated or calibration.rungs[0].raw
    report = _report(rows, [calibration], Level.JUDGED)
    agreement = calibration.agreement
    note = "the judge's own word"
    if agreement is not None:
        note = f"the judge is right in {agreement.accuracy.value:.0%}".replace(
            "%", " %"
        )
    said = numbers.count(labels, "label") if labels else "no label"
    return _held(report, said, note, found.value, found.low, found.high)


def _gate(broke: int, fixed: int) -> Line:
    before = [1.0] * 90 + [0.0] * 10
    after = [0.0] * broke + [1.0] * (90 - broke + fixed) + [0.0] * (10 - fixed)
    result = gate(_run(_rows(before)), _run(_rows(after)))
    suite = result.suites[0]
    moved = "better" if fixed else "worse"
    return Line(
        label=f"{90 - broke + fixed} right after it",
        note=f"{broke + fixed} {moved}",
        at=100 * suite.change,
        low=100 * (suite.low or 0),
        high=100 * (suite.high or 0),
        verdict=result.verdict.upper(),
        more=p_value(suite.p) if suite.change < 0 else "",
        sentence=f"gate: {result.verdict.upper()}: {suite.reason}",
    )


def _held(
    report: Report,
    label: str,
    note: str,
    at: float | None,
    low: float | None,
    high: float | None,
) -> Line:
    """Return a line with what the objective says of the report."""
    advice = report.decision.recommendation
    assert advice is not None
    floor = advice.certified_floor
    only = advice.verdict == "pass" and (floor is None or floor < BAR)
    return Line(
        label=label,
        note=note,
        at=None if at is None else 100 * at,
        low=100 * (low or 0.0),
        high=100 * (1.0 if high is None else high),
        verdict=advice.verdict.upper(),
        more="on this suite" if only else "",
        sentence=f"{advice.verdict.upper()}: {advice.reason}",
    )


def _report(
    rows: Sequence[Row],
    calibrations: Sequence[Calibration] = (),
    level: Level = Level.CHEAP,
) -> Report:
    return report_on(
        RunInfo(id="example", started="", mode="matrix"),
        build_matrix(rows, [_rung()], {}),
        rows,
        Objective(kind="good-enough", quality=BAR, level=level),
        calibrations,
    )


def _run(rows: Sequence[Row]) -> ComparedRun:
    return ComparedRun(
        rows=rows, matrix=build_matrix(rows, [_rung()], {}), current=_RUNG
    )


def _rung() -> Rung:
    model, strategy = _RUNG.split("/")
    return Rung(
        model=Model(name=model, tier=Tier.OFF_THE_SHELF, id="openai/small"),
        strategy=Strategy(name=strategy),
    )


def _rows(scores: Sequence[float | None], level: Level = Level.CHEAP) -> list[Row]:
    """Return a row a score; None: an error."""
    outcomes = {None: Outcome.ERROR, 1.0: Outcome.PASSED, 0.0: Outcome.MISSED}
    return [
        Row(
            test="test_shop.py::test_answer",
            rung=_RUNG,
            level=level,
            source="questions.jsonl",
            case=f"q{place:03}",
            case_hash=f"q{place:03}",
            outcome=outcomes[score],
            score=score,
            text=f"answer {place}",
            verdict=(
                Verdict(passed=score == 1, score=score, judge="judge", rubric="polite")
                if level is Level.JUDGED and score is not None
                else None
            ),
            replies=(UsedReply(key=f"k{place}", live=True, cost_usd=0.001),),
        )
        for place, score in enumerate(scores)
    ]


if __name__ == "__main__":
    main()
