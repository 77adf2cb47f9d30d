"""Subtests: parts of a test that fail, and let its body go on.

The fixture `subtests` of pytest 9, and of the plugin pytest-subtests before it, keeps
what a part raises from the body, and has pytest report the part while the body still
runs. Such a report leaves no row: the row is that of the whole test, which ends as its
worst part did. Called on the main thread, in the process that runs the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_ladder.core.row import Outcome
from pytest_ladder.results import rows
from pytest_ladder.results.rows import is_tolerated, outcome_of, problem_line, silence
from pytest_ladder.session.ladder_test import Record
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.numbers import count


@contextmanager
def ended_as_parts(record: Record) -> Iterator[None]:
    """Let the body that runs in this context end as its worst part did.

    What the body raises by itself counts, save that it skips the rest.
    """
    try:
        yield
    except pytest.skip.Exception:
        if not record.failed_parts:
            raise
    finally:
        record.is_over = True
    problem = _worst(record)
    if problem is not None:
        raise problem


def complete_report(
    session: LadderSession, record: Record, call: pytest.CallInfo[Any], report: Any
) -> None:
    """Complete the report of a whole test, or of a part whose body still runs."""
    if call.when == "call" and not record.is_over:
        _complete_part(record, call, report)
    else:
        rows.complete_report(session, record, call, report)


def _complete_part(record: Record, call: pytest.CallInfo[Any], report: Any) -> None:
    """Note what a part raised, and let its report fail no more than a miss would."""
    problem = call.excinfo.value if call.excinfo else None
    skips = isinstance(problem, pytest.skip.Exception) and record.why is None
    if problem is None or skips:
        return
    silence(record, report)
    record.failed_parts.append(problem)
    if is_tolerated(record, outcome_of(record, problem, "call"), report):
        report.outcome = "skipped"
        report.wasxfail = problem_line(problem)
        report.ladder_part = True


def _worst(record: Record) -> BaseException | None:
    """Return what the whole test is to raise: an error before a miss."""
    parts = record.failed_parts
    for problem in parts:
        if outcome_of(record, problem, "call") is Outcome.ERROR:
            return problem
    missed = [part for part in parts if not isinstance(part, pytest.xfail.Exception)]
    if not missed:
        return parts[0] if parts else None
    # pytest has shown the tracebacks of the parts.
    failed = count(len(missed), "failed subtest")
    return pytest.fail.Exception(f"{failed}: {problem_line(missed[0])}", pytrace=False)
