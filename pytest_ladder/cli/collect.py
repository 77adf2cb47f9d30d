"""Collecting tests for a command that runs none of them."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from pytest_ladder.errors import ConfigError
from pytest_ladder.session.session import LadderSession

QUIETLY = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
"""For pytest in this process: the package was loaded before pytest could know of it."""


class Collected(NamedTuple):
    """What pytest collected."""

    session: LadderSession
    items: list[pytest.Item]
    """Without those that were deselected."""


def collect(arguments: Sequence[str]) -> Collected | int:
    """Let pytest collect, and run nothing; its exit status where it could not.

    What pytest prints is shown in that case only. Raises `ConfigError` where there is
    no ladder test.
    """
    from pytest_ladder.plugin import CollectedTests

    collected, output = CollectedTests(), io.StringIO()
    options = ("--collect-only", "-q", "--ladder=current", *QUIETLY)
    with contextlib.redirect_stdout(output):
        status = pytest.main([*arguments, *options], plugins=[collected])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.stdout.write(output.getvalue())
        return int(status)
    if collected.session is None or not collected.session.tests:
        raise ConfigError(
            "No ladder test was collected, so nobody knows what is needed; name the "
            "folder of the tests."
        )
    return Collected(collected.session, collected.items)
