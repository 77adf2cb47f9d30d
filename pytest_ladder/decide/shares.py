"""Shares: how many cases of a test must pass on what ships, of all and by tag."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.stats.checks import TINY


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the cases of a test, or of those of them with a tag."""

    at_least: float
    """Share that must pass, in [0, 1]."""
    tag: str | None = None
    """None: all cases."""

    @property
    def label(self) -> str:
        """What tells it from the share of all cases: `[de]`, or nothing."""
        return "" if self.tag is None else f"[{self.tag}]"

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows that it is about."""
        return [row for row in rows if self.tag is None or self.tag in row.tags]

    def required(self, total: int) -> int:
        """Return how many of `total` rows must pass."""
        # The same care for floating point as `required passes` in the methods.
        return math.ceil(self.at_least * total - TINY)

    def is_missed(self, rows: Sequence[Row], total: int) -> bool:
        """Tell whether the misses among `rows` are more than it allows of `total`.

        So a part of the cases may miss as often as all of them.
        """
        return misses(rows) > total - self.required(total)

    def counted(self, rows: Sequence[Row], part: str) -> str:
        """Say how many of `rows` passed; `part` follows: which part of all they are."""
        finished = sum(row.outcome is not Outcome.ERROR for row in rows)
        return f"{finished - misses(rows):,} of {finished:,} passed{part}"


def shares_in(rows: Iterable[Row]) -> list[Share]:
    """Return the shares that the rows of a test are held to, that of all first.

    Where all cases must pass, each miss fails its own test, unless a tag of it has a
    share.
    """
    of_all, of_tags = 0.0, dict[str, float]()
    for row in rows:
        of_all = max(of_all, row.at_least)
        for tag, share in row.shares.items():
            of_tags[tag] = max(share, of_tags.get(tag, 0.0))
    tagged = [Share(at_least=of_tags[tag], tag=tag) for tag in sorted(of_tags)]
    return [Share(at_least=of_all), *tagged] if of_all < 1 else tagged


def misses(rows: Iterable[Row]) -> int:
    """Count the misses."""
    return sum(row.outcome is Outcome.MISSED for row in rows)
