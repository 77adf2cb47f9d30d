"""A change of what ships, held to the experiment that compared the two rungs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pytest_ladder.core.ladder import Gate
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.gate.result import Check
from pytest_ladder.decide.real.measured import UserDifference
from pytest_ladder.decide.real.states import OutcomeState, missing_sentence
from pytest_ladder.decide.real.users import Users, apart, gain_of, guarded
from pytest_ladder.text import numbers


def promotion_checks(
    users: Users | None, shipped: str | None, candidate: str | None, terms: Gate
) -> Iterator[Check]:
    """Hold `candidate`, which would ship, to what users made of it and of `shipped`.

    By the primary outcome and all guardrails (docs/gates.md); of one that nobody
    imported nothing is known. For a change that leaves alone what ships see `standing`.
    """
    if users is None or shipped is None or candidate is None or shipped == candidate:
        return
    for state in users.outcomes:
        if state.is_primary:
            found = _promoted(state, shipped, candidate, terms)
            yield _check("users", state.name, *found)
        if state.guardrail is not None:
            held = guarded(state, shipped, candidate)
            yield _check("guardrail", state.name, held.verdict, held.sentence)
    for outcome in users.missing:
        unknown: tuple[Verdict, str] = "undecided", missing_sentence(outcome)
        if outcome.name == users.level:
            yield _check("users", outcome.name, *unknown)
        if outcome.guardrail is not None:
            yield _check("guardrail", outcome.name, *unknown)


def standing(users: Users | None, shipped: str | None, terms: Gate) -> Iterator[str]:
    """Say what users made of the rung that ships, where a change leaves it alone.

    Held against the other rungs of its experiment as if it were promoted over each;
    this is for information and decides nothing.
    """
    state = None if users is None else users.primary
    if state is None or shipped is None or state.of(shipped) is None:
        return
    for one in state.rungs:
        if one.rung != shipped:
            verdict, reason = _promoted(state, one.rung, shipped, terms)
            yield f"For information, of what ships: {verdict.upper()}: {reason}"


def _check(
    kind: Literal["users", "guardrail"], name: str, verdict: Verdict, reason: str
) -> Check:
    return Check(kind=kind, name=f"{kind}, {name}", verdict=verdict, reason=reason)


def _promoted(
    state: OutcomeState, shipped: str, candidate: str, terms: Gate
) -> tuple[Verdict, str]:
    found = state.compare(candidate, shipped)
    if found is None:
        return "undecided", apart(state, shipped, candidate)
    if found.problems:
        return "undecided", found.problems[0]
    gain, low, high = gain_of(state, found)
    said = _said(state, found)
    margin = state.amount(terms.real_drop)
    if low > -terms.real_drop:
        if not terms.real_drop:
            return "pass", f"{said}: {state.fares(better=True)}."
        return "pass", f"{said}: {state.unit}s lose less than {margin}."
    if high < -terms.real_drop:
        return "fail", f"{said}: {state.fares(better=False)}."
    needed = "no established improvement yet"
    if terms.real_drop:
        needed = f"a loss of more than {margin} cannot be ruled out"
    elif gain < 0:
        needed = "neither better nor worse is established"
    return "undecided", f"{said}: {needed}."


def _said(state: OutcomeState, found: UserDifference) -> str:
    gain, units = state.difference(found.difference), numbers.count(found.n, state.unit)
    return (
        f"{state.name}: {found.rung} {gain} against {found.against} "
        f"({state.between(found.low, found.high)}, {units})"
    )
