"""Where one rater stands: what is answered is read from the file, each time anew."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from pytest_ladder import clock
from pytest_ladder.core.review import Grade, PairReview
from pytest_ladder.judging.calibration.labels import Label
from pytest_ladder.review.pages import MOST_NOTE, RaterView
from pytest_ladder.review.queue import Item
from pytest_ladder.review.store import Answers

_LONGEST = 3600
"""Seconds: who takes longer went away."""
_SIDES = ("left", "right")
_GRADES = ("1", "2", "3", "4", "5")


class Session:
    """One rater in one process: a queue, and a file that says what of it is done."""

    def __init__(
        self, rater: str, queue: Sequence[Item], answers: Answers[Any]
    ) -> None:
        self.rater, self.queue = rater, queue
        self.answers = answers
        # 128 bits each: of the link, of the cookie that it is exchanged for, of forms.
        self.token, self.cookie, self.csrf = (
            secrets.token_urlsafe(16) for _ in range(3)
        )
        self._numbers = {item.about.identity: n for n, item in enumerate(queue, 1)}
        self._skipped: dict[int, int] = {}
        """How many items were answered when each of them was skipped, in this order."""
        self._shown_at: dict[int, float] = {}

    def view(self, nonce: str, *, shortcuts: bool = True) -> RaterView:
        """Return what every page shows of the rater. Raises `ConfigError`."""
        done = self._done()
        return RaterView(
            rater=self.rater,
            csrf=self.csrf,
            nonce=nonce,
            done=len(done),
            total=len(self.queue),
            skipped=len(self._skipped.keys() - set(done)),
            shortcuts=shortcuts,
            can_undo=bool(done or self._skipped),
        )

    @property
    def done(self) -> int:
        """How many items are answered."""
        return len(self._done())

    def next(self) -> int | None:
        """Return the number of the first item that is open; None: there is none."""
        closed = {*self._done(), *self._skipped}
        return next((n for n in self._numbers.values() if n not in closed), None)

    def show(self, number: int) -> Item | None:
        """Return an item by its number, from 1; None: there is none."""
        if not 1 <= number <= len(self.queue):
            return None
        self._shown_at.setdefault(number, clock.monotonic())
        return self.queue[number - 1]

    def given(self, number: int) -> Grade | PairReview | Label | None:
        """Return what the rater has answered to an item; None: nothing yet."""
        answer: Grade | PairReview | Label | None = self.answers.now().get(
            self.queue[number - 1].about.identity
        )
        return answer

    def answer(self, number: int, verdict: str, note: str) -> bool:
        """Keep an answer, or skip; False: it is no answer to this item.

        Raises `LadderError` where it cannot be kept.
        """
        item = self.queue[number - 1]
        if verdict == "skip":
            self._skipped.pop(number, None)
            self._skipped[number] = len(self._done())
            return True
        try:
            answer = self._answered(number, item, verdict, note[:MOST_NOTE].strip())
        except msgspec.ValidationError:
            return False
        self.answers.give(answer)
        self._skipped.pop(number, None)
        return True

    def undo(self) -> int | None:
        """Take back what was answered or skipped last; returns its number.

        None: nothing was.
        """
        done = self._done()
        last = next(reversed(self._skipped), None)
        if last is not None and self._skipped[last] >= len(done):
            del self._skipped[last]
            self._shown_at.pop(last, None)
            return last
        if not done:
            return None
        self.answers.take_back(self.queue[done[-1] - 1].about.identity)
        self._shown_at.pop(done[-1], None)
        return done[-1]

    def _done(self) -> list[int]:
        """Return the numbers of what is answered, in the order of the answers."""
        given = self.answers.now()
        return [self._numbers[one] for one in given if one in self._numbers]

    def _answered(
        self, number: int, item: Item, verdict: str, note: str
    ) -> Grade | PairReview | Label:
        about = item.about
        is_number = item.graded and verdict in _GRADES
        said: Any = int(verdict) if is_number else verdict
        fields = msgspec.to_builtins(about) | {"note": note}
        if isinstance(about, PairReview):
            if verdict in _SIDES:
                other = "b" if about.left == "a" else "a"
                said = about.left if verdict == "left" else other
            elif verdict not in ("tie", "neither"):
                raise msgspec.ValidationError(verdict)
            fields["preferred"] = said
        elif item.graded == isinstance(said, str):
            raise msgspec.ValidationError(verdict)
        else:
            fields["verdict"] = said
        if not isinstance(about, Label) and number in self._shown_at:
            took = clock.monotonic() - self._shown_at[number]
            fields["seconds"] = min(_LONGEST, round(took))
        return msgspec.convert(fields, type(about))
