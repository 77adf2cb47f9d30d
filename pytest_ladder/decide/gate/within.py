"""Within cases: which test a suite's samples allow, and what it says of them.

Where the samples of a case on both sides are draws of the same thing, they are compared
with each other, and a case that passed 5 of 5 times and now misses 3 of 3 tells by
itself. Elsewhere cases are compared with cases (docs/methods.md §2.2).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from statistics import fmean, variance
from typing import NamedTuple

from pytest_ladder.core.row import Row
from pytest_ladder.decide.evidence import MANY
from pytest_ladder.decide.gate.pairs import Key, Pairs, Scores
from pytest_ladder.decide.gate.result import TestKind
from pytest_ladder.decide.matrix import Unit, score_of
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.exact import (
    Stratum,
    beyond_runs,
    permuted_midp,
    runs_differ,
    stratified_midp,
)
from pytest_ladder.stats.paired import mcnemar_midp, paired_t, sign_flip

LEAST_SAMPLES = 3
"""Samples of a case in the baseline from which on they are a test by themselves."""
LEAST_RUNS = 3
"""Runs from which on how they differ says how far a new one may lie from them."""
_FINEST = 24
"""Points of a sample at most, however its tests weigh."""
DIFFER_AT = 0.10
"""P-value at which the runs of a baseline differ: their samples are no draws of one."""


Draws = tuple[list[float], list[float]]
"""Scores of the whole samples of a case before and after."""


class Tested(NamedTuple):
    """What the test of a suite says."""

    kind: TestKind
    p: float
    """One-sided p-value of "worse"."""
    strata: Sequence[Stratum] = ()
    """The samples of each case, in order; empty: they are not compared, or there are
    several tests of a case."""
    draws: Sequence[Draws] = ()
    """Those of several tests of a case, where they are compared."""
    runs: Sequence[float] = ()
    """Quality of each run of the baseline, where they differ."""


def apply_test(pairs: Pairs, scores: Scores, *, corrected: bool = False) -> Tested:
    """Test whether a suite got worse; `scores` are those of `pairs`.

    Scores that were `corrected` for the errors of a judge are compared across cases.
    """
    both = list(zip(scores.before, scores.after, strict=True))
    if scores.clusters is not None:
        return Tested("cases", _p_across(scores))
    if scores.samples == (1, 1) and all({*pair} <= {0, 1} for pair in both):
        strata = [Stratum(int(before), 1, int(after), 1) for before, after in both]
        p = mcnemar_midp(both.count((1, 0)), both.count((0, 1)))
        return Tested("within", p, strata)
    across, strata = _p_across(scores), strata_of(pairs)
    draws = () if strata or scores.samples == (1, 1) else _draws(pairs)
    if corrected or not (strata or draws) or not may_vary(pairs):
        return Tested("cases", across)
    if draws:
        within = permuted_midp(_points(draws))
    else:
        within = float(stratified_midp(strata)[0])
    if scores.samples[0] < LEAST_SAMPLES:
        # So few runs cannot be held against each other: neither test is trusted alone.
        return Tested("both", max(within, across), strata, draws)
    runs = unlike_runs(pairs)
    if not runs:
        return Tested("within", within, strata, draws)
    if len(runs) >= LEAST_RUNS:
        beyond = beyond_runs(fmean(scores.after), list(runs.values()))
        across = max(across, beyond.p)
    return Tested("runs", across, runs=list(runs.values()))


def strata_of(pairs: Pairs) -> list[Stratum]:
    """Return the samples of each case; none unless all are 0/1 and of one test each."""
    cases = {key[2:] for key in pairs.before}
    if len(cases) < len(pairs.before) or not all_binary(pairs):
        return []
    return [
        Stratum(*passes(pairs.before[key]), *passes(pairs.after[key]))
        for key in sorted(pairs.before, key=lambda key: key[2:])
    ]


def _draws(pairs: Pairs) -> list[Draws]:
    """Return the scores of each case's samples, of several 0/1 tests.

    Tests of a case may share its reply, so a sample is whole: it scores what its tests
    weigh that passed. Samples that lack a test are left out.
    """
    if not all_binary(pairs):
        return []
    before, after = _whole_samples(pairs.before), _whole_samples(pairs.after)
    return [
        ([score for _, score in before[unit]], [score for _, score in after[unit]])
        for unit in before
        if unit in after
    ]


def _points(draws: Sequence[Draws]) -> list[tuple[list[int], list[int]]]:
    """Return scores as whole numbers, of which any make a fair test.

    They are exact where few tests weigh alike.
    """
    scores = {score for case in draws for side in case for score in side}
    fine = next((n for n in range(1, _FINEST) if _are_whole(scores, n)), _FINEST)
    return [
        ([round(fine * one) for one in before], [round(fine * one) for one in after])
        for before, after in draws
    ]


def _are_whole(scores: Iterable[float], fine: int) -> bool:
    return all(abs(fine * score - round(fine * score)) < TINY for score in scores)


def _whole_samples(
    groups: Mapping[Key, Sequence[Row]],
) -> dict[Unit, list[tuple[str, float]]]:
    """Return run and score of each sample of a case on which all its tests finished."""
    tests: defaultdict[Unit, list[Sequence[Row]]] = defaultdict(list)
    for key in sorted(groups):
        tests[key[2:]].append(groups[key])
    found: defaultdict[Unit, list[tuple[str, float]]] = defaultdict(list)
    for unit, several in tests.items():
        for run in sorted({row.run for rows in several for row in rows}):
            of_run = [[row for row in rows if row.run == run] for rows in several]
            if len({len(rows) for rows in of_run}) > 1:
                # Which sample it is that lacks a test, nobody knows.
                continue
            ordered = (sorted(rows, key=lambda row: row.sample) for rows in of_run)
            for sample in zip(*ordered, strict=True):
                weight = math.fsum(row.weight for row in sample)
                total = math.fsum(row.weight * score_of(row) for row in sample)
                found[unit].append((run, total / weight))
    return found


def may_vary(pairs: Pairs) -> bool:
    """Tell whether replies to the same request differ: else samples are no draws.

    At temperature 0 the same reply comes again, and it is one draw however often.
    """
    return any(
        len({(row.whole_text, row.score) for row in rows}) > 1
        for groups in (pairs.before, pairs.after)
        for rows in groups.values()
    )


def unlike_runs(pairs: Pairs) -> dict[str, float]:
    """Return the quality of each run of the baseline, if chance does not explain it.

    Only cases count of which every run has as many samples. Empty: the runs are alike,
    or there is one only.
    """
    names = sorted({row.run for rows in pairs.before.values() for row in rows})
    if len(names) < 2:
        return {}
    sums: defaultdict[str, list[float]] = defaultdict(list)
    within, samples = 0.0, 0
    for draws in _whole_samples(pairs.before).values():
        counted = Counter(run for run, _ in draws)
        each = counted[names[0]]
        if len(counted) < len(names) or len(set(counted.values())) > 1:
            continue
        samples = samples or each
        if each != samples:
            continue
        within += variance(score for _, score in draws) if len(draws) > 1 else 0.0
        for run, score in draws:
            sums[run].append(score)
    if len(sums) < 2:
        return {}
    totals = [math.fsum(sums[name]) for name in names]
    if runs_differ(totals, within, samples) > DIFFER_AT:
        return {}
    return {name: fmean(sums[name]) for name in names}


def _p_across(scores: Scores) -> float:
    """Return the p-value of the test across cases, or clusters of them."""
    differences, clusters = scores.differences, scores.clusters
    groups: Sequence[Hashable] = clusters or range(len(differences))
    if len(set(groups)) >= MANY:
        return paired_t(differences, clusters).p
    return sign_flip(differences, clusters)


def all_binary(pairs: Pairs) -> bool:
    """Tell whether every score on both sides is 0 or 1."""
    sides = (*pairs.before.values(), *pairs.after.values())
    return all(map(is_binary, sides))


def is_binary(rows: Iterable[Row]) -> bool:
    """Tell whether every score is 0 or 1."""
    return all(score_of(row) in (0, 1) for row in rows)


def passes(rows: Sequence[Row]) -> tuple[int, int]:
    """Return how many samples passed, of how many."""
    return sum(score_of(row) == 1 for row in rows), len(rows)
