"""The tests whose replies were paid for; a copy of it is called test_shop.py."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.ladder(cases="cases.jsonl")

FEW: list[dict[str, Any]] = [
    {"id": "cups", "input": "How many cups is a tin?", "expected": "50 cups"},
    {
        "id": "box",
        "input": "How large is a box?",
        "expected": "20 bags",
        "context": ["A box holds 20 bags."],
    },
]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "stock_of",
            "description": "Tell how many tins are in stock.",
            "parameters": {
                "type": "object",
                "properties": {"tea": {"type": "string"}},
                "required": ["tea"],
            },
        },
    }
]
PICTURE = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.cheap(at_least=0.5)
def test_answer(reply: Any, case: Any) -> None:
    assert case.expected in reply.text


@pytest.mark.cheap(at_least=0.5)
@pytest.mark.ladder(cases=FEW[:1], samples=2)
def test_twice(reply: Any, case: Any) -> None:
    assert case.expected in reply.text


@pytest.mark.cheap(at_least=0.5)
@pytest.mark.ladder(cases=FEW, pack=True, weight=2.0)
def test_packed(reply: Any, case: Any) -> None:
    assert reply.text.endswith(".")


def polite(case: Any, llm: Any) -> Any:
    draft = llm(f"Answer shortly: {case.input}")
    return llm([*draft.messages, {"role": "user", "content": "Now say it politely."}])


@pytest.mark.cheap(at_least=0.5)
@pytest.mark.ladder(cases=FEW[:1], task=polite)
def test_task(reply: Any, score: Any) -> None:
    score(0.75 if "please" in reply.text else 0.25, "please")
    score("length", min(1.0, 20 / len(reply.text)))


@pytest.mark.judged(at_least=0.2, rubric="The reply is polite.")
def test_tone(verdict: Any) -> None:
    assert verdict, verdict.reason


@pytest.mark.judged(judge="correctness", samples=2)
@pytest.mark.ladder(cases=FEW[:1])
def test_correct(verdict: Any) -> None:
    assert verdict.passed


@pytest.mark.judged(rubric="How helpful is the reply?", scale="graded")
@pytest.mark.ladder(cases=FEW[1:])
def test_helpful(verdict: Any) -> None:
    assert verdict.score >= 0.5


@pytest.mark.judged(at_least=0.2, judge="chunk_relevance")
@pytest.mark.ladder(cases=FEW[1:])
def test_retrieval(verdict: Any) -> None:
    assert verdict.score >= 0.5


@pytest.mark.judged
@pytest.mark.ladder(cases=FEW[1:])
def test_free_verdict(llm: Any, judge: Any, case: Any) -> None:
    assert judge(llm.ask(case), judge="groundedness", case=case)


@pytest.mark.judged
def test_preferred(llm: Any, judge: Any) -> None:
    better, worse = llm("Greet me, please."), llm("Greet me curtly.")
    assert judge.prefer(better, worse, "Which greeting is warmer?").score == 1


@pytest.mark.judged
def test_metric_of_another_library(judge: Any) -> None:
    assert judge.llm("Is tea hot? Answer yes or no.").text == "yes"


@pytest.mark.cheap
@pytest.mark.parametrize("thinks", ["inside", "apart"])
def test_follow_up(llm: Any, thinks: Any) -> None:
    first = llm(f"Think {thinks}: how long is the refund window?")
    assert "45 days" in first.text
    again = [*first.messages, {"role": "user", "content": "And in weeks?"}]
    assert "6 weeks" in llm(again, max_tokens=30).text


@pytest.mark.cheap
async def test_coroutine(llm: Any) -> None:
    assert (await llm.acall("Say hello.")).text == "hello"


@pytest.mark.cheap
def test_tool(llm: Any) -> None:
    first = llm("How many tins of Sencha are there?", tools=TOOLS)
    (call,) = first.tool_calls
    told = {"role": "tool", "tool_call_id": call["id"], "content": "17"}
    assert "17 tins" in llm([*first.messages, told], tools=TOOLS).text


@pytest.mark.cheap
def test_json(llm: Any) -> None:
    wanted = {"response_format": {"type": "json_object"}}
    assert llm("Give the price of a tin as JSON.", **wanted).json() == {"eur": 9.5}


@pytest.mark.cheap
def test_picture(llm: Any) -> None:
    parts = [
        {"type": "text", "text": "What is on the picture?"},
        {"type": "image_url", "image_url": {"url": PICTURE}},
    ]
    assert "tanuki" in llm([{"role": "user", "content": parts}]).text
