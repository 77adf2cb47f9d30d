"""Errors are told in one sentence, without frames of ours."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import says

JUDGE = """
[judge]
id = "openai/judge"
api_base = "{api_base}"
"""
SUITE = """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_reply(reply):
    pass

@pytest.mark.judged(rubric="It is polite.")
@pytest.mark.ladder(cases="cases.jsonl")
def test_verdict(verdict):
    pass

@pytest.mark.judged(judge="correctness")
@pytest.mark.ladder(cases="cases.jsonl")
def test_named_verdict(verdict):
    pass

@pytest.mark.cheap
def test_llm(llm):
    llm("x")

@pytest.mark.cheap
async def test_coroutine(llm):
    await llm.acall("x")

@pytest.mark.judged
def test_judge(judge):
    judge("reply", "is good")

@pytest.mark.judged
async def test_judge_in_a_coroutine(judge):
    await judge.acall("reply", "is good")

@pytest.mark.judged
def test_preference(judge):
    judge.prefer("a", "b", "is good")
"""


@pytest.fixture(autouse=True)
def _suite(shop: Shop) -> None:
    shop.ladder(LADDER + JUDGE)
    shop.cases([{"id": "sky", "input": "say blue", "expected": "blue"}])
    shop.test(SUITE)


def text_of(result: pytest.RunResult) -> str:
    """Return what was printed, which shows no frame but that of the test."""
    text = result.stdout.str()
    assert "All traceback entries are hidden" not in text
    assert "pytest_ladder/" not in text
    assert "INTERNALERROR" not in text
    return text


def test_a_key_that_is_not_set_is_told_in_a_sentence(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    keyed = (LADDER + JUDGE).replace(
        "api_base =", 'api_key_env = "NO_SUCH_KEY"\napi_base ='
    )
    shop.ladder(keyed)
    result = shop.run("--ladder-live")
    result.assert_outcomes(failed=5, errors=3)
    text = text_of(result)
    told = "Model 'bot' needs its key in the environment variable NO_SUCH_KEY, which is"
    assert f"\n{told}" in text, "at setup the sentence is all"
    judged = told.replace("bot", "[judge]")
    assert f"\nE       pytest_ladder.errors.CallError: {judged}" in text
    assert '\n>       judge("reply", "is good")' in text


def test_a_judge_that_cannot_be_read_is_told_in_a_sentence(shop: Shop) -> None:
    shop.server.reply = lambda _: says("So polite")
    result = shop.run("--ladder-live", "-k", "verdict or judge or preference")
    result.assert_outcomes(failed=3, errors=2)
    text = text_of(result)
    told = "The judge openai/judge gave no usable verdict on"
    assert f"\n{told} case 'sky' by your rubric, not even when asked again." in text
    assert f"{told} case 'sky' by the rubric 'correctness', not even when" in text
    assert f"JudgeError: {told} a reply by your rubric, not even when" in text
    assert f"JudgeError: {told} two replies by your rubric, not even when" in text
    assert '\n>       judge("reply", "is good")' in text


def test_each_of_several_ladders_is_named(shop: Shop) -> None:
    for name in ("tea", "coffee"):
        for file in ("ladder.toml", "cases.jsonl"):
            shop.write(f"{name}/{file}", (shop.path / file).read_text("utf-8"))
        source = SUITE.split("@pytest.mark.judged", maxsplit=1)[0]
        shop.write(f"{name}/test_{name}.py", f"import pytest\n{source}")
    result = shop.run("--ladder-live", "tea", "coffee")
    titles = [line.strip("= ") for line in result.outlines if line.startswith("=")]
    assert [t for t in titles if t.startswith("ladder")] == [
        "ladder coffee/ladder.toml",
        "ladder tea/ladder.toml",
    ]
    headers = shop.run("tea", "coffee").stdout
    headers.fnmatch_lines(
        ["ladder tea/ladder.toml: current: *", "ladder coffee/ladder.toml: current: *"]
    )
    alone = shop.run("tea")
    assert "ladder" in [line.strip("= ") for line in alone.outlines]
    shop.run("--ladder-plan", "tea", "coffee").stdout.fnmatch_lines(
        ["tea/ladder.toml: bot/plain *", "coffee/ladder.toml: bot/plain *"]
    )
