"""A judged suite: what its judge says before and after, corrected for its errors.

A judge that passes 90 % of what people pass and 30 % of what they fail shows a drop of
10 points as one of 6. Labels of replies of any run tell both shares, and with them what
people would say of replies that nobody has labelled (docs/methods.md §5.7).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from statistics import NormalDist
from typing import NamedTuple

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.decide.gate.pairs import Pairs
from pytest_ladder.decide.gate.result import Suite
from pytest_ladder.decide.judge_errors import (
    AS_IT_IS,
    Asked,
    ErrorsOf,
    JudgeErrors,
)
from pytest_ladder.decide.matrix import Unit, score_of
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.intervals import Interval
from pytest_ladder.stats.judged import JudgeLine

_NORMAL = NormalDist()
Z95 = _NORMAL.inv_cdf(0.975)
"""Half the width of a 95 % interval, in standard errors."""


class Lens(NamedTuple):
    """What is measured of a suite in place of what its judges say, and how it is read.

    People's scores, as far as errors of the judges do not blur them, may lie beyond 0
    and 1: `pairs` hold them shrunk into [0, 1], so that any test can take them, and a
    change of them is `scale` times as large.
    """

    pairs: Pairs
    mistrust: str = ""
    """Why a judge's word may block nothing; empty: it may."""
    scale: float = 1.0
    variance: float = 0.0
    """That the errors of the judges give the corrected change."""
    variance_at_0: float = 0.0
    """The same if nothing changed."""
    p_none: float = 0.0
    """Chance that one of the judges is none."""
    corrects: bool = False
    """Whether a model judged any of it."""

    def read(self, seen: Suite) -> Suite:
        """Return what was measured of `pairs` as a suite of people's scores.

        The error of sensitivity and specificity is in the interval (square and add:
        Zou and Donner 2008), and in p as the chance that the judge is none: without a
        change of quality it does not matter how far a judge shrinks it.
        """
        if not self.corrects:
            return seen
        change, low, high, p = self.scale * seen.change, None, None, seen.p
        if seen.low is not None and seen.high is not None:
            low, high = self.bounds(seen.change, Interval(seen.low, seen.high))
            if self.variance_at_0:
                sampling = self.scale * (seen.high - seen.low) / (2 * Z95)
                sd = math.hypot(sampling, math.sqrt(self.variance_at_0))
                p = max(p, _NORMAL.cdf(change / sd))
        return msgspec.structs.replace(
            seen,
            change=max(-1.0, min(1.0, change)),
            low=low,
            high=high,
            p=min(1.0, p + self.p_none),
            detectable=min(1.0, self.scale * seen.detectable),
        )

    def bounds(self, change: float, seen: Interval, z: float = Z95) -> Interval:
        """Return the interval of the corrected change, `z` being that of `seen`."""
        error, middle = z * math.sqrt(self.variance), self.scale * change
        below = math.hypot(self.scale * (change - seen.low), error)
        above = math.hypot(self.scale * (seen.high - change), error)
        return Interval(max(-1.0, middle - below), min(1.0, middle + above))


def lens_of(pairs: Pairs, errors: ErrorsOf) -> Lens:
    """Look at a judged suite through what labels say of its judges."""
    judged = [_asked(row, errors) for row in _rows(pairs)]
    found = {asked: errors.get(asked, JudgeErrors()) for asked in judged if asked}
    for known in found.values():
        if known.why_not or known.line is None:
            return Lens(pairs, known.why_not)
    if any(_asked(row, errors) and not _is_its_word(row) for row in _rows(pairs)):
        return Lens(pairs, "a score that is not just what its judge said")
    if not found:
        return Lens(pairs)
    lines = {asked: known.line for asked, known in found.items() if known.line}
    # One line for all rows only shifts and stretches: what is 0 and 1 stays so.
    same = all(judged) and len(lines) == 1
    used = [*lines.values(), *(() if all(judged) else (AS_IT_IS,))]
    below = max(line.base / line.slope for line in used)
    scale = below + max((1 - line.base) / line.slope for line in used)

    def shrunk(row: Row) -> Row:
        line = lines.get(_asked(row, errors) or ("", "", ""), AS_IT_IS)
        true = (score_of(row) - line.base) / line.slope
        score = min(1.0, max(0.0, (true + below) / scale))
        return msgspec.structs.replace(row, score=score)

    seen = pairs
    if not same:
        seen = Pairs(
            {key: [*map(shrunk, rows)] for key, rows in pairs.before.items()},
            {key: [*map(shrunk, rows)] for key, rows in pairs.after.items()},
            pairs.unpaired,
        )
    moved = _moved(pairs, lines, errors)
    return Lens(
        pairs=seen,
        scale=scale,
        variance=_total(lines, moved),
        variance_at_0=_total(lines, {a: (0.0, more) for a, (_, more) in moved.items()}),
        p_none=min(1.0, math.fsum(known.p_none for known in found.values())),
        corrects=True,
    )


def _rows(pairs: Pairs) -> list[Row]:
    sides = (pairs.before, pairs.after)
    return [row for side in sides for rows in side.values() for row in rows]


def _asked(row: Row, errors: ErrorsOf) -> Asked | None:
    """Return what was asked of which model; None: none judged the row.

    A function that judges needs no labels, and counts only where there are some.
    """
    verdict = row.verdict
    if verdict is None or is_held_back(row):
        return None
    asked = row.test, verdict.judge, verdict.rubric
    return asked if verdict.rubric or asked in errors else None


def _is_its_word(row: Row) -> bool:
    verdict = row.verdict
    assert verdict is not None
    said = verdict.score if verdict.graded else float(verdict.passed)
    return abs(score_of(row) - said) < TINY


def _moved(
    pairs: Pairs, lines: Mapping[Asked, JudgeLine], errors: ErrorsOf
) -> dict[Asked, tuple[float, float]]:
    """What each judge adds to the corrected change, and how many more it saw.

    As parts of the whole suite: each unit counts the same, and within it each test by
    its weight.
    """
    weights: defaultdict[Unit, dict[str, float]] = defaultdict(dict)
    for key, rows in pairs.after.items():
        weights[key[2:]][key[1]] = rows[0].weight
    parts: dict[Asked, list[tuple[float, float]]] = {asked: [] for asked in lines}
    for key in pairs.after:
        within = weights[key[2:]]
        share = within[key[1]] / math.fsum(within.values()) / len(weights)
        for sign, rows in ((1, pairs.after[key]), (-1, pairs.before[key])):
            for row in rows:
                asked = _asked(row, errors)
                if asked is not None:
                    line = lines[asked]
                    true = (score_of(row) - line.base) / line.slope
                    part = sign * share / len(rows)
                    parts[asked].append((part * true, part))
    return {
        asked: (math.fsum(a for a, _ in seen), math.fsum(b for _, b in seen))
        for asked, seen in parts.items()
    }


def _total(
    lines: Mapping[Asked, JudgeLine], moved: Mapping[Asked, tuple[float, float]]
) -> float:
    """Sum of the variances that the errors of the judges give; labels are their own."""
    return math.fsum(
        max(0.0, lines[asked].variance(gain, more))
        for asked, (gain, more) in moved.items()
        if abs(gain) > TINY or abs(more) > TINY
    )
