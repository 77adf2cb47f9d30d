"""What would change a decision: another volume, another bar, another budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.cost import PER, break_even, is_over
from pytest_ladder.decide.objectives.table import OBJECTIVES, kind_of
from pytest_ladder.decide.view import MISSING, NO_PRICE, Candidate, View, by_quality
from pytest_ladder.text import numbers


def changes(
    view: View, chosen: Candidate | None, rivals: Sequence[Candidate]
) -> tuple[str, ...]:
    """Say what would change the decision, a sentence each.

    `rivals` are the rungs that would do as well, were they cheaper.
    """
    if chosen is None:
        return (*_lower_bar(view), *_unused(view.objective))
    return (
        *_excluded(view, chosen),
        *_volumes(view, chosen, rivals),
        *_bars(view, chosen),
        *_budgets(view, chosen),
        *_unknowns(view, chosen, rivals),
        *_unused(view.objective),
    )


def _excluded(view: View, chosen: Candidate) -> Iterator[str]:
    """Say of each criterion which cheaper rungs it keeps out, that may else do."""
    out: dict[str, list[tuple[Candidate, str]]] = {}
    for rung in view.candidates[: view.candidates.index(chosen)]:
        for name, why in rung.kept_out:
            out.setdefault(name, []).append((rung, f"{rung.id} ({why})"))
    for name, rungs in out.items():
        criterion = f"{name[0].upper()}{name[1:]}"
        are_cheaper = all(_is_cheaper(rung, chosen) for rung, _ in rungs)
        verb = "is" if len(rungs) == 1 else "are"
        end = f", which {verb} cheaper" if are_cheaper else ""
        yield f"{criterion} keeps out {numbers.few([said for _, said in rungs])}{end}."


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
        hours = rival.result.cost.build_hours
        built = f", after {hours:,g} h of building" if hours else ""
        yield f"From {_whole(calls)} calls on {rival.id} is the cheaper one{built}."
    if below:
        calls, rival = max(below, key=lambda crossing: crossing[0])
        yield f"Below {_whole(calls)} calls {rival.id} is the cheaper one."


def _bars(view: View, chosen: Candidate) -> Iterator[str]:
    if view.objective.quality is None or chosen.quality is None:
        return
    fitting = [rung for rung in view.fitting if rung.is_whole or rung.id == chosen.id]
    index = [rung.id for rung in fitting].index(chosen.id)
    better = (rung for rung in fitting[index + 1 :] if _above(rung, chosen))
    following = next(better, None)
    least = chosen.quality if chosen.least is None else chosen.least
    # Nothing is above all there is, and of a rung that was stopped only its own bar is
    # decided.
    if 0 < least < 1 and chosen.result.state != "stopped":
        verb = "fails" if least == chosen.quality else "is undecided"
        above = f"Above a bar of {numbers.percent(least)} {chosen.id} {verb}"
        dearer = [
            rung
            for rung in view.dearer_than(chosen)
            if rung.quality is not None and rung.usd_per_1k is not None
        ]
        if following is not None:
            next_best = numbers.percent(following.quality)
            yield f"{above}, and {following.id} is next ({next_best})."
        elif not dearer:
            yield f"{above}."
        elif any(rung.obstacles and _above(rung, chosen) for rung in dearer):
            yield f"{above}, and no dearer rung that keeps to the limits is better."
        else:
            known = "was run in full"
            if chosen.cell is not None and chosen.cell.outcome:
                known = "users met"
            what = f"that {known} is better"
            # One that was stopped may look better on the few cases that it ran.
            if not any(rung.is_whole for rung in dearer):
                what = known
            yield f"{above}, and no dearer rung {what}."
    nearest = _nearest(fitting[:index])
    if nearest is not None:
        bar = numbers.percent(nearest.least)
        yield f"At a bar of {bar} or lower {_named(nearest, chosen)} is enough."


def _lower_bar(view: View) -> Iterator[str]:
    """Say what the best rung that keeps to all else would be enough for."""
    best = _nearest([rung for rung in view.fitting if rung.is_whole])
    if best is not None:
        nearest = numbers.percent(best.least)
        yield f"At a bar of {nearest} or lower {best.id} would do."
    for rung in view.candidates:
        if rung.obstacles and rung.quality is not None and rung.standing != "fail":
            yield f"{rung.id} would do, but it {' and '.join(rung.obstacles)}."
            return


def _nearest(rungs: Sequence[Candidate]) -> Candidate | None:
    """Return the best of those that fail, for a bar above 0."""
    failed = [rung for rung in rungs if rung.standing == "fail" and rung.least]
    return max(failed, key=by_quality, default=None)


def _budgets(view: View, chosen: Candidate) -> Iterator[str]:
    """Name the cheapest rung over the cap that is better than the chosen one."""
    cap = view.cap
    if cap is None:
        return
    for rung in view.candidates:
        if (
            rung.usd_per_1k is None
            or not is_over(rung.usd_per_1k, cap)
            or not _above(rung, chosen)
        ):
            continue
        cost, fits = rung.result.cost, ""
        if cost.serve_usd_per_1k is not None and cost.serve_usd_per_1k < cap:
            calls = PER * cost.build_usd / (cap - cost.serve_usd_per_1k)
            fits = f"; it keeps within the budget from {_whole(calls)} calls on"
        yield (
            f"{numbers.per_calls(rung.usd_per_1k)} would pay for "
            f"{rung.id} ({numbers.percent(rung.quality)}){fits}."
        )
        return


def _unknowns(
    view: View, chosen: Candidate, rivals: Sequence[Candidate]
) -> Iterator[str]:
    """Name rungs that could take the place of the chosen one, were more known."""
    for rung in view.candidates[: view.candidates.index(chosen)]:
        if rung.status == "undecided" and rung.quality is not None:
            said = ", ".join(rung.open)
            yield f"{_named(rung, chosen)} is undecided: {said}."
    for rung in view.candidates:
        if not rung.is_measured and not rung.limits:
            yield from _untried(view, chosen, rung)
    for rung in rivals:
        if rung.usd_per_1k is None and rung.id != chosen.id:
            yield f"{rung.id} would do as well, but what it costs is unknown."
    for rung in view.candidates:
        passed_by = rung.result.state == "stopped" and rung.usd_per_1k is None
        if passed_by and rung.status == "undecided" and NO_PRICE not in rung.doubts:
            yield f"{rung.id} may do as well, but what it costs is unknown."
        if view.cap is not None and NO_PRICE in rung.doubts and rung.standing != "fail":
            scored = f"{rung.id} ({numbers.percent(rung.quality)})"
            yield f"{scored} may be within the budget: what it costs is unknown."


def _is_cheaper(rung: Candidate, chosen: Candidate) -> bool:
    """Whether a rung is known to cost less, and not the same."""
    own, others = rung.usd_per_1k, chosen.usd_per_1k
    return own is not None and others is not None and own < others


def _named(rung: Candidate, chosen: Candidate) -> str:
    """Name a rung, and say that it costs less where it does."""
    return f"{rung.id}, which is cheaper," if _is_cheaper(rung, chosen) else rung.id


def _untried(view: View, chosen: Candidate, rung: Candidate) -> Iterator[str]:
    """Say of a rung without figures why it could be the better choice."""
    expected = view.matrix.expected
    usd = expected.get(rung.id)
    missing = MISSING in rung.doubts
    if rung.id in expected and usd is None:
        known = "has no price"
    elif usd is not None and (chosen.usd_per_1k is None or usd < chosen.usd_per_1k):
        known = f"may be cheaper, at about {numbers.per_calls(usd)},"
    elif rung in view.earlier_than(chosen):
        known = "comes before it in the run"
    else:
        return
    why = "was not tried" if rung.id in expected else "is not measured"
    if not missing:
        why = f"has no score: {rung.doubts[0]}"
    yield f"{rung.id} {known} and {why}."


def _unused(objective: Objective) -> Iterator[str]:
    """Name keys that are given and mean something to another kind only."""
    # A bar means something to each.
    own = {"quality", *kind_of(objective).needs}
    for name, kind in OBJECTIVES.items():
        for key in kind.needs:
            if key not in own and getattr(objective, key) is not None:
                yield (
                    f"`{key}` of [objective] decides nothing: it is a word of "
                    f'kind = "{name}".'
                )


def _whole(calls: float) -> str:
    # What rounding adds to a round number must not make it the next one.
    return f"{math.ceil(round(calls, 6)):,}"


def _above(rung: Candidate, other: Candidate) -> bool:
    return by_quality(rung) > by_quality(other)
