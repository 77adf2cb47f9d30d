"""How far people agree: with each other, with themselves, and whatever the side."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from typing import NamedTuple

import msgspec

from pytest_ladder.core.review import ADJUDICATOR, PairReview, Review
from pytest_ladder.stats.raters import gwet_ac1_raters, krippendorff
from pytest_ladder.text.numbers import count

MIN_ITEMS = 10
"""Items with two answers or more below which nothing is said of agreement."""
_SUSPECT = 0.01
"""Chance that a rater without a liking for a side looks as if there was one; shared by
all raters."""


class Answered(NamedTuple):
    """One person's answer to one thing."""

    item: tuple[str, ...]
    rater: str
    verdict: Hashable


class Agreeing(msgspec.Struct, frozen=True, kw_only=True):
    """How far people agree on what two of them or more have answered."""

    raters: int
    items: int
    """That anybody has answered."""
    shared: int
    """That two raters or more have answered."""
    alpha: float | None
    """Krippendorff's: ordinal for grades, else nominal. None: no chance to correct."""
    ac1: float | None

    @property
    def sentence(self) -> str:
        """Say how far they agree, or why that cannot be told."""
        if self.raters < 2:
            return "One rater: how far people agree is not known."
        if self.shared < MIN_ITEMS:
            return (
                f"{count(self.shared, 'item')} answered by two raters or more: at "
                f"least {MIN_ITEMS} are needed to say how far they agree."
            )
        about = f"{count(self.raters, 'rater')} on {count(self.shared, 'item')}"
        if self.alpha is None or self.ac1 is None:
            return f"{about} gave one and the same answer: no chance-corrected figure."
        return (
            f"{about}: Krippendorff's alpha {self.alpha:z.2f}, Gwet's AC1 "
            f"{self.ac1:z.2f}."
        )


class OneSided(msgspec.Struct, frozen=True, kw_only=True):
    """A rater who takes the reply on one side too often for chance."""

    rater: str
    left: int
    """Pairs decided for the left reply."""
    of: int
    """Pairs decided for a side."""


class Raters(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered one kind of question, and how reliably."""

    agreeing: Agreeing
    answers: int
    """Without those that were asked again."""
    repeats: int
    """Items that somebody was asked twice."""
    steady: int
    """Of those, answered the same both times."""
    left: int
    """Pairs decided for the reply on the left."""
    sided: int
    """Pairs decided for a side that is known."""
    seconds: float | None
    """Median time of an answer; None: nobody measured it."""
    one_sided: tuple[OneSided, ...] = ()

    @property
    def left_rate(self) -> float | None:
        """Share of pairs decided for the left; near one half where sides do not matter.

        None: there are none.
        """
        return self.left / self.sided if self.sided else None


def agreeing(answers: Iterable[Answered]) -> Agreeing:
    """Measure agreement; of one rater's answers to an item the last one counts."""
    verdicts: defaultdict[tuple[str, ...], dict[str, Hashable]] = defaultdict(dict)
    for item, rater, verdict in answers:
        verdicts[item][rater] = verdict
    raters = {rater for of in verdicts.values() for rater in of}
    # Who said it does not matter to either figure, so that thousands of raters with a
    # few answers each need no row of their own: a row is the first answer, the second…
    table = list(itertools.zip_longest(*(of.values() for of in verdicts.values())))
    numbers = all(isinstance(v, int) for of in verdicts.values() for v in of.values())
    alpha = ac1 = None
    if len(table) > 1:
        alpha = krippendorff(table, "ordinal" if numbers else "nominal")
        ac1 = gwet_ac1_raters(table)
    shared = sum(len(of) > 1 for of in verdicts.values())
    return Agreeing(
        raters=len(raters), items=len(verdicts), shared=shared, alpha=alpha, ac1=ac1
    )


def raters_of(reviews: Iterable[Review]) -> Raters | None:
    """Measure the raters by their answers; None without one.

    The adjudicator saw what others said, and is left out.
    """
    reviews = [one for one in reviews if one.rater != ADJUDICATOR]
    if not reviews:
        return None
    first = [one for one in reviews if not one.repeat]
    given = {(one.item, one.rater): one.verdict for one in first}
    again = [
        one.verdict == given[one.item, one.rater]
        for one in reviews
        if one.repeat and (one.item, one.rater) in given
    ]
    # How often each rater took the left reply, and how often not.
    sides: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    for one in reviews:
        if isinstance(one, PairReview) and one.left and one.preferred in ("a", "b"):
            sides[one.rater][one.preferred == one.left] += 1
    seconds = [one.seconds for one in reviews if one.seconds is not None]
    return Raters(
        agreeing=agreeing(Answered(one.item, one.rater, one.verdict) for one in first),
        answers=len(first),
        repeats=len(again),
        steady=sum(again),
        left=sum(of[True] for of in sides.values()),
        sided=sum(of.total() for of in sides.values()),
        seconds=statistics.median(seconds) if seconds else None,
        one_sided=tuple(
            OneSided(rater=rater, left=of[True], of=of.total())
            for rater, of in sorted(sides.items())
            if two_sided(of[True], of.total()) <= _SUSPECT / len(sides)
        ),
    )


def two_sided(left: int, n: int) -> float:
    """Return the chance that a coin falls as unevenly as `left` of `n` (exact)."""
    rare = min(left, n - left)
    ways = sum(math.comb(n, k) for k in range(rare + 1))
    # Whole numbers, for 2**-n is 0 from 1,075 on.
    return min(1.0, 2 * ways / (1 << n))
