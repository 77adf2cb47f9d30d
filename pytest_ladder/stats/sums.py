"""Sums and means of figures some of which may be unknown: None, never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable


def total(values: Iterable[float | None]) -> float | None:
    """Sum of all values; None where one is unknown, and of none."""
    every = list(values)
    if not every or None in every:
        return None
    return math.fsum(every)  # type: ignore[arg-type]


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of all values; None where one is unknown, and of none."""
    every = list(values)
    whole = total(every)
    return None if whole is None else whole / len(every)
