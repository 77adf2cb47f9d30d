"""The scripted model: queue in, history out."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes.scripted import ScriptedLane, ScriptedModel
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.rung import Model, Tier
from pytest_ladder.errors import CallError


def ask(
    text: str = "How long is it?", *, model_id: str = "scripted/shop", **fields: Any
) -> Request:
    model = Model(name="m", tier=Tier.OFF_THE_SHELF, id=model_id, **fields)
    return Request(model=model, messages=[{"role": "user", "content": text}])


def send(request: Request, **models: ScriptedModel) -> Answer:
    return asyncio.run(ScriptedLane(models).send(request, None))


def test_replies_come_out_in_order_and_requests_are_remembered() -> None:
    shop = ScriptedModel(["45 days", "60 days"])
    answers = [send(ask(text), shop=shop).text for text in ("first", "second")]
    assert answers == ["45 days", "60 days"]
    said = [request.messages[0]["content"] for request in shop.calls]
    assert said == ["first", "second"]


def test_tokens_are_counted_in_words() -> None:
    answer = send(ask("How long is it?"), shop=ScriptedModel(["It is 45 days"]))
    assert answer.usage == Usage(input=4, output=4)
    assert (answer.model, answer.finish_reason) == ("scripted/shop", "stop")


def test_a_reply_may_say_more_than_its_text() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f"}}
    said = {
        "tool_calls": [call],
        "finish_reason": "tool_calls",
        "usage": {"input": 100, "cached_input": 90, "output": 7},
        "server_s": 0.5,
    }
    answer = send(ask(), shop=ScriptedModel([said]))
    assert answer.tool_calls == (call,)
    assert answer.usage == Usage(input=100, cached_input=90, output=7)
    assert (answer.text, answer.server_s) == ("", 0.5)


def test_a_function_sees_the_whole_conversation() -> None:
    shop = ScriptedModel(lambda messages: f"{len(messages)} message")
    assert send(ask(), shop=shop).text == "1 message"


def test_replies_may_go_on_for_ever() -> None:
    shop = ScriptedModel(itertools.cycle(["yes", "no"]))
    assert [send(ask(), shop=shop).text for _ in range(3)] == ["yes", "no", "yes"]


def test_a_streamed_reply_has_a_first_token() -> None:
    answer = send(ask(stream=True), shop=ScriptedModel(["ok"]))
    assert answer.first_token_at is not None


def broken(_: Any) -> str:
    raise KeyError("inside")


@pytest.mark.parametrize(
    ("shop", "words", "transient"),
    [
        (ScriptedModel([TimeoutError("too slow")]), "TimeoutError: too slow", True),
        (ScriptedModel([ValueError("bad")]), "raised ValueError: bad", False),
        (ScriptedModel([CallError("limited", transient=True)]), "limited", True),
        (ScriptedModel(broken), "raised KeyError", False),
        (ScriptedModel([]), "no reply left for call 1; script one more", False),
        (ScriptedModel([{"txt": "x"}]), "unknown field 'txt'; known are text", False),
    ],
)
def test_a_call_can_fail_as_a_real_one(
    shop: ScriptedModel, words: str, transient: bool
) -> None:
    with pytest.raises(CallError) as caught:
        send(ask(), shop=shop)
    assert words in str(caught.value)
    assert caught.value.transient is transient


def test_an_unknown_name_says_which_ones_there_are() -> None:
    shop, judge = ScriptedModel(["a"]), ScriptedModel(["b"])
    with pytest.raises(CallError) as caught:
        send(ask(model_id="scripted/shpo"), shop=shop, judge=judge)
    assert "'shpo' (there are: echo, judge, shop); register" in str(caught.value)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([{"role": "user", "content": "Hello"}], "Hello"),
        (
            [
                {"role": "user", "content": "one"},
                {"role": "assistant", "content": None},
                {"role": "user", "content": "two"},
                {"role": "system", "content": "three"},
            ],
            "two",
        ),
        ([{"role": "user", "content": [{"type": "text", "text": "part"}]}], "part"),
        ([], ""),
    ],
)
def test_echo_needs_no_registration(messages: list[Any], text: str) -> None:
    model = ask(model_id="scripted/echo").model
    assert send(Request(model=model, messages=messages)).text == text


def test_echo_can_be_registered_as_any_other() -> None:
    request = ask(model_id="scripted/echo")
    assert send(request, echo=ScriptedModel(["mine"])).text == "mine"


def test_each_reply_goes_to_one_of_many_threads() -> None:
    shop = ScriptedModel(map(str, range(200)))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.answer(ask()).text, range(200)))
    assert sorted(map(int, answers)) == list(range(200))
    assert len(shop.calls) == 200
