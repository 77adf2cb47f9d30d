"""An app that speaks the API of its rung's provider is passed through as it is."""

from __future__ import annotations

import shutil

import pytest

from tests.plugin.gateway.asking import CALL
from tests.plugin.scratch_suite import Shop
from tests.scripted_server import fails, sends

KEY = "sk-planted-4bb7"
LADDER = """
current = "m/plain"

[[model]]
name = "m"
tier = "off-the-shelf"
id = "{model}"
price = {{ input = 1.0, output = 2.0, cached_input = 0.5 }}
params = {{ temperature = 0.5, stop = ["."], reasoning_effort = "low", seed = 4 }}

[[strategy]]
name = "plain"
"""
MESSAGE = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5-20260801",
    "content": [
        {"type": "thinking", "thinking": "It may well be blue.", "signature": "Eq+/="},
        {"type": "redacted_thinking", "data": "b64=="},
        {"type": "text", "text": "It is blue, I look it up."},
        {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"w": "sky"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 90,
        "cache_creation_input_tokens": 0,
        "output_tokens": 20,
    },
}
CLAUDE = (
    CALL
    + """
TOOLS = [{"name": "look_up", "input_schema": {"type": "object"}},
         {"type": "bash_20250124", "name": "bash"}]
BODY = {"model": "claude-x", "max_tokens": 2000, "tools": TOOLS,
        "system": [{"type": "text", "text": "Be brief.",
                    "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Sky?"}]}]}

@pytest.mark.cheap
def test_claude(llm):
    address = llm.base_url + "/messages"
    status, whole = call(address, BODY, anthropic_beta="a-2026,b-2026")
    assert status == 200, whole
    kinds = [block["type"] for block in whole["content"]]
    assert kinds == ["thinking", "redacted_thinking", "text", "tool_use"]
    assert whole["content"][0]["signature"] == "Eq+/="
    assert llm.calls[0].tools == ("look_up", "bash")
    assert llm.calls[0].called == ("look_up",)
    status, events = call(
        address, {**BODY, "stream": True, "max_tokens": 2001}, anthropic_beta="a-2026")
    deltas = [each["delta"] for each in events if each["type"].endswith("block_delta")]
    joined = lambda kind: "".join(delta.get(kind, "") for delta in deltas)
    assert joined("thinking") == "It may well be blue."
    assert joined("signature") == "Eq+/="
    assert joined("text") == "It is blue, I look it up."
    assert json.loads(joined("partial_json")) == {"w": "sky"}
    begun = [event["content_block"] for event in events if "content_block" in event]
    assert begun[1] == {"type": "redacted_thinking", "data": "b64=="}
    if BEYOND:
        searching = {**BODY, "tools": [{"type": "web_search_20250305", "name": "w"}]}
        status, told = call(address, searching)
        assert status == 400 and "runs at the provider" in told["error"]["message"]

BEYOND = False
"""
)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> str:
    """Let providers be at the shop's server, by the environment as users have it."""
    for provider in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{provider}_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{shop.server.url}/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", shop.server.url)
    return KEY


def replays_without(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay from recordings where there is no server and no key."""
    shop.server.stop()
    shutil.rmtree(shop.path / ".ladder")
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    shop.run("-q").assert_outcomes(passed=1)


def test_claude_keeps_its_thoughts_and_its_cache(
    shop: Shop, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write("ladder.toml", LADDER.format(model="anthropic/claude-opus-5-5"))
    shop.server.everywhere = sends(MESSAGE)
    shop.test(CLAUDE)
    shop.run("--ladder-live", "-q").assert_outcomes(passed=1)
    first, second = shop.server.requests
    assert first.path == "/v1/messages"
    assert first.headers["x-api-key"] == key
    assert "authorization" not in first.headers
    assert first.headers["anthropic-beta"] == "a-2026,b-2026"
    assert first.headers["anthropic-version"] == "2023-06-01"
    sent = {**first.body}
    assert sent.pop("model") == "claude-opus-5-5"
    # The rung fills what the app leaves open, in the words of this API.
    assert sent.pop("temperature") == 0.5
    assert sent.pop("stop_sequences") == ["."]
    assert sent.pop("output_config") == {"effort": "low"}
    assert sent["max_tokens"] == 2000
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert sent["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Sky?"}]}
    ]
    assert sent.keys() == {"system", "messages", "tools", "thinking", "max_tokens"}
    assert not second.body.get("stream")
    (row,) = shop.rows()
    # 10 read, 90 out of the cache, 20 written, in USD a million.
    assert row["replies"][0]["cost_usd"] == pytest.approx((10 + 45 + 40) / 1e6)
    for file in shop.path.rglob("*"):
        if file.is_file():
            assert key.encode() not in file.read_bytes(), file
    replays_without(shop, monkeypatch)
    shop.test(CLAUDE + "\nBEYOND = True\n")
    shop.run("-q").assert_outcomes(failed=1)
    assert "runs at the provider" in shop.rows()[0]["reason"]


REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Blue, I think."}],
    "encrypted_content": "gAAA",
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "model": "gpt-9",
    "output": [
        REASONING,
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "It is blue.",
                    "annotations": [{"type": "url_citation", "url": "https://a.b"}],
                    "logprobs": [],
                }
            ],
        },
    ],
    "usage": {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 12,
        "output_tokens_details": {"reasoning_tokens": 8},
        "total_tokens": 42,
    },
}
OPENAI = (
    CALL
    + """
@pytest.mark.cheap
def test_openai(llm):
    address = llm.base_url + "/responses"
    body = {"model": "gpt-4o", "instructions": "Be brief.", "input": "Sky?",
            "include": ["reasoning.encrypted_content"], "max_output_tokens": 300}
    status, whole = call(address, body)
    assert status == 200, whole
    assert [item["type"] for item in whole["output"]] == ["reasoning", "message"]
    assert whole["output"][0]["encrypted_content"] == "gAAA"
    after = {"model": "gpt-4o", "input": [{"role": "user", "content": "And now?"}],
             "previous_response_id": whole["id"], "stream": True}
    status, events = call(address, after)
    kinds = [event["type"] for event in events]
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    said = [event["delta"] for event in events if event["type"].endswith("text.delta")]
    assert "".join(said) == "Blue, I think.It is blue."
    assert "response.output_text.annotation.added" in kinds
    assert events[-1]["response"]["previous_response_id"] == whole["id"]
    named = {"model": "gpt-4o", "input": [
        {"role": "user", "content": "Sky?"}, {"type": "item_reference", "id": "rs_1"},
        {"type": "item_reference", "id": "msg_1"},
        {"role": "user", "content": "Sure?"}]}
    assert call(address, named)[0] == 200
"""
)


def test_openai_is_told_what_was_said_before(
    shop: Shop, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write("ladder.toml", LADDER.format(model="openai/gpt-9"))
    shop.server.everywhere = sends(RESPONSE)
    shop.test(OPENAI)
    shop.run("--ladder-live", "-q").assert_outcomes(passed=1)
    first, second, third = shop.server.requests
    assert first.path == "/v1/responses"
    assert first.headers["authorization"] == f"Bearer {key}"
    assert first.body == {
        "model": "gpt-9",
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": "Sky?"}],
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 300,
        "temperature": 0.5,
        "reasoning": {"effort": "low"},
    }
    asked = {"role": "user", "content": "Sky?"}
    said = RESPONSE["output"]
    assert isinstance(said, list)
    now = {"role": "user", "content": "And now?"}
    assert second.body["input"] == [asked, *said, now]
    # Instructions hold for one request, as at OpenAI.
    assert "instructions" not in second.body
    assert "previous_response_id" not in second.body
    assert third.body["input"][:-1] == [asked, *said]
    (row,) = shop.rows()
    assert row["replies"][0]["cost_usd"] == pytest.approx((30 + 24) / 1e6)
    replays_without(shop, monkeypatch)


ASKS_TWICE = (
    CALL
    + """
@pytest.mark.cheap
def test_it(llm):
    for asked in ("say blue", "say red"):
        body = {"model": "m", "input": asked, "stream": asked == "say red"}
        status, told = call(llm.base_url + "/responses", body)
        assert status == 200 and asked.split()[1] in str(told), told
"""
)


def test_an_address_of_ones_own_is_translated_for(shop: Shop) -> None:
    shop.test(ASKS_TWICE)
    shop.run("--ladder-live", "-q").assert_outcomes(passed=1)
    assert paths(shop) == ["/v1/chat/completions"] * 2


def test_so_is_a_server_that_proves_to_have_chat_completions_only(
    shop: Shop, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once for what it does not have, and nothing is paid for twice."""
    shop.write("ladder.toml", LADDER.format(model="openai/gpt-9"))
    shop.test(ASKS_TWICE)
    shop.server.everywhere = fails(404, "no such route")
    shop.run("--ladder-live", "-q").assert_outcomes(passed=1)
    chat = ["/v1/chat/completions"] * 2
    assert paths(shop) == ["/v1/responses", *chat]
    (row,) = shop.rows()
    assert row["outcome"] == "passed"
    assert len(row["replies"]) == 2
    # In the next live run, and where the environment names no server at all.
    shop.run("--ladder-live", "-q").assert_outcomes(passed=1)
    assert paths(shop) == ["/v1/responses", *chat]
    replays_without(shop, monkeypatch)


def paths(shop: Shop) -> list[str]:
    return [request.path for request in shop.server.requests]
