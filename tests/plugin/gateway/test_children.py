"""Real apps in processes of their own: Python with official clients, and Node."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.plugin.gateway.asking import ASK
from tests.plugin.scratch_suite import Shop
from tests.scripted_server import Body, Says, calls_tool, hangs

OPENAI = """
import asyncio, json, sys
import openai

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {
    "type": "object", "properties": {"word": {"type": "string"}}}}}

def asks(text, **more):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}

client = openai.OpenAI()
create = client.chat.completions.create
whole = create(**asks("tell me whole"))
told = {"whole": whole.choices[0].message.content, "usage": whole.usage.total_tokens}
stream = list(create(**asks("tell it in a few more words", stream=True,
                            stream_options={"include_usage": True})))
words = [c.choices[0].delta.content for c in stream if c.choices]
told["streamed"] = "".join(w or "" for w in words)
told["pieces"] = len([w for w in words if w])
told["stream usage"] = stream[-1].usage.total_tokens
called = create(**asks("call", tools=[TOOL])).choices[0]
told["called"] = [called.finish_reason, called.message.tool_calls[0].function.name,
                  json.loads(called.message.tool_calls[0].function.arguments)]
with client.chat.completions.stream(**asks("call", tools=[TOOL])) as events:
    final = events.get_final_completion().choices[0].message
told["called in a stream"] = json.loads(final.tool_calls[0].function.arguments)
follow = asks("call", tools=[TOOL])
follow["messages"] += [called.message.model_dump(exclude_none=True), {
    "role": "tool", "tool_call_id": called.message.tool_calls[0].id, "content": "red"}]
told["after the tool"] = create(**follow).choices[0].message.content
raw = client.chat.completions.with_raw_response.create(**asks("raw"))
told["raw"] = json.loads(raw.text)["choices"][0]["message"]["content"]

async def several():
    async with openai.AsyncOpenAI() as client:
        made = [client.chat.completions.create(**asks(f"at once {i}"))
                for i in range(8)]
        return [r.choices[0].message.content for r in await asyncio.gather(*made)]

told["at once"] = asyncio.run(several())
told["models"] = [model.id for model in client.models.list()]

FUNCTION = {"type": "function", "strict": False, **TOOL["function"]}
first = client.responses.create(
    model="gpt-4o", input="respond", instructions="be brief")
told["response"] = [first.output_text, first.usage.total_tokens, first.status]
second = client.responses.create(
    model="gpt-4o", input="and on", previous_response_id=first.id)
told["goes on"] = second.output_text
with client.responses.stream(model="gpt-4o", input="respond in a stream") as events:
    kinds = [event.type for event in events]
    told["response in a stream"] = events.get_final_response().output_text
told["deltas"] = kinds.count("response.output_text.delta")
with client.responses.stream(model="gpt-4o", input="call", tools=[FUNCTION]) as events:
    for event in events:
        pass
    call = events.get_final_response().output[0]
told["response calls"] = [call.name, json.loads(call.arguments)]
made = client.responses.create(model="gpt-4o", tools=[FUNCTION], input=[
    {"role": "user", "content": [{"type": "input_text", "text": "call"}]},
    call.model_dump(exclude_none=True),
    {"type": "function_call_output", "call_id": call.call_id, "output": "blue"}])
told["response after the tool"] = made.output_text

import anthropic

claude = anthropic.Anthropic()
KIND = {"name": "look_up", "input_schema": TOOL["function"]["parameters"]}
speaks = {"model": "claude-x", "max_tokens": 9}
message = claude.messages.create(
    **speaks, system="be brief", messages=[{"role": "user", "content": "hi, claude"}])
told["message"] = [message.content[0].text, message.stop_reason,
                   message.usage.output_tokens]
with claude.messages.stream(
    **speaks, messages=[{"role": "user", "content": "hi in a stream"}]
) as events:
    told["message in a stream"] = events.get_final_text()
with claude.messages.stream(
    **speaks, tools=[KIND], messages=[{"role": "user", "content": "call"}]
) as events:
    used = events.get_final_message()
told["message calls"] = [
    used.stop_reason, used.content[-1].name, used.content[-1].input]
made = claude.messages.create(**speaks, tools=[KIND], messages=[
    {"role": "user", "content": "call"},
    {"role": "assistant", "content": [used.content[-1].model_dump(exclude_none=True)]},
    {"role": "user", "content": [{"type": "tool_result", "content": "green",
                                  "tool_use_id": used.content[-1].id}]}])
told["message after the tool"] = made.content[0].text
told["tokens"] = claude.messages.count_tokens(
    model="claude-x", messages=[{"role": "user", "content": "hi" * 40}]).input_tokens
print(json.dumps(told))
"""
NODE = """
const ask = (text, more) => fetch(process.env.OPENAI_BASE_URL + "/chat/completions", {
  method: "POST",
  headers: {
    "content-type": "application/json",
    authorization: "Bearer " + process.env.OPENAI_API_KEY,
  },
  body: JSON.stringify({
    model: "gpt-4o", messages: [{ role: "user", content: text }], ...more }),
});
const whole = (await (await ask("node whole")).json()).choices[0].message.content;
let streamed = "";
for await (const part of (await ask("node in a stream", { stream: true })).body) {
  for (const line of Buffer.from(part).toString().split("\\n")) {
    if (line.startsWith("data: {"))
      streamed += JSON.parse(line.slice(6)).choices[0].delta.content ?? "";
  }
}
console.log(JSON.stringify({ whole, streamed, rung: process.env.LADDER_RUNG }));
"""
SUITE = (
    ASK.replace('pytestmark = pytest.mark.ladder(cases="cases.jsonl")', "")
    + """
import pathlib

def run(llm, *command):
    done = subprocess.run(
        command, env=llm.env(), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

@pytest.mark.cheap
def test_python(llm):
    told = run(llm, sys.executable, "client.py")
    assert told["whole"] == "tell me whole" == told["whole"]
    assert told["streamed"] == "tell it in a few more words"
    assert told["pieces"] > 1 and told["usage"] and told["stream usage"]
    assert told["called"] == ["tool_calls", "look_up", {"word": "a" * 50}]
    assert told["called in a stream"] == {"word": "a" * 50}
    assert told["after the tool"] == "it is red"
    assert told["raw"] == "raw"
    assert told["at once"] == [f"at once {i}" for i in range(8)]
    assert told["models"] == ["bot"]
    tools = [call.called for call in llm.calls if call.tools]
    assert tools == [*[("look_up",)] * 2, (), *[("look_up",), ()] * 2], tools
    assert told["response"][0] == "respond" and told["response"][2] == "completed"
    assert told["goes on"] == "and on"
    assert told["response in a stream"] == "respond in a stream"
    assert told["deltas"] > 1
    assert told["response calls"] == ["look_up", {"word": "a" * 50}]
    assert told["response after the tool"] == "it is blue"
    assert told["message"][:2] == ["hi, claude", "end_turn"]
    assert told["message in a stream"] == "hi in a stream"
    assert told["message calls"] == ["tool_use", "look_up", {"word": "a" * 50}]
    assert told["message after the tool"] == "it is green"
    assert 15 < told["tokens"] < 60

@pytest.mark.cheap
def test_node(llm, rung):
    told = run(llm, NODE, "client.mjs")
    assert told == {
        "whole": "node whole", "streamed": "node in a stream", "rung": rung.id}

@pytest.mark.cheap
def test_secrets(llm):
    command = [sys.executable, "-c", "print(open('/proc/self/environ').read())"]
    read = subprocess.run(command, env=llm.env(), capture_output=True, text=True)
    assert "OPENAI_BASE_URL" in read.stdout
    assert "planted" not in read.stdout.replace("planted=kept", "")
    assert "planted=kept" in read.stdout
    ask(llm.base_url, "whether keys stay here")
"""
)


def answer(body: Body) -> str | Says:
    last = body["messages"][-1]
    if last["role"] == "tool":
        return f"it is {last['content']}"
    if body.get("tools"):
        return calls_tool("look_up", {"word": "a" * 50})
    return str(last["content"])


def test_official_clients_live_and_replayed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = shutil.which("node")
    shop.write("client.py", OPENAI)
    shop.write("client.mjs", NODE)
    source = f"NODE = {node!r}\n" + SUITE
    if node is None:
        source = source.replace("def test_node", "def no_test_node")
    shop.test(source)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MISTRAL_API_KEY", "MY_KEY"):
        monkeypatch.setenv(name, "sk-planted-secret")
    monkeypatch.setenv("WITH_PASSWORD", "https://me:sk-planted-secret@service")
    monkeypatch.setenv("OTHER", "planted=kept")
    shop.server.reply = answer
    shop.run("--ladder-live", "-q").assert_outcomes(passed=3 if node else 2)
    rows, asked = shop.rows(), shop.server.count
    assert asked == sum(len(row["replies"]) for row in rows)
    assert not any("planted" in str(r.headers) for r in shop.server.requests)
    shop.server.stop()
    shop.run("-q").assert_outcomes(passed=3 if node else 2)
    assert shop.server.count == asked
    for live, replayed in zip(rows, shop.rows(), strict=True):
        assert live["outcome"] == replayed["outcome"]
        # Of several at once any may be the first to arrive.
        keys = [sorted(r["key"] for r in row["replies"]) for row in (live, replayed)]
        assert keys[0] == keys[1]
        assert not any(reply.get("live") for reply in replayed["replies"])
    written = b"".join(p.read_bytes() for p in shop.path.rglob("*") if p.is_file())
    assert b"sk-planted" not in written


def test_a_suite_without_apps_imports_nothing_of_the_gateway(shop: Shop) -> None:
    shop.test(
        """
import sys

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_plain(llm, reply):
    llm("hello")
    assert "aiohttp.web" not in sys.modules
    assert not [name for name in sys.modules if "pytest_ladder.gateway" in name]
"""
    )
    result = shop.pytester.runpytest_subprocess("--ladder-live", "-q")
    result.assert_outcomes(passed=3)


def test_workers_and_a_budget_hold_for_apps(shop: Shop) -> None:
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(6)])
    shop.test(
        ASK
        + """
@pytest.mark.cheap
def test_app(llm, case, request):
    worker = request.config.workerinput["workerid"]
    assert f"/t/{worker}-" in llm.base_url
    assert ask(llm.base_url, case.input) == case.input
"""
    )
    shop.run("--ladder-live", "-q", "-n", "2").assert_outcomes(passed=6)
    assert shop.server.count == 6
    shop.server.stop()
    shop.run("-q", "-n", "2").assert_outcomes(passed=6)
    shop.test(
        ASK
        + """
@pytest.mark.cheap
def test_app(llm, case):
    messages = [{"role": "user", "content": "new " + case.input}]
    status, body = post(llm.base_url, {"model": "m", "messages": messages})
    assert status == 402 and "budget" in body["error"]["message"]
"""
    )
    result = shop.run("--ladder-live", "--ladder-budget=0.0000001", "-q")
    rows = shop.rows("ladder-report/current/part")
    assert {row["why"] for row in rows} == {"budget"}
    assert result.ret == 1


def test_interrupts_end_a_run_whose_app_waits(shop: Shop) -> None:
    shop.cases([{"id": "sky", "input": "say blue"}])
    shop.test(
        ASK
        + """
@pytest.mark.cheap
def test_app(llm, case):
    child = "import urllib.request as u, sys; u.urlopen(u.Request(sys.argv[1], sys.argv[2].encode(), {'Content-Type': 'application/json'}))"
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    done = subprocess.run([sys.executable, "-c", child, llm.base_url + "/chat/completions", body])
    assert done.returncode
"""  # noqa: E501
    )
    shop.server.script(hangs(30))
    process = shop.pytester.popen(
        [sys.executable, "-m", "pytest", "--ladder-live", "-q"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 30
    while not shop.server.in_flight:
        assert time.monotonic() < until
        time.sleep(0.02)
    begun, waited_s = time.monotonic(), out_of_turn_s(process.pid)
    process.send_signal(signal.SIGINT)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    took_s = time.monotonic() - begun - (out_of_turn_s(process.pid) - waited_s)
    assert process.wait() == 2
    assert took_s < 10, "the call hangs for 30 s"


def out_of_turn_s(pid: int) -> float:
    """Return how long a process could have run, and others did on a busy machine."""
    _, waited_ns, _ = Path(f"/proc/{pid}/schedstat").read_text("ascii").split()
    return int(waited_ns) / 1e9
