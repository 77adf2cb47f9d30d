"""The decision in sentences, the same in every report."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_ladder.decide.decision import Decision, Roi
from pytest_ladder.reporting.chart_texts import gain_text, price_text, return_text
from pytest_ladder.text.numbers import percent

_VERDICTS = {"pass": "PASS", "fail": "FAIL", "undecided": "UNDECIDED"}


def headline(decision: Decision) -> str | None:
    """Say which rung to stand on, and why; None without an objective."""
    advice = decision.recommendation
    if advice is None:
        return None
    return f"{_VERDICTS[advice.verdict]}: {advice.reason}"


def details(decision: Decision) -> Iterator[str]:
    """Say what is certain of the rung, what the next one costs, and what may change."""
    advice = decision.recommendation
    if advice is None:
        return
    if advice.rung is not None and advice.certified_floor is not None:
        floor = percent(advice.certified_floor)
        yield f"{advice.rung} scores at least {floor}, 95 % sure."
    if advice.switch is not None:
        step = advice.switch
        yield f"From the current {step.from_rung} to {step.to_rung}: {_gain(step)}."
    if advice.roi is not None:
        yield f"The next rung is {advice.roi.to_rung}: {_gain(advice.roi)}."
    elif advice.next_rung is not None:
        yield f"The next rung worth trying is {advice.next_rung}."
    yield from advice.changes


def _gain(step: Roi) -> str:
    """Say what a step brings and costs."""
    if step.points is None:
        return "there is no case in common to compare them on"
    said = f"{gain_text(step)} for {price_text(step)}"
    if not step.established:
        return f"{said}; its return is not established"
    if step.points_per_1000_usd is not None:
        said += f", {return_text(step.points_per_1000_usd)}"
    return said
