"""What is known of a reply, as MLflow's assessments: by test, judge, people and case.

Pure data out of rows and files; nothing here knows MLflow's client.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.review import Grade, Review, reply_hash
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import score_of_verdict
from pytest_ladder.judging.calibration.calibrate import judged_of
from pytest_ladder.judging.calibration.labels import Label, holds_for, tied

_CODE, _JUDGE, _PEOPLE = "CODE", "LLM_JUDGE", "HUMAN"
_REVIEW = "review"
_NOBODY = "somebody"
"""Who gave an answer without a name."""


class Assessed(msgspec.Struct, frozen=True, kw_only=True):
    """A feedback, or an expectation."""

    name: str
    value: float | bool | str
    source_type: str
    source: str
    reason: str = ""
    is_expected: bool = False
    """Whether it says what was expected, and nothing of the reply."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Tells it from all others of its trace."""
        return self.name, self.source_type, self.source


class PeopleSaid:
    """What people said of replies of a report: labels and grades, found by their row.

    A choice between two replies says nothing of either, and is left out; so is a second
    answer, by which raters are measured.
    """

    def __init__(
        self,
        rows: Sequence[Row] = (),
        labels: Iterable[Label] = (),
        reviews: Iterable[Review] = (),
    ) -> None:
        self.labels: defaultdict[object, list[Label]] = defaultdict(list)
        self.grades: defaultdict[object, list[Grade]] = defaultdict(list)
        for label in tied(labels, judged_of(rows)):
            self.labels[label.key].append(label)
        for review in reviews:
            if isinstance(review, Grade) and not review.repeat:
                self.grades[review.item].append(review)

    def said_of(self, row: Row) -> Iterator[Assessed]:
        """Yield what was said of a row's reply, as it is now."""
        if not row.text:
            return
        for judged in judged_of([row]):
            for label in self.labels[judged.key]:
                if label.test in ("", row.test) and holds_for(label, judged):
                    yield _by(label, _name(row), label.value)
        reply = row.source, row.case, row.rung, reply_hash(row.text)
        for grade in self.grades[reply]:
            if grade.verdict is not None:
                yield _by(grade, _REVIEW, score_of_verdict(grade.verdict))


def assessments(
    row: Row, case: WrittenCase | None, people: PeopleSaid
) -> Iterator[Assessed]:
    """Yield what is known of a reply, and what its case expects."""
    verdict = row.verdict
    by, source = (_CODE, row.test)
    if verdict is not None:
        by, source = _JUDGE, verdict.judge or "judge"
    if row.score is not None:
        reason = verdict.reason if verdict is not None else row.reason
        yield Assessed(
            name=_name(row),
            value=row.score,
            source_type=by,
            source=source,
            reason=reason,
        )
    for name, value in row.scores.items():
        yield Assessed(name=name, value=value, source_type=by, source=source)
    if row.thumb is not None:
        yield Assessed(
            name="thumb", value=row.thumb, source_type=_PEOPLE, source="user"
        )
    yield from people.said_of(row)
    if case is not None and case.wanted:
        yield Assessed(
            name="expected",
            value=case.wanted,
            source_type=_PEOPLE,
            source=case.source,
            is_expected=True,
        )


def _name(row: Row) -> str:
    return row.test.rpartition("::")[2]


def _by(said: Label | Grade, name: str, value: float) -> Assessed:
    return Assessed(
        name=name,
        value=value,
        source_type=_PEOPLE,
        source=said.rater or _NOBODY,
        reason=said.note,
    )
