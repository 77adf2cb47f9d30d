"""Reports of pytest that no phase of a test made, so that other plugins see them, too.

Of what fails a run although no test does (`run_failures`), and of tests that were left
out (`scheduling/loop`). Called on the main thread, where the hooks are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.session import pytest_internals

Location = tuple[str, int | None, str]
"""File, line from 0, and name, as pytest has them."""


def failed(name: str, problem: str, location: Location) -> pytest.TestReport:
    """Make a failing report, under a name that no test has, beside a test's lines."""
    file, line, _ = location
    rest = name.partition("::")[2]
    report = pytest.TestReport(
        nodeid=name,
        location=(file, line, rest.replace("::", ".")),
        keywords={},
        outcome="failed",
        longrepr=problem,
        when="call",
    )
    pytest_internals.name_exactly(report, rest)
    return report


def left_out(nodeid: str, reason: str, root: Path) -> pytest.TestReport:
    """Make the report of a test that is not run, as if a mark of it had said so."""
    file, _, name = nodeid.partition("::")
    report: Any = pytest.TestReport(
        nodeid=nodeid,
        location=(file, None, name),
        # With it `-rs` names no line.
        keywords={"skip": 1},
        outcome="skipped",
        longrepr=(str(root / file), 0, reason),
        when="setup",
    )
    report.ladder_left = True
    made: pytest.TestReport = report
    return made


def send(config: pytest.Config, report: pytest.TestReport) -> None:
    """Send a report to all plugins, and that of a teardown that passed.

    Some take a test for over only then.
    """
    config.hook.pytest_runtest_logreport(report=report)
    if report.failed:
        pytest_internals.name_in_junit(config, report)
    teardown = pytest.TestReport(
        nodeid=report.nodeid,
        location=report.location,
        keywords={},
        outcome="passed",
        longrepr=None,
        when="teardown",
    )
    config.hook.pytest_runtest_logreport(report=teardown)
