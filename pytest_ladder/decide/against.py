"""A run held against another one, rung by rung and case by case: what moved.

It shows, and decides nothing: the verdict is that of `gate`. A case is broken on a rung
where its score on a test fell by half or more, fixed where it rose so, both on the
cases whose content is the same; means before and after have paired intervals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.evidence import comparison
from pytest_ladder.decide.gate.cases import flips
from pytest_ladder.decide.gate.margins import cost_rise, latency_rise
from pytest_ladder.decide.gate.pairs import Pairs, pair, scores_of
from pytest_ladder.decide.gate.result import Figure, Flip, Rise, Unpaired
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.stats.intervals import quality_interval


class LevelChange(msgspec.Struct, frozen=True, kw_only=True):
    """Quality at one level before and after, on the cases that both runs finished."""

    level: Level
    before: Figure
    after: Figure
    change: float
    """Mean of after less before, in [-1, 1]; of what a judge said, by its own word."""
    low: float | None
    """Paired 95 % interval of `change`; None: too few cases or clusters for one."""
    high: float | None


class RungAgainst(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one rung that both runs have."""

    rung: str
    broken: int
    """Cases, as below: each is one of the three."""
    fixed: int
    unchanged: int
    levels: tuple[LevelChange, ...]
    cost: Rise
    """USD for 1,000 replies of a test."""
    latency: Rise
    """The 95th percentile over live calls, in seconds."""
    asked_otherwise: int
    """Cases whose first request differs: another prompt, model or parameter."""
    asked: int
    """Cases of which both runs tell what was requested."""
    flips: tuple[Flip, ...]
    """Worse ones first."""
    unpaired: Unpaired


class CaseAgainst(msgspec.Struct, frozen=True, kw_only=True):
    """A case that moved on some rung."""

    source: str
    case: str
    broken: tuple[str, ...]
    """Rungs, in the order of the matrix."""
    fixed: tuple[str, ...]


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """A run held against another one."""

    label: str
    """The other run as it was named: a folder, or `git:REF`."""
    run: str
    """Its id."""
    started: str
    git_sha: str | None = None
    rungs: tuple[RungAgainst, ...]
    """Most broken cases first."""
    cases: tuple[CaseAgainst, ...]
    """Broken on most rungs first."""
    changes: tuple[str, ...] = ()
    """What differs in what was run, in sentences."""


def rungs_against(
    base: Sequence[Row],
    head: Sequence[Row],
    rungs: Sequence[str],
    skipped: Collection[str] = (),
) -> tuple[RungAgainst, ...]:
    """Compare each of `rungs` that both runs have rows of, most broken cases first."""
    before, after = _by_rung(base), _by_rung(head)
    found = [
        _rung(rung, pair(before[rung], after[rung], skipped))
        for rung in rungs
        if rung in before and rung in after
    ]
    return tuple(sorted(found, key=lambda one: (-one.broken, one.fixed)))


def cases_against(
    rungs: Sequence[RungAgainst], order: Sequence[str]
) -> tuple[CaseAgainst, ...]:
    """List the cases that moved, those first that broke on most rungs."""
    moved: defaultdict[Unit, dict[str, bool]] = defaultdict(dict)
    for rung in rungs:
        for unit, broke in _moved(rung.flips).items():
            moved[unit][rung.rung] = broke
    cases = [
        CaseAgainst(
            source=source,
            case=case,
            broken=tuple(rung for rung in order if on.get(rung) is True),
            fixed=tuple(rung for rung in order if on.get(rung) is False),
        )
        for (source, case), on in moved.items()
    ]
    cases.sort(
        key=lambda one: (-len(one.broken), -len(one.fixed), one.source, one.case)
    )
    return tuple(cases)


def _by_rung(rows: Sequence[Row]) -> Mapping[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.rung].append(row)
    return dict(found)


def _rung(rung: str, pairs: Pairs) -> RungAgainst:
    found = flips(pairs)
    moved = _moved(found)
    units = {key[2:] for key in pairs.before}
    broken = sum(moved.values())
    asked = _asked_otherwise(pairs)
    return RungAgainst(
        rung=rung,
        broken=broken,
        fixed=len(moved) - broken,
        unchanged=len(units) - len(moved),
        levels=tuple(_levels(pairs)),
        cost=cost_rise(pairs),
        latency=latency_rise(pairs),
        asked_otherwise=sum(asked.values()),
        asked=len(asked),
        flips=found,
        unpaired=pairs.unpaired,
    )


def _moved(found: Sequence[Flip]) -> dict[Unit, bool]:
    """Tell of each case that moved whether it broke: worse on one test is enough."""
    moved: dict[Unit, bool] = {}
    for flip in found:
        unit = flip.source, flip.case
        moved[unit] = moved.get(unit, False) or flip.move < 0
    return moved


def _levels(pairs: Pairs) -> Iterator[LevelChange]:
    there = {key[0] for key in pairs.before}
    for level in (level for level in Level if level in there):
        scores = scores_of(at_level(pairs, level))
        compared = comparison(scores.differences, scores.clusters)
        before, after = (
            Figure(value=mean, low=low, high=high, n=len(side))
            for side in (scores.before, scores.after)
            for mean, low, high, _ in [quality_interval(side, scores.clusters)]
        )
        yield LevelChange(
            level=level,
            before=before,
            after=after,
            change=compared.mean,
            low=compared.low,
            high=compared.high,
        )


def at_level(pairs: Pairs, level: Level) -> Pairs:
    """Return the pairs of one level."""
    return pairs.only(lambda key: key[0] is level)


def _asked_otherwise(pairs: Pairs) -> dict[Unit, bool]:
    """Tell of each case whether another request was made, as far as keys tell it."""
    found: dict[Unit, bool] = {}
    for key, rows in pairs.before.items():
        before, after = _requests(rows), _requests(pairs.after[key])
        if before and after:
            unit = key[2:]
            found[unit] = found.get(unit, False) or before.isdisjoint(after)
    return found


def _requests(rows: Sequence[Row]) -> set[str]:
    """Return the keys of first replies; that of a task's reply names no request."""
    return {
        row.replies[0].request_key
        for row in rows
        if row.replies and not row.replies[0].calls
    }
