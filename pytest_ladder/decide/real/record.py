"""The record of a level: the winners of past experiments, and whether it foretold them.

The way to validity for teams that always compare two rungs (docs/methods.md §6.10).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from pytest_ladder.core.aggregate import Aggregate
from pytest_ladder.decide.real.measured import UserDifference, compare
from pytest_ladder.decide.real.states import experiment_problems, freshness_of
from pytest_ladder.stats.proxy import record


class PastRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How often the proxy foretold an established difference of past experiments."""

    agree: int
    of: int
    p: float | None
    """One-sided sign test; None without an experiment."""


def winners_of(
    aggregates: Iterable[Aggregate],
    prints: Mapping[str, Mapping[str, str]],
    left_out: Collection[str] = (),
) -> list[list[UserDifference]]:
    """Return the established differences of each sound random experiment, surest first.

    Between rungs that have not changed since, by `prints` as they are now; outcomes
    that are `left_out` are none that a level should foretell.
    """
    found: defaultdict[str, list[UserDifference]] = defaultdict(list)
    broken = set()
    for aggregate in aggregates:
        if aggregate.experiment is None or aggregate.assigned != "random":
            continue
        if any(experiment_problems(aggregate)):
            broken.add(aggregate.experiment)
        if aggregate.name in left_out:
            continue
        fresh = freshness_of(aggregate, prints.get(aggregate.name, {}))
        rungs = [v.rung for v in aggregate.variants if v.rung not in fresh.unsure]
        for first, second in itertools.combinations(rungs, 2):
            told = compare(aggregate, first, second)
            if told is not None and told.better is not None:
                found[aggregate.experiment].append(told)
    return [
        sorted(told, key=lambda one: one.p)
        for experiment, told in found.items()
        if experiment not in broken
    ]


def past_record(
    winners: Sequence[Sequence[UserDifference]], scores: Mapping[str, float]
) -> PastRecord:
    """Count in how many experiments a level's scores foretold who fares better.

    Each counts once, by the surest of its differences between rungs that the scores
    tell apart: several outcomes of the same users are no further trials.
    """
    agree = of = 0
    for differences in winners:
        for told in differences:
            first, second = scores.get(told.rung), scores.get(told.against)
            if first is not None and second is not None and first != second:
                of += 1
                agree += told.better == (first > second)
                break
    found = record(agree, of)
    return PastRecord(agree=agree, of=of, p=None if found is None else found.p)
