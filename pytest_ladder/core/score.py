"""Scores and verdicts: how good a reply is, and who graded it."""

import enum
import textwrap
from functools import partial
from typing import Any

import msgspec

from pytest_ladder.errors import MetricError

PASSES_FROM = 0.5
"""A score that comes without pass or fail passes from here on."""


def score_of_verdict(verdict: str | int) -> float:
    """Return the score in [0, 1] of `pass` or `fail`, or of a grade from 1 to 5."""
    return (verdict - 1) / 4 if isinstance(verdict, int) else float(verdict == "pass")


class Level(enum.StrEnum):
    """Who grades a reply: plain code, an LLM judge, or the real world."""

    CHEAP = "cheap"
    JUDGED = "judged"
    REAL = "real"


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A number in [0, 1] with a reason; false when it is 0, as numbers are."""

    value: float
    reason: str = ""
    name: str | None = None
    """None: the row's own score; else one reported beside it."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "value", _rounded(self.value))
        if not 0.0 <= self.value <= 1.0:
            what = f"score {self.name!r}" if self.name else "score"
            raise ValueError(
                f"The {what} is {self.value}, outside [0, 1]; rescale it before "
                "you hand it over."
            )

    def __bool__(self) -> bool:
        # Else `assert score_choice(reply, case)` would hold whatever was chosen.
        return self.value > 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A judge's grade of a reply; true when the reply passed."""

    passed: bool
    """Whether the reply is good enough; `assert verdict` asks the same."""
    score: float
    """In [0, 1]; of a binary verdict 0 or 1."""
    graded: bool = False
    """Whether the score counts, as it says more than `passed`; else `passed` does."""
    reason: str = ""
    """Why, in the judge's words."""
    judge: str = ""
    """Id of the judge's model, several joined by ` + `; or the function's name."""
    rubric: str = ""
    """`name@version#hash` of the rubric; empty: a function judged."""
    cost_usd: float | None = None
    """What all calls for it cost when they were made; None: unknown."""
    votes: tuple[float, ...] = ()
    """Scores of the single votes where there were several."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "score", _rounded(self.score))
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"The verdict's score is {self.score}, outside [0, 1].")

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        # Short, because pytest prints it in front of every failed assertion.
        result = "pass" if self.passed else "fail"
        return f"Verdict({result}, {self.score:g}, {self.reason!r})"


def _rounded(value: float) -> float:
    """Take away what the sum of floats is more than 1, or less than 0."""
    nearest = min(1.0, max(0.0, value))
    return nearest if abs(value - nearest) < _NOISE else value


_NOISE = 1e-6
"""More than floats lose, less than a score says."""
_VALUE_NAMES = ("score", "value")
_REASON_NAMES = ("reason", "rationale", "explanation")
_RESULT_NAMES = ("name", "__name__")
_WORDS = {"yes": 1, "no": 0, "pass": 1, "fail": 0, "true": 1, "false": 0}


def named_score(name: str, result: Any, reason: str = "") -> Score:
    """Read a result as the score of that name, as `score_from` does.

    Raises `TypeError` for a name alone, which may be meant for the score.
    """
    if isinstance(result, str) and not result:
        raise TypeError(
            f"score({name!r}) is a name alone, as a text is taken for a name, and it "
            "holds no number; give a number in [0, 1], as in score(0.85), or both, as "
            "in score('faithfulness', 0.85)."
        )
    return score_from(result, reason, name)


def score_from(result: Any, reason: str = "", name: str | None = None) -> Score:
    """Read a number, or the result object of any metric library, as a score.

    Understood are numbers, booleans, dicts and objects with `score` or `value`, a
    number or a yes or no, and beside it (or in its `metadata`) `reason`, `rationale`
    or `explanation`. A result that has a name gives a score of that name.
    Raises `MetricError` for a result that says it failed, `ValueError` for a value
    outside [0, 1], `TypeError` for a result without a number.
    """
    value = result
    if not isinstance(result, int | float):
        called = _first(result, _RESULT_NAMES)
        name = name or (called if isinstance(called, str) and called else None)
        error = _first(result, ("error",))
        # An error that is a number is a measure, such as a distance.
        if error and not isinstance(error, int | float):
            what = f"The metric {name!r}" if name else "The metric"
            message = getattr(error, "error_message", None) or error
            raise MetricError(f"{what} could not be computed: {message}")
        value = _first(result, _VALUE_NAMES)
        reason = (
            reason
            or _text(result, _REASON_NAMES)
            or _text(_first(result, ("metadata",)), _REASON_NAMES)
        )
    return Score(value=_number(value, result, name), reason=reason, name=name)


def _number(value: Any, result: Any, name: str | None) -> float:
    if isinstance(value, str):
        word = value.strip()
        value = _WORDS.get(word.lower(), word)
    if value is None and hasattr(result, "__float__"):
        # A number of another library, such as numpy's.
        value = result
    try:
        return float(value)
    except (TypeError, ValueError):
        given = repr(result if value is None else value)
        given = textwrap.shorten(given, 200, placeholder=" …")
        for_score = f" for {name!r}" if name else ""
        raise TypeError(
            f"score() got {given}{for_score}, which holds no number; give a number in "
            "[0, 1], or a result whose `score` or `value` is a number, or yes or no."
        ) from None


def _text(result: Any, names: tuple[str, ...]) -> str:
    value = _first(result, names)
    return "" if value is None else str(value)


def _first(result: Any, names: tuple[str, ...]) -> Any:
    """Return the first of the named fields that the result has and that is set."""
    get = result.get if isinstance(result, dict) else partial(getattr, result)
    for name in names:
        value = get(name, None)
        if value is not None:
            return value
    return None
