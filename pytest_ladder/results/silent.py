"""What writers of reports see of a test whose ladder keeps texts out of them.

pytest hands each report to all plugins at once: to those that write a file of it there
and then (JUnit's XML, pytest-reportlog, pytest-html), and to the terminal, which keeps
it and prints tracebacks at the end. So a traceback, captured output and the reason of a
miss, which may all quote a reply, are gone while the report is handed around, and there
again when the terminal asks. Called on the main thread, in the process that reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_ladder.reporting.without_texts import LEFT_OUT


@contextmanager
def silenced(report: Any) -> Iterator[None]:
    """Hide from a report, for as long as this lasts, what anybody said."""
    shown = report.longrepr, report.sections
    if isinstance(report.longrepr, tuple):
        # Of a skip: file, line and reason.
        report.longrepr = (*report.longrepr[:2], LEFT_OUT)
    elif report.longrepr is not None:
        report.longrepr = LEFT_OUT
    report.sections = []
    reason = getattr(report, "wasxfail", None)
    if reason is not None and _is_missed(report):
        report.wasxfail = LEFT_OUT
    try:
        yield
    finally:
        report.longrepr, report.sections = shown
        if reason is not None:
            report.wasxfail = reason


def _is_missed(report: Any) -> bool:
    """Tell a miss from a test that was marked to fail, with a reason by its author."""
    carried = getattr(report, "ladder", None)
    is_part = getattr(report, "ladder_part", False)  # a subtest
    return is_part or (carried is not None and bool(carried["missed"]))
