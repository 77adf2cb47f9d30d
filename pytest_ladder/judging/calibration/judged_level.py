"""The quality of the judged level, corrected by labels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import Trust
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.decide.judge_errors import NEEDED
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.judging.calibration.agreement import IntervalEstimate
from pytest_ladder.judging.calibration.calibrate import Calibration
from pytest_ladder.judging.calibration.corrected import RungQuality, with_misses
from pytest_ladder.judging.calibration.needed import poor, without
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.intervals import MIN_CLUSTERS


class CalibratedQuality(IntervalEstimate, frozen=True, kw_only=True):
    """What people would say of a rung at the judged level."""

    transferred: bool
    """Whether some of it rests on the judge's errors on other replies."""
    may_gate: bool
    """Whether there are labels enough, of the judge and of this rung, to decide."""


def calibrated_level(
    matrix: Matrix, rows: Iterable[Row], calibrations: Sequence[Calibration]
) -> dict[str, CalibratedQuality]:
    """Correct the judged level's quality of each rung where every test of it allows it.

    Of several tests, the weighted mean of the tests' values and of their bounds, as if
    their errors went together: too wide rather than too narrow. What the funnel held
    back counts as a miss. Left out are rungs whose quality is not just what the judges
    said, such as with `assert not verdict`: a correction of the one is none of the
    other.
    """
    groups: defaultdict[str, defaultdict[str, list[Row]]]
    groups = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.level is Level.JUDGED and row.outcome is not Outcome.ERROR:
            groups[row.rung][row.test].append(row)
    qualities: defaultdict[tuple[str, str], list[RungQuality]] = defaultdict(list)
    for calibration in calibrations:
        for quality in calibration.rungs:
            qualities[calibration.test, quality.rung].append(quality)
    by_rung = {}
    for line in matrix.rungs:
        cell, tests = line.levels.get(Level.JUDGED), groups[line.id]
        parts = [
            _part(members, qualities.get((test, line.id), []))
            for test, members in tests.items()
        ]
        known = [part for part in parts if part is not None]
        if cell is None or cell.quality is None or len(known) < len(parts):
            continue
        raw = _mean(known, [part.raw for part in known])
        if raw is not None and abs(raw - cell.quality) < TINY:
            by_rung[line.id] = _joined(known, cell.n)
    return by_rung


def trust_of(
    matrix: Matrix, rows: Sequence[Row], calibrations: Sequence[Calibration]
) -> dict[str, Trust]:
    """Say of each rung that models judged how far their word may decide.

    See docs/methods.md §5.5. Of functions that judge nothing is said: they need no
    labels.
    """
    corrected = calibrated_level(matrix, rows, calibrations)
    trust = {}
    for rung in dict.fromkeys(q.rung for c in calibrations for q in c.rungs):
        quality = corrected.get(rung)
        why_not = _why_not(rung, calibrations, quality)
        if quality is None or quality.low is None or quality.high is None or why_not:
            trust[rung] = Trust(why_not=why_not)
        else:
            trust[rung] = Trust(value=quality.value, low=quality.low, high=quality.high)
    return trust


def _why_not(
    rung: str, calibrations: Sequence[Calibration], quality: CalibratedQuality | None
) -> str:
    """Say what a rung lacks, of the first test that lacks something; empty: nothing."""
    for calibration in calibrations:
        for own in calibration.rungs:
            if own.rung != rung or own.may_gate:
                continue
            labels = calibration.labels + calibration.elsewhere
            if own.missing.all or labels < NEEDED:
                return without(own.missing, labels, calibration.voided)
            if calibration.agreement is not None and poor(calibration.agreement):
                return poor(calibration.agreement)
            return own.why_not or f"fewer than {MIN_CLUSTERS} clusters"
    if quality is None:
        return "a score that is not just what its judge said"
    return ""


class _Part(NamedTuple):
    """What one test says of a rung."""

    weight: float
    raw: float
    calibrated: IntervalEstimate
    origin: RungQuality


def _part(rows: Sequence[Row], qualities: Sequence[RungQuality]) -> _Part | None:
    """Return what one test says of a rung; None where nothing is known of its judge."""
    if len(qualities) != 1 or qualities[0].calibrated is None:
        return None
    origin = qualities[0]
    left = len({(row.source, row.case) for row in rows if is_held_back(row)})
    return _Part(
        weight=rows[0].weight,
        raw=origin.raw.value * origin.raw.n / (origin.raw.n + left),
        calibrated=with_misses(qualities[0].calibrated, left),
        origin=origin,
    )


def _joined(parts: Sequence[_Part], n: int) -> CalibratedQuality:
    origins = [part.origin for part in parts]
    return CalibratedQuality(
        value=_mean(parts, [part.calibrated.value for part in parts]) or 0.0,
        low=_mean(parts, [part.calibrated.low for part in parts]),
        high=_mean(parts, [part.calibrated.high for part in parts]),
        n=n,
        transferred=any(origin.method == "transferred" for origin in origins),
        may_gate=all(origin.may_gate for origin in origins),
    )


def _mean(parts: Sequence[_Part], values: Sequence[float | None]) -> float | None:
    """Return the mean of the tests by their weights; None when one is not known."""
    total = math.fsum(part.weight for part in parts)
    known = [value for value in values if value is not None]
    if len(known) < len(parts) or total == 0:
        return None
    pairs = zip(parts, known, strict=True)
    return math.fsum(part.weight * value for part, value in pairs) / total
