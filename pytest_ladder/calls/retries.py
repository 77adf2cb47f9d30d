"""Retries: which failures are worth another attempt, and how long to wait for it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pytest_ladder.calls.contract import USUAL_OUTPUT, Request
from pytest_ladder.calls.store.stored_reply import Attempt
from pytest_ladder.core.reply import BYTES_PER_TOKEN
from pytest_ladder.errors import CallError

MAX_ATTEMPTS = 6
MAX_REFUSALS = 10
"""Attempts of a call that is refused as one of too many (429, 503, 529)."""
LONGEST_WAIT_S = 180.0
"""Seconds: when a provider asks to wait longer, the run does not."""
MAX_TOTAL_S = LONGEST_WAIT_S
"""A call is given up when its attempts and pauses took so many seconds."""
LOST_CALLS = 3
"""After so many calls in a row that were given up, only one attempt is made."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_OVERLOAD = frozenset({429, 503, 529})
# A generator of its own: a suite that seeds `random` must get the same numbers as ever.
_RANDOM = random.Random()


def is_overload(error: CallError) -> bool:
    """Tell whether the provider refused the call because it gets too many."""
    return error.status in _OVERLOAD or error.retry_after_s is not None


def may_be_billed(error: CallError) -> bool:
    """Tell whether a failed attempt may cost something all the same.

    An answer with an error status is not billed. A failure without a status that is not
    transient, such as a missing key, came before the request was sent. After all other
    failures, and after an error inside an answer of success, nobody knows.
    """
    return error.unsure or (error.status is None and error.transient)


def pause_s(error: CallError, attempts: int, tried_s: float) -> float | None:
    """Return how long to wait before trying again; None: give up.

    Seconds: Retry-After where the provider said so, else exponential back-off with
    jitter over its upper half. `tried_s` are the seconds of all attempts and pauses so
    far.
    """
    most = MAX_REFUSALS if is_overload(error) else MAX_ATTEMPTS
    if not error.transient or attempts >= most:
        return None
    jitter = _RANDOM.uniform(0.5, 1.0)
    pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempts - 1)) * jitter
    if error.retry_after_s is not None:
        pause = error.retry_after_s + 0.1 * jitter
    return pause if tried_s + pause <= MAX_TOTAL_S else None


def final(error: CallError, failed: Sequence[Attempt]) -> CallError:
    """Return the error for the user, which says how often the call was tried."""
    if len(failed) <= 1:
        return error
    return error.saying(f"{error} (gave up after {len(failed)} attempts)")


def expected_tokens(request: Request) -> int:
    """Guess the tokens of a call, for limits per minute."""
    asked = request.prompt_bytes // BYTES_PER_TOKEN
    return asked + (request.output_limit or USUAL_OUTPUT)
