"""Value: what 1,000 calls of a rung are expected to be worth, less what they cost.

V(q) = 1,000 (right q - wrong (1 - q)) - c, with q the quality, c what 1,000 calls cost,
building included, and `right` and `wrong` what an answer is worth or costs, in USD
(docs/methods.md §4.6).
"""

from __future__ import annotations

import math

from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.cost import PER
from pytest_ladder.stats.intervals import Interval


def value_of(objective: Objective, quality: float, usd_per_1k: float) -> float:
    """Return the expected value of 1,000 calls in USD, what they cost taken off."""
    right, wrong = objective.right_usd or 0.0, objective.wrong_usd or 0.0
    return PER * (right * quality - wrong * (1 - quality)) - usd_per_1k


def worth_of_quality(objective: Objective) -> float:
    """Return in USD per 1,000 calls what a quality of 1 is worth above one of 0."""
    return PER * ((objective.right_usd or 0.0) + (objective.wrong_usd or 0.0))


def value_interval(value: float, *errors: Interval) -> Interval:
    """Return the 95 % interval of a value, given what each part may add to it.

    Square and add (Zou and Donner 2008): each error is how far below and above, as
    numbers from 0 on, one part alone may take the value.
    """
    below = math.hypot(*(error.low for error in errors))
    above = math.hypot(*(error.high for error in errors))
    return Interval(value - below, value + above)
