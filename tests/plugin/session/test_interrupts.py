"""Ctrl-C: what is done is reported, and the process ends soon."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.plugin.scratch_suite import CHANGED, Shop
from tests.scripted_server import last_user_message

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

AIM_S = 2.0
SLACK_S = 10.0
"""For a machine that is busy with other things."""
CASES = [{"id": f"c{n}", "input": f"say {n}", "expected": f"{n}"} for n in range(60)]
_THREE_TESTS = re.compile(r"[ \n]\.\.\.")
SUITES = {
    "replies": """
import time

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_one(reply, case):
    time.sleep(0.1)
""",
    "bodies": """
@pytest.mark.cheap
@pytest.mark.parametrize("n", range(60))
def test_one(llm, n):
    for step in range(n + 1):
        llm(f"say {n} {step}")
""",
    "a body that sleeps": """
import threading, time

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(60))
def test_one(llm, n):
    if n == 30 and threading.current_thread() is not threading.main_thread():
        time.sleep(25)
    for step in range(n + 1):
        llm(f"say {n} {step}")
""",
    "a test that sleeps": """
import time

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(60))
def test_one(llm, n):
    llm(f"say {n}")
    if n == 3:
        time.sleep(25)
""",
    "coroutines": """
import asyncio

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(60))
async def test_one(llm, n):
    for step in range(n + 1):
        await llm.acall(f"say {n} {step}")
    if n == 3:
        await asyncio.sleep(25)
""",
}


GATED = """
import time

@pytest.mark.cheap(at_least=0.1)
@pytest.mark.ladder(cases="cases.jsonl")
def test_one(reply, case):
    time.sleep(0.05)
    assert reply.text == "right"
"""


def interrupt(shop: Shop, calls: int, *arguments: str) -> tuple[float, int, str]:
    """Press Ctrl-C after so many calls and three tests.

    Returns the seconds to the end, the status and the output.
    """
    command = [sys.executable, "-m", "pytest", "--ladder-live", *arguments]
    process = subprocess.Popen(
        command,
        cwd=shop.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        output = ""
        while shop.server.count < calls or not _THREE_TESTS.search(output):
            said = process.stdout.read(1)
            assert said, output
            output += said
        # Not in the middle of pytest's own reporting: an interrupt between two lines
        # of it has no line number in Python 3.11, and pytest 9.2 fails on that.
        time.sleep(0.3)
        # A terminal interrupts all processes in its foreground.
        os.killpg(process.pid, signal.SIGINT)
        begun = time.monotonic()
        rest, _ = process.communicate(timeout=20)
        return time.monotonic() - begun, process.returncode, output + rest
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def check(shop: Shop, took_s: float, status: int, output: str) -> None:
    print(f"ended after {took_s:.2f} s")  # noqa: T201
    assert status == pytest.ExitCode.INTERRUPTED, output
    for noise in ("Exception in thread", "Exception ignored", "Task was destroyed"):
        assert noise not in output
    # pytest's own line says where it was.
    assert output.count("Traceback") == 0, output
    assert "= ladder =" in output, output
    assert len(shop.rows()) >= 2
    assert shop.matrix()["rungs"][0]["levels"]["cheap"]["n"] >= 2
    assert took_s < AIM_S + SLACK_S, output


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_done_is_reported_and_the_process_ends(shop: Shop, suite: str) -> None:
    shop.cases(CASES)
    shop.server.latency_s = 0.05
    shop.test(SUITES[suite])
    check(shop, *interrupt(shop, 20))


def test_over_processes_as_well(shop: Shop) -> None:
    shop.server.latency_s = 0.05
    shop.test(SUITES["a body that sleeps"])
    check(shop, *interrupt(shop, 40, "-n2"))


def test_a_body_that_does_not_end_is_named(shop: Shop) -> None:
    shop.server.latency_s = 0.05
    shop.test(SUITES["a body that sleeps"])
    _, _, output = interrupt(shop, 20)
    assert "test_one[bot/plain-30] waits for something else than a model" in output


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["plain", "xdist"])
def test_while_the_gate_takes_more_samples(
    shop: Shop, workers: tuple[str, ...]
) -> None:
    """A part of them was drawn from those that came first, and decides nothing."""
    shop.cases(CASES)
    shop.test(GATED)
    shop.server.reply = lambda _: "right"
    shop.run("--ladder-live", "--ladder-report=base")
    shop.ladder(CHANGED)
    unlucky = {f"say {n}?" for n in range(3)}

    def answer(body: dict[str, Any]) -> str:
        prompt = last_user_message(body)
        if prompt not in unlucky:
            return "right"
        unlucky.remove(prompt)
        return "wrong"

    shop.server.reply = answer
    took_s, status, output = interrupt(shop, 130, "--ladder-baseline=base", *workers)
    check(shop, took_s, status, output)
    assert "that may be chance, so 2 more samples" in output
    assert 60 < len(shop.rows()) < 180
    told = "gate: UNDECIDED: The run was stopped before its end"
    assert told in output, output
    assert "so the run took more" not in output
