"""What the page shows of users: values, experiments, comparisons.

Places of marks are shares of a picture's width, decided here and only put there by the
page's script. In pictures of differences users fare better to the right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.aggregate import SEVERAL
from pytest_ladder.decide.real.measured import UserDifference
from pytest_ladder.decide.real.states import (
    ExperimentState,
    OutcomeState,
    RungOutcome,
    freshness_sentence,
    missing_sentence,
)
from pytest_ladder.decide.real.users import Users
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.users import (
    difference_sentence,
    interval_text,
    response_sentences,
)
from pytest_ladder.text import numbers

Table = dict[str, Any]

MOST_OPEN = 3
"""Comparisons of an outcome up to which they need not be unfolded."""
MOST_TOLD = 3
"""Comparisons of users that the first screen has room for."""


def users_section(
    report: Report, users: Users, proxies: Sequence[Table]
) -> Table | None:
    """Give all that the section on users shows; None where no outcome is declared.

    `proxies` are the cards of what may predict them.
    """
    if not (users.outcomes or users.missing):
        return None
    lead = "No outcome is level real yet, so users decide nothing."
    if users.primary is not None:
        lead = (
            "Checks and judges are approximations; level real is what users did: "
            f"{users.primary.name}."
        )
    states = sorted(users.outcomes, key=lambda state: not state.is_primary)
    rungs = [rung.id for rung in report.matrix.rungs]
    met = {one.rung: None for state in states for one in state.rungs if one.rung}
    return {
        "lead": lead,
        "alarms": [one.name for one in users.experiments if one.is_broken],
        "problems": problems_of(users),
        "missing": [missing_sentence(one) for one in users.missing],
        "outcomes": [_head(state) for state in states],
        # In the order of the matrix; what is no rung any more comes last.
        "rungs": [
            [rung, [_cell(state, rung) for state in states]]
            for rung in sorted(
                met, key=lambda rung: rungs.index(rung) if rung in rungs else len(rungs)
            )
        ],
        "experiments": [_experiment(one) for one in users.experiments],
        "comparisons": [
            _comparisons_of(state) for state in states if state.comparisons
        ],
        "proxies": proxies,
        "left_out": [text for state in states if (text := _left_out(state))],
    }


def problems_of(users: Users) -> list[str]:
    """Say once each why outcomes decide nothing: those of broken splits first."""
    broken = {one.name for one in users.experiments if one.is_broken}
    states = sorted(
        users.outcomes, key=lambda state: state.aggregate.experiment not in broken
    )
    whole = {problem: None for state in states for problem in state.problems}
    stale = (freshness_sentence(state.name, state.freshness) for state in states)
    return [*whole, *filter(None, stale)]


def lines_on(users: Users, rung: str | None, said: str) -> list[str]:
    """Say for the first screen what stands against deciding, and how users fare.

    How those of `rung` do by the primary outcome, and by guardrails that are broken.
    What is `said` there already is left out.
    """
    primary = users.primary
    if primary is None:
        return []
    doubts = [*primary.problems, freshness_sentence(primary.name, primary.freshness)]
    lines = [doubt for doubt in doubts if doubt and doubt not in said]
    if primary.problems:
        return lines
    told = [
        difference_sentence(state, found)
        for state in sorted(users.outcomes, key=lambda state: not state.is_primary)
        for found in state.comparisons
        if state.is_primary or (state.guardrail is not None and found.worse)
        if rung in (found.rung, found.against)
    ]
    lines += told[:MOST_TOLD]
    if len(told) > MOST_TOLD:
        more = numbers.count(len(told) - MOST_TOLD, "more comparison")
        lines.append(f"{more} below, under Users.")
    return lines


def stat_of(state: OutcomeState, rung: str) -> list[str]:
    """Give name, value and interval of an outcome of one rung; empty: it has none."""
    own = state.of(rung)
    if own is None or own.value is None:
        return []
    between = f"95 %: {interval_text(state, own)}, n = {_units_of(state, own)}"
    return [state.name, state.text(own.value.value), between]


def _head(state: OutcomeState) -> Table:
    notes = ["level real"] if state.is_primary else []
    notes.append(f"{state.kind}, {'more' if state.goal == 'up' else 'less'} is better")
    if state.guardrail is not None:
        notes.append(f"guardrail, margin {state.amount(state.guardrail)}")
    if state.problems:
        notes.append("decides nothing")
    low, high = _range(state)
    scale = "" if low == high else f"{state.text(low)} … {state.text(high)}"
    return {"name": state.name, "notes": notes, "scale": scale}


def _cell(state: OutcomeState, rung: str) -> Table | None:
    one = state.of(rung)
    if one is None:
        return None
    own = one.value
    if own is None:
        return {
            "text": "withheld",
            "note": f"too few: {_units_of(state, one)}",
            "bar": None,
        }
    low, high = _range(state)
    ends = [_share_of(x, low, high) for x in (own.low, own.value, own.high)]
    return {
        "text": state.text(own.value),
        "note": f"{interval_text(state, one)}, {_units_of(state, one)}",
        "bar": None if low == high else ends,
        "stale": "stale: changed since" if one.is_stale else one.mark,
    }


def _units_of(state: OutcomeState, one: RungOutcome) -> str:
    return numbers.count(one.units, state.unit)


def _range(state: OutcomeState) -> tuple[float, float]:
    """Return the least and the greatest end of the intervals of all rungs."""
    ends = [
        end
        for one in state.rungs
        if one.value
        for end in (one.value.low, one.value.value, one.value.high)
        if math.isfinite(end)
    ]
    return min(ends, default=0.0), max(ends, default=0.0)


def _experiment(one: ExperimentState) -> Table:
    total = sum(one.units.values())
    got = {name: n / total if total else 0.0 for name, n in one.units.items()}
    whole = sum(one.shares.values())
    planned = {name: share / whole for name, share in one.shares.items() if whole}
    most = max([*got.values(), *planned.values()], default=1.0) or 1.0
    return {
        "name": one.name,
        "dates": f"{one.first} to {one.last}" if one.first else "",
        "broken": one.is_broken,
        "variants": [
            {
                "variant": variant + (" (control)" if variant == one.control else ""),
                "rung": rung or "left out",
                "units": f"{one.units[variant]:,}",
                "got": numbers.percent(got[variant]),
                "planned": (
                    numbers.percent(planned[variant]) if planned else "no plan"
                ),
                "bar": [
                    _share_of(got[variant], 0, most),
                    _share_of(planned.get(variant, got[variant]), 0, most),
                ],
            }
            for variant, rung in one.variants.items()
        ],
        "facts": list(_facts(one, total)),
        "looks": _looks(one),
    }


def _facts(one: ExperimentState, total: int) -> Iterator[list[str]]:
    if one.p is None:
        yield ["split", "no plan to hold it against"]
    else:
        said = "BROKEN, nothing is decided" if one.is_broken else "as planned"
        p = numbers.p_value(one.p)
        yield ["split", f"{said} (χ² {one.chi2:.2f}, p {p}; broken below 0.001)"]
    leaks = [f"{name}: {_in_units(n)}" for name, n in one.leaks.items()]
    yield ["leaks", ", ".join(leaks) or "none"]
    several = "none"
    if one.several:
        share = numbers.percent(one.several / (total + one.several))
        several = f"{_in_units(one.several)} ({share}), left out"
    yield ["in several variants", several]
    if one.looks:
        last = one.looks[-1]
        times = "once" if len(one.looks) == 1 else f"{len(one.looks)} times"
        yield ["looked at", f"{times}, last with {_in_units(last.units)} to {last.to}"]


def _looks(one: ExperimentState) -> list[list[float]]:
    """Give place and height of each look: its day, and the units until then."""
    if len(one.looks) < 2:
        return []
    days = [look.to.toordinal() for look in one.looks]
    most = max(look.units for look in one.looks)
    return [
        [_share_of(day, min(days), max(days)), _share_of(look.units, 0, most)]
        for day, look in zip(days, one.looks, strict=True)
    ]


def _comparisons_of(state: OutcomeState) -> Table:
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
        margin = _share_of(-state.guardrail, -reach, reach)
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
        _share_of(gain, -reach, reach)
        for gain in (gains[0], sign * found.difference, gains[1])
    ]


def _seen(state: OutcomeState, found: UserDifference, reach: float) -> list[list[Any]]:
    """Give what each look at a comparison with the control told, one after the other.

    In words, and the three marks as `_marks` has them, from which a look that was wide
    sticks out. Empty with fewer than two looks.
    """
    aggregate = state.aggregate
    variant = aggregate.of_rung(found.rung)
    if variant is None or found.against != state.control or len(aggregate.looks) < 2:
        return []
    seen = []
    for look in aggregate.looks:
        if variant.variant in look.differences:
            apart, low, high = look.differences[variant.variant]
            told = msgspec.structs.replace(found, difference=apart, low=low, high=high)
            words = (
                f"{look.to}, {_in_units(look.units)}: {state.difference(apart)} "
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


def _share_of(x: float, low: float, high: float) -> float:
    """Return where `x` lies between two ends, within [0, 1]."""
    return (
        0.0 if low == high else round(min(1.0, max(0.0, (x - low) / (high - low))), 4)
    )


def _in_units(n: int) -> str:
    """Write how many units: `1,200 units`."""
    return numbers.count(n, "unit")


def _left_out(state: OutcomeState) -> str:
    dropped = state.aggregate.dropped
    listed = [f"{why} {n:,}" for why, n in dropped.items() if why != SEVERAL]
    return f"{state.name}: {', '.join(listed)}." if listed else ""
