"""What apps ask for besides text, as it reaches a model and comes back."""

from __future__ import annotations

import json

from tests.plugin.gateway.asking import CALL
from tests.plugin.scratch_suite import Shop
from tests.scripted_server import Body, Says, calls_tool, sends

TOKENS = [
    {"token": "It ", "logprob": -0.1, "bytes": None, "top_logprobs": []},
    {"token": "is", "logprob": -0.2, "bytes": None, "top_logprobs": []},
]
LIKELY = """
@pytest.mark.cheap
def test_likely(llm):
    ask = {"model": "m", "messages": [{"role": "user", "content": "hi"}],
           "logprobs": True, "top_logprobs": 0}
    address = llm.base_url + "/chat/completions"
    whole = call(address, ask)[1]
    assert whole["choices"][0]["logprobs"]["content"] == TOKENS
    chunks = call(address, {**ask, "stream": True})[1]
    likely = [c["choices"][0].get("logprobs") for c in chunks]
    assert [t for each in likely if each for t in each["content"]] == TOKENS
    said = [c["choices"][0]["delta"].get("content") for c in chunks]
    assert "".join(piece or "" for piece in said) == "It is"
    body = {"model": "m", "input": "hi", "include": ["message.output_text.logprobs"]}
    response = call(llm.base_url + "/responses", body)[1]
    assert response["output"][0]["content"][0]["logprobs"] == TOKENS
"""


def test_logprobs_come_from_the_model_and_from_recordings(shop: Shop) -> None:
    message = {"role": "assistant", "content": "It is"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    choice["logprobs"] = {"content": TOKENS, "refusal": None}
    shop.server.reply = lambda body: sends({"choices": [choice]})
    shop.test(CALL + f"TOKENS = json.loads({json.dumps(TOKENS)!r})" + LIKELY)
    shop.run("--ladder-live", "-q").assert_outcomes(passed=1)
    assert [r.body["logprobs"] for r in shop.server.requests] == [True] * 3
    shop.server.stop()
    (shop.path / ".ladder" / "store.sqlite").unlink()
    shop.run("-q").assert_outcomes(passed=1)


CLAUDE = """
@pytest.mark.cheap
def test_thoughts(llm):
    address = llm.base_url + "/messages"
    ask = {"model": "m", "max_tokens": 9000, "messages": [
               {"role": "user", "content": "hi"}],
           "thinking": {"type": "enabled", "budget_tokens": 6000}}
    kinds = [block["type"] for block in call(address, ask)[1]["content"]]
    assert kinds == ["thinking", "text"]
    events = call(address, {**ask, "stream": True})[1]
    deltas = [each["delta"] for each in events if each["type"].endswith("block_delta")]
    assert "".join(d.get("thinking", "") for d in deltas) == "Well, well."
    del ask["thinking"]
    assert [b["type"] for b in call(address, ask)[1]["content"]] == ["text"]

@pytest.mark.cheap
def test_threads(llm):
    address = llm.base_url + "/messages"
    ask = {"model": "m", "max_tokens": 99, "system": "Be brief.", "thread": {
               "type": "create"}, "messages": [{"role": "user", "content": "first"}]}
    begun = call(address, ask)[1]
    thread = {"type": "continue", "previous_message_id": begun["id"]}
    more = {"model": "m", "max_tokens": 99, "thread": thread,
            "messages": [{"role": "user", "content": "second"}]}
    assert call(address, more)[0] == 200

@pytest.mark.cheap
def test_a_thread_of_another_test(llm):
    thread = {"type": "continue", "previous_message_id": "msg_gone"}
    ask = {"model": "m", "max_tokens": 99, "thread": thread, "messages": [
        {"role": "user", "content": "second"}]}
    assert call(llm.base_url + "/messages", ask)[0] == 404
"""


def test_thoughts_and_threads_of_claudes_client(shop: Shop) -> None:
    def reply(body: Body) -> Says:
        message = {"role": "assistant", "content": "It is.", "reasoning": "Well, well."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return sends({"choices": [choice]})  # type: ignore[return-value]

    shop.server.reply = reply
    shop.test(CALL + CLAUDE)
    run = shop.run("--ladder-live", "-q", "-p", "no:randomly")
    run.assert_outcomes(passed=2, failed=1)
    efforts = [r.body.get("reasoning_effort") for r in shop.server.requests]
    # The two with thoughts are one question, asked again.
    assert efforts == ["medium", "medium", None, None, None]
    assert shop.server.requests[-1].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "It is."},
        {"role": "user", "content": "second"},
    ]
    assert "msg_gone" in json.dumps(shop.rows())


GOOGLE = """
@pytest.mark.cheap
def test_google(llm):
    root = llm.base_url.removesuffix("/v1") + "/v1beta/models/gemini-9"
    schema = {"type": "OBJECT", "properties": {"a_b": {"type": "STRING",
              "nullable": True}}, "propertyOrdering": ["a_b"]}
    ask = {"systemInstruction": {"parts": [{"text": "Be brief."}]},
           "contents": [{"role": "user", "parts": [{"text": "call"}, {"inline_data": {
               "mime_type": "image/png", "data": "_-8="}}]}],
           "tools": [{"function_declarations": [
               {"name": "look_up", "description": "It does.", "parameters": schema}]}],
           "generationConfig": {"maxOutputTokens": 77, "stopSequences": ["x"]}}
    status, told = call(root + ":generateContent", ask)
    assert status == 200, told
    content = told["candidates"][0]["content"]
    (part,) = content["parts"]
    assert part["functionCall"]["args"] == {"a_b": "c"}
    del part["functionCall"]["id"]
    result = {"functionResponse": {"name": "look_up", "response": {"is": "red"}}}
    ask["contents"] += [content, {"role": "user", "parts": [result]}]
    streamed = call(root + ":streamGenerateContent?alt=sse", ask)[1]
    pieces = [each["candidates"][0]["content"]["parts"][0]["text"] for each in streamed]
    assert "".join(pieces) == 'it is {"is":"red"} today' and len(pieces) > 2
    assert streamed[-1]["candidates"][0]["finishReason"] == "STOP"
    assert streamed[-1]["usageMetadata"]["totalTokenCount"] > 5
    form = {"contents": [{"parts": [{"text": "form"}]}], "generationConfig": {
        "responseMimeType": "application/json", "responseSchema": schema}}
    assert call(root + ":generateContent", form)[0] == 200
    assert [c.model for c in llm.calls] == ["gemini-9"] * 3

@pytest.mark.cheap
def test_google_itself(llm):
    ask = {"contents": [{"parts": [{"text": "x"}]}], "tools": [{"googleSearch": {}}]}
    root = llm.base_url.removesuffix("/v1") + "/v1beta/models/gemini-9"
    status, told = call(root + ":generateContent", ask)
    assert (status, told["error"]["status"]) == (400, "INVALID_ARGUMENT")
"""


def test_googles_requests_are_translated(shop: Shop) -> None:
    def reply(body: Body) -> str | Says:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return f"it is {last['content']} today"
        return calls_tool("look_up", {"a_b": "c"}) if body.get("tools") else "{}"

    shop.server.reply = reply
    shop.test(CALL + GOOGLE)
    shop.run("--ladder-live", "-q", "-p", "no:randomly").assert_outcomes(
        passed=1, failed=1
    )
    first, second, third = (r.body for r in shop.server.requests)
    assert (first["max_tokens"], first["stop"]) == (77, ["x"])
    assert first["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "call"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,/+8="},
                },
            ],
        },
    ]
    properties = {"a_b": {"type": ["string", "null"]}}
    function = first["tools"][0]["function"]
    assert function["parameters"] == {"type": "object", "properties": properties}
    called, result = second["messages"][-2:]
    assert result["tool_call_id"] == called["tool_calls"][0]["id"]
    assert third["response_format"]["json_schema"]["schema"]["properties"] == properties
    assert "runs at Google" in json.dumps(shop.rows())


PATHS = """
@pytest.mark.cheap
def test_paths(llm):
    root = llm.base_url.removesuffix("/v1")
    said = [{"role": "user", "content": "say blue"}]
    for path in ("/openai/deployments/mine/chat/completions?api-version=2024-10-21",
                 "/openai/v1/chat/completions", "/v1beta/openai/chat/completions"):
        body = {"messages": said} if "deployments" in path else {
            "model": "mine", "messages": said}
        status, told = call(root + path, body)
        assert status == 200, told
    assert [c.model for c in llm.calls] == ["mine"] * 3
    token = llm.headers["x-ladder-token"]
    base = root.partition("/t/")[0]
    for name in ("api-key", "x-goog-api-key"):
        status, told = call(base + "/v1/chat/completions", {
            "model": "m", "messages": said}, **{name: f"ladder-{token}"})
        assert status == 200, told
    assert call(llm.base_url + "/models/gpt-4o")[1]["id"] == "gpt-4o"
    # Whether anybody is there: nothing was asked, so nothing failed.
    assert call(root, method="HEAD")[0] == 200
    assert call(llm.base_url + "/chat/completions", method="OPTIONS")[0] == 405
    status, told = call(llm.base_url + "/chat/completions", {
        "model": "m", "messages": said}, traceparent="a" * 40_000)
    assert status == 200, told
"""


def test_paths_and_headers_of_other_clients(shop: Shop) -> None:
    shop.test(CALL + PATHS)
    shop.run("--ladder-live", "-q").assert_outcomes(passed=1)
