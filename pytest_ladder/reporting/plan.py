"""The plan as text."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_ladder.calls.plan import RungPlan
from pytest_ladder.figures import dollars
from pytest_ladder.reporting.numbers import pad

_HEAD = ("rung", "calls", "stored", "tokens in", "tokens out", "at most", "goes to")


def plan_lines(plans: Sequence[RungPlan]) -> list[str]:
    """Render the plan as an aligned table with a line of totals."""
    table = [_HEAD, *(_cells(plan) for plan in plans)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            pad(cell, width, right=0 < column < len(_HEAD) - 1)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    calls = sum(plan.calls for plan in plans)
    known = [plan.usd for plan in plans if plan.usd is not None]
    total = dollars(sum(known)) if known or not plans else "unknown"
    unpriced = [plan.rung for plan in plans if plan.usd is None]
    lines.append(f"{calls} calls, at most {total}; nothing was called or spent.")
    if unpriced:
        lines.append(
            f"Not in it, price or output limit unknown: {', '.join(unpriced)}."
        )
    open_tests = sum(plan.open_tests for plan in plans)
    if open_tests:
        lines.append(
            f"Not in it either: {open_tests} items whose calls are known only when "
            "they run (free-form tests, tasks)."
        )
    return lines


def _cells(plan: RungPlan) -> tuple[str, ...]:
    key = f" with {plan.key}" if plan.key else ""
    return (
        plan.rung,
        str(plan.calls),
        str(plan.stored),
        f"{plan.input_tokens:,}",
        "unknown" if plan.output_tokens is None else f"<= {plan.output_tokens:,}",
        dollars(plan.usd),
        f"{plan.host}{key}",
    )
