"""What would change a decision: another volume, another bar, another budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_ladder.decide.candidates import Candidate, View
from pytest_ladder.decide.cost import PER, break_even
from pytest_ladder.text import numbers


def changes(
    view: View, chosen: Candidate | None, rivals: Sequence[Candidate]
) -> tuple[str, ...]:
    """Say what would change the decision, a sentence each.

    `rivals` are the rungs that would do as well, were they cheaper.
    """
    if chosen is None:
        return tuple(_lower_bar(view))
    return (
        *_volumes(view, chosen, rivals),
        *_bars(view, chosen),
        *_budgets(view, chosen),
        *_unknowns(view, chosen, rivals),
    )


def _volumes(
    view: View, chosen: Candidate, rivals: Sequence[Candidate]
) -> Iterator[str]:
    """Volumes at which another rung that would do becomes the cheapest of them."""
    if chosen.usd_per_1k is None:
        return
    volume = view.matrix.volume
    crossings = [
        (calls, rival)
        for rival in rivals
        if (calls := break_even(chosen.result.cost, rival.result.cost)) is not None
        and not math.isinf(calls)
    ]
    # The first rung to overtake is the cheapest there: up to it `chosen` was.
    above = [one for one in crossings if one[0] > volume]
    below = [one for one in crossings if 1 <= one[0] < volume]
    if above:
        calls, rival = min(above, key=lambda one: one[0])
        yield (
            f"From {_whole(calls)} calls on {rival.id} is the cheaper one"
            f"{_building(rival)}."
        )
    if below:
        calls, rival = max(below, key=lambda one: one[0])
        yield f"Below {_whole(calls)} calls {rival.id} is the cheaper one."


def _building(rival: Candidate) -> str:
    hours = rival.result.cost.build_hours
    return f", after {hours:,g} h of building" if hours else ""


def _bars(view: View, chosen: Candidate) -> Iterator[str]:
    if view.objective.quality is None or chosen.quality is None:
        return
    fitting = [one for one in view.fitting if one.is_whole or one.id == chosen.id]
    places = [one.id for one in fitting]
    place = places.index(chosen.id)
    better = (one for one in fitting[place + 1 :] if _above(one, chosen))
    above = f"Above a bar of {numbers.percent(chosen.quality)} {chosen.id} fails"
    following = next(better, None)
    if following is None:
        yield f"{above}, and no dearer rung that was measured is better."
    else:
        yield (
            f"{above}, and {following.id} is next "
            f"({numbers.percent(following.quality)})."
        )
    cheaper = [one for one in fitting[:place] if one.standing == "fail"]
    if cheaper:
        nearest = max(cheaper, key=_quality_of)
        yield (
            f"At a bar of {numbers.percent(nearest.quality)} or lower {nearest.id}, "
            "which is cheaper, is enough."
        )


def _lower_bar(view: View) -> Iterator[str]:
    """Say what the best rung that keeps to all else would be enough for."""
    whole = [one for one in view.fitting if one.is_whole]
    failed = [one for one in whole if one.standing == "fail"]
    if failed:
        best = max(failed, key=_quality_of)
        nearest = numbers.percent(best.quality)
        yield f"At a bar of {nearest} or lower {best.id} would do."
    for one in view.candidates:
        if one.obstacles and one.quality is not None and one.standing != "fail":
            yield f"{one.id} would do, but it {' and '.join(one.obstacles)}."
            return


def _budgets(view: View, chosen: Candidate) -> Iterator[str]:
    """Name the cheapest rung over the cap that is better than the chosen one."""
    cap = view.objective.usd_per_1k
    if view.objective.kind != "budget" or cap is None:
        return
    for one in view.candidates:
        if one.usd_per_1k is None or one.usd_per_1k <= cap or not _above(one, chosen):
            continue
        yield (
            f"{numbers.dollars(one.usd_per_1k)} per 1,000 calls would pay for {one.id} "
            f"({numbers.percent(one.quality)}){_volume_that_fits(one, cap)}."
        )
        return


def _volume_that_fits(one: Candidate, cap: float) -> str:
    cost = one.result.cost
    if cost.serve_usd_per_1k is None or cost.serve_usd_per_1k >= cap:
        return ""
    calls = PER * cost.build_usd / (cap - cost.serve_usd_per_1k)
    return f"; it keeps within the budget from {_whole(calls)} calls on"


def _unknowns(
    view: View, chosen: Candidate, rivals: Sequence[Candidate]
) -> Iterator[str]:
    """Name rungs that could take the place of the chosen one, were more known."""
    for one in view.candidates[: view.candidates.index(chosen)]:
        if one.status == "undecided" and one.quality is not None:
            yield f"{one.id}, which is cheaper, is undecided: {', '.join(one.open)}."
    for one in view.earlier_than(chosen):
        if not one.is_measured:
            yield f"{one.id} comes before it in the run and is not measured."
    for one in rivals:
        if one.usd_per_1k is None and one.id != chosen.id:
            yield f"{one.id} would do as well, but what it costs is unknown."


def _whole(calls: float) -> str:
    # What rounding adds to a round number must not make it the next one.
    return f"{math.ceil(round(calls, 6)):,}"


def _above(one: Candidate, other: Candidate) -> bool:
    return _quality_of(one) > _quality_of(other)


def _quality_of(one: Candidate) -> float:
    return -1.0 if one.quality is None else one.quality
