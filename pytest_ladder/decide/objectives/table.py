"""All kinds of objectives, by the name that `[objective]` gives as `kind`."""

from __future__ import annotations

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.objectives.budget import Budget
from pytest_ladder.decide.objectives.good_enough import GoodEnough
from pytest_ladder.decide.objectives.kind import Kind
from pytest_ladder.decide.objectives.step_function import StepFunction
from pytest_ladder.decide.objectives.value import Value

OBJECTIVES: dict[str, Kind] = {
    "good-enough": GoodEnough(),
    "budget": Budget(),
    "step-function": StepFunction(),
    "value": Value(),
}


def kind_of(objective: Objective) -> Kind:
    """Return the object of an objective's kind, which was checked when it was read."""
    return OBJECTIVES[objective.kind]
