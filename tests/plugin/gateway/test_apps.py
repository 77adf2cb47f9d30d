"""Apps that ask the gateway, as a test meets them."""

from __future__ import annotations

import json

import pytest

from pytest_ladder.gateway import serving
from tests.plugin.gateway.asking import APP, ASK
from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import fails


def test_an_app_is_answered_by_the_rung_and_replays(shop: Shop) -> None:
    shop.test(
        ASK
        + """
@pytest.mark.cheap(at_least=0.5)
def test_app(llm, case):
    assert case.expected in ask(llm.base_url, case.input, max_tokens=7)
    assert [c.route for c in llm.calls] == ["/chat/completions"]
    assert llm.calls[0].model == "gpt-4o"
"""
    )
    live = shop.run("--ladder-live", "-q")
    live.assert_outcomes(passed=2)
    body = shop.server.requests[0].body
    assert body["model"] == "bot"
    assert body["max_tokens"] == 7
    assert body["temperature"] == 0
    rows = shop.rows()
    assert [len(row["replies"]) for row in rows] == [1, 1, 1]
    assert all(row["replies"][0]["cost_usd"] for row in rows)
    (shop.path / ".ladder" / "store.sqlite").unlink()
    shop.server.stop()
    shop.run("-q").assert_outcomes(passed=2)
    assert shop.server.count == 3
    assert [r["text"] for r in shop.rows()] == [r["text"] for r in rows]


def test_one_app_a_rung_serves_its_tests_one_by_one(shop: Shop) -> None:
    shop.test(
        ASK
        + APP
        + """
@pytest.mark.cheap(at_least=0.5)
def test_on_its_turn(app, rung, case):
    assert ENV["LADDER_STRATEGY"] == rung.strategy
    assert ENV["LADDER_RUNG"] == rung.id
    assert case.expected in ask_app(app, case.input)

@pytest.mark.cheap(at_least=0.5)
def test_by_baggage(app, llm, case):
    assert case.expected in ask_app(app, case.input, llm.headers)
    assert len(llm.calls) == 1
"""
    )
    live = shop.run("--ladder-live", "--ladder=matrix", "-q")
    live.assert_outcomes(passed=8)
    assert [len(row["replies"]) for row in shop.rows("ladder-report")] == [1] * 12
    # Both tests ask the same, which is asked for once: the app makes the prompt.
    assert shop.server.count == 3


def test_what_an_app_may_not_hide(shop: Shop) -> None:
    """Failed calls, a call that nobody made, and a call that comes too late."""
    shop.cases([{"id": "sky", "input": "say blue"}])
    shop.test(
        ASK
        + """
@pytest.mark.cheap
def test_failed(llm):
    assert ask(llm.base_url, "fail") == "sorry"

@pytest.mark.cheap
def test_silent(llm):
    llm.env()

@pytest.mark.cheap
def test_silent_and_wrong(llm):
    assert llm.headers["baggage"] == "nothing"

@pytest.mark.cheap
def test_of_several(llm):
    assert ask(llm.base_url, "several", n=2) == "sorry"

late = []

@pytest.mark.cheap
def test_early(llm):
    late.append(llm.base_url)
    assert ask(late[0], "early") == "early"

@pytest.mark.cheap
def test_late():
    messages = [{"role": "user", "content": "late"}]
    status, body = post(late[0], {"model": "m", "messages": messages})
    assert status == 410 and "the test is over" in body["error"]["message"]

def own_app(case, llm):
    return ask(llm.base_url, "task", n=3)

@pytest.mark.cheap
@pytest.mark.ladder(task=own_app)
def test_task(reply):
    assert reply.text == "sorry"
"""
    )
    shop.server.script(fails(400, "no such thing"))
    shop.server.reply = lambda body: body["messages"][-1]["content"]
    result = shop.run("--ladder-live", "-q", "-p", "no:randomly")
    result.assert_outcomes(passed=2, failed=4, errors=1)
    outcomes = {row["test"].rpartition("::")[2]: row for row in shop.rows()}
    assert {n for n, row in outcomes.items() if row["outcome"] == "error"} == {
        *("test_failed", "test_silent", "test_silent_and_wrong", "test_of_several"),
        "test_task",
    }
    assert outcomes["test_failed"]["why"] == "failed call"
    assert "asked nobody" in outcomes["test_silent"]["reason"]
    assert "asked nobody" in outcomes["test_silent_and_wrong"]["reason"]
    assert "several replies" in outcomes["test_task"]["reason"]
    result.stdout.fnmatch_lines(["*1 call of apps came after the end of the test*"])
    # Nobody tried again, neither we nor the app.
    assert (
        sum(r.body["messages"][-1]["content"] == "fail" for r in shop.server.requests)
        == 1
    )


def test_a_miss_names_what_differs(shop: Shop) -> None:
    shop.cases([{"id": "sky", "input": "say blue", "expected": "blue"}])
    source = (
        ASK
        + """
@pytest.mark.cheap
def test_app(llm, case):
    base, day = llm.base_url, "2026-11-28"
    first = ask(base, f"today is {day}T10:00Z: {case.input}")
    again = ask(base, f"today is {day}T10:00Z: {case.input}")
    assert "blue" in first and "blue" in again
    assert first != again, "an agent got one answer twice"
"""
    )
    shop.test(source)
    told = iter(range(9))
    shop.server.reply = lambda body: f"blue {next(told)}"
    shop.run("--ladder-live", "-q").assert_outcomes(passed=1)
    shop.run("-q").assert_outcomes(passed=1)
    shop.test(source.replace("11-28", "11-29"))
    result = shop.run("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*messages?0?.content, character 19: '2026-11-29T10:00Z:*"
            "/ stored '2026-11-28T10:00Z*"
        ]
    )
    result.stdout.no_fnmatch_line("*During handling*")
    assert "[gateway]" in shop.rows()[0]["reason"]
    shop.ladder(
        LADDER + "\n[gateway]\nignore = ['\\d{{4}}-\\d\\d-\\d\\dT[\\d:.]+Z?']\n"
    )
    shop.run("-q").assert_outcomes(failed=1)
    shop.run("--ladder-live", "-q").assert_outcomes(passed=1)
    shop.test(source.replace("11-28", "11-30"))
    shop.run("-q").assert_outcomes(passed=1)
    recorded = (shop.path / "recordings" / "test_shop.jsonl").read_text()
    assert [json.loads(line)["case"] for line in recorded.splitlines()] == ["sky"] * 2


AHEAD = (
    ASK
    + APP
    + """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", ahead="fixtures")
def test_app(app, llm, case):
    assert ask_app(app, case.input, llm.headers) == case.input
    assert len(llm.calls) == 1
"""
)


def test_many_cases_are_in_one_app_at_once_where_that_is_allowed(shop: Shop) -> None:
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(12)])
    shop.server.latency_s = 0.2
    shop.test(AHEAD)
    shop.run("--ladder-live", "-q").assert_outcomes(passed=12)
    assert shop.server.count == 12
    assert shop.server.peak >= 6
    rows = shop.rows()
    assert [[r["live"] for r in row["replies"]] for row in rows] == [[True]] * 12
    shop.server.stop()
    shop.run("-q").assert_outcomes(passed=12)


def test_without_headers_nobody_runs_ahead_and_nothing_is_guessed(shop: Shop) -> None:
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(4)])
    shop.server.latency_s = 0.05
    shop.test(AHEAD.replace(", llm.headers", ""))
    shop.run("--ladder-live", "-q").assert_outcomes(passed=4)
    assert shop.server.peak == 1
    # An app that drops what it is given: the tests end, and none gets another's reply.
    dropping = AHEAD.replace('if self.headers["baggage"] else {}', "if False else {}")
    shop.test(dropping.replace("case.input, llm", "'new ' + case.input, llm"))
    shop.run("--ladder-live", "-q")
    for row in shop.rows():
        assert row["outcome"] == "error" or row["text"] == f"new say {row['case'][1:]}"
    shop.test(AHEAD.replace('"fixtures"', '"fixture"'))
    result = shop.run("-q")
    result.stderr.fnmatch_lines(["*ahead='fixture' is none of True, False*"])


def test_a_client_that_waits_is_kept_and_one_that_left_is_not_paid_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PING_S", 0.05)
    shop.cases([{"id": "sky", "input": "say blue"}])
    shop.server.latency_s = 0.4
    shop.test(
        ASK
        + """
def stream(base, text):
    body = {"model": "m", "stream": True,
            "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        base + "/chat/completions", json.dumps(body).encode(),
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return response.read().decode()

@pytest.mark.cheap
def test_waits(llm):
    said = stream(llm.base_url, "say blue")
    assert said.startswith(": ping") and said.endswith("data: [DONE]\\n\\n")

@pytest.mark.cheap
def test_fails(llm):
    assert '"error"' in stream(llm.base_url, "fail")

@pytest.mark.cheap
def test_leaves(llm):
    messages = [{"role": "user", "content": "left"}]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    request = urllib.request.Request(
        llm.base_url + "/chat/completions", body, {"Content-Type": "application/json"})
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(request, timeout=0.1)
    assert ask(llm.base_url, "left") == "left"
"""
    )
    shop.server.reply = lambda body: (
        fails(400) if body["messages"][-1]["content"] == "fail" else "left"
    )
    result = shop.run("--ladder-live", "-q")
    result.assert_outcomes(passed=2, failed=1)
    assert shop.server.count == 3
