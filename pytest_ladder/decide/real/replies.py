"""Whether a level tells liked replies from disliked ones, reply by reply.

Of replies that users saw and rated (`task=pytest_ladder.logged`, with a `thumb` in the
case), and only within a rung: over all of them together a level that tells the rungs
apart would look as if it told the replies apart (docs/methods.md §6).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.stats.proxy import same_rung_auc, same_rung_interval
from pytest_ladder.text import numbers


class RatedReplies(msgspec.Struct, frozen=True, kw_only=True):
    """One level held against the thumbs of single replies."""

    level: Level
    n: int
    """Replies with a thumb and a score."""
    up: int
    """Of them with a thumb up."""
    auc: float | None
    """Chance that a liked reply scores higher than a disliked one of the same rung,
    ties half; None: no rung has both."""
    low: float | None
    """Lower end of its 95 % interval, users drawn whole; None: too few to say."""
    high: float | None
    pooled: float | None
    """The same chance over all rungs together."""
    disliked: tuple[str, ...] = ()
    """Cases whose reply passed and got a thumb down: the next ones to look at."""

    @property
    def sentence(self) -> str:
        """Say in two sentences what is known."""
        head = f"{self.level}, reply by reply: {self.n:,} rated, {self.up:,} liked"
        if self.auc is None:
            return f"{head}; no rung has both liked and disliked ones."
        sure = "too few users for an interval"
        if self.low is not None and self.high is not None:
            sure = numbers.interval(self.low, self.high)
        said = (
            f"{head}; a liked one scores higher than a disliked one of its rung with a "
            f"chance of {numbers.percent(self.auc)} ({sure}; 50 % is no better than a "
            f"coin; over all rungs {numbers.percent(self.pooled)})."
        )
        if self.disliked:
            said += f" Passed and disliked: {numbers.few(self.disliked)}."
        return said


def rated_replies(rows: Sequence[Row]) -> Iterator[RatedReplies]:
    """Hold each level against the thumbs of its replies; none where there are none."""
    rated: defaultdict[Level, list[Row]] = defaultdict(list)
    for row in rows:
        if row.thumb is not None and row.score is not None:
            rated[row.level].append(row)
    for level in (Level.CHEAP, Level.JUDGED):
        if level in rated:
            yield _of(level, rated[level])


def _of(level: Level, rows: Sequence[Row]) -> RatedReplies:
    """Score a reply by the mean of its tests."""
    scores: defaultdict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        scores[row.rung, row.source, row.case].append(row)
    means, thumbs, rungs, users, disliked = [], [], [], [], []
    for (rung, _, case), own in scores.items():
        mean = sum(row.score or 0.0 for row in own) / len(own)
        means.append(mean)
        thumbs.append(int(bool(own[0].thumb)))
        rungs.append(rung)
        users.append(own[0].cluster or case)
        if mean == 1 and not own[0].thumb:
            disliked.append(case)
    found = same_rung_auc(means, thumbs, rungs)
    ends = same_rung_interval(means, thumbs, rungs, users)
    return RatedReplies(
        level=level,
        n=len(means),
        up=sum(thumbs),
        auc=found.within,
        low=ends.low if ends else None,
        high=ends.high if ends else None,
        pooled=found.pooled,
        disliked=tuple(disliked),
    )
