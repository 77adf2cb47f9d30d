"""What would change a decision: another volume, another bar, another budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_ladder.decide.candidates import Candidate, View, by_quality
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
    above = [crossing for crossing in crossings if crossing[0] > volume]
    below = [crossing for crossing in crossings if 1 <= crossing[0] < volume]
    if above:
        calls, rival = min(above, key=lambda crossing: crossing[0])
        yield (
            f"From {_whole(calls)} calls on {rival.id} is the cheaper one"
            f"{_building(rival)}."
        )
    if below:
        calls, rival = max(below, key=lambda crossing: crossing[0])
        yield f"Below {_whole(calls)} calls {rival.id} is the cheaper one."


def _building(rival: Candidate) -> str:
    hours = rival.result.cost.build_hours
    return f", after {hours:,g} h of building" if hours else ""


def _bars(view: View, chosen: Candidate) -> Iterator[str]:
    if view.objective.quality is None or chosen.quality is None:
        return
    fitting = [rung for rung in view.fitting if rung.is_whole or rung.id == chosen.id]
    index = [rung.id for rung in fitting].index(chosen.id)
    better = (rung for rung in fitting[index + 1 :] if _above(rung, chosen))
    above = f"Above a bar of {numbers.percent(chosen.quality)} {chosen.id} fails"
    following = next(better, None)
    if following is None:
        yield f"{above}, and no dearer rung that was measured is better."
    else:
        yield (
            f"{above}, and {following.id} is next "
            f"({numbers.percent(following.quality)})."
        )
    cheaper = [rung for rung in fitting[:index] if rung.standing == "fail"]
    if cheaper:
        nearest = max(cheaper, key=by_quality)
        yield (
            f"At a bar of {numbers.percent(nearest.quality)} or lower {nearest.id}, "
            "which is cheaper, is enough."
        )


def _lower_bar(view: View) -> Iterator[str]:
    """Say what the best rung that keeps to all else would be enough for."""
    whole = [rung for rung in view.fitting if rung.is_whole]
    failed = [rung for rung in whole if rung.standing == "fail"]
    if failed:
        best = max(failed, key=by_quality)
        nearest = numbers.percent(best.quality)
        yield f"At a bar of {nearest} or lower {best.id} would do."
    for rung in view.candidates:
        if rung.obstacles and rung.quality is not None and rung.standing != "fail":
            yield f"{rung.id} would do, but it {' and '.join(rung.obstacles)}."
            return


def _budgets(view: View, chosen: Candidate) -> Iterator[str]:
    """Name the cheapest rung over the cap that is better than the chosen one."""
    cap = view.objective.usd_per_1k
    if view.objective.kind != "budget" or cap is None:
        return
    for rung in view.candidates:
        if (
            rung.usd_per_1k is None
            or rung.usd_per_1k <= cap
            or not _above(rung, chosen)
        ):
            continue
        yield (
            f"{numbers.dollars(rung.usd_per_1k)} per 1,000 calls would pay for "
            f"{rung.id} ({numbers.percent(rung.quality)})"
            f"{_volume_that_fits(rung, cap)}."
        )
        return


def _volume_that_fits(rung: Candidate, cap: float) -> str:
    cost = rung.result.cost
    if cost.serve_usd_per_1k is None or cost.serve_usd_per_1k >= cap:
        return ""
    calls = PER * cost.build_usd / (cap - cost.serve_usd_per_1k)
    return f"; it keeps within the budget from {_whole(calls)} calls on"


def _unknowns(
    view: View, chosen: Candidate, rivals: Sequence[Candidate]
) -> Iterator[str]:
    """Name rungs that could take the place of the chosen one, were more known."""
    for rung in view.candidates[: view.candidates.index(chosen)]:
        if rung.status == "undecided" and rung.quality is not None:
            yield f"{rung.id}, which is cheaper, is undecided: {', '.join(rung.open)}."
    for rung in view.earlier_than(chosen):
        if not rung.is_measured:
            yield f"{rung.id} comes before it in the run and is not measured."
    for rung in rivals:
        if rung.usd_per_1k is None and rung.id != chosen.id:
            yield f"{rung.id} would do as well, but what it costs is unknown."


def _whole(calls: float) -> str:
    # What rounding adds to a round number must not make it the next one.
    return f"{math.ceil(round(calls, 6)):,}"


def _above(rung: Candidate, other: Candidate) -> bool:
    return by_quality(rung) > by_quality(other)
