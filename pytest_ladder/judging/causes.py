"""Root causes: the first check that failed, in the order in which faults are made."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import PASSES_FROM, Level
from pytest_ladder.decide.funnel import is_held_back


class Cause(enum.StrEnum):
    """What can be at fault; each makes those after it more likely."""

    RETRIEVAL = "retrieval"
    CONTEXT = "context sufficiency"
    GROUNDEDNESS = "groundedness"
    CORRECTNESS = "correctness"
    RELEVANCE = "relevance"
    GUIDELINES = "guidelines"
    SAFETY = "safety"


CAUSES: Mapping[str, Cause] = {
    "chunk_relevance": Cause.RETRIEVAL,
    "document_recall": Cause.RETRIEVAL,
    "precision": Cause.RETRIEVAL,
    "reciprocal_rank": Cause.RETRIEVAL,
    "context_sufficiency": Cause.CONTEXT,
    "groundedness": Cause.GROUNDEDNESS,
    "correctness": Cause.CORRECTNESS,
    "relevance": Cause.RELEVANCE,
    "guidelines": Cause.GUIDELINES,
    "safety": Cause.SAFETY,
}
"""What the judges and metrics of the package stand for."""


class CaseCause(msgspec.Struct, frozen=True, kw_only=True):
    """Why one case failed on one rung."""

    rung: str
    source: str
    case: str
    cause: Cause | None
    """None: it failed a test that stands for no cause."""
    check: str
    """The test, or the name of the score, that failed."""
    reason: str = ""


def root_cause(
    rows: Iterable[Row], stands_for: Mapping[str, Cause]
) -> CaseCause | None:
    """Return why one case failed on one rung; None when it did not.

    `rows` are those of this case on this rung; `stands_for` says what a test (as rows
    name it) or a named score stands for. A test fails with a miss or a score below 0.5,
    and so does a named score that stands for something. Errors tell nothing.
    """
    failed = [
        (stands_for.get(check), check, row) for row, check in _failed(rows, stands_for)
    ]
    if not failed:
        return None
    order = list(Cause)
    cause, check, row = min(
        failed, key=lambda f: len(order) if f[0] is None else order.index(f[0])
    )
    return CaseCause(
        rung=row.rung,
        source=row.source,
        case=row.case,
        cause=cause,
        check=check,
        reason=row.reason if check == row.test else "",
    )


def meanings(rows: Iterable[Row]) -> dict[str, Cause]:
    """Return what tests and named scores stand for, by the judges and metrics used.

    Empty where none of them is one of the package.
    """
    stands_for: dict[str, Cause] = {}
    for row in rows:
        for name in row.scores:
            if name in CAUSES:
                stands_for[name] = CAUSES[name]
        if row.verdict is not None:
            rubric = row.verdict.rubric.partition("#")[0].partition("@")[0]
            cause = CAUSES.get(rubric or row.verdict.judge)
            if cause is not None:
                stands_for[row.test] = cause
    return stands_for


def causes_of(rows: Sequence[Row]) -> tuple[CaseCause, ...]:
    """Return why each case failed that did, by rung and case.

    Empty where no check stands for a cause. What the funnel held back is no check: the
    one that missed before it is.
    """
    stands_for, levels = meanings(rows), list(Level)
    if not stands_for:
        return ()
    checks = [row for row in rows if not is_held_back(row)]
    checks.sort(
        key=lambda row: (
            *(row.rung, row.source, row.case),
            *(levels.index(row.level), row.test, row.sample),
        )
    )
    return root_causes(checks, stands_for)


def root_causes(
    rows: Sequence[Row], stands_for: Mapping[str, Cause]
) -> tuple[CaseCause, ...]:
    """Return why each case failed that did, by rung and case in order of appearance."""
    units: defaultdict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        units[row.rung, row.source, row.case].append(row)
    causes = (root_cause(unit, stands_for) for unit in units.values())
    return tuple(cause for cause in causes if cause is not None)


def counts(causes: Iterable[CaseCause]) -> dict[str, dict[Cause | None, int]]:
    """Count causes per rung, in causal order; None counts the unexplained, last."""
    counters: defaultdict[str, Counter[Cause | None]] = defaultdict(Counter)
    for cause in causes:
        counters[cause.rung][cause.cause] += 1
    order: list[Cause | None] = [*Cause, None]
    return {
        rung: {cause: counter[cause] for cause in order if counter[cause]}
        for rung, counter in counters.items()
    }


def _failed(
    rows: Iterable[Row], stands_for: Mapping[str, Cause]
) -> Iterator[tuple[Row, str]]:
    for row in rows:
        if row.outcome is Outcome.ERROR:
            continue
        for name, score in row.scores.items():
            if name in stands_for and score < PASSES_FROM:
                yield row, name
        low = row.score is not None and row.score < PASSES_FROM
        if low or row.outcome is Outcome.MISSED:
            yield row, row.test
