"""What a live run would call and cost, as a table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_ladder.calls.plan import RungPlan
from pytest_ladder.text.numbers import count, dollars
from pytest_ladder.text.untrusted import pad

_HEAD = ("rung", "calls", "stored", "tokens in", "tokens out", "at most", "goes to")


def plan_lines(
    plans: Sequence[RungPlan], held_back: Sequence[RungPlan] = ()
) -> list[str]:
    """Render the plan as an aligned table with its totals.

    `held_back` is what is called only if a gate asks for more samples.
    """
    table = [_HEAD, *(_cells(plan) for plan in plans)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            pad(cell, width, right=0 < column < len(_HEAD) - 1)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return [*lines, *_totals(plans), *_more(held_back)]


def _more(held_back: Sequence[RungPlan]) -> Iterator[str]:
    if not held_back:
        return
    calls = sum(plan.calls for plan in held_back)
    known = [plan.usd for plan in held_back if plan.usd is not None]
    usd = f", at most {dollars(sum(known))}" if known else ""
    beyond = len(known) < len(held_back) or any(plan.open_tests for plan in held_back)
    yield (
        "If the gate finds a drop that may be chance, it takes more samples: "
        f"{count(calls, 'more call')}{usd}"
        f"{', and what has no price or is known only when it runs' if beyond else ''}."
    )


def _totals(plans: Sequence[RungPlan]) -> Iterator[str]:
    """Give the sums, and say what is not in them."""
    calls = sum(plan.calls for plan in plans)
    known = [plan.usd for plan in plans if plan.usd is not None]
    timed = [plan for plan in plans if _is_timed(plan)]
    if known or not plans:
        price = f"at most {dollars(sum(known))}"
        price += " unless a lost call is billed as well" if calls else ""
    else:
        price = "paid by the time they take" if timed else "at an unknown price"
    yield f"{count(calls, 'call')}, {price}; nothing was called or spent."
    if any(plan.repaired for plan in plans):
        yield (
            "A judge is asked once more where its answer cannot be used: that is in "
            "its tokens and dollars, not in its calls."
        )
    if timed:
        yield (
            f"Paid by the time of computing: {', '.join(plan.rung for plan in timed)}; "
            "the first run tells how long, or `serve.tokens_per_second` if you know it."
        )
    unpriced = [plan.rung for plan in plans if plan.usd is None and plan not in timed]
    if unpriced:
        yield f"Not in it, price or output limit unknown: {', '.join(unpriced)}."
    open_tests = sum(plan.open_tests for plan in plans)
    if open_tests:
        yield (
            f"Not in it either: {count(open_tests, 'item')} whose calls are known only "
            "when they run (free-form tests, tasks)."
        )


def _is_timed(plan: RungPlan) -> bool:
    return plan.usd is None and plan.usd_per_minute is not None


def _rate(plan: RungPlan) -> str:
    return f"{dollars(plan.usd_per_minute)} a minute"


def _cells(plan: RungPlan) -> tuple[str, ...]:
    key = f" with {plan.key}" if plan.key else ""
    return (
        plan.rung,
        str(plan.calls),
        str(plan.stored),
        f"{plan.input_tokens:,}",
        "unknown" if plan.output_tokens is None else f"<= {plan.output_tokens:,}",
        _rate(plan) if _is_timed(plan) else dollars(plan.usd),
        f"{plan.host}{key}",
    )
