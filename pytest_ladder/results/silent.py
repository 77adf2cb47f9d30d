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
    carried = getattr(report, "ladder", None)
    # A miss may quote; why a test was marked to fail is said by its author.
    quotes = getattr(report, "ladder_part", False) or (carried and carried["missed"])
    reason = getattr(report, "wasxfail", None) if quotes else None
    if reason is not None:
        report.wasxfail = LEFT_OUT
    try:
        yield
    finally:
        report.longrepr, report.sections = shown
        if reason is not None:
            report.wasxfail = reason
