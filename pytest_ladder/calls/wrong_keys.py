"""Wrong keys: a model that lets nobody in is asked a few times, and then no more.

A key is right or wrong for all calls. So the first calls of a model go out a few at a
time, until one was let in, or is under way for longer than a refusal usually takes. If
all that came back were turned away, no other is sent: a provider may block who knocks
too often.
"""

from __future__ import annotations

import asyncio
import contextlib

from pytest_ladder import clock
from pytest_ladder.calls.destination import destination_of
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import CallError

FIRST_CALLS = 6
"""Calls of a model that go out before one of them was let in."""
# Nothing is computed for a refusal, so it comes at once: from a server near by in
# milliseconds, over the network in less than half a second. One that takes longer
# finds as many calls under way as the limits allow, and still stops all others. So a
# good server that is slow is held up by this much, once.
NEAR_BY_S, FAR_AWAY_S = 0.05, 0.5
_UNAUTHORIZED, _FORBIDDEN = 401, 403


class Door:
    """Lets the calls of one model out; used on the engine's loop only."""

    def __init__(self, model: Model, usual_refusal_s: float) -> None:
        self._model = model
        self._usual_refusal_s = usual_refusal_s
        self._under_way = 0
        self._refusals: list[CallError] = []
        """Of the calls so far; those for another reason than the last do not count."""
        self._first_sent_at: float | None = None
        self._was_let_in = False
        self._moved = asyncio.Event()
        """Set when a call has come to its end."""
        self._turn = asyncio.Lock()
        """Only the first that waits looks whether it may go. If each looked by itself,
        the first to look would go, and while a local model loads all of them wait."""

    async def enter(self, *, again: bool = False) -> None:
        """Wait until a call may be made; then it is under way, until `leave`.

        First come, first served; a call that comes `again`, after a failure, goes
        before those that wait. Raises `CallError` if all were turned away.
        """
        async with contextlib.nullcontext() if again else self._turn:
            while self._holds_back():
                self.check()
                # Until a call ends, or for as long as a refusal usually takes.
                self._moved.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._moved.wait(), self._usual_refusal_s)
            self._under_way += 1

    def leave(self) -> None:
        """Note that a call has come to its end."""
        self._under_way -= 1
        self._moved.set()

    def check(self) -> None:
        """Raise `CallError` if all calls so far were turned away, and they are many.

        A call that waited for its turn in the limits asks again before it is sent.
        """
        if not self._was_let_in and len(self._refusals) >= FIRST_CALLS:
            last = self._refusals[-1]
            raise last.saying(str(last))

    def sends(self) -> None:
        """Note that a call is sent now."""
        if self._first_sent_at is None:
            self._first_sent_at = clock.monotonic()

    def let_in(self) -> None:
        """Note a call that got a reply: the key is right."""
        self._was_let_in = True

    def turned_away(self, error: CallError) -> CallError:
        """Note a call that failed; only those that a wrong key explains count.

        Returns what to tell of it: of a wrong key also whose it is, and where it went.
        """
        if error.status not in (_UNAUTHORIZED, _FORBIDDEN):
            return error
        told = _with_key(error, self._model)
        may_be_about_prompt = False
        if error.status == _FORBIDDEN:
            # And then it says so in other words each time.
            said = str(told)
            self._refusals = [old for old in self._refusals if str(old) == said]
            may_be_about_prompt = self._was_let_in or not self._refusals
        self._refusals.append(told)
        return error if may_be_about_prompt else told

    def _holds_back(self) -> bool:
        """Tell whether the next call waits for what the first ones bring."""
        if self._was_let_in or self._under_way + len(self._refusals) < FIRST_CALLS:
            return False
        sent_at = self._first_sent_at
        waited_s = 0.0 if sent_at is None else clock.monotonic() - sent_at
        return bool(self._refusals) or waited_s <= self._usual_refusal_s


def _with_key(error: CallError, model: Model) -> CallError:
    """Say of a refusal which key was sent where, so that it need be said once only."""
    to = destination_of(model)
    words = str(error)
    words = f"{words[0].lower()}{words[1:]}"
    if to.key is None:
        named = "`api_key_env` names the variable that holds one"
        told = error.saying(f"No key was sent to {to.host} ({named}): {words}")
    elif error.status == _FORBIDDEN:
        told = error.saying(f"With the key in {to.key}, at {to.host}: {words}")
    else:
        told = error.saying(f"The key in {to.key} is refused at {to.host}: {words}")
    told.refused_key = f"key of {model.name!r}" + (f" ({to.key})" if to.key else "")
    return told
