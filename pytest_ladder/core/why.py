"""Why a row is not what its test alone says of a reply: one code for one thing."""

from __future__ import annotations

import enum

from pytest_ladder.errors import (
    BudgetReached,
    CallError,
    ConfigError,
    JudgeError,
    MetricError,
    MissingReply,
    MissingSnapshot,
    StoreError,
)


class Why(enum.StrEnum):
    """Why a row has no score, or one that its test did not give.

    What a program asks for: sentences, such as `Row.reason`, are for people.
    """

    BUDGET = "budget"
    """The budget did not allow a call."""
    NO_REPLY = "no reply"
    """It was not to call models, and no reply is stored."""
    NOT_RUN = "not run"
    """The same, and it was skipped for it: it leaves no row."""
    FAILED_CALL = "failed call"
    """A call of a model failed for good."""
    NO_VERDICT = "no verdict"
    """A judge gave no usable verdict."""
    UNSURE = "unsure"
    """No verdict is stored, and whether one is needed its cheap checks had to say.

    An error only where these passed; where one missed, the row becomes `FUNNEL`.
    """
    FUNNEL = "funnel"
    """A miss that was not judged, for a cheap check of its case missed."""
    FAILED_METRIC = "failed metric"
    """A metric of another library reported that it failed."""
    NO_SNAPSHOT = "no snapshot"
    """The snapshot to compare with was never written, or is damaged."""
    STORE = "store"
    """The store could not be read or written."""
    CONFIGURATION = "configuration"
    """A mistake in `ladder.toml` or in a case."""
    TIMEOUT = "timeout"
    """pytest-timeout ended the test."""
    BROKEN = "broken"
    """Code of the test, of a fixture or of a task raised something else."""
    GATE_SAMPLE = "gate sample"
    """It has a score, which is for the gate alone, that asked for another sample."""


_OF_ERRORS: tuple[tuple[type[BaseException], Why], ...] = (
    (BudgetReached, Why.BUDGET),
    (MissingReply, Why.NO_REPLY),
    (CallError, Why.FAILED_CALL),
    (JudgeError, Why.NO_VERDICT),
    (MetricError, Why.FAILED_METRIC),
    (MissingSnapshot, Why.NO_SNAPSHOT),
    (StoreError, Why.STORE),
    (ConfigError, Why.CONFIGURATION),
)


def why_of(problem: BaseException) -> Why:
    """Say why there is no score where an exception ended a test.

    Of several at once, in a group, the one that all have in common.
    """
    if isinstance(problem, BaseExceptionGroup):
        whys = {why_of(inner) for inner in problem.exceptions}
        return whys.pop() if len(whys) == 1 else Why.BROKEN
    kinds = (why for kind, why in _OF_ERRORS if isinstance(problem, kind))
    return next(kinds, Why.BROKEN)
