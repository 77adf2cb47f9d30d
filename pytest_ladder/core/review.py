"""People's blind verdicts on replies: lines of `reviews.jsonl`."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

LabelVerdict = Literal["pass", "fail", 1, 2, 3, 4, 5]
"""Pass or fail, or a grade as graded judges give it."""
Preferred = Literal["a", "b", "tie", "neither"]
ItemKey = tuple[str, ...]
"""What an answer is about; the same for whoever gives it."""

PAIRS = "pairs"
"""The scale of what is asked of two replies."""
ADJUDICATOR = "adjudicator"
"""The rater whose word counts where others differ, and who is no rater besides."""


class ReviewLine(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """What every review says."""

    source: str = ""
    case: str
    rater: str = ""
    question: str = ""
    """`question_id` of what was asked; another question voids the answer."""
    repeat: bool = False
    """Whether the rater was asked a second time, to see how steady the answers are."""
    seconds: int | None = None
    """What the answer took; None: not known. There is no time of day here."""
    note: str = ""

    @property
    def item(self) -> ItemKey:
        """What it is about."""
        raise NotImplementedError

    @property
    def replies(self) -> tuple[tuple[str, str], ...]:
        """Rung and `reply_hash` of each reply that it is about."""
        raise NotImplementedError

    @property
    def is_untied(self) -> bool:
        """Whether it does not say of which texts it is."""
        return not all(reply for _, reply in self.replies)

    @property
    def identity(self) -> tuple[str, ...]:
        """What only one answer of counts: item, question, rater, and which time."""
        return (*self.item, self.question, self.rater, str(self.repeat))


class Grade(ReviewLine, frozen=True, kw_only=True):
    """One person's verdict on one reply."""

    rung: str
    reply: str
    """`reply_hash` of its text: a reply that changes loses its reviews."""
    verdict: LabelVerdict | None
    """None takes the answer back."""

    @property
    def item(self) -> ItemKey:
        """The reply."""
        return self.source, self.case, self.rung, self.reply

    @property
    def replies(self) -> tuple[tuple[str, str], ...]:
        """The one reply."""
        return ((self.rung, self.reply),)


class PairReview(ReviewLine, frozen=True, kw_only=True):
    """One person's choice between two replies to a case."""

    a: str
    b: str
    """The two rungs, in the order of the alphabet where the page asked."""
    a_reply: str = ""
    b_reply: str = ""
    """`reply_hash` of their texts; empty: whoever asked did not say."""
    preferred: Preferred | None
    """None takes the answer back."""
    left: Literal["a", "b", ""] = ""
    """Which reply stood on the left; empty: not known."""

    @property
    def verdict(self) -> Preferred | None:
        """What was preferred."""
        return self.preferred

    @property
    def item(self) -> ItemKey:
        """The pair of replies."""
        return self.source, self.case, self.a, self.a_reply, self.b, self.b_reply

    @property
    def replies(self) -> tuple[tuple[str, str], ...]:
        """`a`, then `b`."""
        return (self.a, self.a_reply), (self.b, self.b_reply)


Review = Grade | PairReview


def reply_hash(text: str) -> str:
    """Name a reply by its text."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def question_id(question: str, scale: str) -> str:
    """Name what people are asked: another wording is another question."""
    return hashlib.sha256(f"{scale}\n{question}".encode()).hexdigest()[:8]
