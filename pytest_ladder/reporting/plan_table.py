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
    price = f", at most {dollars(sum(known))}" if known else " at an unknown price"
    beyond = len(known) < len(held_back) or any(plan.open_tests for plan in held_back)
    if known and beyond:
        price += ", and what has no price or is known only when it runs"
    yield (
        "If the gate finds a drop that may be chance, it takes more samples: "
        f"{count(calls, 'more call')}{price}."
    )


def _totals(plans: Sequence[RungPlan]) -> Iterator[str]:
    """Give the sums, and say what is not in them."""
    timed = [plan for plan in plans if _is_timed(plan)]
    open_tests = sum(plan.open_tests for plan in plans)
    yield f"{_sum(plans, open_tests)}; nothing was called or spent."
    later = [plan for plan in plans if plan.later]
    if later:
        yield (
            f"Up to {sum(plan.later for plan in later):,} of them depend on replies "
            "that are not stored yet; how many and how long is what the strategy "
            f"expects: {', '.join(plan.rung for plan in later)}."
        )
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
    if open_tests:
        also = " either" if unpriced else ""
        yield (
            f"Not in it{also}: {count(open_tests, 'item')} whose calls are known only "
            "when they run (free-form tests, tasks)."
        )


def _sum(plans: Sequence[RungPlan], open_tests: int) -> str:
    """Say how many calls there are, and what they cost, as far as that is known."""
    calls = sum(plan.calls for plan in plans)
    if open_tests and not calls:
        return "An unknown number of calls at an unknown price"
    priced = [plan for plan in plans if plan.usd is not None]
    covered = sum(plan.calls for plan in priced)
    if calls and not covered:
        timed = all(_is_timed(plan) for plan in plans if plan.usd is None)
        price = "paid by the time they take" if timed else "at an unknown price"
    else:
        price = f"at most {dollars(sum(plan.usd or 0.0 for plan in priced))}"
        price += "" if covered == calls else f" for {covered:,} of them"
        price += " unless a lost call is billed as well" if calls else ""
    more = ", and an unknown number more at an unknown price" if open_tests else ""
    return f"{count(calls, 'call')}, {price}{more}"


def _is_timed(plan: RungPlan) -> bool:
    return plan.usd is None and plan.usd_per_minute is not None


def _cells(plan: RungPlan) -> tuple[str, ...]:
    key = f" with {plan.key}" if plan.key else ""
    price = dollars(plan.usd)
    if _is_timed(plan):
        price = f"{dollars(plan.usd_per_minute)} a minute"
    elif plan.open_tests:
        price = f"{price} + unknown" if plan.calls else "unknown"
    return (
        plan.rung,
        "unknown" if plan.open_tests and not plan.calls else str(plan.calls),
        str(plan.stored),
        f"{plan.input_tokens:,}",
        "unknown" if plan.output_tokens is None else f"<= {plan.output_tokens:,}",
        price,
        f"{plan.host}{key}",
    )
