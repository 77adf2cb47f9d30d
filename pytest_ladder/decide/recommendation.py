"""The recommendation: what an objective chooses, with what comes next and why."""

from __future__ import annotations

from pytest_ladder.decide.changes import changes
from pytest_ladder.decide.decision import Recommendation
from pytest_ladder.decide.objectives.table import kind_of
from pytest_ladder.decide.view import Candidate, View


def recommend(view: View, current: str | None) -> Recommendation:
    """Recommend what the kind of objective chooses of the rungs in view.

    `current` is the rung that ships, from which a switch is reckoned.
    """
    choice = kind_of(view.objective).choose(view)
    chosen = choice.rung
    following = _next_rung(view, chosen)
    step = switch = floor = None
    if chosen is not None:
        floor = view.floor(chosen, choice.competed)
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


def _next_rung(view: View, chosen: Candidate | None) -> Candidate | None:
    """The next rung worth trying: up the front, else one that was never measured.

    The front is that of the rungs which keep to the limits.
    """
    if chosen is None:
        # More cases or labels tell more of a rung that was run, not the rung again;
        # and without a test, or with calls that fail, there is nothing to try.
        undecided = (rung for rung in view.candidates if rung.status == "undecided")
        untried = (
            rung
            for rung in undecided
            if not rung.is_whole and not rung.mistrust and not rung.failed
        )
        is_tested = not view.matrix.levels or view.objective.level in view.matrix.levels
        return next(untried, None) if is_tested else None
    for rung in view.dearer_than(chosen):
        # Over the budget it may be, and its return then says what that costs.
        if rung.usd_per_1k is not None and not rung.limits:
            gain = view.evidence.compare(view.objective.level, rung.id, chosen.id)
            if gain is not None and gain.mean > 0:
                return rung
    return next(
        (
            rung
            for rung in view.later_than(chosen)
            if not rung.is_measured and not rung.failed and not rung.obstacles
        ),
        None,
    )
