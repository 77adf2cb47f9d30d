"""`[report] texts = false`: nothing that anybody said is left, whatever the verdict."""

from __future__ import annotations

import msgspec
import pytest

from pytest_ladder.core.score import Verdict
from pytest_ladder.reporting.without_texts import without_texts
from tests.cli.written_report import a_report, a_row


@pytest.mark.parametrize("passed", [True, False])
def test_no_reason_of_a_judge_is_left(passed: bool) -> None:
    verdict = Verdict(passed=passed, score=float(passed), reason="it said Wombat")
    row = a_row("small/plain", 0, verdict=verdict, reason="it said Wombat")
    (left,) = without_texts(a_report([row])).rows
    assert b"Wombat" not in msgspec.json.encode(left)
    assert left.verdict is not None
    assert left.verdict.passed is passed
