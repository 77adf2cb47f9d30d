"""What a report says of its judges beyond their tables, for every rendering."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_ladder.judging.calibration.calibrate import held_back
from pytest_ladder.judging.calibration.judged_level import (
    CalibratedQuality,
    calibrated_level,
)
from pytest_ladder.judging.causes import causes_of, counts
from pytest_ladder.judging.verdicts import judges_of, same_family
from pytest_ladder.reporting.calibration import calibration_sentences
from pytest_ladder.reporting.report import Report
from pytest_ladder.text.numbers import count, dollars

OTHER = "other checks"
"""What stands for the causes that no check stands for."""


def calibrated_quality(report: Report) -> dict[str, CalibratedQuality]:
    """Return the judged level's quality corrected by labels, of rungs that have one."""
    return calibrated_level(report.matrix, report.rows, report.calibrations)


def judge_remarks(report: Report) -> Iterator[str]:
    """Say what a reader must know before trusting what judges say."""
    yield from calibration_sentences(report.calibrations)
    yield from _families(report)


def judge_notes(report: Report) -> Iterator[str]:
    """Say what the funnel saved, and why cases failed."""
    yield from _saving(report)
    yield from _causes(report)


def cause_counts(report: Report) -> dict[str, dict[str, int]]:
    """Count per rung why cases failed, in causal order."""
    return {
        rung: {str(cause or OTHER): n for cause, n in found.items()}
        for rung, found in counts(causes_of(report.rows)).items()
    }


def calibration_json(report: Report) -> dict[str, Any]:
    """Return the calibration for `matrix.json`: judges, and rungs by what they say."""
    return {
        "judges": list(report.calibrations),
        "quality": calibrated_quality(report),
    }


def _families(report: Report) -> Iterator[str]:
    models = {model.name: model.id for model in report.models}
    names = {line.id: line.model for line in report.matrix.rungs}
    pairs = {
        (judge, names[row.rung])
        for row in report.rows
        if row.verdict is not None and row.verdict.rubric
        for judge in judges_of(row.verdict)
    }
    for judge, name in sorted(pairs):
        model = models.get(name)
        if model is not None and same_family(judge, model):
            yield (
                f"The judge {judge} and the model {name} ({model}) are of one family, "
                "and a judge favours what its own family writes; take one of another."
            )


def _saving(report: Report) -> Iterator[str]:
    found = held_back(report.rows)
    if not found.replies:
        return
    left = "1 reply" if found.replies == 1 else f"{found.replies:,} replies"
    text = f"The funnel left {left} unjudged that had missed a cheap check"
    if found.saved_usd is None:
        yield f"{text}; what that saved is unknown."
    elif found.saved_usd:
        yield f"{text}, which saved about {dollars(found.saved_usd)}."
    else:
        yield f"{text}."


def _causes(report: Report) -> Iterator[str]:
    found = cause_counts(report)
    for line in report.matrix.rungs:
        causes = found.get(line.id, {})
        # What no check stands for says nothing by itself.
        if set(causes) - {OTHER}:
            told = ", ".join(f"{cause} ({n:,})" for cause, n in causes.items())
            cases = count(sum(causes.values()), "case")
            yield f"{line.id}: {cases} failed, first at {told}."
