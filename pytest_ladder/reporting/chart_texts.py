"""Steps and standings in words, for charts and tables alike."""

from __future__ import annotations

from pytest_ladder.decide.decision import Roi, Standing
from pytest_ladder.text.numbers import NOT_AVAILABLE, dollars, points, points_between

MOST_POINTS = 100
"""From the worst quality to the best."""


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

    A step that gains more than there is to gain is told by the price of a point.
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
