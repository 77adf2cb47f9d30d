"""How reports word what is known of judges, and what the funnel saved."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ladder.core.score import Level
from pytest_ladder.judging.causes import causes_of, counts
from pytest_ladder.reporting.report import Report
from pytest_ladder.text.numbers import count, dollars, few, interval, percent, quality
from pytest_ladder.text.phrases import shown

if TYPE_CHECKING:
    from pytest_ladder.judging.calibration.agreement import IntervalEstimate
    from pytest_ladder.judging.calibration.calibrate import Calibration
    from pytest_ladder.judging.calibration.corrected import RungQuality
    from pytest_ladder.judging.calibration.judged_level import CalibratedQuality

# Most runs have no judge: what measures them is loaded by those that have one.

NO_LABELS = "uncalibrated: no labels in this report; `pytest-ladder label`"
MEASURES = (
    *("labels", "accuracy", "always one answer", "sensitivity", "specificity"),
    *("kappa", "AC1", "raters"),
)
"""What is shown of a judge, in this order."""
EXPLAINED = (
    "Accuracy: how often judge and labels agree; `always one answer` is what a judge "
    "would have that never reads. Sensitivity: the share of what labels pass that the "
    "judge passes; specificity: of what they fail, the share that it fails. Raters: "
    "how far those who labelled agree with each other."
)

OTHER = "other checks"
"""The cause of a failure that no check explains."""


def judge_command(name: str, folder: Path, labels: Path) -> str:
    """Return the command about the judges of the report in `folder`, to be typed."""
    words = ["pytest-ladder", name, shown(folder), "--labels", shown(labels)]
    return shlex.join(words)


def are_unlabelled(calibrations: Sequence[Calibration]) -> bool:
    """Tell whether no label at all is about these judges."""
    return not any(
        calibration.labels
        or calibration.elsewhere
        or calibration.voided
        or calibration.unmatched
        for calibration in calibrations
    )


def measured(calibrations: Sequence[Calibration]) -> list[Calibration]:
    """Return the judges of which there are enough labels to say anything."""
    return [calibration for calibration in calibrations if calibration.calibrated]


def names_of(calibrations: Sequence[Calibration]) -> list[str]:
    """Name each calibration by its test, with no more than tells it from the others."""
    ways: tuple[Callable[[Calibration], str], ...] = (
        lambda judge: judge.test.rpartition("::")[2],
        lambda judge: judge.test,
        lambda judge: f"{judge.test} by {judge.judge}",
    )
    for way in ways:
        names = Counter(map(way, calibrations))
        if len(names) == len(calibrations):
            return list(names)
    return [f"{judge.test} by {judge.judge}, {judge.rubric}" for judge in calibrations]


def measures_of(calibration: Calibration) -> list[str]:
    """Return the figures of a judge, in the order of `MEASURES`.

    Raises ValueError without a label.
    """
    agreement = calibration.agreement
    if agreement is None:
        raise ValueError("Without a label there is nothing to say of a judge.")
    common = percent(agreement.baseline)
    people, raters = calibration.people, "one rater"
    if people is not None:
        kappa = "" if people.kappa is None else f", kappa {people.kappa.value:z.2f}"
        raters = _share(people.accuracy, with_n=True)
        raters += f"{kappa}, AC1 {people.ac1.value:z.2f}"
    return [
        f"{agreement.n:,}",
        _share(agreement.accuracy),
        f"{common} ({agreement.commoner})",
        _share(agreement.sensitivity, with_n=True),
        _share(agreement.specificity, with_n=True),
        _coefficient(agreement.kappa),
        _coefficient(agreement.ac1),
        raters,
    ]


def rung_cells(rung: RungQuality) -> list[str]:
    """Return what a judge says of a rung, what labels make of it, and how."""
    raw, calibrated = rung.raw, rung.calibrated
    return [
        rung.rung,
        quality(raw.value, raw.low, raw.high, raw.n),
        "uncalibrated" if calibrated is None else _share(calibrated),
        f"{rung.labels:,}",
        rung.why_not if calibrated is None else str(rung.method),
    ]


def calibration_sentences(calibrations: Sequence[Calibration]) -> Iterator[str]:
    """Say what a reader must know of the judges, such as that one is poor."""
    if not calibrations:
        return
    if are_unlabelled(calibrations):
        yield NO_LABELS
        return
    several = len(calibrations) > 1
    for name, calibration in zip(names_of(calibrations), calibrations, strict=True):
        missing = [] if calibration.calibrated else list(_unmatched(calibration))
        for note in (*calibration.notes, *missing, *lacking(calibration)):
            yield f"{name}: {note}" if several else note


def more_sentences(calibration: Calibration) -> Iterator[str]:
    """Say what else is known of a judge: unused labels, noise, a liking for length."""
    yield from _unmatched(calibration)
    yield from lacking(calibration)
    if calibration.disagreement is not None:
        yield (
            "Two votes on the same reply differ in "
            f"{percent(calibration.disagreement)} of the cases."
        )
    if calibration.length_correlation is not None:
        yield (
            "Correlation of its score with the length of the reply: "
            f"{calibration.length_correlation:+.2f}."
        )


def lacking(
    calibration: Calibration, wanted: Collection[str] | None = None
) -> Iterator[str]:
    """Say which labels rungs lack before their judged level may decide; None: all."""
    rungs: defaultdict[str, list[str]] = defaultdict(list)
    for rung in calibration.rungs:
        if rung.missing.all and (wanted is None or rung.rung in wanted):
            rungs[str(rung.missing)].append(rung.rung)
    for missing, names in rungs.items():
        if len(names) > 1:
            missing = missing.replace("for this rung", "for each rung")
        yield f"{few(names)}: {missing} and the judged level may decide."


def judge_remarks(report: Report) -> Iterator[str]:
    """Say what a reader must know before trusting what judges say."""
    yield from calibration_sentences(report.calibrations)
    yield from _families(report)


def judge_notes(report: Report) -> Iterator[str]:
    """Say what the funnel saved, and why cases failed."""
    yield from _saving(report)
    yield from _causes(report)


def calibrated_quality(report: Report) -> dict[str, CalibratedQuality]:
    """Return the judged level's quality corrected by labels, of rungs that have one."""
    if not report.calibrations:
        return {}
    from pytest_ladder.judging.calibration.judged_level import calibrated_level

    return calibrated_level(report.matrix, report.rows, report.calibrations)


def cause_counts(report: Report) -> dict[str, dict[str, int]]:
    """Count per rung why cases failed, in causal order."""
    return {
        rung: {str(cause or OTHER): n for cause, n in causes.items()}
        for rung, causes in counts(causes_of(report.rows)).items()
    }


def calibration_json(report: Report) -> dict[str, Any]:
    """Return the calibration for `matrix.json`: judges, and rungs by what they say."""
    return {
        "judges": list(report.calibrations),
        "quality": calibrated_quality(report),
    }


def _unmatched(calibration: Calibration) -> Iterator[str]:
    if calibration.elsewhere:
        labels = count(calibration.elsewhere, "label")
        yield (
            f"{labels} of replies of other runs measure the judge as well: what it "
            "said of them is known."
        )
    elif calibration.unmatched:
        labels = count(calibration.unmatched, "more label")
        yield (
            f"There are {labels}, of replies that were not judged in this run: they "
            "have changed, the funnel held them back, or their rung did not run."
        )


def _share(estimate: IntervalEstimate | None, *, with_n: bool = False) -> str:
    if estimate is None:
        return "n/a"
    if with_n:
        return quality(estimate.value, estimate.low, estimate.high, estimate.n)
    return f"{percent(estimate.value)} ({interval(estimate.low, estimate.high)})"


def _coefficient(agreed: IntervalEstimate | None) -> str:
    if agreed is None:
        return "n/a"
    bounds = "n/a" if agreed.low is None else f"{agreed.low:.2f} to {agreed.high:.2f}"
    return f"{agreed.value:z.2f} ({bounds})"


def _families(report: Report) -> Iterator[str]:
    verdicts = [
        (row.verdict, row.rung)
        for row in report.rows
        if row.verdict is not None and row.verdict.rubric
    ]
    if not verdicts:
        return
    from pytest_ladder.judging.verdicts import judges_of, same_family

    models = {model.name: model.id for model in report.models}
    names = {line.id: line.model for line in report.matrix.rungs}
    pairs = {
        (judge, names[rung])
        for verdict, rung in verdicts
        for judge in judges_of(verdict)
    }
    for judge, name in sorted(pairs):
        model = models.get(name)
        if model is not None and same_family(judge, model):
            yield (
                f"The judge {judge} and the model {name} ({model}) are of one family, "
                "and a judge favours what its own family writes; take one of another."
            )


def _saving(report: Report) -> Iterator[str]:
    if Level.JUDGED not in report.matrix.levels:
        return
    from pytest_ladder.judging.calibration.calibrate import funnel_savings

    savings = funnel_savings(report.rows)
    if not savings.replies:
        return
    left = "1 reply" if savings.replies == 1 else f"{savings.replies:,} replies"
    text = f"The funnel left {left} unjudged that had missed a cheap check"
    if savings.saved_usd is None:
        yield f"{text}; what that saved is unknown."
    elif savings.saved_usd:
        yield f"{text}, which saved about {dollars(savings.saved_usd)}."
    else:
        yield f"{text}."


def _causes(report: Report) -> Iterator[str]:
    counts_by_rung = cause_counts(report)
    for line in report.matrix.rungs:
        causes = counts_by_rung.get(line.id, {})
        # A single cause, or failures that no check explains, tell nothing new.
        if len(causes.keys() - {OTHER}) > 1:
            listed = ", ".join(f"{cause} ({n:,})" for cause, n in causes.items())
            cases = count(sum(causes.values()), "case")
            yield f"{line.id}: {cases} failed, first at {listed}."
