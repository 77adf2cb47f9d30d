"""What the page shows of users: values, experiments, comparisons, proxies.

Places of marks are shares of a picture's width, decided here and only put there by the
page's script. In pictures of differences users fare better to the right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_ladder.core.aggregate import SEVERAL
from pytest_ladder.decide.real.soundness import freshness_sentence, missing_sentence
from pytest_ladder.decide.real.states import (
    ExperimentState,
    OutcomeState,
    RungOutcome,
)
from pytest_ladder.decide.real.users import Users
from pytest_ladder.reporting.html.comparisons import (
    Table,
    comparisons_of,
    share_of,
    units_of,
)
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.users import (
    difference_sentence,
    interval_text,
)
from pytest_ladder.text import numbers

if TYPE_CHECKING:
    from pytest_ladder.decide.real.proxies import Proxy, Said
    from pytest_ladder.decide.real.replies import RatedReplies

LEAST_TRIANGLE = 3
"""Rungs from which pairs are shown as a triangle."""
MOST_TOLD = 3
"""Comparisons of users that the first screen has room for."""
_SAID: dict[Said, tuple[str, str]] = {
    "same": ("✓", "says so too"),
    "other": ("✗", "says the opposite"),
    "equal": ("=", "scores both alike"),
}


def users_section(report: Report, users: Users) -> Table | None:
    """Give all that the section on users shows; None where no outcome is declared."""
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
        "comparisons": [comparisons_of(state) for state in states if state.comparisons],
        "proxies": [
            _proxy(report, proxy, state)
            for state in states
            for proxy in users.proxies
            if proxy.outcome == state.name
        ]
        + [_reply_by_reply(one) for one in users.replies],
        "left_out": [text for state in states if (text := _left_out(state))],
    }


def proxy_specs(report: Report) -> dict[str, Any]:
    """Give the charts of all proxies with two points or more, by their place."""
    if report.users is None or not report.users.proxies:
        return {}
    # One rung alone is held against nothing, as in a plain run.
    from pytest_ladder.reporting.charts.proxies import proxy_chart, proxy_points

    states = {state.name: state for state in report.users.outcomes}
    return {
        _place(proxy): proxy_chart(report, proxy, states[proxy.outcome])
        for proxy in report.users.proxies
        if len(proxy_points(report.matrix, proxy, states[proxy.outcome])) > 1
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
    ends = [share_of(x, low, high) for x in (own.low, own.value, own.high)]
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
                    share_of(got[variant], 0, most),
                    share_of(planned.get(variant, got[variant]), 0, most),
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
    leaks = [f"{name}: {units_of(n)}" for name, n in one.leaks.items()]
    yield ["leaks", ", ".join(leaks) or "none"]
    several = "none"
    if one.several:
        share = numbers.percent(one.several / (total + one.several))
        several = f"{units_of(one.several)} ({share}), left out"
    yield ["in several variants", several]
    if one.looks:
        last = one.looks[-1]
        times = "once" if len(one.looks) == 1 else f"{len(one.looks)} times"
        yield ["looked at", f"{times}, last with {units_of(last.units)} to {last.to}"]


def _looks(one: ExperimentState) -> list[list[float]]:
    """Give place and height of each look: its day, and the units until then."""
    if len(one.looks) < 2:
        return []
    days = [look.to.toordinal() for look in one.looks]
    most = max(look.units for look in one.looks)
    return [
        [share_of(day, min(days), max(days)), share_of(look.units, 0, most)]
        for day, look in zip(days, one.looks, strict=True)
    ]


def _reply_by_reply(one: RatedReplies) -> Table:
    """Give a card without a picture."""
    title = f"{one.level} → thumbs, reply by reply"
    return {
        "title": title,
        "level": str(one.level),
        "outcome": "thumbs",
        "sentence": one.sentence,
        "place": "",
        "rungs": [],
        "columns": [],
    }


def _proxy(report: Report, proxy: Proxy, state: OutcomeState) -> Table:
    from pytest_ladder.reporting.charts.proxies import proxy_points

    points = proxy_points(report.matrix, proxy, state)
    pairs = _triangle(proxy)
    return {
        "title": f"{proxy.level} → {proxy.outcome}",
        "level": str(proxy.level),
        "outcome": proxy.outcome,
        "sentence": proxy.sentence,
        "place": _place(proxy) if len(points) > 1 else "",
        "rungs": [
            {
                "name": f"{point['number']} {point['rung']}",
                "score": [point["score_text"], point["score_between"]],
                "value": [point["value_text"], point["value_between"]],
                "stale": str(point["stale"]).partition(":")[0],
                "pairs": pairs.get(point["rung"], []),
            }
            for point in points
        ],
        "columns": [
            point["number"] for point in points if point["rung"] in [*pairs][:-1]
        ],
    }


def _place(proxy: Proxy) -> str:
    return f"{proxy.level}-{proxy.outcome}"


def _triangle(proxy: Proxy) -> dict[str, list[list[str]]]:
    """Give how users of each rung fare against those of the rungs before it.

    A pair is a sign, whether the level says so too, and both in words. Empty where
    rungs are too few for a picture.
    """
    if len(proxy.rungs) < LEAST_TRIANGLE:
        return {}
    apart = {(one.better, one.worse): one.said for one in proxy.pairs.apart}
    return {
        rung: [_pair(proxy, apart, rung, other) for other in proxy.rungs[:n]]
        for n, rung in enumerate(proxy.rungs)
    }


def _pair(
    proxy: Proxy, apart: Mapping[tuple[str, str], Said], rung: str, other: str
) -> list[str]:
    for sign, word, pair in (
        ("+", "better", (rung, other)),
        ("\u2212", "worse", (other, rung)),
    ):
        if pair in apart:
            mark, said = _SAID[apart[pair]]
            words = f"{rung}: users fare {word} than with {other}"
            return [sign, mark, f"{words}; {proxy.level} {said}"]
    return ["?", "", f"{rung} and {other}: users are not told apart"]


def _left_out(state: OutcomeState) -> str:
    dropped = state.aggregate.dropped
    listed = [f"{why} {n:,}" for why, n in dropped.items() if why != SEVERAL]
    return f"{state.name}: {', '.join(listed)}." if listed else ""
