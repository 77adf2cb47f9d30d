"""How reports word a matrix, its decision and what the run spent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_ladder.core.row import LostCalls
from pytest_ladder.decide.cost import Spend
from pytest_ladder.decide.decision import Decision, Part, Roi, Standing
from pytest_ladder.decide.matrix import Matrix, RungResult, outcome_at
from pytest_ladder.decide.outgrown import Outgrown
from pytest_ladder.reporting.sentences.planned import planned_sentences
from pytest_ladder.text.numbers import (
    NOT_AVAILABLE,
    bar,
    calls_of_prices,
    count,
    dollars,
    per_answer,
    per_calls,
    percent,
    points,
    points_between,
    times,
)

FEW_CASES = 10
"""With fewer cases a quality says little."""

MOST_NAMED = 3
"""Rungs that a sentence names before it counts the others."""

MOST_POINTS = 100
"""From the worst quality to the best."""


def price_column(rungs: Sequence[RungResult]) -> tuple[str, list[str]]:
    """Give for how many calls prices of rungs are written, and the prices."""
    costs = [rung.cost.usd_per_1k for rung in rungs]
    calls, by = calls_of_prices(costs)
    return calls, [dollars(times(usd, by)) for usd in costs]


def recorded_latency(rungs: Sequence[RungResult]) -> str:
    """Say what a starred latency is; empty: none is."""
    if not any(rung.latency.recorded for rung in rungs):
        return ""
    of_them = " of that rung" if any(rung.calls.live for rung in rungs) else ""
    return f"latency when recorded; no call{of_them} was live"


def headline(decision: Decision) -> str | None:
    """Say which rung is recommended, and why; None without an objective."""
    advice = decision.recommendation
    if advice is None:
        return None
    return f"{advice.verdict.upper()}: {advice.reason}"


def part_sentence(part: Part | None) -> str:
    """Say which part of its suite a run is; empty: it is all of it."""
    return "" if part is None else f"A part of the suite: {part}."


def details(decision: Decision) -> Iterator[str]:
    """Say what is certain of the rung, what the next one costs, and what may change."""
    advice = decision.recommendation
    if advice is None:
        yield from planned_sentences(decision)
        return
    if advice.rung is not None and advice.certified_floor:
        floor = percent(advice.certified_floor)
        yield f"{advice.rung} scores at least {floor} on cases like these, 95 % sure."
    if advice.switch is not None:
        step = advice.switch
        gain = _gain(step, decision.volume)
        yield f"From the current {step.from_rung} to {step.to_rung}: {gain}."
    if advice.roi is not None:
        gain = _gain(advice.roi, decision.volume)
        yield f"The next rung is {advice.roi.to_rung}: {gain}."
    elif advice.next_rung is not None:
        yield f"The next rung worth trying is {advice.next_rung}."
    yield from advice.changes
    yield from planned_sentences(decision)


def criteria(matrix: Matrix) -> Iterator[str]:
    """Say of each rung what became of each criterion that the objective names."""
    for rung in matrix.rungs:
        if rung.requirements:
            yield f"{rung.id}: {'; '.join(map(str, rung.requirements))}."
    yield from ruled_out(matrix)


def ruled_out(matrix: Matrix) -> Iterator[str]:
    """Say why rungs are out that meet the bar and fail no criterion that is listed.

    Of a rung that a climb stopped its looks say it.
    """
    named = []
    for rung in matrix.rungs:
        told = {one.lack for one in rung.requirements}
        why = [lack for lack in rung.lacks if lack not in told]
        if why and rung.state == "run":
            named.append(f"{rung.id}, which {' and '.join(why)}")
    if named:
        more = [f"and {len(named) - MOST_NAMED:,} more"] * (len(named) > MOST_NAMED)
        yield f"Out for more than the bar: {'; '.join(named[:MOST_NAMED] + more)}."


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
        title = outcome_at(matrix, level) or level
        few = [cell for cell in cells if 0 < cell.n < FEW_CASES]
        if few:
            yield f"{title}: fewer than {FEW_CASES} {few[0].noun}s say little."
        if any(cell.n and cell.low is None for cell in cells):
            yield f"{level}: too few clusters for an interval."
    if matrix.order_note:
        yield matrix.order_note


def outgrown_sentence(found: Outgrown) -> str:
    """Say that a level must grow, and which of its cases still say something."""
    others = f"each of {count(found.rungs, 'rung')} scores {bar(found.near)} or more"
    why = f"{others}, 95 % sure"
    if found.why == "tie":
        why = (
            f"none of {count(found.rungs, 'rung')} can be told from the best, at "
            f"{percent(found.best)}"
        )
    tell = "tells" if found.telling == 1 else "tell"
    told = f"{found.telling:,} of {count(found.cases, 'case')} still {tell} rungs apart"
    if not found.telling:
        told = f"none of {count(found.cases, 'case')} tells rungs apart"
    hard = f"; the hardest: {', '.join(found.hardest)}" if found.hardest else ""
    return f"{found.level}: add harder cases: {why}; {told}{hard}."


def spend_line(spend: Spend) -> str:
    """Say what the run spent and what it did not have to spend."""
    if not spend.lost_calls:
        return _replies_line(spend)
    spent = _lost_usd(spend.lost_usd, at_most=spend.lost_at_most)
    lost = f"{count(spend.lost_calls, 'call')}, no reply; {spent}"
    if spend.live_calls or spend.replayed_calls:
        return f"{_replies_line(spend)}. Besides {lost}"
    return lost


def _lost_usd(usd: float | None, *, at_most: bool) -> str:
    """Say what calls without a reply cost; `at_most`: it is their worst case."""
    if usd is None:
        return "their cost is unknown"
    if not usd:
        return "nothing spent"
    return f"{'at most ' * at_most}{dollars(usd)}"


def _replies_line(spend: Spend) -> str:
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


def unused_calls(costs: Sequence[float | None]) -> str:
    """Say what was paid for replies that no test used; costs in USD."""
    known = math.fsum(usd for usd in costs if usd is not None)
    spent = dollars(known) if any(usd is not None for usd in costs) else "unknown"
    if len(costs) == 1:
        return f"1 more call ({spent}) was made ahead, and its reply is stored, unused."
    calls = f"{len(costs):,} more calls"
    return f"{calls} ({spent}) were made ahead, and their replies are stored, unused."


def unused_failures(lost: Sequence[LostCalls]) -> str:
    """Say what was paid for calls that brought no reply, and that no test asked for."""
    costs = [calls.usd for calls in lost]
    usd = None if None in costs else math.fsum(filter(None, costs))
    spent = _lost_usd(usd, at_most=any(calls.at_most for calls in lost))
    calls = count(sum(calls.calls for calls in lost), "more call")
    whose = "made ahead of tests that did not ask, or under way at the end"
    return f"{calls}, {whose}: no reply; {spent}."


def late_replies(replies: int) -> str:
    """Say of replies that came too late that they are not lost."""
    which = "1 reply" if replies == 1 else f"{replies:,} replies"
    stored = "it is" if replies == 1 else "they are"
    return f"{which} came after the test had ended; {stored} stored for the next run."


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
    """Say where a rung stands: `on the front`, `beaten by …`."""
    if standing is None or not standing.comparable:
        return "not compared"
    if standing.on_front:
        return "on the front"
    if standing.dominated_by is not None:
        return f"beaten by {standing.dominated_by}"
    return "off the front, not separable"


def signed(number: float | None) -> str:
    """Write a gain: `+4.2`, `+1,240`, or `n/a`."""
    if number is None:
        return NOT_AVAILABLE
    return f"{number:+,.0f}" if abs(number) >= 1000 else f"{number:+.1f}"


def return_text(points_per_1000_usd: float | None, volume: int) -> str:
    """Write what money brings at a volume: `35 points per $1,000 at 100 calls`, `n/a`.

    Of more than 100 points per $1,000 it gives the price of a point instead. The money
    is that of all the calls, building included.
    """
    if points_per_1000_usd is None:
        return NOT_AVAILABLE
    if abs(points_per_1000_usd) <= MOST_POINTS:
        text = f"{points_per_1000_usd:.3g} points per $1,000"
    else:
        sign = "-" if points_per_1000_usd < 0 else ""
        text = f"{sign}1 point per {dollars(1000 / abs(points_per_1000_usd))}"
    return f"{text} at {count(volume, 'call')}"


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
    text = per_calls(abs(usd)).replace(" per", f" {more} per")
    if step.usd_per_good_answer is None or not step.established or usd < 0:
        return text
    return f"{text}, {per_answer(step.usd_per_good_answer)}"


def _recorded(spend: Spend) -> str:
    if not spend.replayed_calls:
        return ""
    if spend.saved_usd is None:
        return " recorded at unknown cost"
    text = f" recorded at {dollars(spend.saved_usd)}"
    if 0 < spend.unknown_replayed_calls < spend.replayed_calls:
        text += f" ({spend.unknown_replayed_calls:,} of unknown cost not counted)"
    return text


def _gain(step: Roi, volume: int) -> str:
    """Say what a step brings and costs, and on which cases if not on all."""
    if step.points is None:
        return "there is no case in common to compare them on"
    gain = gain_text(step)
    if step.only_cases is not None:
        gain += f" on the {count(step.only_cases, 'case')} that both ran,"
    text = f"{gain} for {price_text(step)}"
    if step.extra_usd_per_1k is None:
        text = f"{gain} at an unknown cost"
    if not step.established:
        return f"{text}; its return is not established"
    if step.points_per_1000_usd is not None:
        text += f", {return_text(step.points_per_1000_usd, volume)}"
    return text
