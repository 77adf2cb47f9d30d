"""An outcome of kind `preference`: which rung reviewers prefer, beside what users did.

Its unit is the case, its value the mean chance to be preferred to another rung. Nobody
who used a rung was asked, so that by itself it decides nothing.
"""

from __future__ import annotations

import msgspec

from pytest_ladder.core.aggregate import Aggregate, VariantSums
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.decide.people.preferences import (
    Preferences,
    RungPreferred,
    preferences_of,
    too_few,
)
from pytest_ladder.decide.people.sums import People
from pytest_ladder.decide.real.measured import OutcomeValue, UserDifference
from pytest_ladder.decide.real.states import OutcomeState, RungOutcome
from pytest_ladder.text import numbers

_DOUBT = "reviews, and no users"


class PreferenceState(OutcomeState, frozen=True, kw_only=True):
    """What reviewers prefer, as an outcome of real use."""

    people: People

    @property
    def unit(self) -> str:
        """What is counted: the cases that people compared replies on."""
        return "case"

    def fares(self, *, better: bool) -> str:
        """Say which one people prefer."""
        return f"people prefer {'it' if better else 'the other one'}"

    @property
    def is_share(self) -> bool:
        """It is read in per cent."""
        return True

    def difference(self, value: float) -> str:
        """Write a difference with its sign: `+24.0 points of preference`."""
        return f"{numbers.points(value)} of preference"

    def deciding(self, rung: str) -> OutcomeValue | None:
        """Return the value itself: it is looked at once."""
        one = self.of(rung)
        return None if one is None or one.doubt else one.value

    def compare(
        self, rung: str, against: str, *, tails: float = 0.05, is_adjusted: bool = True
    ) -> UserDifference | None:
        """Return the chance to be preferred less that not to be, on the same cases.

        From -1 to 1, and above 0 where people prefer `rung`; None where nothing links
        the two, or too few cases do.
        """
        rivals = max(1, len(self.rungs) - 1) if is_adjusted else 1
        fitted = preferences_of(self.people, 1 - tails / rivals)
        found = fitted.between(rung, against) if fitted else None
        if fitted is None or found is None or found.low is None or found.high is None:
            return None
        return UserDifference(
            rung=rung,
            against=against,
            difference=2 * found.probability - 1,
            low=2 * found.low - 1,
            high=2 * found.high - 1,
            p=1.0 if found.p is None else found.p,
            n=fitted.cases,
            sure="95 % interval",
            better=None if self.problems else found.better,
            problems=self.problems,
        )


def preferred(
    outcome: RealOutcome, people: People | None, *, is_primary: bool
) -> PreferenceState | None:
    """Return what reviewers prefer; None where nobody has compared replies yet."""
    fitted = preferences_of(people) if people is not None else None
    if people is None or fitted is None:
        return None
    problems: tuple[str, ...] = ()
    if not outcome.observed:
        problems = (
            f"{outcome.name} is what reviewers prefer, and they are no users; set "
            "observed = true to decide by it all the same.",
        )
    doubt = _DOUBT if problems else too_few(fitted.cases)
    if len(fitted.groups) > 1:
        # A mean over other rivals is another measure.
        doubt = doubt or "rungs that nobody compared with each other"
    state = PreferenceState(
        name=outcome.name,
        kind=outcome.kind,
        goal="up",
        is_primary=is_primary,
        guardrail=outcome.guardrail,
        aggregate=_shell(outcome, fitted),
        rungs=tuple(_rung(outcome, one, doubt) for one in fitted.rungs),
        problems=problems,
        people=people,
    )
    # Each pair that was compared; its interval is not shared by others here.
    found = (
        state.compare(pair.rung, pair.against, is_adjusted=False)
        for pair in fitted.pairs
    )
    told = tuple(one for one in found if one is not None)
    return msgspec.structs.replace(state, comparisons=told)


def _shell(outcome: RealOutcome, fitted: Preferences) -> Aggregate:
    """Return what other outcomes have as sums: here it is only who was compared."""
    return Aggregate(
        name=outcome.name,
        kind=outcome.kind,
        analysis="fixed",
        variants=tuple(
            VariantSums(variant=one.rung, rung=one.rung, units=one.cases)
            for one in fitted.rungs
        ),
    )


def _rung(outcome: RealOutcome, one: RungPreferred, doubt: str) -> RungOutcome:
    value = None
    if one.low is not None and one.high is not None:
        value = OutcomeValue(
            value=one.chance,
            low=one.low,
            high=one.high,
            n=one.cases,
            quality=one.chance,
            quality_low=one.low,
            quality_high=one.high,
        )
    return RungOutcome(
        outcome=outcome.name,
        rung=one.rung,
        value=value,
        units=one.cases,
        doubt=doubt,
    )
