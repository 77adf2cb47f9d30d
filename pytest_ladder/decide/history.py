"""What ships, over time: quality, cost, latency and spend, and which steps are changes.

Each run is compared with the one before it, on the cases of both whose content is the
same, by the paired comparison that all of the package uses. A step is a change where
that is established at 95 % for all steps and figures at once (Bonferroni): of a flat
history 19 in 20 show no mark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.against import at_level
from pytest_ladder.decide.evidence import comparison
from pytest_ladder.decide.gate.margins import latency_rise, usd_by_unit
from pytest_ladder.decide.gate.pairs import Pairs, pair, scores_of
from pytest_ladder.decide.gate.result import Figure
from pytest_ladder.decide.matrix import cluster_labels, cluster_names
from pytest_ladder.stats.intervals import quality_interval
from pytest_ladder.stats.paired import paired_t

COST = "cost"
PER = 1000
"""Calls that costs are told of."""
_LEAST = 3
"""Costs below which no interval is told."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a history needs of one report."""

    label: str
    """The folder, or the commit."""
    started: str
    """ISO 8601, in UTC."""
    rung: str | None
    """What shipped; None: the report does not say."""
    rows: Sequence[Row]
    """Of that rung."""
    spent_usd: float | None
    """By the whole run; None: unknown."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """An established change from the run before."""

    what: str
    """A level, or `cost`."""
    direction: Literal["up", "down"]
    change: float
    """Of a level in [-1, 1], of cost in USD per 1,000 calls."""
    n: int
    """Cases that both runs finished."""

    @property
    def is_better(self) -> bool:
        """Whether anybody would want it: quality up, or cost down."""
        return (self.direction == "up") is (self.what != COST)


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What shipped at one time."""

    label: str
    when: str
    """The day (UTC), with hour and minute where another run has the same day."""
    rung: str | None
    levels: dict[Level, Figure]
    """Quality with its 95 % interval; only levels with finished rows."""
    cost: Figure
    """USD per 1,000 replies of a test, with the 95 % interval of the mean."""
    latency: Figure
    """The 95th percentile over live calls, in seconds."""
    spent_usd: float | None
    steps: tuple[Step, ...] = ()


def history_of(runs: Sequence[Run]) -> list[Moment]:
    """Return a moment for each run, oldest first, with the steps that are changes."""
    ordered = sorted(runs, key=lambda run: run.started)
    days = Counter(run.started[:10] for run in ordered)
    moments = [_moment(run, several=days[run.started[:10]] > 1) for run in ordered]
    pairs = [pair(old.rows, new.rows) for old, new in pairwise(ordered)]
    looks = sum(len({key[0] for key in each.before}) + 1 for each in pairs)
    return moments[:1] + [
        msgspec.structs.replace(moment, steps=_steps(each, max(1, looks)))
        for moment, each in zip(moments[1:], pairs, strict=True)
    ]


def _moment(run: Run, *, several: bool) -> Moment:
    own = pair(run.rows, run.rows)
    levels = {}
    for level in (
        level for level in Level if any(key[0] is level for key in own.after)
    ):
        scores = scores_of(at_level(own, level))
        mean, low, high, _ = quality_interval(scores.after, scores.clusters)
        levels[level] = Figure(value=mean, low=low, high=high, n=len(scores.after))
    return Moment(
        label=run.label,
        when=run.started[: 16 if several else 10].replace("T", " "),
        rung=run.rung,
        levels=levels,
        cost=_cost(run.rows),
        latency=latency_rise(own).before,
        spent_usd=run.spent_usd,
    )


def _cost(rows: Sequence[Row]) -> Figure:
    usd = usd_by_unit(row for row in rows if row.outcome is not Outcome.ERROR)
    known = [PER * value for value in usd.values() if value is not None]
    if not known or len(known) < len(usd):
        return Figure(value=None, n=len(usd))
    mean = sum(known) / len(known)
    if len(known) < _LEAST:
        return Figure(value=mean, n=len(known))
    _, mean, low, high = paired_t(known, cluster_labels(usd, cluster_names(rows)), 0.95)
    return Figure(value=mean, low=max(0.0, low), high=high, n=len(known))


def _steps(pairs: Pairs, looks: int) -> tuple[Step, ...]:
    steps = []
    for level in Level:
        part = at_level(pairs, level)
        if part.before:
            scores = scores_of(part)
            found = comparison(scores.differences, scores.clusters, looks)
            if found.established:
                steps.append(_step(str(level), found.mean, found.n))
    old, new = (
        usd_by_unit(row for rows in side.values() for row in rows)
        for side in (pairs.before, pairs.after)
    )
    units = sorted(old.keys() & new.keys())
    both = [(old[unit], new[unit]) for unit in units]
    rises = [PER * (b - a) for a, b in both if a is not None and b is not None]
    if rises and len(rises) == len(both):
        rows = [row for rows in pairs.after.values() for row in rows]
        cluster = cluster_labels(units, cluster_names(rows))
        found = comparison(rises, cluster, looks, bounded=False)
        if found.established:
            steps.append(_step(COST, found.mean, found.n))
    return tuple(steps)


def _step(what: str, change: float, n: int) -> Step:
    direction: Literal["up", "down"] = "up" if change > 0 else "down"
    return Step(what=what, direction=direction, change=change, n=n)
