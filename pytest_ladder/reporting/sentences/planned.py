"""How reports word what a rung that is not built yet would have to be."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pytest_ladder.decide.decision import Decision, Rival, Worth
from pytest_ladder.text.numbers import count, dollars, percent, quality


def planned_sentences(decision: Decision) -> Iterator[str]:
    """Say of each planned model, with its cheapest strategy, when it is worth it.

    That of its other rungs is on the page and in `matrix.json`.
    """
    seen: set[str] = set()
    for worth in decision.planned:
        if worth.model not in seen:
            seen.add(worth.model)
            yield planned_sentence(worth, decision.volume)


def planned_sentence(worth: Worth, volume: int) -> str:
    """Say what a planned rung would cost, and from which quality it is worth that."""
    missing = list(_missing(worth))
    if missing:
        return f"planned: {worth.rung}: unknown is {' and '.join(missing)}."
    hours = f" ({worth.build_hours:,g} h)" if worth.build_hours else ""
    told = (
        f"planned: {worth.rung} would cost about {dollars(worth.serve_usd_per_1k)} per "
        f"1,000 calls and {dollars(worth.build_usd)}{hours} to build"
    )
    rival = worth.rival
    if rival is None:
        return f"{told}; no measured rung is there to hold it against."
    from_where = f"worth it from {percent(rival.worth_from)}"
    role = "the recommended rung" if rival.recommended else "the current rung"
    if rival.is_open:
        role = "whose recommendation is undecided"
    return (
        f"{told}: {'not worth it' if rival.worth_from is None else from_where} at "
        f"{count(volume, 'call')} against {rival.rung}, {role} "
        f"({quality(rival.quality, rival.low, rival.high, rival.n)} at "
        f"{dollars(rival.usd_per_1k)}): {rival.why}{_turn(rival, volume)}."
    )


def need_text(worth: Worth) -> str:
    """Say the quality alone: `91.3 %`, `no quality would do`, or `unknown`."""
    if worth.rival is None:
        return "unknown"
    return "no quality would do" if worth.quality is None else percent(worth.quality)


def _missing(worth: Worth) -> Iterator[str]:
    if worth.serve_usd_per_1k is None:
        yield (
            "what using it would cost (add `price`, or `serve` with "
            "`tokens_per_second`, to its [[model]])"
        )
    if worth.build_usd is None:
        yield (
            "what building it would cost (add `build = { usd = … }` to its [[model]])"
        )


def _turn(rival: Rival, volume: int) -> str:
    """Say from how many calls on it is the cheaper one, where that depends on them."""
    calls = rival.break_even_volume
    if calls is None or math.isinf(calls):
        return ""
    # What rounding adds to a round number must not make it the next one.
    whole = math.ceil(round(calls, 6))
    verb = "would be" if whole > volume else "is"
    return f"; from {count(whole, 'call')} on it {verb} the cheaper one"
