"""Near the best: the choice of objectives without a bar that says what is enough."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.climb.halving import Halving
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import RungResult
from pytest_ladder.decide.objectives import reasons
from pytest_ladder.decide.objectives.kind import Choice, Kind
from pytest_ladder.decide.view import NO_PRICE, Candidate, View
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text import numbers


class NearBest(Kind):
    """The best rung, or what comes near it for less (docs/methods.md §3.12).

    Kinds differ in when that is a pass.
    """

    @abstractmethod
    def gained(
        self, view: View, chosen: Candidate, ranked: Sequence[Candidate]
    ) -> tuple[Verdict, str]:
        """Say whether the objective is reached, and by what step where no bar says it.

        Asked of a chosen rung without doubts; `ranked` are those it was compared with.
        """

    def fits(self, result: RungResult, objective: Objective) -> Iterator[str]:
        """Want whole rungs: others were not compared on the same cases."""
        yield from super().fits(result, objective)
        if result.state == "stopped":
            yield "was dropped before all cases ran"

    def climb(self, objective: Objective, terms: Terms) -> Halving:
        """Let all rungs race, and leave the worse half behind again and again."""
        return Halving(terms, objective)

    def summary(self, objective: Objective) -> str:
        """Say also how near the best is near enough."""
        said = super().summary(objective)
        comma = ", " if ":" in said else ": "
        return f"{said}{comma}within {numbers.margin(objective.tolerance)} of the best"

    def worth(self, view: View, rung: Candidate, quality: float) -> float:
        """Return what rungs are ranked by, of a quality on the cases of all of them."""
        return quality

    def slack(self, objective: Objective) -> float:
        """Return the tolerance in the unit of `worth`."""
        return objective.tolerance

    def is_worse(self, view: View, rung: Candidate, best: Candidate) -> bool:
        """Whether a rung is worse than the best beyond doubt, if only by a little."""
        loss = view.evidence.compare(view.objective.level, best.id, rung.id)
        return loss is not None and loss.established and loss.mean > 0

    def rank(self, view: View, chosen: Candidate, best: Candidate, ranked: int) -> str:
        """Say where the chosen rung stands among those that were ranked."""
        return _rank(view, chosen, best, ranked)

    def pool(self, view: View) -> list[Candidate]:
        """Return the rungs to choose from."""
        pool = [rung for rung in view.fitting if rung.quality is not None]
        if view.objective.quality is not None:
            pool = [rung for rung in pool if rung.status == "pass"]
        return pool

    def choose(self, view: View) -> Choice:
        """Choose the cheapest rung that comes near the best."""
        pool = self.pool(view)
        # A rung with too few rows must not narrow the comparison of the others.
        ranked = [rung for rung in pool if not rung.doubts] or pool
        if not ranked:
            return reasons.nothing(view)
        level = view.objective.level
        means, _ = view.evidence.means(level, [rung.id for rung in ranked])
        pairs = zip(ranked, means, strict=True)
        worths = [self.worth(view, rung, mean) for rung, mean in pairs]
        top = max(worths)
        best = ranked[worths.index(top)]
        least = top - self.slack(view.objective) - TINY
        near = tuple(
            rung
            for rung, worth in zip(ranked, worths, strict=True)
            if worth >= least and not self.is_worse(view, rung, best)
        )
        chosen = near[0]
        verdict: Verdict
        if chosen.open:
            verdict, gain = "undecided", f"; undecided with {', '.join(chosen.open)}"
        else:
            verdict, gain = self.gained(view, chosen, ranked)
        bar = view.objective.quality
        against = f" against {numbers.bar(bar)}" if bar is not None else ""
        verb = "may be" if chosen.open and len(ranked) > 1 else "is"
        rank = self.rank(view, chosen, best, len(ranked))
        scored = f"{reasons.quality(chosen)}{against}{reasons.terms(view, chosen)}"
        return Choice(
            rung=chosen,
            verdict=verdict,
            reason=f"{chosen.id} {verb} {rank}: {scored}{gain}.",
            rivals=near,
            competed=len(ranked),
        )


def _rank(view: View, chosen: Candidate, best: Candidate, rungs: int) -> str:
    within = ""
    if view.cap is not None:
        unpriced = any(NO_PRICE in rung.doubts for rung in view.candidates)
        known = " known to be" if unpriced else ""
        within = f"{known} within {numbers.dollars(view.cap)} per 1,000 calls"
    barred = view.objective.quality is not None
    if chosen.id == best.id and rungs == 1:
        which = "that meets the bar" if barred else "that was run in full"
        if not barred and chosen.cell is not None and chosen.cell.outcome:
            which = "that users met"
        limits = " and keeps to the limits" if reasons.is_limited(view) else ""
        return f"the only rung{within} {which}{limits}"
    which = reasons.ranked(view)
    if chosen.id == best.id:
        return f"the best of {rungs} {which}{within}"
    return (
        f"the cheapest of {rungs} {which}{within} that comes within "
        f"{numbers.margin(view.objective.tolerance)} of the best, {best.id} "
        f"({reasons.difference(view, chosen, best)})"
    )
