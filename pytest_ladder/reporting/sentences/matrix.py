"""How reports word a matrix, its decision and what the run spent."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pytest_ladder.decide.cost import Spend
from pytest_ladder.decide.decision import Decision, Roi, Standing
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.text.numbers import (
    NOT_AVAILABLE,
    count,
    dollars,
    percent,
    points,
    points_between,
)

FEW_CASES = 10
"""With fewer cases a quality says little."""

MOST_POINTS = 100
"""From the worst quality to the best."""


def headline(decision: Decision) -> str | None:
    """Say which rung is recommended, and why; None without an objective."""
    advice = decision.recommendation
    if advice is None:
        return None
    return f"{advice.verdict.upper()}: {advice.reason}"


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


def spend_sentence(spend: Spend) -> str:
    """Say the same as a sentence of its own."""
    line = spend_line(spend)
    return f"{line[0].upper()}{line[1:]}."


def unfinished(rows: int, over_budget: int) -> str:
    """Say why rows did not finish: `2 errors and 3 not run: budget`."""
    errors = rows - over_budget
    parts = [count(errors, "error")] if errors else []
    if over_budget:
        parts.append(f"{over_budget:,} not run: budget")
    return " and ".join(parts)


def standing_text(standing: Standing | None) -> str:
    """Say where a rung stands: `on the front (in 93 % of draws)`, `beaten by …`."""
    if standing is None or not standing.comparable:
        return "not compared"
    share = standing.front_share
    draws = "" if share is None else f" (in {100 * share:.0f} % of draws)"
    if standing.on_front:
        return f"on the front{draws}"
    if standing.dominated_by is not None:
        return f"beaten by {standing.dominated_by}"
    return f"off the front, not separable{draws}"


def signed(number: float | None) -> str:
    """Write a gain: `+4.2`, `+1,240`, or `n/a`."""
    if number is None:
        return NOT_AVAILABLE
    return f"{number:+,.0f}" if abs(number) >= 1000 else f"{number:+.1f}"


def return_text(points_per_1000_usd: float | None) -> str:
    """Write what money brings: `35 points per $1,000`, `1 point per $0.81`, or `n/a`.

    Of more than 100 points per $1,000 it gives the price of a point instead.
    """
    if points_per_1000_usd is None:
        return NOT_AVAILABLE
    if abs(points_per_1000_usd) <= MOST_POINTS:
        return f"{points_per_1000_usd:.3g} points per $1,000"
    sign = "-" if points_per_1000_usd < 0 else ""
    return f"{sign}1 point per {dollars(1000 / abs(points_per_1000_usd))}"


def gain_text(step: Roi) -> str:
    """Write what a step adds: `+4.2 points (+1.0 to +7.4)`."""
    if step.points is None:
        return NOT_AVAILABLE
    text = points(step.points / 100)
    if step.low is None or step.high is None:
        return text
    return f"{text} ({points_between(step.low / 100, step.high / 100)})"


def price_text(step: Roi) -> str:
    """Write what a step costs more: `$0.12 more per 1,000 calls`."""
    usd = step.extra_usd_per_1k
    if usd is None:
        return "cost unknown"
    more = "less" if usd < 0 else "more"
    text = f"{dollars(abs(usd))} {more} per 1,000 calls"
    if step.usd_per_good_answer is None or not step.established or usd < 0:
        return text
    return f"{text}, {dollars(step.usd_per_good_answer)} per extra good answer"


def _recorded(spend: Spend) -> str:
    if not spend.replayed_calls:
        return ""
    if spend.saved_usd is None:
        return " recorded at unknown cost"
    text = f" recorded at {dollars(spend.saved_usd)}"
    if 0 < spend.unknown_replayed_calls < spend.replayed_calls:
        text += f" ({spend.unknown_replayed_calls:,} of unknown cost not counted)"
    return text


def _gain(step: Roi) -> str:
    """Say what a step brings and costs."""
    if step.points is None:
        return "there is no case in common to compare them on"
    text = f"{gain_text(step)} for {price_text(step)}"
    if not step.established:
        return f"{text}; its return is not established"
    if step.points_per_1000_usd is not None:
        text += f", {return_text(step.points_per_1000_usd)}"
    return text
