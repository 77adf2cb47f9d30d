"""The objective: the one function that says which rung to use, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.candidates import (
    Candidate,
    View,
    by_quality,
    candidates,
    certified_floor,
)
from pytest_ladder.decide.changes import changes
from pytest_ladder.decide.decision import MARGIN, Decision, Recommendation, Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.frontier import standings, steps
from pytest_ladder.decide.matrix import Matrix, RungResult
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text import numbers


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What an objective comes to before the rest is worked out."""

    rung: Candidate | None
    verdict: Verdict
    reason: str
    rivals: tuple[Candidate, ...] = ()
    """All that would do; the cheapest of them is chosen."""


def decide(
    matrix: Matrix,
    evidence: Evidence,
    objective: Objective | None,
    *,
    settled: Mapping[str, Verdict] | None = None,
    current: str | None = None,
    level: Level | None = None,
) -> Decision:
    """Decide at the matrix's volume, whatever that of the objective is.

    `evidence` is made of the same rows as `matrix`. `settled` are verdicts of a climb
    (None: those of the matrix), `current` is the rung that ships. `level` stands in for
    the objective's; without either it is the first one that has rows.
    """
    # A climb settles its own objective, at its own level.
    elsewhere = bool(objective and level and level is not objective.level)
    if objective is not None and level is not None:
        objective = msgspec.structs.replace(objective, level=level)
    level = objective.level if objective else level or _first_level(matrix)
    standing = standings(matrix, evidence, level)
    stairs = steps(matrix, evidence, level, standing)
    verdicts: dict[str, Verdict] = {}
    recommendation = None
    if objective is not None:
        settled = matrix.settled if settled is None else settled
        if elsewhere:
            settled = {}
        view = View(
            matrix=matrix,
            evidence=evidence,
            objective=objective,
            candidates=candidates(matrix, evidence, objective, settled),
        )
        verdicts = {rung.id: rung.standing for rung in view.candidates if rung.standing}
        recommendation = _recommend(view, current)
    return Decision(
        level=level,
        volume=matrix.volume,
        verdicts=verdicts,
        recommendation=recommendation,
        standings=standing,
        steps=stairs,
    )


def with_verdicts(matrix: Matrix, decision: Decision) -> Matrix:
    """Return the matrix with the decision's verdicts in the cells of its level."""
    return msgspec.structs.replace(
        matrix, rungs=tuple(_judged(rung, decision) for rung in matrix.rungs)
    )


def _judged(rung: RungResult, decision: Decision) -> RungResult:
    levels = {
        level: msgspec.structs.replace(
            cell,
            verdict=decision.verdicts.get(rung.id) if level is decision.level else None,
        )
        for level, cell in rung.levels.items()
    }
    return msgspec.structs.replace(rung, levels=levels)


def _first_level(matrix: Matrix) -> Level:
    return next(iter(matrix.levels), Level.CHEAP)


def _recommend(view: View, current: str | None) -> Recommendation:
    good_enough = view.objective.kind == "good-enough"
    choice = _cheapest_passing(view) if good_enough else _cheapest_near_the_best(view)
    chosen, level = choice.rung, view.objective.level
    following = _next_rung(view, chosen)
    step = switch = floor = None
    if chosen is not None:
        if chosen.corrected is not None:
            floor = chosen.corrected.low
        elif not chosen.mistrust:
            floor = certified_floor(chosen.result, view.evidence, level)
        step = view.step(chosen, following) if following else None
        shipped = view.find(current)
        if shipped is not None and shipped.id != chosen.id:
            switch = view.step(shipped, chosen)
    return Recommendation(
        rung=chosen.id if chosen else None,
        verdict=choice.verdict,
        reason=choice.reason,
        next_rung=following.id if following else None,
        roi=step,
        changes=changes(view, chosen, choice.rivals),
        certified_floor=floor,
        switch=switch,
    )


def _cheapest_passing(view: View) -> _Choice:
    """Good-enough: above the bar only cost counts."""
    passing = [rung for rung in view.candidates if rung.status == "pass"]
    if not passing:
        # What only the judge's word speaks for is better than no advice.
        passing = [
            rung
            for rung in view.fitting
            if rung.mistrust and rung.verdict == "pass" and not rung.doubts
        ]
    if not passing:
        return _nothing(view)
    chosen = passing[0]  # unknown cost comes last
    scored = f"{_quality(chosen)} against {numbers.bar(view.bar)}"
    if chosen.usd_per_1k is None:
        reason = (
            f"{chosen.id} meets the bar: {scored}; what it costs is unknown, so it "
            "may not be the cheapest that does."
        )
    else:
        measured = sum(rung.is_measured for rung in view.candidates)
        rank = f"is the cheapest of {measured} rungs that meets"
        verb = rank if measured > 1 else "meets"
        reason = f"{chosen.id} {verb} the bar: {scored}{_terms(view, chosen)}."
    verdict: Verdict = "undecided" if chosen.mistrust else "pass"
    if chosen.mistrust:
        reason = f"{reason[:-1]}; undecided with {chosen.mistrust}."
    return _Choice(rung=chosen, verdict=verdict, reason=reason, rivals=tuple(passing))


def _cheapest_near_the_best(view: View) -> _Choice:
    """Budget and step-function: the best, or what comes near it for less.

    See docs/methods.md §3.12.
    """
    pool = [rung for rung in view.fitting if rung.quality is not None]
    if view.objective.quality is not None:
        pool = [rung for rung in pool if rung.status == "pass"]
    # A rung with too few rows must not narrow the comparison of the others.
    ranked = [rung for rung in pool if not rung.doubts] or pool
    if not ranked:
        return _nothing(view)
    level = view.objective.level
    means, _ = view.evidence.means(level, [rung.id for rung in ranked])
    top = max(means)
    best = ranked[means.index(top)]
    near = tuple(
        rung
        for rung, mean in zip(ranked, means, strict=True)
        if mean >= top - MARGIN - TINY
    )
    chosen = near[0]
    verdict, gain = _gained(view, chosen, ranked)
    bar = view.objective.quality
    against = f" against {numbers.bar(bar)}" if bar is not None else ""
    rank = _rank(view, chosen, best, len(ranked))
    terms = _terms(view, chosen)
    return _Choice(
        rung=chosen,
        verdict=verdict,
        reason=f"{chosen.id} {rank}: {_quality(chosen)}{against}{terms}{gain}.",
        rivals=near,
    )


def _gained(
    view: View, chosen: Candidate, ranked: Sequence[Candidate]
) -> tuple[Verdict, str]:
    """Say whether the objective is reached, and by what step where no bar says it."""
    if chosen.open:
        return "undecided", f"; undecided with {', '.join(chosen.open)}"
    if view.objective.kind == "budget" or view.objective.quality is not None:
        return "pass", ""
    cheapest = next((rung for rung in ranked if rung.usd_per_1k is not None), chosen)
    if cheapest.id == chosen.id:
        return "undecided", "; no step from the cheapest rung is established"
    gain = view.evidence.compare(view.objective.level, chosen.id, cheapest.id)
    said = f"; over the cheapest, {cheapest.id}, {_difference(view, chosen, cheapest)}"
    if gain is not None and gain.established and gain.mean > 0:
        return "pass", said
    return "undecided", f"{said}, which is not established"


def _nothing(view: View) -> _Choice:
    """No rung meets the objective, or none is shown to yet."""
    undecided = [rung for rung in view.candidates if rung.status == "undecided"]
    scored = [rung for rung in undecided if rung.quality is not None]
    if scored:
        best = max(scored, key=by_quality)
        why = ", ".join(best.open)
        reason = (
            f"It is undecided whether a rung {view.goal}: {best.id} scores "
            f"{_quality(best)}{f', undecided with {why}' if why else ''}."
        )
    elif undecided:
        names = numbers.few([rung.id for rung in undecided])
        left = f"{names} {'is' if len(undecided) == 1 else 'are'} not measured"
        reason = f"No measured rung {view.goal}{_best_miss(view)}; {left}."
    else:
        reason = f"No rung {view.goal}{_best_miss(view)}."
    verdict: Verdict = "undecided" if undecided else "fail"
    return _Choice(rung=None, verdict=verdict, reason=reason)


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
    but = f" but {best.obstacles[0]}" if best.obstacles else ""
    return f": the best, {best.id}, scores {_quality(best)}{but}"


def _next_rung(view: View, chosen: Candidate | None) -> Candidate | None:
    """The next rung worth trying: up the front, else one that was never measured.

    The front is that of the rungs which keep to the limits.
    """
    if chosen is None:
        # More cases or labels tell more of a rung that was run, not the rung again.
        undecided = (rung for rung in view.candidates if rung.status == "undecided")
        untried = (
            rung for rung in undecided if not rung.is_whole and not rung.mistrust
        )
        return next(untried, None)
    for rung in view.dearer_than(chosen):
        # Over the budget it may be, and its return then says what that costs.
        if rung.usd_per_1k is not None and not rung.limits:
            gain = view.evidence.compare(view.objective.level, rung.id, chosen.id)
            if gain is not None and gain.mean > 0:
                return rung
    return next(
        (rung for rung in view.later_than(chosen) if not rung.is_measured),
        None,
    )


def _rank(view: View, chosen: Candidate, best: Candidate, rungs: int) -> str:
    cap = view.objective.usd_per_1k
    within = ""
    if view.objective.kind == "budget" and cap is not None:
        within = f" within {numbers.dollars(cap)} per 1,000 calls"
    if chosen.id == best.id:
        if rungs == 1:
            return f"is the only measured rung{within}"
        return f"is the best of {rungs} rungs{within}"
    return (
        f"is the cheapest of {rungs} rungs{within} that comes within "
        f"{100 * MARGIN:g} points of the best, {best.id} "
        f"({_difference(view, chosen, best)})"
    )


def _difference(view: View, rung: Candidate, rival: Candidate) -> str:
    compared = view.evidence.compare(view.objective.level, rung.id, rival.id)
    if compared is None:
        return "no case in common"
    between = numbers.points_between(compared.low, compared.high)
    return f"{numbers.points(compared.mean)}, paired 95 % interval {between}"


def _terms(view: View, rung: Candidate) -> str:
    """Cost at the volume, and what else was asked for."""
    said = (
        f", at {numbers.dollars(rung.usd_per_1k)} per 1,000 calls of "
        f"{view.matrix.volume:,}"
    )
    if rung.usd_per_1k is None:
        said = ", at an unknown cost"
    if view.objective.latency_p95_s is not None:
        said += f", p95 latency {numbers.seconds(rung.result.latency.p95_s)}"
    if view.objective.build_hours is not None:
        said += f", {rung.result.cost.build_hours:,g} h to build"
    return said


def _quality(rung: Candidate) -> str:
    cell, corrected = rung.cell, rung.corrected
    if cell is None:
        return ""
    said = numbers.quality(cell.quality, cell.low, cell.high, cell.n)
    if corrected is not None:
        bounds = numbers.interval(corrected.low, corrected.high)
        said += f", calibrated {numbers.percent(corrected.value)} ({bounds}),"
    return said
