"""Good enough: the cheapest rung that meets a bar; above it only cost counts."""

from __future__ import annotations

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.climb.climb import Climb
from pytest_ladder.decide.climb.hurdle import bars_of
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.objectives import reasons
from pytest_ladder.decide.objectives.kind import Choice, Kind, Need
from pytest_ladder.decide.view import Candidate, View
from pytest_ladder.errors import ConfigError
from pytest_ladder.text import numbers


class GoodEnough(Kind):
    """The cheapest rung that meets the bar, and all constraints."""

    needs = ("quality",)

    def choose(self, view: View) -> Choice:
        """Choose the cheapest rung that passes."""
        passing = [rung for rung in view.candidates if rung.status == "pass"]
        if not passing:
            # What only the judge's word speaks for is better than no advice.
            passing = [
                rung
                for rung in view.fitting
                if rung.mistrust and rung.verdict == "pass" and not rung.doubts
            ]
        if not passing:
            return reasons.nothing(view)
        chosen = passing[0]  # unknown cost comes last
        scored = f"{reasons.quality(chosen)} against {numbers.bar(view.bar)}"
        verb = "may meet" if chosen.mistrust else "meets"
        if chosen.usd_per_1k is None:
            cost = "; what it costs is unknown, so it may not be the cheapest that does"
        else:
            # Of what has no price nobody knows whether it is the cheaper one.
            decided = [
                rung
                for rung in view.candidates
                if rung.id == chosen.id
                or (rung.is_measured and rung.status != "undecided")
                if rung.usd_per_1k is not None
            ]
            if len(decided) > 1:
                verb = "may be" if chosen.mistrust else "is"
                verb = f"{verb} the cheapest of {len(decided)} rungs that meets"
            cost = reasons.terms(view, chosen)
        verdict: Verdict = "undecided" if chosen.mistrust else "pass"
        doubt = f"; undecided with {chosen.mistrust}" if chosen.mistrust else ""
        limits = " and keeps to the limits" if reasons.is_limited(view) else ""
        where = f"{limits}{reasons.how_far(view, chosen)}"
        reason = f"{chosen.id} {verb} the bar{where}: {scored}{cost}{doubt}."
        return Choice(
            rung=chosen, verdict=verdict, reason=reason, rivals=tuple(passing)
        )

    def climb(self, objective: Objective, terms: Terms) -> Climb:
        """Climb until the first rung passes; it is the cheapest that does.

        The cheap bar comes first where the objective decides above cheap. A judge is
        held against the score that it gives at the bar, as far as labels tell that.
        """
        if not objective.quality:
            raise ConfigError(
                "[objective] quality must be above 0 for a climb: every rung reaches "
                "0, and the first would win unseen."
            )
        return Climb(terms, bars_of(objective, terms))

    def need(self, view: View, rival: Candidate, usd: float) -> Need:
        """Ask for the bar; a rung that meets it for less cannot be displaced."""
        if rival.status == "pass" and (rival.usd_per_1k or 0.0) <= usd:
            return Need(quality=None, why=f"{rival.id} meets the bar for less")
        return Need(quality=view.bar, why="the bar")
