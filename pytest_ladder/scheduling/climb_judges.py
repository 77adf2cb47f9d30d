"""The judges that decide a climb, and what labels say of them before it begins."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.judge_errors import AS_IT_IS, JudgeErrors, of_all
from pytest_ladder.errors import LadderError
from pytest_ladder.results.rows import test_id_of
from pytest_ladder.session.ladder_test import LadderItem
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text import numbers


class PlannedJudge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a test at the judged level asks, and of whom."""

    test: str
    weight: float
    judge: str
    """The models as verdicts name them; empty: no model judges."""
    rubric: str = ""
    """Empty: its body asks, and what it asks is not known before it runs."""
    graded: bool = False


def planned_judges(
    session: LadderSession, items: Iterable[LadderItem]
) -> dict[str, tuple[PlannedJudge, ...]]:
    """Say of each ladder, by its configuration file, what its judged tests ask."""
    found: defaultdict[str, dict[str, PlannedJudge]] = defaultdict(dict)
    for item in items:
        if item.test.level is Level.JUDGED and item.test.weight > 0:
            test = test_id_of(session, item)
            of_ladder = found[str(item.test.opened.ladder.path)]
            if test not in of_ladder:
                of_ladder[test] = _planned(item, test)
    return {config: tuple(tests.values()) for config, tests in found.items()}


def measured(
    opened: OpenLadder, judges: Sequence[PlannedJudge], reports: Iterable[Path]
) -> JudgeErrors | None:
    """Say what labels tell of these judges; None: no model judges any of it.

    Of labels that do not tell themselves what the judge said, `reports` may do so.
    """
    if not any(judge.judge for judge in judges):
        return None
    from pytest_ladder.judging.calibration.calibrate import errors_before
    from pytest_ladder.judging.calibration.labels import read_labels

    path = opened.ladder.labels
    try:
        labels = read_labels(path) if path.exists() else ()
    except LadderError:
        # The report says what is wrong with them.
        labels = ()
    others: list[Row] = []
    if any(label.judged is None for label in labels):
        from pytest_ladder.reporting.files.read import read_report

        for folder in filter(Path.is_dir, reports):
            with contextlib.suppress(LadderError):
                others += read_report(folder).rows
    known = []
    for judge in judges:
        errors = JudgeErrors(line=AS_IT_IS, why_not="")
        if judge.judge and not judge.rubric:
            errors = JudgeErrors(why_not="a rubric that only the body of a test names")
        elif judge.judge:
            asked = judge.test, judge.judge, judge.rubric
            errors = errors_before(asked, labels, others, graded=judge.graded)
        known.append((judge.weight, errors))
    return of_all(known)


def said(errors: JudgeErrors | None, objective: Objective) -> Iterator[str]:
    """Say whether a climb went by what people would say, or by its judge alone."""
    bar = objective.quality
    if errors is None or objective.level is not Level.JUDGED:
        return
    if errors.why_not:
        yield f"it went by its judge's own word: {errors.why_not}"
    elif bar is not None:
        judged = numbers.percent(errors.judged_score(bar))
        yield (
            f"its bar of {numbers.bar(bar)} is {judged} of what the judge says, by "
            f"{numbers.count(errors.labels, 'label')}"
        )
    else:
        labels = numbers.count(errors.labels, "label")
        yield f"what its judge says is corrected for its errors, by {labels}"


def _planned(item: LadderItem, test: str) -> PlannedJudge:
    from pytest_ladder.judging.jury import standard_of
    from pytest_ladder.judging.rubrics import Rubric
    from pytest_ladder.judging.verdicts import joined, judge_id

    about, weight = item.test, item.test.weight
    models = joined(map(judge_id, about.opened.judges))
    if about.judged is None:
        # A test may have its score from elsewhere: then no model of ours judges.
        return PlannedJudge(
            test=test, weight=weight, judge=models if about.uses_judge else ""
        )
    given = about.judged
    standard = standard_of(given.rubric, given.judge, given.scale)
    if not isinstance(standard, Rubric):
        return PlannedJudge(test=test, weight=weight, judge="")
    return PlannedJudge(
        test=test,
        weight=weight,
        judge=models,
        rubric=standard.id,
        graded=standard.is_graded,
    )
