"""Value: the rung whose answers are worth the most, what it costs taken off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.bounds import ends_of
from pytest_ladder.decide.climb.races import ByValue
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import RungResult
from pytest_ladder.decide.objectives import reasons
from pytest_ladder.decide.objectives.kind import Choice, Kind, Need
from pytest_ladder.decide.objectives.near_best import NearBest
from pytest_ladder.decide.value import value_interval, value_of, worth_of_quality
from pytest_ladder.decide.view import NO_PRICE, Candidate, View
from pytest_ladder.stats.intervals import Interval
from pytest_ladder.text import numbers


class Value(NearBest):
    """The rung of the greatest expected value, or what comes near it for less.

    See docs/methods.md §4.6. Nothing is chosen that is worth less than not to answer
    at all, and nothing of unknown cost.
    """

    needs = ("right_usd", "wrong_usd")

    def goal(self, objective: Objective) -> str:
        """Say what a rung has to do."""
        said = super().goal(objective)
        worth = "is worth running"
        return worth if said == "can be recommended" else f"{said} and {worth}"

    def summary(self, objective: Objective) -> str:
        """Say what answers are worth, and how near the best is near enough."""
        said = Kind.summary(self, objective)
        right, wrong = map(numbers.dollars, (objective.right_usd, objective.wrong_usd))
        worth = f"a right answer is worth {right}, a wrong one costs {wrong}"
        comma = ", " if ":" in said else ": "
        slack = numbers.dollars(self.slack(objective))
        return f"{said}{comma}{worth}, within {slack} per 1,000 calls of the best"

    def unknowns(self, result: RungResult, objective: Objective) -> Iterator[str]:
        """Say that a rung cannot be ranked."""
        yield from super().unknowns(result, objective)
        if result.levels and result.cost.usd_per_1k is None:
            yield NO_PRICE

    def worth(self, view: View, rung: Candidate, quality: float) -> float:
        """Return the expected value in USD per 1,000 calls."""
        return value_of(view.objective, quality, rung.usd_per_1k or 0.0)

    def slack(self, objective: Objective) -> float:
        """Return what so much quality is worth, in USD per 1,000 calls."""
        return objective.tolerance * worth_of_quality(objective)

    def is_worse(self, view: View, rung: Candidate, best: Candidate) -> bool:
        """Whether a rung is worth less beyond doubt, or less than nothing."""
        own, top = (_value(view, each) for each in (rung, best))
        if own <= 0 < top:
            return True
        found = _difference(view, best, rung)
        return found is not None and found[1].low > 0

    def pool(self, view: View) -> list[Candidate]:
        """Leave out what has no price."""
        pool = super().pool(view)
        return [rung for rung in pool if rung.usd_per_1k is not None]

    def rank(self, view: View, chosen: Candidate, best: Candidate, ranked: int) -> str:
        """Say what it is expected to be worth, and what it is compared with."""
        worth = _said(view, chosen)
        if ranked == 1:
            return f"the only rung with a price and a score, worth {worth}"
        if chosen.id == best.id:
            return f"worth the most of {ranked} {reasons.ranked(view)}, {worth}"
        found = _difference(view, chosen, best)
        gain = view.evidence.compare(view.objective.level, chosen.id, best.id)
        compared = "no interval"
        if found is not None and gain is not None:
            less, low, high = map(numbers.dollars, (found[0], *found[1]))
            compared = f"{less}, {gain.sure} {low} to {high}"
        slack = numbers.dollars(self.slack(view.objective))
        return (
            f"worth {worth}, the cheapest of {ranked} {reasons.ranked(view)} that "
            f"comes within {slack} of the best, {best.id} ({compared})"
        )

    def gained(
        self, view: View, chosen: Candidate, ranked: Sequence[Candidate]
    ) -> tuple[Verdict, str]:
        """Pass: it is worth more than nothing, whatever its errors would have been."""
        ends = ends_of(view.evidence, view.objective.level, chosen.id)
        if ends is None or self.worth(view, chosen, ends[0]) > 0:
            return "pass", ""
        by_users = chosen.cell is not None and chosen.cell.outcome
        why = "users who may turn it" if by_users else "errors that may turn it"
        return "undecided", f"; undecided with {why}"

    def choose(self, view: View) -> Choice:
        """Choose a rung that is worth running, and name what could not be ranked."""
        choice = super().choose(view)
        chosen = choice.rung
        if chosen is not None and _value(view, chosen) <= 0:
            return self._none(view)
        missing = [
            rung.id
            for rung in view.fitting
            if rung.quality is not None and rung.usd_per_1k is None
        ]
        if not missing or chosen is None:
            return choice
        verb = "is" if len(missing) == 1 else "are"
        said = f"{numbers.few(missing)} {verb} not ranked: {NO_PRICE}"
        reason = f"{choice.reason[:-1]}; {said}."
        return msgspec.structs.replace(choice, reason=reason)

    def _none(self, view: View) -> Choice:
        """Choose no rung: not to answer is worth more."""
        pool = self.pool(view)
        best = max(pool, key=lambda rung: _value(view, rung))
        # Whatever did not finish may have been right, and what has no price be cheap.
        said = ((rung.id, self._open(view, rung)) for rung in view.fitting)
        left = {name: why for name, why in said if why}
        verdict: Verdict = "undecided" if left else "fail"
        opening, still = "No rung is worth running", ""
        if left:
            opening = "Whether a rung is worth running is open"
            # The best, where it is one of them: the others say much the same.
            names = sorted(left, key=lambda name: name != best.id)
            still = f"; undecided with {left[names[0]]} on {numbers.few(names, most=1)}"
        return Choice(
            rung=None,
            verdict=verdict,
            reason=(
                f"{opening}: the best, {best.id}, has an expected "
                f"value of {_said(view, best)}{still}."
            ),
        )

    def _open(self, view: View, rung: Candidate) -> str:
        """Say why a rung may yet be worth running; empty: it is not."""
        if rung.usd_per_1k is None:
            return NO_PRICE
        if rung.open:
            return ", ".join(rung.open)
        ends = ends_of(view.evidence, view.objective.level, rung.id)
        may_be = ends is not None and self.worth(view, rung, ends[1]) > 0
        return "errors that may turn it" if may_be else ""

    def need(self, view: View, rival: Candidate, usd: float) -> Need:
        """Ask for the same value, or for the bar where that is more."""
        dearer = usd - (rival.usd_per_1k or 0.0)
        wanted = (rival.quality or 0.0) + dearer / worth_of_quality(view.objective)
        if wanted > 1:
            return Need(quality=None, why="it would be dearer than it can be worth")
        if wanted < view.bar:
            return Need(quality=view.bar, why="the bar")
        return Need(quality=max(0.0, wanted), why="the same value")

    def climb(self, objective: Objective, terms: Terms) -> ByValue:
        """Let the rungs race that have a price."""
        course = ByValue(terms, objective)
        for rung in terms.rungs:
            if terms.usd.get(rung) is None:
                course.drop(rung, "its price is unknown, and so is its value")
        return course


def _value(view: View, rung: Candidate) -> float:
    """Return the expected value of a rung by its quality on all of its cases."""
    return value_of(view.objective, rung.quality or 0.0, rung.usd_per_1k or 0.0)


def _said(view: View, rung: Candidate) -> str:
    """Write a value with its interval: `$12.30 (10.10 to 14.20) per 1,000 calls`."""
    said = numbers.dollars(_value(view, rung))
    bounds: tuple[float | None, float | None] = (None, None)
    if rung.corrected is not None:
        bounds = rung.corrected.low, rung.corrected.high
    elif rung.cell is not None:
        bounds = rung.cell.low, rung.cell.high
    low, high = bounds
    if low is not None and high is not None and rung.quality is not None:
        unit = worth_of_quality(view.objective)
        error = Interval(unit * (rung.quality - low), unit * (high - rung.quality))
        found = value_interval(_value(view, rung), error, _cost_error(view, rung))
        said += f" ({' to '.join(map(numbers.dollars, found))})"
    return f"{said} per 1,000 calls"


def _difference(
    view: View, rung: Candidate, rival: Candidate
) -> tuple[float, Interval] | None:
    """Return what a rung is worth more than another, with its 95 % interval."""
    gain = view.evidence.compare(view.objective.level, rung.id, rival.id)
    if gain is None or gain.low is None or gain.high is None:
        return None
    unit = worth_of_quality(view.objective)
    dearer = (rung.usd_per_1k or 0.0) - (rival.usd_per_1k or 0.0)
    theirs = _cost_error(view, rival)
    mean = unit * gain.mean - dearer
    return mean, value_interval(
        mean,
        Interval(unit * (gain.mean - gain.low), unit * (gain.high - gain.mean)),
        _cost_error(view, rung),
        Interval(theirs.high, theirs.low),
    )


def _cost_error(view: View, rung: Candidate) -> Interval:
    """Return how far its cost may take a value down and up; 0 where nothing says."""
    serving, usd = view.evidence.serving(rung.id), rung.result.cost.serve_usd_per_1k
    if serving is None or usd is None:
        return Interval(0.0, 0.0)
    return Interval(max(0.0, serving.high - usd), max(0.0, usd - serving.low))
