"""How reports word the result of a gate, and its figures before and after."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pytest_ladder.decide.gate.quality import BLOCK_AT, p_value
from pytest_ladder.decide.gate.result import (
    ESCALATED,
    Figure,
    GateResult,
    Rise,
    Suite,
    Unpaired,
)
from pytest_ladder.text.numbers import (
    NOT_AVAILABLE,
    count,
    dollars,
    few,
    percent,
    points,
    points_between,
    quality,
    seconds,
)
from pytest_ladder.text.untrusted import plain

MOST_FLIPS = 5
"""Cases that a terminal names; the comment has more."""
WIDTH = 2_000
"""Columns of a sentence; the terminal breaks it as it likes."""


class Compared(NamedTuple):
    """A line of the table: something before and after."""

    what: str
    before: str
    after: str
    change: str
    """With its 95 % interval and, of a quality, its p-value."""


def gate_headline(result: GateResult) -> str:
    """Say what the verdict is, and why."""
    return f"{result.verdict.upper()}: {result.reason}"


def gate_lines(result: GateResult) -> Iterator[str]:
    """Render the whole result for a terminal, one line each."""
    yield f"gate: {plain(gate_headline(result), WIDTH)}"
    for sentence in _below_headline(result):
        yield f"  {plain(sentence, WIDTH)}"


def compared(result: GateResult) -> Iterator[Compared]:
    """Give quality, cost and latency before and after."""
    for suite in result.suites:
        yield Compared(
            f"quality, {suite.title}",
            _quality(suite.before),
            _quality(suite.after),
            _quality_change(suite),
        )
    if result.cost is not None:
        cost = result.cost
        before, after = (dollars(side.value) for side in (cost.before, cost.after))
        yield Compared("$ per 1,000 calls", before, after, _rise(cost))
    if result.latency is not None:
        latency = result.latency
        before, after = (_p95(side) for side in (latency.before, latency.after))
        yield Compared("p95 latency, live", before, after, _rise(latency))


def other_reasons(result: GateResult) -> Iterator[str]:
    """Give the reasons of the checks that did not pass, save that of the headline."""
    for check in result.checks:
        if check.verdict != "pass" and not result.reason.startswith(check.reason):
            yield f"{check.verdict.upper()}: {check.reason}"


def notes(result: GateResult) -> Iterator[str]:
    """Say what the gate can see, what it did not compare, and what would help."""
    if result.base_rung != result.head_rung:
        yield f"What ships changes from {result.base_rung} to {result.head_rung}."
    yield from map(_power, result.suites)
    if result.suites:
        yield (
            f"p is how often chance alone would show such a drop; {BLOCK_AT:g} or less "
            "blocks."
        )
    if result.escalation == "run":
        yield (
            "One sample of every case showed a possible drop, so the run took more: "
            f"the figures after the change are means over {ESCALATED}."
        )
    elif result.needs_escalation and result.escalation != "budget":
        yield (
            "Two more samples of every case would make the verdict surer; a run with "
            "--ladder-live and --ladder-baseline takes them by itself."
        )
    yield from _unpaired(result.unpaired)
    advice, former = result.head_advice, result.base_advice
    if advice and former and advice.rung != former.rung:
        yield (
            f"The recommendation changes from {former.rung or 'no rung'} to "
            f"{advice.rung or 'no rung'}: {advice.reason}"
        )


def unit_name(unit: tuple[str, str]) -> str:
    """Name a case; of a test without cases the test."""
    source, case = unit
    return case or source


def _below_headline(result: GateResult) -> Iterator[str]:
    for line in compared(result):
        yield f"{line.what}: {line.before} -> {line.after}; {line.change}"
    yield from other_reasons(result)
    yield from notes(result)
    for flip in result.flips[:MOST_FLIPS]:
        how = "broke" if flip.move < 0 else "was fixed"
        scores = f"{percent(flip.before.score)} -> {percent(flip.after.score)}"
        yield f"{flip.case or flip.test} {how}: {scores} ({flip.test})"
    if len(result.flips) > MOST_FLIPS:
        yield f"and {count(len(result.flips) - MOST_FLIPS, 'more case')} flipped"


def _power(suite: Suite) -> str:
    if suite.detectable >= 1:
        compared = count(suite.n, "case")
        return f"{suite.name}: too little ({compared}) to see any drop 4 times in 5."
    drop = f"{100 * suite.detectable:.1f} points"
    return f"{suite.name}: this gate sees a true drop of {drop} 4 times in 5."


def _unpaired(left: Unpaired) -> Iterator[str]:
    counted: Sequence[tuple[int, str]] = (
        (len(left.changed), "changed"),
        (len(left.added), "added"),
        (len(left.dropped), "dropped"),
    )
    parts = [f"{count(number, 'case')} {how}" for number, how in counted if number]
    if parts:
        yield f"Not compared: {', '.join(parts)}."
    for why, names in (
        ("for another judge or rubric graded them", left.rejudged),
        ("for the baseline has no result of them", left.new_tests),
        ("for the change skipped them", left.skipped_tests),
        ("for nothing of them was run", left.not_run),
    ):
        if names:
            yield f"Not compared, {why}: {few(names)}."


def _quality(figure: Figure) -> str:
    return quality(figure.value, figure.low, figure.high, figure.n)


def _quality_change(suite: Suite) -> str:
    between = points_between(suite.low, suite.high)
    return f"{points(suite.change)} ({between}), {p_value(suite.p)}"


def _p95(figure: Figure) -> str:
    if figure.value is None:
        return NOT_AVAILABLE
    low = NOT_AVAILABLE if figure.low is None else seconds(figure.low)
    high = NOT_AVAILABLE if figure.high is None else seconds(figure.high)
    return f"{seconds(figure.value)} ({low} to {high}, n={figure.n:,})"


def _rise(rise: Rise) -> str:
    if rise.change is None or not math.isfinite(rise.change):
        return rise.problem or "from nothing"
    text = f"{100 * rise.change:+.1f} %"
    if rise.low is None or rise.high is None:
        return f"{text}; {rise.problem}" if rise.problem else text
    return f"{text} ({100 * rise.low:+.1f} to {100 * rise.high:+.1f})"
