"""Runs whose rungs think, vote, refine and call tools, against a real server."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from tests.plugin.scratch_suite import ANSWER, Shop
from tests.plugin.slope import OBJECTIVE
from tests.scripted_server import Act, Body, calls_tool, fails, last_user_message, says

LADDER = """\
current = "bot/vote"

[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
api_base = "{api_base}"
price = {{ input = 1.0, output = 2.0 }}
params = {{ max_tokens = 20 }}
limits = {{ concurrency = 32 }}

[[strategy]]
name = "plain"

[[strategy]]
name = "think"
use = "think"

[[strategy]]
name = "vote"
use = "vote"
votes = 3

[[strategy]]
name = "refine"
use = "refine"
critique = "What is wrong?"
revise = "Answer again."

[[strategy]]
name = "tools"
use = "tools"
tools = ["paint:mix"]
most_calls = 3

[[strategy]]
name = "think-few-shot-rag"
use = "think"
extract = "tag"
examples = "examples.jsonl"
retriever = "paint:find"
"""
PAINT = '''
def mix(first: str, second: str) -> str:
    """Mix two colours."""
    return {"red yellow": "orange"}[f"{first} {second}"]

def find(query, top_k):
    return ["Red is a colour."]
'''
COLOURS = ["blue", "red", "green", "black"]
CALLS = {"plain": 1, "think": 1, "vote": 3, "refine": 3, "tools": 3}
COUNT = len(COLOURS)


class Painter:
    """Answers as a model of each strategy would; of three votes one is another."""

    def __init__(self) -> None:
        self.votes: Counter[str] = Counter()

    def __call__(self, body: Body) -> str | Act:
        said = last_user_message(body)
        colour = said.partition("\n")[0].removeprefix("say ")
        messages = body["messages"]
        if "tools" in body:
            return self._with_tools(body, colour)
        if said.startswith("Context:"):
            return f"Red? No.<answer>{said.split('say ')[1].split()[0]}</answer>"
        if "Think step" in said:
            return f"I am asked for a colour.\nAnswer: {colour}"
        if said == "What is wrong?":
            return "It is mauve."
        if said == "Answer again.":
            return str(messages[0]["content"]).removeprefix("say ")
        self.votes[colour] += 1
        return "mauve" if self.votes[colour] % 3 == 2 else f"{colour.upper()}."

    def _with_tools(self, body: Body, colour: str) -> str | Act:
        told = [m["content"] for m in body["messages"] if m["role"] == "tool"]
        if not told:
            return calls_tool("mix", {"first": colour})
        if len(told) == 1:
            return calls_tool("mix", {"first": "red", "second": "yellow"}, "call_2")
        return f"{colour}, not {told[1]}"


def a_case(colour: str) -> dict[str, str]:
    return {"id": colour, "input": f"say {colour}", "expected": colour}


@pytest.fixture
def painted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(shop.path)
    shop.ladder(LADDER)
    shop.write("paint.py", PAINT)
    shop.write("examples.jsonl", '{"input": "say white", "expected": "white"}\n')
    shop.cases(
        [
            {"id": c, "input": f"say {c}", "expected": c, "x": n}
            for n, c in enumerate(COLOURS)
        ]
    )
    shop.test(ANSWER.replace("reply.text", "reply.text.lower()"))
    shop.server.reply = Painter()
    return shop


def by_rung(shop: Shop) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in shop.rows("ladder-report"):
        rows.setdefault(row["rung"].removeprefix("bot/"), []).append(row)
    return rows


def test_each_kind_is_planned_run_shown_and_replayed(
    painted: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = painted.run("--ladder=matrix", "--ladder-plan").stdout.str()
    for name, calls in CALLS.items():
        counted = re.search(rf"^bot/{name} +([\d,]+) ", planned, re.MULTILINE)
        assert counted is not None, planned
        assert int(counted[1]) == calls * COUNT, name
    (bound,) = re.findall(r"at most \$([\d.]+)", planned)
    painted.server.latency_s = 0.05
    result = painted.run("--ladder=matrix", "--ladder-live")
    result.assert_outcomes(passed=6 * COUNT)
    rows = by_rung(painted)
    for name, calls in CALLS.items():
        for row in rows[name]:
            (bill,) = row["replies"]
            assert len(bill.get("calls", [1])) == calls, name
    spend = painted.matrix("ladder-report")["spend"]
    assert spend["live_calls"] == painted.server.count == 11 * COUNT
    assert 0 < spend["product_usd"] <= float(bound)
    _check_vote(painted, rows["vote"][0])
    refined, voted = (rows[name][0]["replies"][0] for name in ("refine", "vote"))
    # One call after another, or side by side.
    assert refined["latency_s"] > 0.15
    assert 0.05 < voted["latency_s"] < refined["latency_s"]
    assert {row["text"] for row in rows["think"]} == set(COLOURS)
    assert rows["think-few-shot-rag"][0]["retrieved"] == ["paint:find"]
    assert all(row["text"].endswith(", not orange") for row in rows["tools"])
    _check_steps(painted)

    painted.run("--ladder=matrix").assert_outcomes(passed=6 * COUNT)
    assert painted.server.count == 11 * COUNT
    replayed = by_rung(painted)
    for name, before in rows.items():
        after = replayed[name]
        assert [row["text"] for row in after] == [row["text"] for row in before]
        assert [row.get("scores") for row in after] == [r.get("scores") for r in before]
        for field in ("cost_usd", "latency_s", "calls"):
            first = [row["replies"][0].get(field) for row in before]
            assert [row["replies"][0].get(field) for row in after] == first
    told = painted.run("--ladder=matrix", "--ladder-plan").stdout
    told.fnmatch_lines(["0 calls, at most $0; *"])
    # What ships is recorded, each vote of it, and needs no store.
    recorded = (painted.path / "recordings/test_shop.jsonl").read_text()
    assert len(recorded.splitlines()) == 3 * COUNT
    shutil.rmtree(painted.path / ".ladder")
    painted.run().assert_outcomes(passed=COUNT)
    assert painted.server.count == 11 * COUNT
    capsys.readouterr()
    main(["recordings", "check"])
    assert f"{3 * COUNT} recordings: nothing to do" in capsys.readouterr().out


def _check_vote(painted: Shop, row: dict[str, Any]) -> None:
    """The agreement is told, and no part of the score."""
    assert row["scores"] == {"agreement": pytest.approx(2 / 3)}
    assert (row["score"], row["replies"][0].get("flag")) == (1.0, None)
    bodies = [r.body for r in painted.server.requests if "tools" not in r.body]
    # Three votes, and one call that is the plain one as well as the draft.
    assert [last_user_message(body) for body in bodies].count("say red") == 4


def _check_steps(painted: Shop) -> None:
    """The report has what was said in each call of a conversation."""
    lines = (painted.path / "ladder-report/exchanges.jsonl").read_text().splitlines()
    exchanges = {entry["key"]: entry for entry in map(json.loads, lines)}
    keys = by_rung(painted)["tools"][0]["replies"][0]["calls"]
    first, second, third = (exchanges[key] for key in keys)
    assert "mix" in first["text"]
    assert second["messages"][-1]["content"].startswith("Error: wrong arguments: ")
    assert third["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "call_2",
        "content": "orange",
    }


def test_a_budget_that_ends_within_a_vote_loses_nothing(painted: Shop) -> None:
    painted.server.reply = lambda body: says(
        "blue red green black", usage={"prompt_tokens": 10, "completion_tokens": 20}
    )
    painted.run("--ladder-live", "--ladder-budget=0.000301")
    paid = painted.server.count
    assert 3 <= paid < 3 * COUNT
    rows = painted.rows()
    assert {row.get("why") for row in rows} == {None, "budget"}
    bills = [bill for row in rows for bill in row.get("replies", ())]
    assert sum(len(bill.get("calls", [bill["key"]])) for bill in bills) == paid
    spend = painted.matrix()["spend"]
    assert spend["product_usd"] == pytest.approx(paid * 50e-6)
    painted.run("--ladder-live").assert_outcomes(passed=COUNT)
    assert painted.server.count == 3 * COUNT


def test_a_vote_that_fails_is_an_error_with_all_that_was_paid(painted: Shop) -> None:
    # One after another: which of several is the second would be left to chance.
    painted.ladder(LADDER.replace("concurrency = 32", "concurrency = 1"))
    painted.server.script(says("red"), fails(400, "no"), says("red"))
    painted.run("--ladder-live", "-k", "red").assert_outcomes(errors=1)
    (row,) = painted.rows()
    (bill,) = row["replies"]
    assert (row["why"], len(bill["calls"])) == ("failed call", 2)


def test_a_climb_goes_past_votes(painted: Shop) -> None:
    painted.ladder(LADDER + OBJECTIVE)
    painted.cases([a_case(f"c{n}") for n in range(40)])
    painted.test(ANSWER.replace("cheap", "cheap(at_least=0.0)"))
    painted.run("--ladder=climb", "--ladder-live", "--ladder-rungs=*/[ptv]*")
    matrix = painted.matrix("ladder-report/climb")
    order = [rung.removeprefix("bot/") for rung in matrix["run_order"]]
    assert order == ["plain", "think", "vote", "tools", "think-few-shot-rag"]
    # Shouted, as plain answers it, it is no answer here.
    assert matrix["recommendation"]["rung"] == "bot/think"
