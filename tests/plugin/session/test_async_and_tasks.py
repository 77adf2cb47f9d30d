"""Coroutines, threads, Hypothesis, and the user's own application as a task."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import CASES, Shop
from tests.scripted_server import last_user_message, says

COROUTINES = """
import asyncio

@pytest.mark.cheap
{mark}
async def test_calls(llm):
    first = await llm.acall("say blue")
    second = await llm.acall([*first.messages, {{"role": "user", "content": "more"}}])
    assert second.text == "more"

@pytest.mark.cheap
{mark}
async def test_gathers(llm):
    words = [f"word {{n}}" for n in range(6)]
    replies = await asyncio.gather(*(llm.acall(word) for word in words))
    assert [reply.text for reply in replies] == words

@pytest.mark.cheap(at_least=0.1)
{mark}
async def test_misses(llm):
    assert (await llm.acall("say red")).text == "say blue"

@pytest.mark.cheap
{mark}
@pytest.mark.ladder(cases="cases.jsonl")
async def test_reply(reply, case):
    await asyncio.sleep(0)
    assert reply.text == case.input
"""
TASK = """
{task}

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", task={name}{more})
def test_answer(reply, case):
    {body}
"""


def check_coroutines(shop: Shop, result: pytest.RunResult) -> None:
    # A share of one test that misses is too low, and is the only failure.
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*1 missed*"])
    outcomes = shop.outcomes()
    assert outcomes.pop("test_misses[bot/plain-]") == "missed"
    assert len(outcomes) == 5
    assert set(outcomes.values()) == {"passed"}
    bills = {row["test"][-7:]: len(row["replies"]) for row in shop.rows()}
    assert (bills["t_calls"], bills["gathers"], bills["t_reply"]) == (2, 6, 1)


def test_coroutines_need_no_other_plugin(shop: Shop) -> None:
    shop.test(COROUTINES.format(mark=""))
    check_coroutines(shop, shop.run("--ladder-live"))


@pytest.mark.parametrize(
    ("plugin", "mark", "arguments"),
    [
        ("asyncio", "", ["-o", "asyncio_mode=auto"]),
        ("asyncio", "@pytest.mark.asyncio", []),
        ("asyncio", "", []),
        ("anyio", "@pytest.mark.anyio", []),
        ("anyio", "", []),
    ],
)
def test_coroutines_run_with_the_usual_plugins(
    shop: Shop, plugin: str, mark: str, arguments: list[str]
) -> None:
    # anyio would run each test over every backend it finds.
    shop.write(
        "conftest.py",
        "import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n",
    )
    shop.test(COROUTINES.format(mark=mark))
    if plugin == "asyncio":
        arguments = [*arguments, "-o", "asyncio_default_fixture_loop_scope=function"]
    check_coroutines(shop, shop.run_with(plugin, "--ladder-live", *arguments))


def test_calls_from_a_coroutine_run_side_by_side(shop: Shop) -> None:
    shop.server.latency_s = 0.05
    shop.test(COROUTINES.format(mark=""))
    shop.run("--ladder-live", "-k", "gathers").assert_outcomes(passed=1)
    assert shop.server.peak == 6


def test_coroutines_without_a_level_stay_pytests_business(shop: Shop) -> None:
    shop.test("async def test_one():\n    pass\n")
    result = shop.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_llm_may_be_called_from_threads(shop: Shop) -> None:
    shop.server.latency_s = 0.05
    shop.test("""
from concurrent.futures import ThreadPoolExecutor

@pytest.mark.cheap
def test_threads(llm):
    words = [f"word {n}" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert [reply.text for reply in pool.map(llm, words)] == words
""")
    shop.run("--ladder-live").assert_outcomes(passed=1)
    assert shop.server.peak > 1
    assert len(shop.rows()[0]["replies"]) == 8


def test_llm_in_a_running_loop_of_the_users(shop: Shop) -> None:
    shop.test("""
import asyncio

@pytest.mark.cheap
async def test_blocking_call(llm):
    assert llm("say blue").text == "say blue"

@pytest.mark.cheap
def test_own_loop(llm):
    assert asyncio.run(llm.acall("say red")).text == "say red"
""")
    shop.run("--ladder-live").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("def task(case, llm):\n    return llm(case.input).text.upper()", "SAY BLUE"),
        (
            "async def task(case, llm):\n"
            "    return (await llm.acall(case.input)).text.upper()",
            "SAY BLUE",
        ),
        ("def task(case, llm):\n    return llm.ask(case)", "say blue"),
        (
            "def task(case, llm):\n    return {'colour': llm.ask(case).text[4:]}",
            '{"colour":"blue"}',
        ),
        (
            "class App:\n"
            "    async def __call__(self, case, llm):\n"
            "        return (await llm.acall(case.input)).text\n"
            "task = App()",
            "say blue",
        ),
    ],
    ids=["text", "async", "reply", "dict", "object"],
)
def test_a_task_stands_in_for_the_rung(shop: Shop, task: str, text: str) -> None:
    shop.cases(CASES[:1])
    body = f"assert reply.text == {text!r}"
    shop.test(TASK.format(task=task, name="task", more="", body=body))
    shop.run("--ladder-live").assert_outcomes(passed=1)
    shop.run().assert_outcomes(passed=1)
    assert shop.server.count == 1
    assert shop.rows()[0]["text"] == text


def test_a_tasks_calls_add_up_to_one_reply(shop: Shop) -> None:
    shop.cases(CASES[:1])
    task = """
from concurrent.futures import ThreadPoolExecutor

def task(case, llm):
    first = llm(case.input)
    more = [*first.messages, {"role": "user", "content": "more"}]
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(llm, more).result().text
"""
    body = """
    assert reply.text == "more"
    assert (reply.usage.input, reply.usage.output) == (7, 3)
    assert reply.cost_usd == pytest.approx(13e-6)
    assert reply.latency_s > 0
"""
    shop.test(TASK.format(task=task, name="task", more="", body=body.strip()))
    shop.run("--ladder-live").assert_outcomes(passed=1)
    (row,) = shop.rows()
    (bill,) = row["replies"]
    assert bill["cost_usd"] == pytest.approx(13e-6)
    assert len(bill["calls"]) == 2
    matrix = shop.matrix()
    assert matrix["rungs"][0]["cost"]["usd_per_1k"] == pytest.approx(13e-3)
    assert matrix["spend"]["live_calls"] == 2
    assert len((shop.path / "recordings/test_shop.jsonl").read_text().splitlines()) == 2


def test_a_task_of_another_type_says_what_to_return(shop: Shop) -> None:
    task = "def task(case, llm):\n    return 7"
    shop.test(TASK.format(task=task, name="task", more="", body="pass"))
    result = shop.run("-k", "sky")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["The task task returned int; return str, dict or*"])


def test_a_task_that_raises_is_an_error(shop: Shop) -> None:
    task = "def task(case, llm):\n    raise RuntimeError('the app is down')"
    shop.test(TASK.format(task=task, name="task", more="", body="pass"))
    result = shop.run("-k", "sky")
    result.stdout.fnmatch_lines(["E *RuntimeError: the app is down"])
    assert shop.outcomes() == {"test_answer[bot/plain-sky]": "error"}


def test_an_external_task_needs_a_live_run_and_has_no_known_cost(shop: Shop) -> None:
    task = "def task(case, llm):\n    return llm(case.input).text"
    source = TASK.format(task=task, name="task", more=", external=True", body="pass")
    shop.cases(CASES[:1])
    shop.test(source)
    result = shop.run("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*external=True*--ladder-live*"])
    shop.run("--ladder-live").assert_outcomes(passed=1)
    cost = shop.matrix()["rungs"][0]["cost"]
    assert (cost["usd_per_1k"], cost["known"]) == (None, False)


def test_an_external_test_without_a_task_is_skipped_too(shop: Shop) -> None:
    shop.cases(CASES[:1])
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", external=True)
def test_metric_library(reply):
    pass

@pytest.mark.cheap
@pytest.mark.ladder(external=True)
def test_free(score):
    score(0.5)
""")
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["spent * product, unknown evaluation)*"])
    assert shop.matrix()["spend"]["evaluation_usd"] is None
    shop.run().assert_outcomes(skipped=2)


@pytest.mark.parametrize("processes", [(), ("-n1",)], ids=["plain", "worker"])
def test_bodies_under_given_use_llm_rung_and_score(
    shop: Shop, processes: tuple[str, ...]
) -> None:
    shop.test("""
from hypothesis import given, settings, strategies as st

@pytest.mark.cheap
@settings(max_examples=5, deadline=None, database=None, derandomize=True)
@given(word=st.sampled_from(["tea", "coffee"]))
def test_echoes(llm, rung, score, word):
    assert rung.id == "bot/plain"
    assert llm(word).text == word
    score(0.5)
""")
    result = shop.run_with("hypothesispytest", "--ladder-live", *processes)
    result.assert_outcomes(passed=1)
    assert shop.rows()[0]["score"] == 0.5
    assert shop.server.count == 2


def test_bodies_under_given_use_reply_and_case(shop: Shop) -> None:
    shop.test("""
from hypothesis import given, settings, strategies as st

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
@settings(max_examples=3, deadline=None, database=None, derandomize=True)
@given(n=st.integers())
def test_any(reply, case, n):
    assert reply.text == case.input
""")
    result = shop.run_with("hypothesispytest", "--ladder-live")
    result.assert_outcomes(passed=3)


def test_unittest_classes_are_untouched(shop: Shop) -> None:
    shop.test("""
import unittest

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
class TestOld(unittest.TestCase):
    def test_one(self):
        pass
""")
    result = shop.run("-v")
    result.assert_outcomes(passed=1)
    assert not (shop.path / "ladder-report").exists()


def test_reply_tells_what_the_model_told(shop: Shop) -> None:
    shop.server.reply = lambda body: says(
        last_user_message(body), model="bot-2026", usage={"completion_tokens": 9}
    )
    shop.cases(CASES[:1])
    shop.test(
        """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_reply(reply):
    assert reply.model == "bot-2026"
    assert (reply.usage.input, reply.usage.output) == (2, 9)
    assert reply.finish_reason == "stop"
    assert reply.cost_usd == pytest.approx(20e-6)
    assert reply.messages[-1] == {"role": "assistant", "content": "say blue"}
    assert reply.replayed is LIVE
""".replace("LIVE", "False")
    )
    shop.run("--ladder-live").assert_outcomes(passed=1)
