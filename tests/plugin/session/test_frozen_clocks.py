"""Clocks that a test freezes: what a call takes and costs stays real.

The runs are processes of their own, for the server's clock must go on.
"""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import limits

FROZEN = """
import asyncio
import datetime
from freezegun import freeze_time

@pytest.mark.cheap
@freeze_time("2030-05-05")
def test_answer(llm):
    assert llm("say blue").text == "say blue"
    assert datetime.date.today().year == 2030

@pytest.mark.cheap
def test_inside(llm):
    with freeze_time("2010-05-05"):
        assert llm("say red").text == "say red"

@pytest.mark.cheap
@freeze_time("2030-05-05")
async def test_async(llm):
    replies = await asyncio.gather(llm.acall("say tea"), llm.acall("say milk"))
    assert [reply.text for reply in replies] == ["say tea", "say milk"]
"""
BY_TIME = LADDER.replace(
    "price = {{ input = 1.0, output = 2.0 }}",
    "serve = {{ usd_per_hour = 3600, utilisation = 1 }}",
)
LATENCY_S = 0.05


def run(shop: Shop, *arguments: str) -> pytest.RunResult:
    return shop.pytester.runpytest_subprocess(*arguments)


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
@pytest.mark.parametrize("stream", ["", "stream = true\n"], ids=["whole", "streamed"])
def test_a_frozen_clock_changes_neither_latency_nor_cost(
    shop: Shop, stream: str, workers: tuple[str, ...]
) -> None:
    assert "usd_per_hour" in BY_TIME
    shop.ladder(BY_TIME.replace("[[strategy]]", f"{stream}[[strategy]]", 1))
    shop.test(FROZEN)
    shop.server.latency_s = LATENCY_S
    result = run(shop, "--ladder-live", *workers)
    result.assert_outcomes(passed=3)
    bills = [bill for row in shop.rows() for bill in row["replies"]]
    assert len(bills) == 4
    for bill in bills:
        assert bill["live"]
        assert LATENCY_S <= bill["latency_s"] < 10
        # A dollar a second.
        assert bill["cost_usd"] == pytest.approx(bill["latency_s"])
        if stream:
            assert LATENCY_S <= bill["ttft_s"] <= bill["latency_s"]
    assert shop.server.count == 4
    replay = run(shop, *workers)
    replay.assert_outcomes(passed=3)
    assert not any(bill["live"] for row in shop.rows() for bill in row["replies"])
    assert shop.server.count == 4


def test_a_frozen_clock_holds_up_no_retry(shop: Shop) -> None:
    shop.test(FROZEN)
    shop.server.script(limits(milliseconds="20"), limits("0.02"))
    run(shop, "--ladder-live", "-k", "test_answer").assert_outcomes(passed=1)
    assert shop.server.count == 3
