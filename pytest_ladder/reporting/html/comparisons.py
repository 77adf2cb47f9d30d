"""What the page shows of rungs compared by users, and of each look at them.

Places of marks are shares of a picture's width; users fare better to the right.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from pytest_ladder.decide.real.measured import UserDifference
from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.reporting.users import (
    difference_sentence,
    rating_sentences,
    response_sentences,
)
from pytest_ladder.text import numbers

Table = dict[str, Any]

MOST_OPEN = 3
"""Comparisons of an outcome up to which they need not be unfolded."""


def comparisons_of(state: OutcomeState) -> Table:
    """Give sentence, verdict and marks of each comparison of an outcome."""
    sizes = [
        abs(x)
        for found in state.comparisons
        for x in (found.low, found.difference, found.high)
        if math.isfinite(x)
    ]
    reach = 1.05 * max([*sizes, state.guardrail or 0.0]) or 1.0
    margin = None
    if state.guardrail is not None:
        margin = share_of(-state.guardrail, -reach, reach)
    return {
        "outcome": state.name,
        "open": state.is_primary
        or state.guardrail is not None
        or len(state.comparisons) <= MOST_OPEN,
        "reach": state.amount(reach),
        "margin": margin,
        "margin_text": (
            "" if margin is None else f"margin {state.amount(state.guardrail or 0.0)}"
        ),
        "notes": [
            *(rating_sentences(state) if state.kind == "rating" else ()),
            *response_sentences(state),
        ],
        "lines": [
            {
                "verdict": _verdict(found),
                "sentence": difference_sentence(state, found),
                "marks": _marks(state, found, reach),
                "looks": _seen(state, found, reach),
            }
            for found in state.comparisons
        ],
    }


def _marks(state: OutcomeState, found: UserDifference, reach: float) -> list[float]:
    """Give low end, difference and high end, to the right where users fare better."""
    sign = 1 if state.goal == "up" else -1
    gains = sorted(sign * x for x in (found.low, found.high))
    return [
        share_of(gain, -reach, reach)
        for gain in (gains[0], sign * found.difference, gains[1])
    ]


def _seen(state: OutcomeState, found: UserDifference, reach: float) -> list[list[Any]]:
    """Give what each look at a comparison with the control told, one after the other.

    In words, and the three marks as `_marks` has them, from which a look that was wide
    sticks out. Empty with fewer than two looks.
    """
    aggregate = state.aggregate
    variant = aggregate.of_rung(found.rung)
    if variant is None or found.against != state.control:
        return []
    seen = []
    for look in aggregate.looks:
        if variant.variant in look.differences:
            apart, low, high = look.differences[variant.variant]
            told = msgspec.structs.replace(found, difference=apart, low=low, high=high)
            words = (
                f"{look.to}, {units_of(look.units)}: {state.difference(apart)} "
                f"({state.between(low, high)})"
            )
            seen.append([words, _marks(state, told, reach)])
    return seen if len(seen) > 1 else []


def _verdict(found: UserDifference) -> str:
    if found.problems:
        return "nothing decided"
    if found.better is None:
        return "undecided"
    return "better" if found.better else "worse"


def share_of(x: float, low: float, high: float) -> float:
    """Return where `x` lies between two ends, within [0, 1]."""
    return (
        0.0 if low == high else round(min(1.0, max(0.0, (x - low) / (high - low))), 4)
    )


def units_of(n: int) -> str:
    """Write how many units: `1,200 units`."""
    return numbers.count(n, "unit")
