"""Step function: a rung so much better than the cheapest that the price is worth it."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_ladder.decide.comparison import Comparison
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.objectives import reasons
from pytest_ladder.decide.objectives.near_best import NearBest
from pytest_ladder.decide.view import Candidate, View
from pytest_ladder.text import numbers


class StepFunction(NearBest):
    """The best rung, or what comes near it for less, at whatever cost."""

    def gained(
        self, view: View, chosen: Candidate, ranked: Sequence[Candidate]
    ) -> tuple[Verdict, str]:
        """Pass where the step up from the cheapest is established, or a bar is met.

        Fail where no rung can be a step above it: the bounds of all gains are below the
        tolerance. Both take into account how many rungs there are to be lucky with.
        """
        if view.objective.quality is not None:
            return "pass", ""
        priced = (rung for rung in ranked if rung.usd_per_1k is not None)
        unpriced = [rung for rung in ranked if rung.usd_per_1k is None]
        cheapest = next(priced, chosen)
        gains = _gains(view, cheapest, ranked)
        said = ""
        if cheapest.id != chosen.id:
            step = reasons.difference(view, chosen, cheapest)
            known = " with a price" if unpriced else ""
            if any(rung.result.state == "stopped" for rung in view.candidates):
                # A cheaper one was left behind on the way.
                known = " of them"
            said = f"; over the cheapest{known}, {cheapest.id}, {step}"
            # What has no price may be the cheapest, too.
            lowest = [cheapest, *unpriced]
            if all(_is_step(view, chosen, each, len(gains)) for each in lowest):
                return "pass", said
        highs = [
            1.0 if gain is None or gain.high is None else gain.high
            for gain in gains.values()
        ]
        if unpriced:
            names = numbers.few([rung.id for rung in unpriced])
            return "undecided", f"{said}; the cost of {names} is unknown"
        if highs and max(highs) < view.objective.tolerance:
            most = max(highs)
            none = f"no dearer rung gains more than {numbers.points(most)}"
            if most < 0:
                less = numbers.points(-most).lstrip("+")
                none = f"every dearer rung is worse by {less} or more"
            return "fail", f"{said}; no step: {none}"
        if said:
            return "undecided", f"{said}, which is not established"
        if not gains:
            return "undecided", "; there is no dearer rung to compare it with"
        return "undecided", "; no step from the cheapest rung is established"


def _is_step(view: View, rung: Candidate, lower: Candidate, of: int) -> bool:
    """Whether a rung is better than another, as one of so many that could be."""
    gain = view.evidence.compare(view.objective.level, rung.id, lower.id, of=of)
    return gain is not None and gain.established and gain.mean > 0


def _gains(
    view: View, cheapest: Candidate, ranked: Sequence[Candidate]
) -> dict[str, Comparison | None]:
    """Compare all rungs with the cheapest, with bounds that hold for all at once."""
    level = view.objective.level
    rivals = [rung.id for rung in ranked if rung.id != cheapest.id]
    return {
        rival: view.evidence.compare(level, rival, cheapest.id, of=len(rivals))
        for rival in rivals
    }
