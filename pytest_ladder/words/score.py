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


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a judge said of a reply; true when the reply passed."""

    passed: bool
    score: float
    """In [0, 1]; of a binary verdict 0 or 1."""
    graded: bool = False
    """Whether the score says more than `passed`: it counts, not the pass."""
    reason: str = ""
    judge: str = ""
    """Id of the judge's model, several joined by ` + `; or the function's name."""
    rubric: str = ""
    """`name@version#hash` of the rubric; empty: a function judged."""
    cost_usd: float | None = None
    """What all calls for it cost when they were made; None: unknown."""
    votes: tuple[float, ...] = ()
    """Scores of the single votes where there were several."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"The verdict's score is {self.score}, outside [0, 1].")

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        # Short, because pytest prints it in front of every failed assertion.
        said = "pass" if self.passed else "fail"
        return f"Verdict({said}, {self.score:g}, {self.reason!r})"


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
