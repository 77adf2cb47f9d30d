"""Which tests are ladder tests, and what they run over."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.scratch_suite import ANSWER, Shop


def test_ids_name_rung_and_case(shop: Shop) -> None:
    shop.test(ANSWER)
    result = shop.run("--ladder-live", "--ladder=matrix", "-v")
    result.stdout.fnmatch_lines(
        [
            "*::test_answer[[]bot/plain-sky[]] PASSED*",
            "*::test_answer[[]bot/plain-fire[]] PASSED*",
            "*::test_answer[[]bot/plain-sun[]] FAILED*",
            "*::test_answer[[]bot/loud-sky[]] PASSED*",
            "*::test_answer[[]bot/loud-sun[]] MISSED*",
        ]
    )


def test_a_plain_run_after_a_live_one_calls_nobody(
    shop: Shop, run: Callable[..., pytest.RunResult]
) -> None:
    shop.test(ANSWER)
    shop.run("--ladder-live")
    calls = shop.server.count
    result = shop.run()
    result.assert_outcomes(passed=2, failed=1)
    assert shop.server.count == calls
