"""What a matrix says in sentences, for every report to say it in the same words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pytest_ladder.decide.cost import Spend
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.text.numbers import count, dollars, percent

FEW_CASES = 10
"""Below this n a quality is hardly more than an anecdote."""


def spend_line(spend: Spend) -> str:
    """Say what the run spent and what it did not have to spend."""
    replayed = count(spend.replayed_calls, "call")
    recorded = _recorded(spend)
    if not spend.live_calls:
        if not spend.replayed_calls:
            return "made no calls; spent nothing"
        return f"replayed {replayed}{recorded}; spent nothing"
    parts = (spend.product_usd, spend.evaluation_usd)
    known = spend.unknown_calls < spend.live_calls
    total = (
        dollars(math.fsum(usd or 0.0 for usd in parts)) if known else "an unknown sum"
    )
    text = f"spent {total} on {count(spend.live_calls, 'call')}"
    if known and spend.evaluation_usd != 0:
        product, evaluation = (dollars(usd) for usd in parts)
        text += f" ({product} product, {evaluation} evaluation)"
    if 0 < spend.unknown_calls < spend.live_calls:
        text += f", {spend.unknown_calls:,} of them of unknown cost and not counted"
    return f"{text}; {spend.replayed_calls:,} replayed{recorded}"


def remarks(matrix: Matrix) -> Iterator[str]:
    """Say what a reader must know before trusting the table's numbers."""
    for rung in matrix.rungs:
        if rung.state == "stopped":
            yield f"{rung.id} was stopped before all cases ran."
        for level, cell in rung.levels.items():
            if cell.errors:
                yield (
                    f"{rung.id}, {level}: {unfinished(cell.errors, cell.over_budget)}, "
                    f"which no quality counts; coverage {percent(cell.coverage)}."
                )
    for level in matrix.levels:
        cells = [rung.levels[level] for rung in matrix.rungs if level in rung.levels]
        if any(0 < cell.n < FEW_CASES for cell in cells):
            yield f"{level}: fewer than {FEW_CASES} cases can hardly tell rungs apart."
        if any(cell.n and cell.low is None for cell in cells):
            yield f"{level}: too few clusters for an interval."
    if matrix.order_note:
        yield matrix.order_note


def unfinished(rows: int, over_budget: int) -> str:
    """Say why rows did not finish: `2 errors and 3 not run: budget`."""
    errors = rows - over_budget
    told = [count(errors, "error")] if errors else []
    if over_budget:
        told.append(f"{over_budget:,} not run: budget")
    return " and ".join(told)


def _recorded(spend: Spend) -> str:
    if not spend.replayed_calls:
        return ""
    if spend.saved_usd is None:
        return " recorded at unknown cost"
    text = f" recorded at {dollars(spend.saved_usd)}"
    if 0 < spend.unknown_replayed_calls < spend.replayed_calls:
        text += f" ({spend.unknown_replayed_calls:,} of unknown cost not counted)"
    return text
