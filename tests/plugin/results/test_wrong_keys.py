"""A wrong key is told of once, with its variable and its address, not by each test."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import JUDGE, LADDER, TONE, Shop
from tests.scripted_server import fails

ANSWER = """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert case.expected in reply.text
"""
FREE_FORM = """
@pytest.mark.cheap
@pytest.mark.parametrize("number", range(20))
def test_answer(llm, number):
    assert "no" in llm(f"say {number}").text
"""
SHORT = "see above: key of 'bot' (SHOP_KEY)"
LITELLM = 'lane = "litellm"\n'
STREAM = "stream = true\n"


@pytest.fixture(autouse=True)
def _suite(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "of-no-use-at-all")
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(20)])
    shop.server.reply = lambda _: fails(401, "no such key")


def with_key(shop: Shop, more: str = "") -> None:
    shop.ladder(LADDER.replace("price =", f'api_key_env = "SHOP_KEY"\n{more}price ='))


def full(shop: Shop, status: int = 401, *, lane: str = "") -> str:
    host = shop.server.api_base.removeprefix("http://").removesuffix("/v1")
    host += " (by litellm)" if lane else ""
    how = f"The key in SHOP_KEY is refused at {host}"
    if status == 403:
        how = f"With the key in SHOP_KEY, at {host}"
    return f"{how}: model 'bot' answered {status}: no such key"


@pytest.mark.parametrize(
    ("lane", "stream", "source"),
    [
        ("", "", ANSWER),
        ("", STREAM, FREE_FORM),
        pytest.param(LITELLM, STREAM, ANSWER, marks=pytest.mark.litellm),
        pytest.param(LITELLM, "", FREE_FORM, marks=pytest.mark.litellm),
    ],
    ids=["direct", "streamed", "litellm streamed", "litellm"],
)
def test_a_wrong_key_is_told_once(
    shop: Shop, lane: str, stream: str, source: str
) -> None:
    with_key(shop, lane + stream)
    shop.test(source)
    result = shop.run("--ladder-live", "-rN", "--ladder-report=out")
    told = result.stdout.str()
    assert told.count(full(shop, lane=lane)) == 1
    assert told.count(SHORT) == 19
    assert told.index(full(shop, lane=lane)) < told.index(SHORT)
    assert "of-no-use" not in told
    # A row stands for itself, wherever it is read.
    rows = (shop.path / "out/rows.jsonl").read_text(encoding="utf-8")
    assert rows.count(full(shop, lane=lane)) == 20


@pytest.mark.processes
def test_workers_tell_of_a_wrong_key_once(shop: Shop) -> None:
    with_key(shop)
    shop.test(ANSWER)
    told = shop.run("--ladder-live", "-rN", "-n2").stdout.str()
    assert told.count(full(shop)) == 1
    assert told.count(SHORT) == 19


def test_a_key_that_may_not_is_told_once(shop: Shop) -> None:
    with_key(shop)
    shop.test(ANSWER)
    shop.server.reply = lambda _: fails(403, "no such key")
    told = shop.run("--ladder-live", "-rN").stdout.str()
    # The first one may have been about its prompt.
    assert told.count("Model 'bot' answered 403: no such key") == 1
    assert told.count(full(shop, 403)) == 1
    assert told.count(SHORT) == 18


def test_a_key_that_is_not_set_is_told_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key(shop)
    monkeypatch.delenv("SHOP_KEY")
    shop.test(ANSWER)
    told = shop.run("--ladder-live", "-rN").stdout.str()
    assert told.count("needs its key in the environment variable SHOP_KEY") == 1
    assert told.count(SHORT) == 19
    assert shop.server.count == 0


def test_where_no_key_was_sent_the_sentence_says_how_to_send_one(shop: Shop) -> None:
    shop.test(ANSWER)
    told = shop.run("--ladder-live", "-rN").stdout.str()
    assert told.count("(`api_key_env` names the variable that holds one): model") == 1
    assert told.count("see above: key of 'bot'") == 19


def test_each_wrong_key_is_told_of(shop: Shop) -> None:
    with_key(shop, "")
    ladder = (shop.path / "ladder.toml").read_text(encoding="utf-8")
    judge = JUDGE.format(api_base=shop.server.api_base)
    judged = f'{ladder}{judge}api_key_env = "JUDGE_KEY"\n'
    shop.write("ladder.toml", judged)
    shop.test(TONE + ANSWER)
    told = shop.run("--ladder-live", "-rN", "--ladder-missing=skip").stdout.str()
    assert told.count(full(shop)) == 1
    assert told.count(SHORT) == 39


def test_junit_has_the_short_words_too(shop: Shop) -> None:
    with_key(shop)
    shop.test(ANSWER)
    shop.run("--ladder-live", "--junitxml=junit.xml")
    junit = (shop.path / "junit.xml").read_text(encoding="utf-8")
    assert junit.count("is refused at") >= 1
    assert junit.count("see above: key of") >= 19
