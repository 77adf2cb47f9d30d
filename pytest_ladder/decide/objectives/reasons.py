"""What kinds of objectives say alike: a quality, its terms, and why no rung will do."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.objectives.kind import Choice
from pytest_ladder.decide.view import MISSING, Candidate, View, by_quality
from pytest_ladder.text import numbers


def quality(rung: Candidate) -> str:
    """Say a rung's quality with its interval, and what labels make of it."""
    cell, corrected = rung.cell, rung.corrected
    if cell is None:
        return ""
    said = numbers.quality(cell.quality, cell.low, cell.high, cell.n, cell.noun)
    if corrected is not None:
        bounds = numbers.interval(corrected.low, corrected.high)
        said += f", calibrated {numbers.percent(corrected.value)} ({bounds})"
    return said


def is_limited(view: View) -> bool:
    """Whether more is asked of a rung than a bar, a cap or to be the best."""
    objective = view.objective
    return bool(objective.requirements) or objective.build_hours is not None


def ranked(view: View) -> str:
    """Say which rungs were held against each other: `rungs that were run in full`."""
    which = "rungs"
    if view.objective.quality is not None:
        which = "rungs that meet the bar"
    elif any(rung.result.state == "stopped" for rung in view.candidates):
        which = "rungs that were run in full"
    if not is_limited(view):
        return which
    return f"{which} {'and' if ' that ' in which else 'that'} keep to the limits"


def how_far(view: View, rung: Candidate) -> str:
    """Say what a pass is about, where other cases, or the rest, may say otherwise."""
    if rung.result.state == "stopped":
        return " on the cases that ran"
    if rung.cell is not None and rung.cell.outcome:
        # The interval by which users decide is about all of them.
        return ""
    floor = view.floor(rung)
    if rung.mistrust or (floor is not None and floor >= view.bar):
        return ""
    return " on this suite"


def terms(view: View, rung: Candidate) -> str:
    """Say the cost at the volume, and what else was asked for; begins with a comma."""
    said = f", at {numbers.per_calls(rung.usd_per_1k)}"
    if any(one.result.cost.build_usd for one in view.candidates):
        # Only then the volume makes a difference.
        volume = numbers.count(view.matrix.volume, "call")
        said += f" with building spread over {volume}"
    if rung.usd_per_1k is None:
        said = ", at an unknown cost"
    for required in rung.requirements:
        if required.latency_p95_s is not None:
            where, p95 = required.where, numbers.seconds(required.p95_s)
            said += f", p95 latency{where} {p95}"
        else:
            said += f", {numbers.percent(required.quality)}{required.where}"
    if view.objective.build_hours is not None:
        said += f", {rung.result.cost.build_hours:,g} h to build"
    return said


def difference(view: View, rung: Candidate, rival: Candidate) -> str:
    """Say by how much a rung is better than another on the cases of both."""
    compared = view.evidence.compare(view.objective.level, rung.id, rival.id)
    if compared is None:
        return "no case in common"
    between = numbers.points_between(compared.low, compared.high)
    return f"{numbers.points(compared.mean)}, {compared.sure} {between}"


def nothing(view: View) -> Choice:
    """Choose no rung: none meets the objective, or none is shown to yet."""
    undecided = [rung for rung in view.candidates if rung.status == "undecided"]
    scored = [rung for rung in undecided if rung.quality is not None]
    if scored:
        best = max(scored, key=by_quality)
        why = ", ".join(best.open)
        reason = (
            f"Whether a rung {view.goal} is open: {best.id} scores "
            f"{quality(best)}{f', undecided with {why}' if why else ''}."
        )
    elif undecided:
        reason = _unscored(view, undecided)
    else:
        reason = f"No rung {view.goal}{_best_miss(view)}."
    verdict: Verdict = "undecided" if undecided else "fail"
    return Choice(rung=None, verdict=verdict, reason=reason)


def _unscored(view: View, rungs: Sequence[Candidate]) -> str:
    """Say why nothing is known of rungs on which it depends."""
    level = view.objective.level
    open_question = f"Whether a rung {view.goal} is open"
    if level not in view.matrix.levels and view.matrix.levels:
        return f"{open_question}: {view.evidence.nothing_at(level)}."
    by_why: dict[str, list[str]] = {}
    for rung in rungs:
        why = MISSING if MISSING in rung.doubts else rung.doubts[0]
        unpriced = view.matrix.expected.get(rung.id, 0.0) is None
        name = f"{rung.id} (no price)" if unpriced else rung.id
        by_why.setdefault(why, []).append(name)
    missing = by_why.pop(MISSING, [])
    left = [f"{why} on {numbers.few(ids)}" for why, ids in by_why.items()]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        left.append(f"{numbers.few(missing)} {verb} not measured")
    if any(rung.is_measured for rung in view.candidates):
        open_question = f"No measured rung {view.goal}{_best_miss(view)}"
        return f"{open_question}; {'; '.join(left)}."
    return f"{open_question}: {'; '.join(left)}."


def _best_miss(view: View) -> str:
    """Name the rung that comes nearest, and what it lacks."""
    cheapest = view.candidates[0] if view.candidates else None
    over = all(rung.over_budget for rung in view.candidates)
    if cheapest and over and cheapest.usd_per_1k is not None:
        return f": the cheapest, {cheapest.id}, {cheapest.over_budget}"
    measured = [rung for rung in view.candidates if rung.quality is not None]
    if not measured:
        return ""
    good = [rung for rung in measured if rung.verdict != "fail"]
    best = max(good or measured, key=by_quality)
    but = "and" if best.verdict == "fail" else "but"
    lacks = f" {but} {best.obstacles[0]}" if best.obstacles else ""
    return f": the best, {best.id}, scores {quality(best)}{lacks}"
