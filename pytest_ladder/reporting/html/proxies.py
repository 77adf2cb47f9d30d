"""What the page shows of proxies: whether checks and judges predict what users did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_ladder.decide.real.proxies import Proxy, Said
from pytest_ladder.decide.real.replies import RatedReplies
from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.decide.real.users import Users
from pytest_ladder.reporting.charts.proxies import proxy_chart, proxy_points
from pytest_ladder.reporting.html.users import Table
from pytest_ladder.reporting.report import Report

LEAST_TRIANGLE = 3
"""Rungs from which pairs are shown as a triangle."""
_SAID: dict[Said, tuple[str, str]] = {
    "same": ("✓", "says so too"),
    "other": ("✗", "says the opposite"),
    "equal": ("=", "scores both alike"),
}


def proxy_cards(report: Report, users: Users) -> list[Table]:
    """Give a card for each proxy, of the primary outcome first, and for replies."""
    states = sorted(users.outcomes, key=lambda state: not state.is_primary)
    return [
        _proxy(report, proxy, state)
        for state in states
        for proxy in users.proxies
        if proxy.outcome == state.name
    ] + [_reply_by_reply(one) for one in users.replies]


def proxy_specs(report: Report, users: Users) -> dict[str, Any]:
    """Give the charts of all proxies with two points or more, by their place."""
    states = {state.name: state for state in users.outcomes}
    return {
        _place(proxy): proxy_chart(report, proxy, states[proxy.outcome])
        for proxy in users.proxies
        if len(proxy_points(report.matrix, proxy, states[proxy.outcome])) > 1
    }


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
