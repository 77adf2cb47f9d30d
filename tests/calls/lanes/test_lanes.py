"""Both lanes give the same reply, usage, cost and error for the same exchange."""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes.address import base_of, lane_of
from pytest_ladder.calls.lanes.litellm_lane import LitellmLane
from pytest_ladder.calls.lanes.providers import sent_name
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.rung import Model, Price, Tier
from pytest_ladder.errors import CallError
from tests.scripted_server import (
    Act,
    ScriptedServer,
    Sends,
    calls_tool,
    fails,
    filtered,
    garbage,
    hangs,
    limits,
    resets,
    says,
    sends,
    truncates,
)

if TYPE_CHECKING:
    from tests.calls.conftest import Line

# The date parser of Python's own library fails over it with an OverflowError.
ENDLESS = "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"
KEY = "sk-planted-0123456789abcdef"
DETAILED = {
    "prompt_tokens": 1200,
    "completion_tokens": 250,
    "prompt_tokens_details": {"cached_tokens": 800},
    "completion_tokens_details": {"reasoning_tokens": 200},
}
WEATHER: dict[str, Any] = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Uji"}'},
}


def model_of(model_id: str, **fields: Any) -> Model:
    return Model(name="m", tier=Tier.OFF_THE_SHELF, id=model_id, **fields)


def failure(line: Line, *acts: Act, server: ScriptedServer, **fields: Any) -> CallError:
    server.script(*acts)
    with pytest.raises(CallError) as caught:
        line.send(**fields)
    return caught.value


REPLIES: dict[str, tuple[Act, dict[str, Any]]] = {
    "text": (
        says("The window is 45 days"),
        {"text": "The window is 45 days", "finish_reason": "stop"},
    ),
    "usage": (
        says("ok", usage=DETAILED),
        {"usage": Usage(input=1200, cached_input=800, output=250, reasoning=200)},
    ),
    "no usage": (says("ok", usage=None), {"usage": None}),
    "tool call": (
        calls_tool("weather", {"city": "Uji"}),
        {"text": "", "finish_reason": "tool_calls", "tool_calls": (WEATHER,)},
    ),
    "truncated": (
        says("The window", finish_reason="length"),
        {"text": "The window", "finish_reason": "length"},
    ),
    "filtered": (filtered(), {"text": "", "finish_reason": "content_filter"}),
    "null content": (says(None), {"text": "", "finish_reason": "stop"}),
    "multibyte": (says("45日 📦 é"), {"text": "45日 📦 é"}),
    "huge": (says("tea " * 100_000), {"text": "tea " * 100_000}),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_reads_the_same_on_every_lane(
    line: Line, server: ScriptedServer, name: str
) -> None:
    act, expected = REPLIES[name]
    server.script(act)
    answer = line.send()
    assert {field: getattr(answer, field) for field in expected} == expected
    assert answer.model == "x"
    assert answer.first_token_at is None


@pytest.mark.parametrize("name", [name for name in REPLIES if name != "huge"])
def test_a_streamed_reply_reads_as_one_that_is_not(
    line: Line, server: ScriptedServer, name: str
) -> None:
    act, expected = REPLIES[name]
    server.script(act)
    before = time.monotonic()
    answer = line.send(stream=True)
    assert {field: getattr(answer, field) for field in expected} == expected
    assert server.requests[0].body["stream_options"] == {"include_usage": True}
    if answer.text or answer.tool_calls:
        assert answer.first_token_at is not None
        assert before < answer.first_token_at < time.monotonic()
    else:
        assert answer.first_token_at is None


def test_the_time_of_the_server_is_reported(line: Line, server: ScriptedServer) -> None:
    timings = {"prompt_ms": 120.0, "predicted_ms": 380.0, "predicted_per_second": 9.1}
    server.script(says("ok", extra={"timings": timings}), says("ok"))
    assert line.send().server_s == pytest.approx(0.5)
    assert line.send().server_s is None


def test_the_same_exchange_costs_the_same(line: Line, server: ScriptedServer) -> None:
    server.script(says("ok", usage=DETAILED))
    answer = line.send()
    price = Price(input=0.15, cached_input=0.075, output=0.60)
    model = model_of("openai/x", price=price)
    cost, source = cost_of(model, answer.usage, None, PriceTable())
    assert cost == pytest.approx(0.00027)  # methods.md V16
    assert source == "ladder.toml"


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens_details": {"cached_tokens": 3, "cache_creation_tokens": 4}},
        {"cache_read_input_tokens": 3, "cache_creation_input_tokens": 4},
        {"prompt_cache_hit_tokens": 3, "cache_creation_input_tokens": 4},
    ],
)
def test_cached_tokens_are_found_under_every_name(
    line: Line, server: ScriptedServer, usage: dict[str, Any]
) -> None:
    counts = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    server.script(says("ok", usage=counts | usage))
    expected = Usage(input=10, cached_input=3, cache_write=4, output=1)
    assert line.send().usage == expected


REFUSALS: dict[str, tuple[Sends, int, bool, float | None]] = {
    "bad request": (fails(400, "no such option"), 400, False, None),
    "bad key": (fails(401), 401, False, None),
    "forbidden": (fails(403), 403, False, None),
    "unknown model": (fails(404), 404, False, None),
    "unprocessable": (fails(422), 422, False, None),
    "too long": (
        fails(400, "maximum context length", code="context_length_exceeded"),
        400,
        False,
        None,
    ),
    "timed out there": (fails(408), 408, True, None),
    "conflict": (fails(409), 409, True, None),
    "too early": (fails(425), 425, True, None),
    "limited": (limits(), 429, True, None),
    "limited for 7 s": (limits("7"), 429, True, 7.0),
    "limited for 1500 ms": (limits(milliseconds="1500"), 429, True, 1.5),
    "limited for nonsense": (limits("soon"), 429, True, None),
    "limited for a zone without end": (limits(ENDLESS), 429, True, None),
    "limited for ever": (limits("1e999"), 429, True, None),
    "out of quota": (
        fails(429, "check your plan", code="insufficient_quota"),
        429,
        False,
        None,
    ),
    "broken": (fails(500), 500, True, None),
    "overloaded": (fails(503, headers={"Retry-After": "2"}), 503, True, 2.0),
    "Anthropic's overloaded": (fails(529), 529, True, None),
    "a gateway's page": (
        Sends(status=502, body=b"<html>Bad gateway</html>", content_type="text/html"),
        502,
        True,
        None,
    ),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_reads_the_same_on_every_lane(
    line: Line, server: ScriptedServer, name: str, stream: bool
) -> None:
    act, status, transient, retry_after_s = REFUSALS[name]
    fault = failure(line, act, server=server, stream=stream)
    assert (fault.status, fault.transient) == (status, transient)
    assert fault.retry_after_s == retry_after_s
    asked = f" to {server.api_base}/chat/completions" if status == 404 else ""
    assert str(fault).startswith(f"Model 'smol' answered {status}{asked}: ")
    assert server.count == 1, "a lane never repeats a call: the engine does"


def test_a_refusal_quotes_the_provider(line: Line, server: ScriptedServer) -> None:
    fault = failure(line, fails(400, "no such option: top_q"), server=server)
    assert str(fault) == "Model 'smol' answered 400: no such option: top_q"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "model not loaded"}, "model not loaded"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"message": "Too many tokens"}, "Too many tokens"),
        ([{"error": {"code": 400, "message": "bad part"}}], "bad part"),
    ],
)
def test_providers_tell_what_is_wrong_in_several_dialects(
    direct: Line, server: ScriptedServer, body: Any, words: str
) -> None:
    fault = failure(direct, sends(body, status=400), server=server)
    assert str(fault) == f"Model 'smol' answered 400: {words}"


def test_retry_after_may_be_a_date(line: Line, server: ScriptedServer) -> None:
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    fault = failure(line, limits(date), server=server)
    assert fault.retry_after_s == pytest.approx(30, abs=5)


ACCIDENTS: dict[str, tuple[Act, str]] = {
    "reset": (resets(), "connection to model 'smol' failed"),
    "body cut off": (truncates(), "connection to model 'smol' failed"),
    "no JSON": (garbage(), "no usable answer: it is not JSON"),
    "no choice": (sends({"choices": [], "model": "x"}), "it holds no choice"),
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_an_accident_is_transient_and_has_no_status(
    line: Line, server: ScriptedServer, name: str
) -> None:
    act, words = ACCIDENTS[name]
    fault = failure(line, act, server=server)
    assert (fault.status, fault.transient) == (None, True)
    assert words in str(fault)


def test_choices_may_be_missing_altogether(line: Line, server: ScriptedServer) -> None:
    fault = failure(line, sends({"id": "1", "model": "x"}), server=server)
    assert (fault.status, fault.transient) == (None, True)


@pytest.mark.parametrize(
    "act",
    [
        says("a b c d", cut_after=3),
        says("a b c d", stop_after=3),
        says("a b c d", stop_after=0),
        garbage("event: nothing"),
        resets(),
    ],
    ids=["cut off", "ended early", "empty", "garbage", "reset"],
)
def test_a_stream_that_does_not_finish_is_no_reply(
    line: Line, server: ScriptedServer, act: Act
) -> None:
    fault = failure(line, act, server=server, stream=True)
    assert (fault.status, fault.transient) == (None, True)


def test_a_stream_may_end_without_done_after_its_finish_reason(
    line: Line, server: ScriptedServer
) -> None:
    server.script(says("a b", stop_after=4))
    answer = line.send(stream=True)
    assert (answer.text, answer.finish_reason, answer.usage) == ("a b", "stop", None)


def test_an_error_in_the_middle_of_a_stream_is_told(
    direct: Line, server: ScriptedServer
) -> None:
    event = json.dumps({"error": {"code": 503, "message": "no worker left"}})
    body = f": comment\r\n\r\ndata:{event}\r\n\r\n".encode()
    act = Sends(body=body, content_type="text/event-stream")
    fault = failure(direct, act, server=server, stream=True)
    assert str(fault) == "Model 'smol' reported an error: no worker left"
    assert (fault.status, fault.transient) == (503, True)


def test_an_error_with_status_200_is_an_error(
    direct: Line, server: ScriptedServer
) -> None:
    act = sends({"error": {"code": 402, "message": "no credits"}})
    fault = failure(direct, act, server=server)
    assert (fault.status, fault.transient) == (402, False)
    assert "no credits" in str(fault)


def test_a_server_that_ignores_stream_is_understood(
    direct: Line, server: ScriptedServer
) -> None:
    whole = {"message": {"content": "all at once"}, "finish_reason": "stop"}
    server.script(sends({"choices": [whole]}))
    assert direct.send(stream=True).text == "all at once"


def test_a_call_ends_at_its_timeout(line: Line, server: ScriptedServer) -> None:
    fault = failure(line, hangs(), server=server, params={"timeout": 0.3})
    assert (fault.status, fault.transient) == (None, True)
    assert "did not answer within 0.3 s" in str(fault)


def test_the_timeout_is_for_the_whole_call_not_for_each_token(
    line: Line, server: ScriptedServer
) -> None:
    server.pause_s = 0.1
    words = says("tick " * 100)
    before = time.monotonic()
    fault = failure(line, words, server=server, params={"timeout": 0.5}, stream=True)
    assert fault.transient
    assert time.monotonic() - before < 8, "the words take 10 s"


def test_a_port_where_nobody_listens_is_transient(line: Line) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(CallError) as caught:
            line.send(api_base=f"http://127.0.0.1:{held.getsockname()[1]}/v1")
    assert (caught.value.status, caught.value.transient) == (None, True)


def test_an_address_that_is_none_is_not_worth_a_retry(direct: Line) -> None:
    with pytest.raises(CallError) as caught:
        direct.send(api_base="not a url")
    assert not caught.value.transient


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    line: Line, server: ScriptedServer, status: int, stream: bool
) -> None:
    with ScriptedServer(reply=lambda _: "the other host's words") as other:
        there = f"{other.api_base}/chat/completions"
        act = Sends(status=status, body=b"", headers={"Location": there})
        fault = failure(line, act, server=server, stream=stream)
        assert other.count == 0
    assert (fault.status, fault.transient) == (status, False)
    asked = f"{server.api_base}/chat/completions"
    assert f"answered {status} to {asked}: it sends the call on to {there}, and " in (
        str(fault)
    )
    assert server.count == 1


def test_a_redirect_within_a_host_is_refused_as_well(
    line: Line, server: ScriptedServer
) -> None:
    act = Sends(status=307, body=b"", headers={"Location": "/elsewhere"})
    fault = failure(line, act, server=server)
    assert (fault.status, fault.transient) == (307, False)


FAMILIES = {
    "anthropic/claude-3-5-haiku-latest": {},
    "gemini/gemini-2.0-flash": {},
    "mistral/mistral-small-latest": {},
    "cohere_chat/command-r": {},
    "huggingface/org/model": {},
    "ollama_chat/llama3": {},
    "ollama/llama3": {},
    "azure/deployment": {"api_version": "2024-10-21"},
    "azure_ai/model": {},
    "watsonx/ibm/granite": {"project_id": "p"},
    "bedrock/anthropic.claude-3-haiku-20240307-v1:0": {
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
        "aws_region_name": "us-east-1",
    },
    "deepseek/deepseek-chat": {},
    "groq/llama3": {},
    "openrouter/x/y": {},
    "together_ai/x/y": {},
    "aiohttp_openai/x": {},
    "text-completion-openai/x": {},
}
"""Providers that litellm reaches by clients and code of their own."""


def test_no_family_of_litellms_providers_follows_a_redirect(
    server: ScriptedServer, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_LOGIN", KEY)
    monkeypatch.setenv("WATSONX_TOKEN", KEY)
    lane = LitellmLane()
    with ScriptedServer() as other:
        act = Sends(status=307, body=b"", headers={"Location": other.url})
        server.everywhere, other.everywhere = act, act
        faulty = {name: _redirected(lane, server, runner, name) for name in FAMILIES}
        assert other.hits == 0
    runner.run(lane.close())
    assert {name: fault.status for name, fault in faulty.items()} == dict.fromkeys(
        FAMILIES, 307
    )


def _redirected(
    lane: LitellmLane, server: ScriptedServer, runner: asyncio.Runner, name: str
) -> CallError:
    base = f"{server.url}/elsewhere"
    model = model_of(name, api_base=base, api_key_env="SHOP_LOGIN")
    request = Request(
        model=model,
        messages=[{"role": "user", "content": "hello"}],
        params={"timeout": 20, "max_tokens": 5, **FAMILIES[name]},
    )
    with pytest.raises(CallError) as caught:
        runner.run(lane.send(request, None))
    return caught.value


def test_a_users_own_calls_follow_redirects_as_ever(
    server: ScriptedServer, litellm: Any
) -> None:
    import httpx

    with ScriptedServer() as other:
        server.everywhere = Sends(
            status=307, body=b"", headers={"Location": f"{other.url}/health"}
        )
        with httpx.Client(follow_redirects=True) as client:
            assert client.get(f"{server.url}/any").json() == {"status": "ok"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("status", [401, 400, 500])
def test_no_planted_key_reaches_an_error(
    line: Line,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    stream: bool,
) -> None:
    monkeypatch.setenv("SHOP_MODEL", KEY)
    monkeypatch.setenv("OTHER_API_KEY", "hunter2-hunter2")
    told = f"wrong {KEY}, Bearer abc.def, sk-proj-1*2, hunter2-hunter2 \x1b[31m\x00"
    fault = failure(
        line,
        fails(status, told),
        server=server,
        api_key_env="SHOP_MODEL",
        stream=stream,
    )
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    hidden = "[redacted]"
    words = f"wrong {hidden}, {hidden}, {hidden}, {hidden} [31m"
    assert str(fault) == f"Model 'smol' answered {status}: {words}"


def test_no_key_hides_in_the_locals_or_causes_of_an_error(
    line: Line, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_MODEL", KEY)
    fault = failure(line, fails(401, KEY), server=server, api_key_env="SHOP_MODEL")
    assert fault.__cause__ is fault.__context__ is None
    step, shown = fault.__traceback__, ""
    while step is not None:
        if "pytest_ladder" in step.tb_frame.f_code.co_filename:
            shown += repr(step.tb_frame.f_locals)
        step = step.tb_next
    assert "smol" in shown
    assert KEY not in shown


def test_a_long_message_is_shortened(line: Line, server: ScriptedServer) -> None:
    fault = failure(line, fails(400, "tea " * 1000), server=server)
    assert len(str(fault)) == 300


def test_the_key_is_read_when_it_is_needed(
    line: Line, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("first-key", "second-key"):
        monkeypatch.setenv("SHOP_MODEL", key)
        line.send(api_key_env="SHOP_MODEL")
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer first-key", "Bearer second-key"]


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_is_named_and_nothing_is_sent(
    line: Line,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    value: str | None,
) -> None:
    monkeypatch.delenv("SHOP_MODEL", raising=False)
    if value is not None:
        monkeypatch.setenv("SHOP_MODEL", value)
    fault = failure(line, server=server, api_key_env="SHOP_MODEL")
    assert not fault.transient
    assert "environment variable SHOP_MODEL, which is not set" in str(fault)
    assert server.count == 0


def test_the_key_of_openai_goes_to_nobody_else(
    line: Line, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", KEY)
    line.send()
    assert KEY not in repr(server.requests)


def test_openai_itself_needs_its_key(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(CallError, match="OPENAI_API_KEY, which is not set"):
        line.send(id="openai/gpt-x", api_base=None)


def test_without_a_key_the_direct_lane_sends_no_authorization(
    direct: Line, server: ScriptedServer
) -> None:
    direct.send()
    assert "authorization" not in server.requests[0].headers


def test_a_server_of_this_session_is_reached_by_its_address(
    line: Line, server: ScriptedServer
) -> None:
    answer = line.send(address=server.url, id="local/smollm2-135m", api_base=None)
    assert answer.text == "Say something now"
    assert server.requests[0].body["model"] == "smollm2-135m"


def test_parameters_are_sent_as_they_are(line: Line, server: ScriptedServer) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    params = {"temperature": 0, "max_tokens": 48, "seed": 7, "tools": [tool]}
    messages = [{"role": "system", "content": "Be brief."}]
    messages.append({"role": "user", "content": "Hi"})
    line.send(messages, params={**params, "extra_body": {"cache_prompt": True}})
    expected = params | {"cache_prompt": True, "messages": messages, "model": "x"}
    assert server.requests[0].body == expected


@pytest.mark.parametrize("name", ["gpt-5-nano", "o3-mini"])
def test_reasoning_models_get_the_limit_under_its_new_name(
    direct: Line, server: ScriptedServer, name: str
) -> None:
    direct.send(id=f"openai/{name}", params={"max_tokens": 48})
    body = server.requests[0].body
    assert body["max_completion_tokens"] == 48
    assert "max_tokens" not in body


def test_a_timeout_that_is_none_is_told(line: Line) -> None:
    with pytest.raises(CallError, match="give a number of seconds above 0"):
        line.send(params={"timeout": "soon"})


def test_answers_to_many_calls_at_once_are_not_mixed_up(
    line: Line, server: ScriptedServer
) -> None:
    # So long that a busy machine, too, sends ten before the first is answered.
    server.latency_s = 0.5

    async def ask_all() -> list[Answer]:
        asked = [
            Request(model=line.model, messages=[{"role": "user", "content": f"q{n}"}])
            for n in range(30)
        ]
        return await asyncio.gather(*(line.lane.send(r, None) for r in asked))

    answers = line.runner.run(ask_all())
    assert [answer.text for answer in answers] == [f"q{n}" for n in range(30)]
    assert server.peak > 10


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_closed_lane_leaves_no_task_on_the_loop(line: Line, stream: bool) -> None:
    async def tasks() -> dict[int, str]:
        now = asyncio.all_tasks() - {asyncio.current_task()}
        return {id(task): str(task.get_coro()) for task in now}

    # The children of another test's lane may be at work.
    before = line.runner.run(tasks())
    line.send(stream=stream)
    line.runner.run(line.lane.close())
    assert line.runner.run(tasks()).items() <= before.items()


def test_a_cancelled_call_ends_at_once(line: Line, server: ScriptedServer) -> None:
    server.script(hangs())
    request = Request(model=line.model, messages=[{"role": "user", "content": "Hi"}])

    async def cancel() -> None:
        call = asyncio.ensure_future(line.lane.send(request, None))
        while server.count == 0:  # bounded by the call, which ends the test
            await asyncio.wait([call], timeout=0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    line.runner.run(line.lane.open())  # an import is not what is timed
    before = time.monotonic()
    line.runner.run(cancel())
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (model_of("openai/gpt-x"), True),
        (model_of("hosted_vllm/org/name"), True),
        (model_of("local/smollm2-135m"), True),
        (model_of("anything", api_base="http://127.0.0.1:1/v1"), True),
        (model_of("gpt-4o"), False),
        (model_of("mistral/small"), True),
        (model_of("openrouter/openai/gpt-x"), True),
        (model_of("groq/llama-x", lane="litellm"), False),
        (model_of("azure/deployment", api_base="http://127.0.0.1:1"), False),
        (model_of("gemini/flash"), False),
        (model_of("anthropic/claude-x"), False),
        (model_of("openai/gpt-x", lane="litellm"), False),
        (model_of("anthropic/claude-x", lane="direct"), True),
    ],
)
def test_the_lane_is_chosen_by_protocol_and_can_be_forced(
    model: Model, expected: bool
) -> None:
    assert (lane_of(model) == "direct") is expected


@pytest.mark.parametrize(
    ("model", "address", "base", "name"),
    [
        (model_of("openai/gpt-x"), None, "https://api.openai.com/v1", "gpt-x"),
        (
            model_of("hosted_vllm/org/name", api_base="http://h:1/v1/"),
            None,
            "http://h:1/v1",
            "org/name",
        ),
        (model_of("plain", api_base="http://h:1/v1"), None, "http://h:1/v1", "plain"),
        (model_of("local/a"), "http://127.0.0.1:2", "http://127.0.0.1:2/v1", "a"),
        (model_of("local/a"), "http://127.0.0.1:2/v1", "http://127.0.0.1:2/v1", "a"),
        (model_of("replicate/command-x"), None, None, "command-x"),
        (
            model_of("groq/llama-x"),
            None,
            "https://api.groq.com/openai/v1",
            "llama-x",
        ),
    ],
)
def test_a_model_has_one_place_and_one_name(
    model: Model, address: str | None, base: str | None, name: str
) -> None:
    assert (base_of(model, address), sent_name(model)) == (base, name)


def test_a_direct_model_without_an_address_is_told(direct: Line) -> None:
    with pytest.raises(CallError, match="add `api_base`"):
        direct.send(id="replicate/command-x", api_base=None, lane="direct")


def test_litellm_names_a_provider_it_does_not_know(server: ScriptedServer) -> None:
    request = Request(model=model_of("nobody/nothing"), messages=[])
    with pytest.raises(CallError, match="nobody/nothing") as caught:
        asyncio.run(LitellmLane().send(request, None))
    assert not caught.value.transient


def run_python(code: str, *options: str) -> str:
    # litellm's import takes 5 s of CPU time, which have taken a busy machine a minute.
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


CALL = """
import asyncio, os, sys
from pytest_ladder.calls.contract import Request
from pytest_ladder.core.rung import Model, Tier
from pytest_ladder.calls.lanes.{module} import {lane}
assert not {{"aiohttp", "litellm"}} & set(sys.modules)
# litellm counts tokens of a stream in a thread, and says there where its tokenizer is.
own = "TIKTOKEN_CACHE_DIR"
environment = dict(os.environ)
model = Model(name="m", tier=Tier.PRETRAINED, id="openai/x", api_base={base!r},
              stream={stream})
async def main():
    lane = {lane}()
    ask = {{"role": "user", "content": "hello"}}
    answer = await lane.send(Request(model=model, messages=[ask]), None)
    await lane.close()
    return answer
print(asyncio.run(main()).text)
assert os.environ | {{own: "any"}} == environment | {{own: "any"}}
print("litellm" in sys.modules)
"""


def test_the_direct_lane_never_imports_litellm(server: ScriptedServer) -> None:
    code = CALL.format(
        module="direct", lane="DirectLane", base=server.api_base, stream=False
    )
    assert run_python(code, "-W", "error") == "hello\nFalse\n"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_litellm_leaves_no_trace_but_its_import(
    server: ScriptedServer, tmp_path: Any, stream: bool
) -> None:
    """No output, no warning, no environment variable, no `.env` file loaded."""
    (tmp_path / ".env").write_text("FROM_DOTENV=1\n")
    code = CALL.format(
        module="litellm_lane", lane="LitellmLane", base=server.api_base, stream=stream
    )
    code = f"import os; os.chdir({os.fspath(tmp_path)!r})\n{code}"
    assert run_python(code, "-W", "error") == "hello\nTrue\n"


def test_a_warning_in_litellms_import_does_not_break_it(tmp_path: Any) -> None:
    """A stand-in that warns as litellm's own dependencies have done."""
    (tmp_path / "litellm.py").write_text(
        "import warnings\nwarnings.warn('old', DeprecationWarning)\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {os.fspath(tmp_path)!r})\n"
        "from pytest_ladder.calls.lanes import litellm_internals\n"
        "print(litellm_internals.import_litellm().suppress_debug_info)"
    )
    assert run_python(code, "-W", "error") == "True\n"
