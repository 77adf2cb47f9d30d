"""Scores and verdicts: how good a reply is, and who said so."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A number in [0, 1] with a reason."""

    value: float
    reason: str = ""
    name: str | None = None
    """None: the row's own score; else one reported beside it."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.value <= 1.0:
            what = f"score {self.name!r}" if self.name else "score"
            raise ValueError(
                f"The {what} is {self.value}, outside [0, 1]; rescale it before "
                "you hand it over."
            )


_VALUE_NAMES = ("score", "value")
_REASON_NAMES = ("reason", "rationale", "explanation")


def score_from(result: Any, reason: str = "", name: str | None = None) -> Score:
    """Read a number, or the result object of any metric library, as a score.

    Understood are numbers, booleans, dicts and objects with `score` or `value`,
    and with `reason`, `rationale` or `explanation` beside it. Raises `ValueError`
    for a value outside [0, 1], `TypeError` for a result without a number.
    """
    value = result
    if not isinstance(result, int | float):
        value = _first(result, _VALUE_NAMES)
        reason = reason or str(_first(result, _REASON_NAMES) or "")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"score() got {result!r}, which holds no number; give a number in [0, 1] "
            "or a result with `score` or `value`."
        ) from None
    return Score(value=number, reason=reason, name=name)


def _first(result: Any, names: tuple[str, ...]) -> Any:
    """Return the first of the named fields that the result has and that is set."""
    get = result.get if isinstance(result, dict) else partial(getattr, result)
    for name in names:
        value = get(name, None)
        if value is not None:
            return value
    return None
