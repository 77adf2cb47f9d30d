"""Every exception this package raises.

Abandoned                a rehearsal is cancelled: not for `except Exception`

LadderError
├── ConfigError          a mistake in ladder.toml, a case file or an option
├── ReplyNotJson         a reply that does not parse: a miss, not an error
├── MissingReply         a replay needs a reply that is not stored
├── MissingSnapshot      a reply is compared with a snapshot that was not written
├── StoreError           the store cannot be read or written
├── BudgetReached        the budget does not allow another call
├── JudgeError           a judge that gave no usable verdict: an error, never a score
├── MetricError          a metric that failed: an error, never a score
└── CallError            a call to a model that failed for good
    └── LocalModelError  the local model could not be fetched or served
"""

from __future__ import annotations

from typing import Any


class Abandoned(BaseException):
    """Ends a rehearsal that is not needed any more; no test ever gets it.

    A `BaseException`, so that no `except Exception` in a user's test catches it. Calls
    of a closed engine raise it.
    """


class LadderError(Exception):
    """Base of all errors of pytest-ladder."""


class ConfigError(LadderError):
    """A mistake in configuration or cases, in one sentence with file, key and fix.

    The plugin turns it into a `pytest.UsageError`, so that a user sees the sentence and
    no traceback.
    """


class ReplyNotJson(LadderError, AssertionError):
    """The text of a reply is not the JSON a test asked for.

    An `AssertionError`, because the model missed: nothing is broken.
    """


class MissingReply(LadderError):
    """A run without `--ladder-live` needs a reply that is not stored."""


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
        return CallError(
            message,
            status=self.status,
            transient=self.transient,
            retry_after_s=self.retry_after_s,
            usage=self.usage,
            unsure=self.unsure,
        )


class LocalModelError(CallError):
    """The local model could not be fetched, started or reached."""
