"""What a report holds for people: its replies, and what their cases ask."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache

from pytest_ladder.cases.load import load_file
from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.review import reply_hash
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.disk.files import inside
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.missed import asked
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.without_texts import check_replies
from pytest_ladder.review.queue import Block, Place, ReviewCandidate


def candidates_of(report: Report, test: str = "") -> list[ReviewCandidate]:
    """Return the replies of a report that people may be asked about, each once.

    Of tests with `test` in their id. The judge's verdict on a reply goes before that of
    a check. Raises `ConfigError` for a report that keeps no reply.
    """
    check_replies(report)
    found: dict[tuple[str, ...], ReviewCandidate] = {}
    judged: set[tuple[str, ...]] = set()
    for row in sorted(report.rows, key=lambda row: (row.test, row.sample)):
        if not row.replies or row.outcome not in (Outcome.PASSED, Outcome.MISSED):
            continue
        if test not in row.test:
            continue
        key = row.source, row.case, row.rung, reply_hash(row.text)
        if key in judged or (key in found and row.level is not Level.JUDGED):
            continue
        if row.level is Level.JUDGED:
            judged.add(key)
        found[key] = ReviewCandidate(
            test=found[key].test if key in found else row.test,
            source=row.source,
            case=row.case,
            rung=row.rung,
            text=row.text,
            passed=row.outcome is Outcome.PASSED,
        )
    return list(found.values())


def blocks_of(report: Report, ladder: Ladder) -> Callable[[Place], tuple[Block, ...]]:
    """Return what tells of a case what `[review] show` asks for.

    From the file of the case, where it still is the same; else from what the report
    kept, which has no context.
    """
    rows: dict[Place, Row] = {}
    for row in report.rows:
        place = row.source, row.case
        # Rows of misses say what the case asks and expects.
        if place not in rows or (row.input and not rows[place].input):
            rows[place] = row

    @cache
    def cases_of(source: str) -> dict[str, Case]:
        # The report may say anything, also what is no name of a file.
        with contextlib.suppress(ConfigError, OSError, ValueError):
            path = inside(ladder.folder, source)
            if path.is_file() and path.suffix != ".py":
                return {case.id: case for case in load_file(path, source)}
        return {}

    def told(place: Place) -> tuple[Block, ...]:
        row = rows[place]
        case = cases_of(row.source).get(row.case)
        if case is not None and row.case_hash in ("", case.content_hash):
            known = {
                "input": _conversation(case),
                "context": "\n\n".join(case.context),
                "expected": "" if case.expected is None else str(case.expected),
            }
        else:
            known = {"input": asked(row, report.exchanges), "expected": row.expected}
            if (kept := report.cases.get(place)) is not None:
                known = {"input": kept.asked, "expected": kept.wanted}
        return tuple(
            (name, known[name]) for name in ladder.review.show if known.get(name)
        )

    return told


def _conversation(case: Case) -> str:
    if isinstance(case.input, str):
        return case.input
    return "\n\n".join(
        f"{turn.get('role')}: {turn.get('content')}" for turn in case.input
    )
