"""Single cases: which flipped, which are broken by their own samples, which are flaky.

None of it decides anything: a verdict rests on suites. A case is called broken where
its own samples show it, corrected for all cases that could (docs/methods.md §2.9).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.gate.pairs import Key, Pairs
from pytest_ladder.decide.gate.result import Flakiness, FlakyCase, Flip, Side
from pytest_ladder.decide.gate.within import (
    LEAST_SAMPLES,
    is_binary,
    may_vary,
    passes,
    unlike_runs,
)
from pytest_ladder.decide.matrix import score_of
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.exact import Stratum, least_p, worse_by_chance
from pytest_ladder.stats.paired import benjamini_hochberg

FLIPPED = 0.5
"""A score that moved by this much has flipped; less is a sample or a shade."""
BROKEN_AT = 0.05
"""Adjusted p-value at which a case is called broken."""


def flips(pairs: Pairs) -> tuple[Flip, ...]:
    """List the cases that flipped or are broken: worse first, most frequent first."""
    p_values = _p_values(pairs)
    # By Benjamini and Hochberg over the cases whose number of passes leaves room for a
    # p of 0.05 (Gilbert 2005): others could not be found, and cost nothing.
    possible = [key for key in p_values if least_p(_stratum(pairs, key)) <= BROKEN_AT]
    adjusted = benjamini_hochberg([p_values[key] for key in possible])
    broken = {key for key, p in zip(possible, adjusted, strict=True) if p <= BROKEN_AT}
    every = [
        Flip(
            test=key[1],
            source=key[2],
            case=key[3],
            before=_side(pairs.before[key], pairs.after[key]),
            after=_side(pairs.after[key], pairs.before[key]),
            p=p_values.get(key),
            broken=key in broken,
        )
        for key in pairs.before
    ]
    moved = [flip for flip in every if flip.broken or abs(flip.move) >= FLIPPED - TINY]
    return tuple(
        sorted(
            moved,
            key=lambda flip: (
                flip.move > 0,
                not flip.broken,
                -abs(round(flip.move, 9)),
                flip.test,
                flip.source,
                flip.case,
            ),
        )
    )


def flakiness(pairs: Pairs) -> Flakiness:
    """Say which cases are flaky: the samples that the baseline has of them disagree."""
    strata = {
        key: _stratum(pairs, key)
        for key, rows in pairs.before.items()
        if len(rows) > 1 and is_binary(rows)
    }
    flaky = [
        FlakyCase(
            test=key[1],
            source=key[2],
            case=key[3],
            before=(stratum.passes_before, stratum.before),
            after=(stratum.passes_after, stratum.after),
        )
        for key, stratum in strata.items()
        if 0 < stratum.passes_before < stratum.before
    ]
    always = sum(one.passes_before == one.before for one in strata.values())
    return Flakiness(
        cases=tuple(sorted(flaky, key=lambda one: (-one.disagreement, one.test))),
        of=len(strata),
        samples=max((one.before for one in strata.values()), default=0),
        always=always,
    )


def _p_values(pairs: Pairs) -> dict[Key, float]:
    """P-values of "worse", of cases whose samples are draws of the same thing."""
    found = {}
    for level in Level:
        part = pairs.at(level)
        if not may_vary(part) or unlike_runs(part):
            continue
        for key, before in part.before.items():
            if len(before) >= LEAST_SAMPLES and is_binary([*before, *part.after[key]]):
                found[key] = worse_by_chance(_stratum(part, key))
    return found


def _stratum(pairs: Pairs, key: Key) -> Stratum:
    return Stratum(*passes(pairs.before[key]), *passes(pairs.after[key]))


def _side(rows: Sequence[Row], others: Sequence[Row]) -> Side:
    """Sum one side up, with the sample that differs most from the other."""
    mean, other = _mean(rows), _mean(others)
    sign = 1 if mean > other else -1
    shown = max(rows, key=lambda row: sign * (score_of(row) - other))
    return Side(score=mean, samples=len(rows), text=shown.text, reason=shown.reason)


def _mean(rows: Sequence[Row]) -> float:
    return math.fsum(score_of(row) for row in rows) / len(rows)
