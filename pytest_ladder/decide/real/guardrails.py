"""An outcome that must not get worse, held against a change of what ships."""

from __future__ import annotations

import msgspec

from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.real.compare import UserDifference
from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.text import numbers

_ONE_SIDED = 0.1
"""Error of an interval each of whose ends is a one-sided 95 % bound."""


class Guarded(msgspec.Struct, frozen=True):
    """What a guardrail says of a change."""

    verdict: Verdict
    sentence: str
    clause: str = ""
    """The same behind a comparison of the two rungs; empty: there is none."""


def guarded(state: OutcomeState, shipped: str, candidate: str) -> Guarded:
    """Say whether an outcome that must not get worse does (one-sided, unadjusted)."""
    found = state.compare(candidate, shipped, tails=_ONE_SIDED, is_adjusted=False)
    margin = state.guardrail or 0.0
    if found is None:
        return Guarded("undecided", apart(state, shipped, candidate))
    if found.problems:
        return Guarded("undecided", found.problems[0])
    gain, low, high = gain_of(state, found)
    harm, least, most = -gain, -high, -low
    verdict: Verdict = "undecided"
    so = "undecided"
    if least > 0 and harm >= margin:
        verdict, so = "fail", "harm is established"
    elif most < margin:
        verdict, so = "pass", "more harm than that is ruled out"
    by = f"{state.amount(abs(harm))} {'worse' if harm > 0 else 'better'}"
    held = f"margin {state.amount(margin)}: {so}"
    return Guarded(
        verdict,
        f"{state.name}: {candidate} is {by} than {shipped} "
        f"({numbers.count(found.n, state.unit)}), {held}.",
        f"{state.name} {by}, {held}",
    )


def gain_of(state: OutcomeState, found: UserDifference) -> tuple[float, float, float]:
    """Return the difference with its ends, above 0 where users fare better."""
    if state.goal == "up":
        return found.difference, found.low, found.high
    return -found.difference, -found.high, -found.low


def apart(state: OutcomeState, shipped: str, candidate: str) -> str:
    """Say why users of two rungs are not compared."""
    if state.kind == "preference":
        return f"{state.name}: too few people compared {candidate} with {shipped}."
    met = [one.rung for one in state.rungs if one.rung in (shipped, candidate)]
    if len(met) == 2:
        return f"{state.name}: {shipped} or {candidate} met too few users to compare."
    return (
        f"{state.name}: no experiment holds both {shipped} and {candidate}, so nobody "
        "knows what users make of the change."
    )
