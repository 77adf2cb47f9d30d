"""Calls that go on when their test has ended: what they cost is told, and nobody hangs.

pytest-timeout ends a test while its call is under way; Ctrl-C ends the run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.calls.engine.test_never_twice import wait_until
from tests.plugin.scratch_suite import Shop
from tests.scripted_server import fails, hangs

TIMEOUT = ("--ladder-live", "--timeout=0.5")
ONE = """
@pytest.mark.cheap
@pytest.mark.ladder(ahead=False)
def test_one(llm):
    llm('hello')
"""
IN_THREADS = {
    "asyncio": """
import asyncio

@pytest.mark.cheap
@pytest.mark.ladder(ahead=False)
async def test_one(llm):
    await asyncio.gather(*(asyncio.to_thread(llm, f"say {n}") for n in range(3)))
""",
    "an executor": """
from concurrent.futures import ThreadPoolExecutor

@pytest.mark.cheap
@pytest.mark.ladder(ahead=False)
def test_one(llm):
    with ThreadPoolExecutor() as pool:
        list(pool.map(llm, ["say 0", "say 1", "say 2"]))
""",
}


def lost(shop: Shop) -> tuple[int, float, bool]:
    """Return what the report tells of calls without a reply: how many, USD, at most."""
    spend = shop.matrix()["spend"]
    return (
        spend["lost_calls"],
        spend["lost_usd"],
        spend.get("lost_at_most", False),
    )


def test_a_reply_that_comes_after_a_timeout_is_in_the_spend(shop: Shop) -> None:
    shop.server.latency_s = 1.5
    shop.test(ONE)
    result = shop.run_with("timeout", *TIMEOUT)
    result.assert_outcomes(failed=1)
    calls, usd, at_most = lost(shop)
    assert (calls, at_most) == (1, False)
    assert usd > 0
    result.stdout.fnmatch_lines(
        [
            "1 call, no reply; $0.0*",
            "1 reply came after the test had ended; it is stored for the next run.",
        ]
    )
    assert shop.server.count == 1
    shop.run_with("timeout", *TIMEOUT).assert_outcomes(passed=1)
    assert shop.server.count == 1


def test_a_call_that_never_ends_counts_with_its_worst_case(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_ladder.session.session._PATIENCE_S", 0.5)
    shop.server.script(hangs())
    shop.test(ONE)
    result = shop.run_with("timeout", *TIMEOUT)
    calls, usd, at_most = lost(shop)
    assert (calls, at_most) == (1, True)
    assert usd > 20 * 2 / 1e6, "max_tokens of the reply alone cost that"
    result.stdout.fnmatch_lines(["1 call, no reply; at most $0.0*"])
    result.stdout.no_fnmatch_line("*spent nothing*")


def test_a_call_that_fails_after_a_timeout_is_told_once(shop: Shop) -> None:
    shop.server.latency_s = 1.5
    shop.server.reply = lambda _: fails(500)
    shop.test(ONE)
    result = shop.run_with("timeout", *TIMEOUT)
    assert lost(shop)[0] == 1
    result.stdout.no_fnmatch_line("*more call*")


def test_a_rerun_that_gets_the_reply_pays_for_it_once(shop: Shop) -> None:
    shop.server.latency_s = 1.5
    shop.test(ONE)
    result = shop.run_with("timeout", *TIMEOUT, "-p", "rerunfailures", "--reruns=1")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["spent $* on 1 call; 0 replayed"])
    result.stdout.no_fnmatch_line("*after the test had ended*")


@pytest.mark.processes
def test_over_processes_late_calls_are_told_as_well(shop: Shop) -> None:
    shop.server.latency_s = 1.5
    shop.test(ONE)
    result = shop.run_with("timeout", *TIMEOUT, "-n1")
    result.assert_outcomes(failed=1)
    assert lost(shop)[::2] == (1, False)
    result.stdout.fnmatch_lines(["1 reply came after the test had ended; *"])


@pytest.mark.parametrize("how", IN_THREADS)
def test_a_timeout_ends_the_waits_of_threads(
    shop: Shop, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_ladder.session.session._PATIENCE_S", 0.5)
    shop.server.reply = lambda _: hangs()
    shop.test(IN_THREADS[how])
    result = shop.run_with("timeout", *TIMEOUT)
    result.assert_outcomes(failed=1)
    assert result.duration < 20, "the server hangs for 60 s"
    assert lost(shop)[::2] == (3, True)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.processes
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "xdist"])
@pytest.mark.parametrize("before", [0, 1])
def test_ctrl_c_tells_of_the_call_under_way(
    shop: Shop, workers: tuple[str, ...], before: int
) -> None:
    """Also where it was the first one, so that the run has no row at all."""
    shop.server.reply = lambda body: "yes" if "yes" in str(body) else hangs()
    asked = "say yes" if before else "hello"
    shop.test(ONE.replace("hello", asked) + ONE.replace("one", "two"))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--ladder-live", *workers],
        cwd=shop.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: shop.server.count == before + 1)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    told = "1 more call, made ahead of tests that did not ask, or under way at the end"
    assert f"{told}: no reply; at most $0.000" in output, output
