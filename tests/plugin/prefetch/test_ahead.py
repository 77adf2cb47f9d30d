"""Running ahead: side by side at the server, and otherwise pytest as it always is."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import CASES, Shop
from tests.scripted_server import fails, hangs

MANY = [{"id": f"c{n}", "input": f"say {n}", "expected": f"{n}"} for n in range(16)]
# What a body says about itself: its name, and whether it runs in its turn.
TELLS = """
import os, threading, time

def tell(what):
    on_stage = threading.current_thread() is threading.main_thread()
    with open("told.txt", "a") as file:
        file.write(f"{what} {'turn' if on_stage else 'ahead'}\\n")
"""
BODIES = {
    "reply": """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_one(reply, case):
    assert case.expected in reply.text
""",
    "plain body": """
@pytest.mark.cheap
@pytest.mark.parametrize("n", range(16))
def test_one(llm, n):
    assert llm(f"say {n}").text == f"say {n}"
""",
    "method": """
@pytest.mark.cheap
class TestShop:
    known = "say"

    @pytest.mark.parametrize("n", range(16))
    def test_one(self, llm, n):
        self.text = f"{self.known} {n}"
        assert llm(self.text).text == self.text
""",
    "coroutine": """
@pytest.mark.cheap
@pytest.mark.parametrize("n", range(16))
async def test_one(llm, n):
    assert (await llm.acall(f"say {n}")).text == f"say {n}"
""",
    "loop of the user's": """
import asyncio

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(16))
def test_one(llm, n):
    assert asyncio.run(llm.acall(f"say {n}")).text == f"say {n}"
""",
    "threads of the user's": """
from concurrent.futures import ThreadPoolExecutor

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(0, 16, 2))
def test_one(llm, n):
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(llm, [f"say {n}", f"say {n + 1}"]))
    assert replies[1].text == f"say {n + 1}"
""",
    "packed": """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", pack=True)
def test_one(reply, case):
    assert case.expected in reply.text
""",
    "packed body": """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", pack=True)
async def test_one(llm, case):
    assert case.expected in (await llm.acall(case.input)).text
""",
    "task": """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", task=lambda case, llm: llm(case.input).text)
def test_one(reply, case):
    assert case.expected in reply.text
""",
    "coroutine as task": """
async def answer(case, llm):
    return (await llm.acall(case.input)).text

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", task=answer)
def test_one(reply, case):
    assert case.expected in reply.text
""",
}


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """A shop with 16 cases, whose server takes its time."""
    shop.cases(MANY)
    shop.server.latency_s = 0.1
    return shop


class Watch:
    """Notes what pytest reports, and how many requests there were by then."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.requests: list[int] = []
        self.reports: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.requests.append(self.shop.server.count)
            self.reports.append(report)

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.shop.run(*arguments, plugins=[self])


def told(shop: Shop) -> list[str]:
    path = shop.path / "told.txt"
    return path.read_text().splitlines() if path.exists() else []


def rehearsed(shop: Shop) -> set[str]:
    return {line.split()[0] for line in told(shop) if line.endswith("ahead")}


@pytest.mark.parametrize("body", BODIES)
def test_calls_run_side_by_side_before_the_first_test_is_over(
    busy: Shop, body: str
) -> None:
    # So long that a busy machine, too, starts half before the first has ended.
    busy.server.latency_s = 0.5
    busy.test(BODIES[body])
    watch = Watch(busy)
    result = watch.run("--ladder-live")
    assert result.ret == pytest.ExitCode.OK
    assert busy.server.count == 16, "nothing is paid twice"
    assert watch.requests[0] >= 8
    assert busy.server.peak >= 8
    if "threads" not in body:
        # The work is shown, not the wait.
        assert max(report.duration for report in watch.reports) < 0.45


@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_coroutines_of_other_plugins_are_left_to_them(busy: Shop, plugin: str) -> None:
    busy.write(
        "conftest.py",
        "import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n",
    )
    busy.test(f"""{TELLS}
@pytest.mark.cheap
@pytest.mark.{plugin}
@pytest.mark.parametrize("n", range(3))
async def test_theirs(llm, n):
    tell("theirs")
    await llm.acall(f"theirs {{n}}")

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(4))
def test_ours(llm, n):
    tell("ours")
    llm(f"ours {{n}}")
""")
    watch = Watch(busy)
    busy.server.latency_s = 0.5
    loops = ["-o", "asyncio_default_fixture_loop_scope=function"]
    options = loops if plugin == "asyncio" else []
    result = busy.run_with(plugin, "--ladder-live", *options, plugins=[watch])
    result.assert_outcomes(passed=7)
    assert rehearsed(busy) == {"ours"}
    # While theirs waited on their own loop, ours went on.
    assert watch.requests[0] >= 5
    assert max(report.duration for report in watch.reports) < 0.45


LOOKS = """
import logging, os, subprocess, sys, warnings

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(8))
def test_body(llm, n):
    print("before", n)
    print("error", n, file=sys.stderr)
    os.write(1, f"raw {n}\\n".encode())
    logging.getLogger("shop").warning("log %d", n)
    warnings.warn(f"careful {n}")
    text = llm(f"say {n}").text
    print("after", text)
    if n == 6:
        pytest.skip("not today")
    if n == 7:
        pytest.xfail("not yet")
    assert {"text": text, "even": True} == {"text": f"say {n}", "even": n % 2 == 0}

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(4))
async def test_coroutine(llm, n):
    print("before", n)
    text = (await llm.acall(f"say {n + 100}")).text
    subprocess.run(["echo", "child"])
    logging.getLogger("shop").error("log %d", n)
    assert [text] == [f"say {n + 99}"]

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    print("reply", reply.text)
    assert case.expected in reply.text
"""


def what_pytest_shows(result: pytest.RunResult) -> list[str]:
    """Return the output down to the matrix, without what differs by right."""
    text = result.stdout.str().partition("= ladder =")[0]
    text = text.replace("(calls models)", "").replace("(replays, never calls)", "")
    return text.splitlines()


@pytest.mark.parametrize(
    "options",
    [
        ("-W", "always"),
        ("-W", "always", "-v", "--capture=sys"),
        ("-W", "error"),
        ("-W", "always", "-p", "no:logging"),
    ],
)
def test_a_live_run_looks_like_its_replay(shop: Shop, options: tuple[str, ...]) -> None:
    shop.server.latency_s = 0.02
    shop.test(LOOKS)
    live = shop.run("--ladder-live", "-rA", *options)
    calls = shop.server.count
    replay = shop.run("-rA", *options)
    assert what_pytest_shows(live) == what_pytest_shows(replay)
    assert live.ret == replay.ret == pytest.ExitCode.TESTS_FAILED
    assert shop.server.count == calls
    if "error" not in options:
        assert shop.server.peak > 1
        assert "careful 3" in live.stdout.str()


def test_what_rehearsals_say_is_heard_by_no_other_test(busy: Shop) -> None:
    busy.test("""
import contextlib, io, logging, os, warnings

def make_noise(n):
    print("noise", n)
    os.write(2, b"noise")
    logging.getLogger().critical("noise %d", n)
    logging.getLogger("shop").error("noise %d", n)
    warnings.warn("noise")

@pytest.mark.cheap
def test_output(llm, capsys):
    print("mine")
    llm("one")
    llm("two")
    assert capsys.readouterr() == ("mine\\n", "")

@pytest.mark.cheap
def test_files(llm, capfd):
    llm("three")
    assert capfd.readouterr() == ("", "")

@pytest.mark.cheap
def test_records(llm, caplog):
    logging.getLogger("shop").error("mine")
    llm("four")
    assert caplog.messages == ["mine"]

@pytest.mark.cheap
def test_warnings(llm, recwarn):
    with pytest.warns(UserWarning) as caught:
        warnings.warn("mine")
        llm("five")
    assert [str(one.message) for one in caught] == ["mine"]
    assert not recwarn

@pytest.mark.cheap
def test_own_streams(llm, tmp_path):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        print("mine")
        llm("six")
    assert out.getvalue() == "mine\\n"

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(12))
def test_noise(llm, n):
    make_noise(n)
    llm(f"first {n}")
    make_noise(n)
    llm(f"second {n}")
    make_noise(n)
""")
    watch = Watch(busy)
    result = watch.run("--ladder-live", "-W", "always")
    result.assert_outcomes(passed=17, warnings=36)
    assert watch.requests[4] == 30


def test_random_numbers_and_context_are_those_of_the_turn(busy: Shop) -> None:
    busy.test("""
import contextvars, random

who = contextvars.ContextVar("who", default="nobody")
who.set("somebody")

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(12))
def test_one(llm, n):
    random.seed(n)
    expected = random.Random(n)
    first = random.random()
    assert first == expected.random()
    llm(f"{who.get()} {first}")
    second = random.random()
    assert second == expected.random()
    who.set("somebody") if who.get() == "somebody" else who.set("wrong")
    llm(f"{who.get()} {second}")
""")
    busy.run("--ladder-live").assert_outcomes(passed=12)
    assert busy.server.count == 24
    prompts = [r.body["messages"][0]["content"] for r in busy.server.requests]
    assert {prompt.split()[0] for prompt in prompts} == {"somebody"}


def test_with_randomly_a_rehearsal_draws_what_its_turn_draws(busy: Shop) -> None:
    busy.test("""
import random

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(8))
def test_one(llm, n):
    llm(f"{n} {random.random()}")
    llm(f"{n} {random.random()}")
""")
    result = busy.run_with("randomly", "--ladder-live", "-p", "randomly", "-v")
    result.assert_outcomes(passed=8)
    assert busy.server.count == 16
    assert busy.server.peak > 4


SKIPPED = {
    "mark": ("@pytest.mark.skip", ""),
    "condition": ("@pytest.mark.skipif(1 + 1 == 2, reason='why not')", ""),
    "condition to read": ("@pytest.mark.skipif('True')", ""),
    "not run": ("@pytest.mark.xfail(run=False)", ""),
    "setup": ("", "def pytest_runtest_setup(item):\n    pytest.skip('no')\n"),
    "call": ("", "def pytest_runtest_call(item):\n    pytest.skip('no')\n"),
    "protocol": (
        "",
        "def pytest_runtest_protocol(item):\n    return True\n",
    ),
    "registered": (
        "",
        "class Mine:\n    def pytest_runtest_setup(self, item):\n"
        "        pytest.skip('no')\n"
        "def pytest_configure(config):\n    config.pluginmanager.register(Mine())\n",
    ),
    "module": ("", "pytest_plugins = ['mine']\n"),
}


@pytest.mark.parametrize("by", SKIPPED)
def test_a_test_that_is_skipped_is_not_paid_for(shop: Shop, by: str) -> None:
    mark, hook = SKIPPED[by]
    shop.write("conftest.py", f"import pytest\n{hook}")
    shop.write("mine.py", f"import pytest\n{SKIPPED['setup'][1]}")
    shop.test(f"""{TELLS}
@pytest.mark.cheap
{mark}
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    tell("answer")

@pytest.mark.cheap
{mark}
def test_body(llm):
    tell("body")
    llm("hello")
""")
    shop.pytester.syspathinsert()
    result = shop.run("--ladder-live")
    assert result.parseoutcomes().get("passed", 0) == 0
    assert told(shop) == []
    # A hook that has the call has no say in the setup.
    assert shop.server.count == (len(CASES) if by == "call" else 0)


def test_marks_and_hooks_of_others_do_not_keep_a_test_from_running_ahead(
    shop: Shop,
) -> None:
    body = f"""
import pytest
{TELLS}
@pytest.mark.cheap
@pytest.mark.skipif(False, reason="on that system only")
@pytest.mark.xfail
@pytest.mark.parametrize("n", range(3))
def test_body(llm, n):
    tell("NAME")
    llm(f"NAME {{n}}")
"""
    shop.write("test_here.py", body.replace("NAME", "here"))
    shop.write("sub/test_there.py", body.replace("NAME", "there"))
    shop.write("sub/conftest.py", "def pytest_runtest_setup(item):\n    pass\n")
    shop.run("--ladder-live").assert_outcomes(xpassed=6)
    assert rehearsed(shop) == {"here"}


NOT_REHEARSED = {
    "told not to": "@pytest.mark.ladder(ahead=False)\ndef test_one(llm):",
    "fixture of the user": "def test_one(llm, mine):",
    "autouse fixture": (
        "def test_one(llm):\n    pass\n\n"
        "@pytest.fixture(autouse=True)\ndef always():\n    tell('fixture')\n\n"
        "@pytest.mark.cheap\ndef test_two(llm):"
    ),
    "setup function": (
        "def test_one(llm):\n    pass\n\n"
        "def setup_function():\n    tell('setup')\n\n"
        "@pytest.mark.cheap\ndef test_two(llm):"
    ),
    "fixture of pytest": "def test_one(llm, tmp_path):",
    "parametrized fixture": "def test_one(llm, pair):\n    assert pair in ('A', 'B')",
    "indirect parameter": (
        "@pytest.mark.parametrize('upper', ['a'], indirect=True)\n"
        "def test_one(llm, upper):\n    assert upper == 'A'"
    ),
    "request": "def test_one(llm, request):",
    "patches": "@unittest.mock.patch('os.sep', '!')\ndef test_one(llm):",
    "patches inside": (
        "def test_one(llm):\n    with unittest.mock.patch('os.sep', '!'):\n"
        "        llm('x')"
    ),
    "environment": "def test_one(llm):\n    os.environ['X'] = '1'",
    "external": "@pytest.mark.ladder(external=True)\ndef test_one(llm):",
    "given": "@hypothesis.given(st.just(1))\ndef test_one(llm, x):",
}


@pytest.mark.parametrize("why", NOT_REHEARSED)
def test_what_may_not_run_twice_runs_once(shop: Shop, why: str) -> None:
    shop.test(f"""{TELLS}
import unittest.mock
import hypothesis
from hypothesis import strategies as st

@pytest.fixture
def mine():
    tell("fixture")

@pytest.fixture(params="ab")
def pair(request):
    return request.param.upper()

@pytest.fixture
def upper(request):
    return request.param.upper()

@pytest.mark.cheap
{NOT_REHEARSED[why]}
    llm("hello")
    tell("body")
""")
    result = shop.run("--ladder-live")
    assert result.ret == pytest.ExitCode.OK
    lines = told(shop)
    assert set(lines) <= {"body turn", "fixture turn", "setup turn"}
    assert lines.count("body turn") == (2 if why == "parametrized fixture" else 1)


@pytest.mark.parametrize("option", ["-x", "--maxfail=3", "--pdb", "-s", "--sw"])
def test_runs_that_may_stop_rehearse_nothing(busy: Shop, option: str) -> None:
    busy.test(f"""{TELLS}
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert case.expected in reply.text

@pytest.mark.cheap
def test_body(llm):
    tell("body")
    llm("hello")
""")
    watch = Watch(busy)
    watch.run("--ladder-live", option, "--ladder-concurrency=3").assert_outcomes(
        passed=17
    )
    assert told(busy) == ["body turn"]
    assert watch.requests[0] <= 3, "replies ahead are bounded to the concurrency"
    assert busy.server.peak > 1


@pytest.mark.parametrize("options", [("--co",), ()])
def test_what_pytest_does_not_run_is_not_paid_for(
    shop: Shop, options: tuple[str, ...]
) -> None:
    shop.test(BODIES["plain body"] + BODIES["reply"].replace("test_one", "test_two"))
    if not options:
        shop.write("test_broken.py", "import nothing_of_this_name\n")
    shop.run("--ladder-live", *options)
    assert shop.server.count == 0


def test_a_body_that_blocks_is_left_behind_and_stays_silent(busy: Shop) -> None:
    busy.test(f"""{TELLS}
def is_rehearsal():
    return threading.current_thread() is not threading.main_thread()

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(2))
def test_blocks(llm, n):
    if is_rehearsal():
        time.sleep(0.5)
        print("leak")
        tell("goes on")
    llm(f"blocks {{n}}")

@pytest.mark.cheap
async def test_blocks_a_loop(llm):
    await llm.acall("before")
    if is_rehearsal():
        time.sleep(0.5)
        tell("goes on")
    await llm.acall("after")

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(10))
def test_one(llm, n):
    llm(f"one {{n}}")

@pytest.mark.cheap
def test_last(llm):
    time.sleep(0.6)
""")
    watch = Watch(busy)
    result = watch.run("--ladder-live", "-rA")
    result.assert_outcomes(passed=14)
    assert "leak" not in result.stdout.str()
    assert told(busy) == []
    assert busy.server.count == 14
    assert busy.server.peak >= 8


def test_where_all_bodies_block_rehearsing_ends(shop: Shop) -> None:
    shop.test(f"""{TELLS}
@pytest.mark.cheap
@pytest.mark.parametrize("n", range(12))
def test_blocks(llm, n):
    tell("body")
    if threading.current_thread() is not threading.main_thread():
        time.sleep(1)
    llm(f"blocks {{n}}")
""")
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=12)
    assert len([line for line in told(shop) if line.endswith("ahead")]) < 12
    assert result.duration < 9


def test_a_debugger_does_not_start_in_a_rehearsal(busy: Shop) -> None:
    busy.test(f"""{TELLS}
import pdb, sys

class Debugger:
    @staticmethod
    def set_trace(*_, **__):
        tell("debugger")

@pytest.mark.cheap
@pytest.mark.parametrize("stop", ["breakpoint", "pdb", "pytest"])
def test_one(llm, stop):
    llm("before")
    if stop == "breakpoint":
        breakpoint()
    else:
        {{"pdb": pdb, "pytest": pytest}}[stop].set_trace()
    tell("body")
    llm("after")
""")
    result = busy.run("--ladder-live", "--pdbcls=test_shop:Debugger", plugins=[])
    assert not rehearsed(busy)
    result.stdout.fnmatch_lines(["*3 passed*"])


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_timeout_ends_its_test_while_others_are_ahead(
    busy: Shop, method: str
) -> None:
    # Not for ever: a run that ends waits for what it will have to pay.
    busy.server.script(hangs(3))
    busy.test("""
@pytest.mark.cheap
@pytest.mark.parametrize("n", range(6))
def test_one(llm, n):
    print("say", n)
    llm(f"say {n}")
""")
    arguments = ("--ladder-live", "--timeout=0.6", f"--timeout-method={method}")
    if method == "thread":
        # It ends the whole process.
        result = busy.pytester.runpytest_subprocess("-p", "timeout", *arguments)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert "Timeout" in result.stderr.str() + result.stdout.str()
        return
    result = busy.run_with("timeout", *arguments)
    result.assert_outcomes(passed=5, failed=1)
    assert [row["outcome"] for row in busy.rows()].count("error") == 1
    assert busy.server.peak == 6


def test_time_that_others_take_is_not_held_against_a_test(shop: Shop) -> None:
    shop.test("""
import time

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(48))
def test_one(llm, n):
    time.sleep(0.03)
    llm(f"say {n}")
""")
    # All others together take longer than a test may, each much less.
    result = shop.run_with("timeout", "--ladder-live", "--timeout=1.0")
    result.assert_outcomes(passed=48)


def test_last_failed_rehearses_only_what_runs(busy: Shop) -> None:
    busy.test("""
@pytest.mark.cheap
@pytest.mark.parametrize("n", range(6))
def test_one(llm, n):
    assert llm(f"say {n}").text in ("say 0", "say 1")
""")
    busy.run("--ladder-live").assert_outcomes(passed=2, failed=4)
    busy.run("--ladder-live", "--ladder-refresh", "--lf").assert_outcomes(failed=4)
    assert busy.server.count == 10


def test_reruns_find_what_was_asked_ahead(busy: Shop) -> None:
    busy.test("""
import threading

tries = {}

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(6))
def test_one(llm, n):
    llm(f"say {n}")
    if threading.current_thread() is threading.main_thread():
        tries[n] = tries.get(n, 0) + 1
    assert tries.get(n) == 2
""")
    result = busy.run_with("rerunfailures", "--ladder-live", "--reruns=1")
    result.stdout.fnmatch_lines(["*6 passed, 6 rerun*"])
    assert busy.server.count == busy.server.peak == 6


def test_a_failed_call_is_told_in_the_turn_and_not_paid_for_again(shop: Shop) -> None:
    shop.server.every(1, fails(400))
    shop.test("""
@pytest.mark.cheap
@pytest.mark.parametrize("n", range(4))
def test_one(llm, n):
    llm(f"say {n}")
""")
    shop.run("--ladder-live").assert_outcomes(failed=4)
    assert shop.server.count == 4


def test_own_retrievers_are_asked_on_stage(busy: Shop) -> None:
    busy.write(
        "finder.py",
        """
import warnings

def find(question, k):
    print("leak")
    warnings.warn("leak")
    return [question.upper()]
""",
    )
    text = (busy.path / "ladder.toml").read_text()
    plain = 'name = "plain"\n'
    (busy.path / "ladder.toml").write_text(
        text.replace(plain, f'{plain}retriever = "finder:find"\n')
    )
    busy.pytester.syspathinsert()
    busy.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert "SAY" in reply.text
""")
    result = busy.run("--ladder-live", "-W", "always")
    result.assert_outcomes(passed=16, warnings=16)
    assert busy.server.count == 16
    assert busy.server.peak >= 8
