"""What people said of replies: `reviews.jsonl`, which is all that is kept of a review.

The last line of a rater on an item counts; one with `"verdict": null` (of a pair
`"preferred": null`) takes the answer back. Nothing is ever overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from pytest_ladder.core.review import Grade, Review
from pytest_ladder.disk.growing import growing
from pytest_ladder.judging.calibration import labels
from pytest_ladder.judging.calibration.labels import Label
from pytest_ladder.real.reviews import line_of, read_reviews


class GivenAnswer(Protocol):
    """A line that can be told from others; `Review` and labels are such."""

    @property
    def identity(self) -> tuple[str, ...]:
        """What only one answer of counts."""

    @property
    def verdict(self) -> Any:
        """What was said; None takes it back."""

    @property
    def note(self) -> str:
        """What was said besides."""


A = TypeVar("A", bound=GivenAnswer)


class Answers(Generic[A]):
    """The answers in a file, as they are now: other tabs and processes add to it."""

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], Iterable[A]],
        line: Callable[[A], bytes],
        taken_back: Callable[[A], bytes],
    ) -> None:
        self.path = path
        self._read, self._line, self._taken_back = read, line, taken_back
        self._seen: tuple[int, int, int] | None = None
        self._all: dict[tuple[str, ...], A] = {}

    def now(self) -> Mapping[tuple[str, ...], A]:
        """Return the answers that count, oldest first. Raises `ConfigError`."""
        stamp = self._stamp()
        if stamp is None:
            self._all, self._seen = {}, None
        elif stamp != self._seen:
            with growing(self.path):  # else a line might be read that is half written
                self._read_again()
        return self._all

    def _read_again(self) -> None:
        stamp = self._stamp()
        if stamp != self._seen:
            self._all = {answer.identity: answer for answer in self._read(self.path)}
            self._seen = stamp

    def give(self, answer: A) -> bool:
        """Add an answer; False: the same one was given already, as by a double click.

        Raises `LadderError` where it cannot be kept.
        """
        with growing(self.path) as add:
            self._read_again()
            before = self._all.get(answer.identity)
            if before is not None and _same(before, answer):
                return False
            add(self._line(answer))
            self._all.pop(answer.identity, None)
            self._all[answer.identity] = answer
            self._seen = self._stamp()
        return True

    def give_all(self, answers: Iterable[A]) -> int:
        """Add answers of elsewhere, those that were given already left out.

        Returns how many are new. Raises `LadderError` where they cannot be kept.
        """
        with growing(self.path) as add:
            self._read_again()
            new = dict[tuple[str, ...], A]()
            for answer in answers:
                before = new.get(answer.identity) or self._all.get(answer.identity)
                if before is None or not _same(before, answer):
                    new.pop(answer.identity, None)
                    new[answer.identity] = answer
            if new:
                # Once on the disk, together: half of an import is none.
                add(b"\n".join(map(self._line, new.values())))
        return len(new)

    def take_back(self, identity: tuple[str, ...]) -> A | None:
        """Take back an answer; None: there is none any more."""
        with growing(self.path) as add:
            self._read_again()
            answer = self._all.get(identity)
            if answer is None:
                return None
            add(self._taken_back(answer))
            del self._all[identity]
            self._seen = self._stamp()
        return answer

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _same(one: GivenAnswer, other: GivenAnswer) -> bool:
    return (one.verdict, one.note) == (other.verdict, other.note)


def reviews_in(path: Path) -> Answers[Review]:
    """Return the answers in `reviews.jsonl`."""
    return Answers(
        path,
        read_reviews,
        line_of,
        lambda review: line_of(_taken_back(review)),
    )


def labels_kept_in(path: Path) -> Answers[Label]:
    """Return the answers in `labels.jsonl`, as `pytest-ladder label` writes them."""
    return Answers(
        path,
        lambda path: labels.read_labels(path) if path.exists() else (),
        lambda label: labels.line_of(label).rstrip("\n").encode(),
        lambda label: msgspec.json.encode(
            msgspec.to_builtins(label) | {"verdict": None}, order="deterministic"
        ),
    )


def _taken_back(review: Review) -> Review:
    bare = msgspec.structs.replace(review, seconds=None, note="")
    if isinstance(bare, Grade):
        return msgspec.structs.replace(bare, verdict=None)
    return msgspec.structs.replace(bare, preferred=None)
