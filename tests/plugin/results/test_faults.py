"""Faults, and what the user sees of them: the rows of `docs/faults.md`."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.plugin.scratch_suite import ANSWER, LADDER, Run, Shop
from tests.scripted_server import (
    Act,
    fails,
    filtered,
    garbage,
    hangs,
    limits,
    resets,
    says,
    truncates,
)

CASES = [
    {"id": "sky", "input": "say blue", "expected": "blue"},
    {"id": "fire", "input": "say red", "expected": "red"},
]
IMPATIENT = LADDER.replace("max_tokens = 20", "max_tokens = 20, timeout = 0.3")
STREAMED = LADDER.replace("[[strategy]]", "stream = true\n\n[[strategy]]", 1)
RETRIED: dict[str, tuple[Act, int, str]] = {
    "server error": (fails(500), 6, "Model 'bot' answered 500: scripted failure"),
    "overloaded": (fails(503), 10, "Model 'bot' answered 503: scripted failure"),
    "rate limit": (limits(), 10, "Model 'bot' answered 429: Rate limit reached"),
    "Retry-After": (
        limits(milliseconds="10"),
        10,
        "Model 'bot' answered 429: Rate limit reached",
    ),
    "reset": (resets(), 6, "The connection to model 'bot' failed: *"),
    "cut off": (truncates(), 6, "The connection to model 'bot' failed: *"),
    "garbage": (garbage(), 6, "Model 'bot' gave no usable answer: it is not JSON *"),
    "timeout": (
        hangs(),
        6,
        "Model 'bot' did not answer within 0.3 s (params.timeout)",
    ),
    "stream cut off": (
        says("one two three", stop_after=2),
        6,
        "Model 'bot' gave no usable answer: the stream ended in the middle",
    ),
}
FINAL: dict[str, tuple[Act, str]] = {
    "context length": (
        fails(400, "maximum context length is 8", code="context_length_exceeded"),
        "Model 'bot' answered 400: maximum context length is 8",
    ),
    "bad key": (
        fails(401, "no such key"),
        "No key was sent to {host} (`api_key_env` names the variable that holds one): "
        "model 'bot' answered 401: no such key",
    ),
    "not found": (
        fails(404, "no model"),
        "Model 'bot' answered 404 to {url}: no model",
    ),
    "no quota": (
        fails(429, "pay first", code="insufficient_quota"),
        "Model 'bot' answered 429: pay first",
    ),
}
LADDERS = {"timeout": IMPATIENT, "stream cut off": STREAMED}


@pytest.fixture(autouse=True)
def _suite(shop: Shop, short_pauses: None) -> None:
    shop.cases(CASES)
    shop.test(ANSWER)


def refuse_red(shop: Shop, act: Act, times: int) -> None:
    """Answer what asks for red with `act` so many times, and all else properly."""
    left = [act] * times

    def reply(body: dict[str, object]) -> str | Act:
        if "red" not in str(body):
            return "say blue"
        return left.pop() if left else "say red"

    shop.server.reply = reply


@pytest.mark.parametrize("fault", RETRIED)
def test_a_fault_that_passes(shop: Shop, fault: str) -> None:
    refuse_red(shop, RETRIED[fault][0], 2)
    shop.ladder(LADDERS.get(fault, LADDER))
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    assert shop.server.count == 4
    assert shop.matrix()["rungs"][0]["levels"]["cheap"]["coverage"] == 1
    assert shop.matrix()["spend"]["live_calls"] == 2


@pytest.mark.parametrize("fault", RETRIED)
def test_a_fault_that_stays(shop: Shop, fault: str) -> None:
    act, attempts, message = RETRIED[fault]
    refuse_red(shop, act, 100)
    shop.ladder(LADDERS.get(fault, LADDER))
    result = shop.run("--ladder-live")
    given_up = f"{message} (gave up after {attempts} attempts)"
    result.stdout.fnmatch_lines(
        ["*ERROR at setup of test_answer*plain-fire*", _literally(given_up)]
    )
    _check_one_error(shop, result, message)
    # The first may have met a connection that had served: that is no attempt.
    again = int(fault == "reset")
    assert 0 <= shop.server.count - (1 + attempts) <= again


@pytest.mark.parametrize("fault", FINAL)
def test_a_fault_that_no_retry_mends(shop: Shop, fault: str) -> None:
    act, message = FINAL[fault]
    url = f"{shop.server.api_base}/chat/completions"
    message = message.format(url=url, host=urlsplit(url).netloc)
    refuse_red(shop, act, 100)
    result = shop.run("--ladder-live")
    result.stdout.fnmatch_lines(["*ERROR at setup of test_answer*", message])
    _check_one_error(shop, result, message)
    assert shop.server.count == 2
    assert "attempts" not in result.stdout.str()


def _literally(text: str) -> str:
    """Escape what `fnmatch_lines` would take for a pattern, but for `*`."""
    return text.replace("[", "[[]")


def _check_one_error(shop: Shop, result: pytest.RunResult, message: str) -> None:
    """Check what every lost call leaves: an error row, and nothing in the quality."""
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*1 error, which no quality counts; coverage 50.0 %*"])
    cell = shop.matrix()["rungs"][0]["levels"]["cheap"]
    assert (cell["quality"], cell["errors"], cell["coverage"]) == (1, 1, 0.5)
    row = next(row for row in shop.rows() if row["case"] == "fire")
    assert row["outcome"] == "error"
    assert re.match(re.escape(message).replace(r"\*", ""), row["reason"])
    assert "score" not in row


def test_a_filtered_reply_is_scored(shop: Shop) -> None:
    refuse_red(shop, filtered(), 100)
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=1, failed=1)
    row = next(row for row in shop.rows() if row["case"] == "fire")
    assert (row["outcome"], row["score"]) == ("missed", 0)
    assert row["replies"][0]["flag"] == "filtered"
    assert shop.server.count == 2


def test_a_server_that_is_not_there_is_given_up_soon(shop: Shop) -> None:
    shop.cases([{"id": f"c{n}", "input": f"{n}", "expected": ""} for n in range(40)])
    shop.ladder(
        LADDER.replace("{api_base}", "http://127.0.0.1:9/v1").replace(
            "[[strategy]]", "limits = {{ concurrency = 4 }}\n\n[[strategy]]", 1
        )
    )
    begun = time.monotonic()
    result = shop.run("--ladder-live")
    assert time.monotonic() - begun < 45
    result.assert_outcomes(errors=40)
    lost = [row["reason"] for row in shop.rows()]
    assert all("The connection to model 'bot' failed" in reason for reason in lost)
    # After three that were given up in a row the others do not try so often.
    assert sum("gave up after 6 attempts" in reason for reason in lost) < 40


def test_every_nth_call_fails_and_nobody_notices(shop: Shop) -> None:
    shop.cases(
        [{"id": f"c{n}", "input": f"say {n}", "expected": str(n)} for n in range(40)]
    )
    shop.server.every(7, fails(500))
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=40)
    assert shop.server.count == 40 + shop.server.count // 7
    assert shop.matrix()["spend"]["live_calls"] == 40


def test_workers_share_the_limit_and_pay_once(shop: Shop) -> None:
    shop.cases([{"id": f"c{n}", "input": f"{n}", "expected": ""} for n in range(30)])
    shop.server.latency_s = 0.01
    result = shop.run("--ladder-live", "--ladder-concurrency=1", "-n", "2")
    result.assert_outcomes(passed=30)
    assert (shop.server.count, shop.server.peak) == (30, 1)


def test_a_damaged_store_is_set_aside(shop: Shop, run: Run) -> None:
    shop.run("--ladder-live").assert_outcomes(passed=2)
    store = shop.path / ".ladder" / "store.sqlite"
    store.write_bytes(b"\xff" * 5000)
    for recording in (shop.path / "recordings").iterdir():
        recording.unlink()
    result = run("--ladder-live")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["*store.sqlite was damaged (file is not a database) and is set aside as *"]
    )
    assert shop.server.count == 4
    assert len(list(store.parent.glob("damaged-*.sqlite"))) == 1
    later = run()
    later.assert_outcomes(passed=2)
    assert "is set aside" not in later.stdout.str()


def test_a_store_that_cannot_be_made_stops_before_the_first_call(shop: Shop) -> None:
    (shop.path / ".ladder").write_text("not a folder")
    result = shop.run("--ladder-live")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*so no calls are made; check the disk and the fol*"])
    assert "Traceback" not in result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert shop.server.count == 0


FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
"""


def test_a_full_disk_stops_the_spending(shop: Shop) -> None:
    shop.write("conftest.py", FULL_DISK)
    shop.cases([{"id": f"c{n}", "input": f"{n}", "expected": ""} for n in range(150)])
    shop.server.reply = lambda _: "many words " * 2000
    result = shop.pytester.runpytest_subprocess("--ladder-live")
    result.stdout.fnmatch_lines(["*store.sqlite: the store cannot be written (*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    with sqlite3.connect(shop.path / ".ladder" / "store.sqlite") as connection:
        (kept,) = connection.execute("SELECT COUNT(*) FROM replies").fetchone()
    connection.close()
    assert 0 < kept < 100
    assert shop.server.count - kept <= 3 * 32


def test_a_killed_run_goes_on_where_it_was(shop: Shop) -> None:
    cases = [{"id": f"c{n}", "input": f"say {n}", "expected": ""} for n in range(300)]
    shop.cases(cases)
    shop.server.latency_s = 0.05
    command = [sys.executable, "-m", "pytest", "--ladder-live"]
    command += ["--ladder-concurrency=20"]
    killed = subprocess.Popen(command, cwd=shop.path, stdout=subprocess.DEVNULL)
    _wait_for(shop, 120)
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)
    assert not Path(shop.path / "ladder-report").exists()
    paid = shop.server.count
    result = shop.run("--ladder-live", "--ladder-concurrency=20")
    result.assert_outcomes(passed=300)
    assert shop.server.count - 300 <= 20
    assert shop.matrix()["spend"]["replayed_calls"] >= paid - 20


def _wait_for(shop: Shop, requests: int) -> None:
    for _ in range(2000):
        if shop.server.count >= requests:
            return
        time.sleep(0.01)
    raise AssertionError("The run made too few requests within 20 s.")
