"""The quality of the judged level, corrected by labels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.evidence import Trust
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.judging.calibration.agreement import Estimate
from pytest_ladder.judging.calibration.calibrate import Calibration
from pytest_ladder.judging.calibration.corrected import (
    MIN_TO_GATE,
    RungQuality,
    with_misses,
)
from pytest_ladder.stats.checks import TINY


class CalibratedQuality(Estimate, frozen=True, kw_only=True):
    """What people would say of a rung at the judged level."""

    transferred: bool
    """Whether some of it rests on the judge's errors on other rungs."""
    may_gate: bool
    """Whether there are enough labels of this rung for it to hold a gate."""


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
    qualities = _qualities(calibrations)
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
    if not calibrations:
        return {}
    corrected = calibrated_level(matrix, rows, calibrations)
    labels = min(calibration.labels for calibration in calibrations)
    judged = {
        quality.rung for calibration in calibrations for quality in calibration.rungs
    }
    trust = {}
    for rung in sorted(judged):
        quality = corrected.get(rung)
        if quality is None or not quality.may_gate:
            trust[rung] = Trust(why_not=_why_not(labels, quality))
        elif quality.low is not None and quality.high is not None:
            trust[rung] = Trust(value=quality.value, low=quality.low, high=quality.high)
    return trust


def _why_not(labels: int, quality: CalibratedQuality | None) -> str:
    if labels < MIN_TO_GATE:
        return f"{labels} of {MIN_TO_GATE} labels for its judge"
    if quality is not None and quality.transferred:
        return "too few labels of its own for its judge"
    return "a judge that is too poor, or has too few labels of this rung"


class _Part(NamedTuple):
    """What one test says of a rung."""

    weight: float
    raw: float
    calibrated: Estimate
    origin: RungQuality


def _qualities(
    calibrations: Iterable[Calibration],
) -> Mapping[tuple[str, str], list[RungQuality]]:
    by_test_and_rung: defaultdict[tuple[str, str], list[RungQuality]] = defaultdict(
        list
    )
    for calibration in calibrations:
        for quality in calibration.rungs:
            by_test_and_rung[calibration.test, quality.rung].append(quality)
    return by_test_and_rung


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
