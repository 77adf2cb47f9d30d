"""What the statistics share: refusals of impossible input, the slack for rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized

TINY = 1e-9
"""Sums and differences of scores in [0, 1] that are this close are the same."""


def check_passes(passes: float, n: float) -> None:
    """Raise ValueError unless 0 <= passes <= n and n is finite."""
    if not 0 <= passes <= n < math.inf:
        raise ValueError(f"Passes must be between 0 and n, got {passes} of {n}.")


def check_counts(what: str, counts: Sequence[float]) -> None:
    """Raise ValueError for a negative or infinite count."""
    for count in counts:
        if not 0 <= count < math.inf:
            raise ValueError(f"{what} must be counts of 0 or more, got {count}.")


def check_range(what: str, values: Sequence[float]) -> None:
    """Raise ValueError for a value outside [0, 1]."""
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(f"{what} must be between 0 and 1, got {value}.")


def check_inside(what: str, value: float) -> None:
    """Raise ValueError unless 0 < value < 1."""
    if not 0 < value < 1:
        raise ValueError(f"{what} must be strictly between 0 and 1, got {value}.")


def check_finite(what: str, values: Sequence[float]) -> None:
    """Raise ValueError for a value that is infinite or not a number."""
    for value in values:
        if not math.isfinite(value):
            raise ValueError(f"{what} must be finite numbers, got {value}.")


def check_size(what: str, values: Sized, least: int) -> None:
    """Raise ValueError for fewer than `least` values."""
    if len(values) < least:
        raise ValueError(f"{what} must be {least} or more, got {len(values)}.")


def check_paired(what: str, first: Sized, second: Sized) -> None:
    """Raise ValueError for two sequences of unequal length."""
    if len(first) != len(second):
        raise ValueError(
            f"{what} must have equal lengths, got {len(first)} and {len(second)}."
        )
