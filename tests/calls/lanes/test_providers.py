"""Providers without litellm: where they are, which key they get, how they differ."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_ladder.calls.contract import Answer, Lane, Request
from pytest_ladder.calls.destination import destination_of
from pytest_ladder.calls.lanes.address import base_of
from pytest_ladder.calls.lanes.direct import DirectLane
from pytest_ladder.calls.lanes.litellm_lane import LitellmLane
from pytest_ladder.calls.lanes.providers import PROVIDERS
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.rung import Model, Tier
from pytest_ladder.errors import CallError
from tests.scripted_server import ScriptedServer, says

BY_DEFAULT = [name for name in PROVIDERS if not PROVIDERS[name].on_request]
ON_REQUEST = [name for name in PROVIDERS if PROVIDERS[name].on_request]
TOOL = {
    "type": "function",
    "function": {"name": "w", "parameters": {"type": "object", "properties": {}}},
}
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}}
PARAMS: dict[str, dict[str, Any]] = {
    "plain": {"temperature": 0, "max_tokens": 9, "top_p": 0.5, "stop": ["x"]},
    "new limit": {"max_completion_tokens": 9},
    "seed": {"seed": 7},
    "penalties": {"presence_penalty": 0.5, "frequency_penalty": 0.5},
    "several": {"n": 2},
    "probabilities": {"logprobs": True, "top_logprobs": 2},
    "tools": {"tools": [TOOL], "tool_choice": "auto"},
    "JSON": {"response_format": {"type": "json_object"}},
    "schema": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": SCHEMA},
        }
    },
    "more": {"extra_body": {"top_k": 4}},
}
# What litellm does with it otherwise, for all models but some that it knows.
DIFFER = {
    ("groq", "schema"): "it asks for the call of a tool",
    ("groq", "JSON"): "it does not stream",
    ("deepinfra", "tools"): "it drops `tool_choice`",
}


@pytest.fixture(autouse=True)
def _no_provider_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in PROVIDERS.values():
        for name in (*provider.base_variables, *provider.key_variables):
            monkeypatch.delenv(name, raising=False)
        if name := provider.sdk_variable:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lanes(runner: asyncio.Runner) -> Iterator[dict[str, Lane]]:
    lanes: dict[str, Lane] = {"direct": DirectLane(), "litellm": LitellmLane()}
    yield lanes
    for lane in lanes.values():
        runner.run(lane.close())


def model_of(prefix: str, **fields: Any) -> Model:
    return Model(name="m", tier=Tier.OFF_THE_SHELF, id=f"{prefix}/x", **fields)


def request_of(model: Model, **params: Any) -> Request:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]
    return Request(model=model, messages=messages, params={"timeout": 20, **params})


def send(runner: asyncio.Runner, lane: Lane, request: Request) -> Answer | CallError:
    try:
        return runner.run(lane.send(request, None))
    except CallError as error:
        return error


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_gets_its_own_key_at_the_address_of_the_environment(
    name: str,
    server: ScriptedServer,
    runner: asyncio.Runner,
    lanes: dict[str, Lane],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = PROVIDERS[name]
    monkeypatch.setenv("OPENAI_API_KEY", "not for others")
    monkeypatch.setenv(provider.key_variables[-1], f"the key of {name}")
    address = server.url if provider.path else server.api_base
    model = model_of(name, lane="direct")
    for variable in provider.base_variables:
        monkeypatch.setenv(variable, address)
        answer = send(runner, lanes["direct"], request_of(model))
        assert isinstance(answer, Answer), answer
        assert (
            server.requests[-1].headers["authorization"] == f"Bearer the key of {name}"
        )
        monkeypatch.setenv(variable, f"{address}{provider.path}/")
        assert isinstance(send(runner, lanes["direct"], request_of(model)), Answer)
        monkeypatch.delenv(variable)


BY_SDK = {
    # As each client's own source has it: what it is reached at without a variable, and
    # what it posts to.
    "CEREBRAS_BASE_URL": ("cerebras", "/v1/chat/completions"),
    "FIREWORKS_BASE_URL": ("fireworks_ai", "/v1/chat/completions"),
    "GROQ_BASE_URL": ("groq", "/openai/v1/chat/completions"),
    "SAMBA_NOVA_BASE_URL": ("sambanova", "/chat/completions"),
    "TOGETHER_BASE_URL": ("together_ai", "/v1/chat/completions"),
    "GOOGLE_GEMINI_BASE_URL": ("gemini", "/v1beta/openai/chat/completions"),
    "CO_API_URL": ("cohere", "/compatibility/v1/chat/completions"),
}


@pytest.mark.parametrize("behind", ["", "/", "its path", "its path/"])
@pytest.mark.parametrize("variable", BY_SDK)
def test_a_providers_own_client_is_read_as_it_reads_itself(
    variable: str, behind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, path = BY_SDK[variable]
    behind = behind.replace("its path", PROVIDERS[name].sdk_path)
    monkeypatch.setenv(variable, f"http://gateway.test/of{behind}")
    model = model_of(name, lane="direct")
    base = base_of(model, None)
    assert f"{base}/chat/completions" == f"http://gateway.test/of{path}"
    assert destination_of(model)[::2] == ("gateway.test", variable)
    assert {name for name, _ in BY_SDK.values()} == {
        name for name in PROVIDERS if PROVIDERS[name].sdk_variable
    }


@pytest.mark.parametrize("lane", ["direct", "litellm"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("variable", ["GROQ_BASE_URL", "TOGETHER_BASE_URL"])
def test_both_lanes_call_where_the_providers_own_variable_says(
    lane: str,
    stream: bool,
    variable: str,
    server: ScriptedServer,
    runner: asyncio.Runner,
    lanes: dict[str, Lane],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = PROVIDERS[BY_SDK[variable][0]]
    monkeypatch.setenv(variable, server.url)
    monkeypatch.setenv(provider.key_variables[0], "one's own")
    model = model_of(BY_SDK[variable][0], lane=lane, stream=stream)
    answer = send(runner, lanes[lane], request_of(model))
    assert isinstance(answer, Answer), answer
    assert server.requests[0].headers["authorization"] == "Bearer one's own"


@pytest.mark.parametrize("lane", ["direct", "litellm"])
@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_openais_variables_say_where_its_models_are(
    lane: str,
    variable: str,
    server: ScriptedServer,
    runner: asyncio.Runner,
    lanes: dict[str, Lane],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, server.api_base)
    monkeypatch.setenv("OPENAI_API_KEY", "one's own")
    answer = send(runner, lanes[lane], request_of(model_of("openai", lane=lane)))
    assert isinstance(answer, Answer), answer
    assert server.requests[0].headers["authorization"] == "Bearer one's own"


@pytest.mark.parametrize(
    ("variable", "prefix", "key"),
    [
        ("ANTHROPIC_BASE_URL", "anthropic", "ANTHROPIC_API_KEY"),
        ("AZURE_OPENAI_ENDPOINT", "azure", "AZURE_OPENAI_API_KEY"),
        ("AZURE_API_BASE", "azure", "AZURE_API_KEY"),
        ("GOOGLE_GEMINI_BASE_URL", "gemini", "GEMINI_API_KEY"),
        ("CO_API_URL", "cohere", "CO_API_KEY"),
    ],
)
def test_litellm_calls_where_the_sdks_variable_says(
    variable: str,
    prefix: str,
    key: str,
    server: ScriptedServer,
    runner: asyncio.Runner,
    lanes: dict[str, Lane],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, server.url)
    monkeypatch.setenv(key, "one's own")
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    error = send(runner, lanes["litellm"], request_of(model_of(prefix), max_tokens=5))
    assert isinstance(error, CallError)
    assert server.hits == 1, error
    assert error.status == 404


def test_an_address_of_the_configuration_wins_and_gets_no_key(
    server: ScriptedServer,
    runner: asyncio.Runner,
    lanes: dict[str, Lane],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GROQ_API_BASE", "http://127.0.0.1:1")
    monkeypatch.setenv("GROQ_API_KEY", "not for others")
    model = model_of("groq", api_base=server.api_base)
    assert isinstance(send(runner, lanes["direct"], request_of(model)), Answer)
    assert "authorization" not in server.requests[0].headers


def test_a_missing_key_is_told_with_all_its_names(
    server: ScriptedServer,
    runner: asyncio.Runner,
    lanes: dict[str, Lane],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MISTRAL_AZURE_API_BASE", server.url)
    error = send(runner, lanes["direct"], request_of(model_of("mistral")))
    assert "variable MISTRAL_AZURE_API_KEY, which is not set; set it, or" in str(error)
    assert "MISTRAL_API_KEY" in str(error)
    assert server.count == 0


@pytest.mark.filterwarnings("ignore")  # of litellm's own imports
@pytest.mark.parametrize("name", [name for name in BY_DEFAULT if name != "openai"])
def test_the_table_says_what_litellm_says(
    name: str, litellm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = PROVIDERS[name]
    if name == "openrouter":  # which litellm has elsewhere: see the exchange below
        assert name in litellm.provider_list
        return
    _, known_as, _, base = litellm.get_llm_provider(f"{name}/x")
    assert (known_as, base) == (name, provider.base)
    for variable in provider.base_variables:
        monkeypatch.setenv(variable, "http://127.0.0.1:1/v1")
        assert litellm.get_llm_provider(f"{name}/x")[3] == "http://127.0.0.1:1/v1"
        monkeypatch.delenv(variable)
    for variable in reversed(provider.key_variables):
        monkeypatch.setenv(variable, variable.lower())
        assert litellm.get_llm_provider(f"{name}/x")[2] == variable.lower()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [name for name in BY_DEFAULT if name != "openai"])
def test_both_lanes_send_a_provider_the_same(
    name: str,
    stream: bool,
    server: ScriptedServer,
    runner: asyncio.Runner,
    litellm: Any,
    lanes: dict[str, Lane],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What litellm refuses to send the direct lane sends: the provider decides."""
    provider = PROVIDERS[name]
    monkeypatch.setenv(provider.base_variables[0], server.api_base)
    monkeypatch.setenv(provider.key_variables[0], "a key")
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "total_tokens": 20 if name == "xai" else 13,
        "completion_tokens_details": {"reasoning_tokens": 7 if name == "xai" else 2},
    }
    server.reply = lambda _: says("ok", usage=usage)
    compared = []
    for kind, params in PARAMS.items():
        request = request_of(model_of(name, stream=stream), **params)
        there = send(runner, lanes["litellm"], request)
        if not server.requests and isinstance(there, CallError):
            assert "does not support parameters" in str(there)
            continue
        by_litellm = server.requests.pop()
        here = send(runner, lanes["direct"], request)
        assert isinstance(here, Answer), here
        by_us = server.requests.pop()
        assert by_us.headers["authorization"] == by_litellm.headers["authorization"]
        compared.append(kind)
        if (name, kind) in DIFFER:
            continue
        told = by_us.body.get("stream_options") == by_litellm.body.get("stream_options")
        if not told:  # litellm does not ask for the usage of this provider's streams
            del by_us.body["stream_options"]
        assert by_us.body == by_litellm.body, kind
        if isinstance(there, Answer):
            if told:
                assert here.usage == there.usage
            assert (here.text, here.finish_reason) == (there.text, there.finish_reason)
        if name == "xai":
            assert here.usage == Usage(input=10, output=10, reasoning=7)
    assert {"plain", "new limit", "JSON"} <= set(compared)
