"""Every exception this package raises.

Abandoned                a rehearsal is cancelled: not for `except Exception`

LadderWarning            a word on what may be a mistake, by Python's own warnings

LadderError
├── ConfigError          a mistake in ladder.toml, a case file or an option
├── ReplyNotJson         a reply that does not parse: a miss, not an error
├── BadRow               a row of a raw file that cannot be used; its line comes later
├── MissingReply         a replay needs a reply that is not stored
├── MissingSnapshot      a reply is compared with a snapshot that was not written
├── StoreError           the store cannot be read or written
├── BudgetReached        the budget does not allow another call
├── JudgeError           a judge that gave no usable verdict: an error, never a score
├── MetricError          a metric that failed: an error, never a score
├── TrackingError        a server of MLflow that did not take what was logged
├── AppError             a request of an app that the gateway cannot answer
└── CallError            a call to a model that failed for good
    └── LocalModelError  the local model could not be fetched or served
"""

from __future__ import annotations

import warnings
from typing import Any


class Abandoned(BaseException):
    """Ends a rehearsal that is not needed any more; no test ever gets it.

    A `BaseException`, so that no `except Exception` in a user's test catches it. Calls
    of a closed engine raise it.
    """


class LadderWarning(UserWarning):
    """What may be a mistake, and is none for certain; shown in pytest's summary."""


def warn(message: str, file: str, line: int = 1) -> None:
    """Warn of what may be a mistake at a place; the same words there show once.

    Also under `-W error` it is a word only: what it is about was no mistake for an
    older release, and no upgrade may break a suite that way. Filters may ignore it.
    """
    try:
        warnings.warn_explicit(message, LadderWarning, file, line)
    except LadderWarning:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn_explicit(message, LadderWarning, file, line)


class LadderError(Exception):
    """Base of all errors of pytest-ladder."""

    refused_key: str = ""
    """Which key, or file, is missing or wrong for many tests alike, in a few words.

    The first test tells in full, all others point there; empty: it failed otherwise.
    """
    lost: Any = None
    """`LostCalls` that were made before it; None: none that may cost anything."""


class ConfigError(LadderError):
    """A mistake in configuration or cases, in one sentence with file, key and fix.

    The plugin turns it into a `pytest.UsageError`, so that a user sees the sentence and
    no traceback.
    """


class ReplyNotJson(LadderError, AssertionError):
    """The text of a reply is not the JSON a test asked for.

    An `AssertionError`, because the model missed: nothing is broken.
    """


class BadRow(LadderError):
    """A row among many that cannot be used; its reader turns it into a `ConfigError`.

    Rows are handed over many at a time, and only the reader knows their lines.
    """

    def __init__(self, row: int, problem: str) -> None:
        """`row` is its place among those handed over, from 0."""
        super().__init__(problem)
        self.row = row
        self.problem = problem


class MissingReply(LadderError):
    """A run without `--ladder-live` needs a reply that is not stored."""

    request: Any = None
    """The `Request` without a reply, to say what changed by; None: it is not known."""


class MissingSnapshot(LadderError):
    """The snapshot that a reply is compared with was never written, or is damaged.

    No `AssertionError`, because the model did not miss: there is nothing to compare.
    """


class StoreError(LadderError):
    """The store cannot be read or written, so nothing more may be spent."""


class BudgetReached(LadderError):
    """The budget does not allow another call."""


class JudgeError(LadderError):
    """A judge gave no usable verdict, not even when asked again: there is no score."""


class MetricError(LadderError):
    """A metric of another library reports that it failed: its value is no score."""


class TrackingError(LadderError):
    """A server for results did not take what was logged, in one sentence without keys.

    What was logged before it stays there; logging again completes it.
    """


class AppError(LadderError):
    """A request of an app under test that the gateway cannot answer, and why.

    The app gets the sentence, and its test ends with it: an error, never a score.
    """

    def __init__(self, message: str, *, status: int) -> None:
        """`status` is the HTTP status that the app gets."""
        super().__init__(message)
        self.status = status


class CallError(LadderError):
    """A call to a model failed, in one sentence that holds no key and no header."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        transient: bool = False,
        retry_after_s: float | None = None,
        usage: Any = None,
        unsure: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status of the answer; None when none came."""
        self.transient = transient
        """Whether trying again may help."""
        self.retry_after_s = retry_after_s
        """How long the provider asked to wait, in seconds; None: it did not say."""
        self.usage = usage
        """`Usage` that the provider billed all the same; None: it named none."""
        self.unsure = unsure
        """Whether it may have been billed, although trying again is no use."""

    def saying(self, message: str) -> CallError:
        """Return a copy with another message, and without cause and frames."""
        copy = CallError(
            message,
            status=self.status,
            transient=self.transient,
            retry_after_s=self.retry_after_s,
            usage=self.usage,
            unsure=self.unsure,
        )
        copy.lost, copy.refused_key = self.lost, self.refused_key
        return copy


class LocalModelError(CallError):
    """The local model could not be fetched, started or reached."""
