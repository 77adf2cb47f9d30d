"""Runs over litellm's lane: in processes of its own, or in the user's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.plugin.scratch_suite import LADDER, Shop
from tests.plugin.session import test_interrupts
from tests.scripted_server import hangs

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc"
)

FORCED = LADDER.replace("price =", 'lane = "litellm"\nprice =')
AWAY = """
import sys

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert case.input in reply.text
    assert "litellm" not in sys.modules
"""
OWN_PROVIDER = """
import litellm

class Shop(litellm.CustomLLM):
    async def acompletion(self, *args, **kwargs):
        said = {"role": "assistant", "content": "from the shop"}
        choice = {"index": 0, "message": said, "finish_reason": "stop"}
        return litellm.ModelResponse(model="bot", choices=[choice])

litellm.custom_provider_map = [{"provider": "shop", "custom_handler": Shop()}]
"""


def children(shop: Shop) -> list[int]:
    """Return the litellm processes of a suite, by their folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") != os.fspath(shop.path):
                continue
            if b"litellm_child" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has just ended, or is not ours
            continue
    return found


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "xdist"])
def test_litellm_stays_out_of_the_tests_process(
    shop: Shop, workers: tuple[str, ...]
) -> None:
    shop.ladder(FORCED)
    shop.test(AWAY)
    result = shop.pytester.runpytest_subprocess("--ladder-live", *workers)
    result.assert_outcomes(passed=3)
    assert shop.server.count == 3
    assert children(shop) == []


@pytest.mark.parametrize("way", ["conftest", "-p"])
def test_what_users_do_to_litellm_in_their_process_holds(
    shop: Shop, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    shop.ladder(FORCED.replace("openai/bot", "shop/bot"))
    shop.write("own_provider.py", OWN_PROVIDER)
    if way == "conftest":
        shop.write("conftest.py", "import own_provider\n")
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply):
    assert reply.text == "from the shop"
""")
    plugins = [] if way == "conftest" else ["-plitellm", "-pown_provider"]
    result = shop.pytester.runpytest_subprocess("--ladder-live", *plugins)
    result.assert_outcomes(passed=3)


def test_a_child_that_is_killed_costs_a_retry(shop: Shop) -> None:
    shop.ladder(FORCED)
    shop.test(AWAY)
    shop.server.script(hangs(), hangs(), hangs())
    command = [sys.executable, "-m", "pytest", "--ladder-live"]
    with subprocess.Popen(
        command, cwd=shop.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        deadline = time.monotonic() + 50
        while shop.server.count < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        (child,) = children(shop)
        os.kill(child, signal.SIGKILL)
        output = run.communicate(timeout=60)[0].decode()
    assert run.returncode == 0, output
    assert shop.server.count == 6
    assert children(shop) == []


def test_ctrl_c_ends_the_children_without_a_word(shop: Shop) -> None:
    shop.ladder(FORCED)
    shop.cases(test_interrupts.CASES)
    shop.server.latency_s = 0.05
    shop.test(test_interrupts.SUITES["replies"])
    test_interrupts.check(shop, *test_interrupts.interrupt(shop, 20))
    assert children(shop) == []
