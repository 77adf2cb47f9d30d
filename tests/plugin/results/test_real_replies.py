"""What real servers send, as a run shows it: thoughts, refusals, and calls for nothing.

Each run is made twice: live, and as a replay of what the first one stored.
"""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import ANSWER, LADDER, Run, Shop
from tests.scripted_server import Sends, filtered, says, sends
from tests.server_shapes import SHAPES

FOLLOW_UP = """
@pytest.mark.cheap
def test_follow_up(llm):
    first = llm("say blue")
    assert (first.text, first.reasoning) == ("I do not know.", "Blue, or red?")
    assert first.whole_text == first.messages[-1]["content"]
    llm([*first.messages, {"role": "user", "content": "Sure?"}])
"""
THINKING = "<think>Blue, or red?</think>\n\nI do not know."
USAGE = {"prompt_tokens": 12, "completion_tokens": 5}
ONCE_USD = (12 * 1.0 + 5 * 2.0) / 1e6
STREAMED = LADDER.replace("[[strategy]]", "stream = true\n\n[[strategy]]", 1)


@pytest.fixture(autouse=True)
def _suite(shop: Shop, short_pauses: None) -> None:
    shop.cases([{"id": "sky", "input": "say blue", "expected": "Blue"}])
    shop.test(ANSWER)


def run_twice(shop: Shop) -> list[pytest.RunResult]:
    """Run live, and then replay."""
    return [shop.run("--ladder-live"), shop.run()]


@pytest.mark.parametrize("ladder", [LADDER, STREAMED], ids=["whole", "streamed"])
def test_what_a_model_thinks_is_not_its_answer(shop: Shop, ladder: str) -> None:
    shop.ladder(ladder)
    shop.server.reply = lambda _: THINKING
    for result in run_twice(shop):
        result.assert_outcomes(failed=1)
        assert shop.rows()[0]["text"] == "I do not know."
    assert shop.server.count == 1


def test_a_conversation_goes_on_with_what_was_really_said(shop: Shop) -> None:
    shop.test(FOLLOW_UP)
    shop.server.reply = lambda _: THINKING
    for result in run_twice(shop):
        result.assert_outcomes(passed=1)
    assert shop.server.requests[1].body["messages"][1]["content"] == THINKING


def test_a_refusal_is_scored_by_its_words_and_flagged(shop: Shop) -> None:
    words = "I cannot say Blue."
    message = {"role": "assistant", "content": None, "refusal": words}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    shop.server.reply = lambda _: sends({"choices": [choice], "usage": USAGE})
    for result in run_twice(shop):
        result.assert_outcomes(passed=1)
        row = shop.rows()[0]
        assert (row["text"], row["replies"][0]["flag"]) == (words, "refused")


FILTERS = [name for name in SHAPES if name.endswith("a filtered prompt")]


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_that_answers_with_an_error_gives_a_reply(
    shop: Shop, name: str
) -> None:
    shape = SHAPES[name]
    shop.server.reply = lambda _: Sends(body=shape.whole, status=shape.status)
    for result in run_twice(shop):
        result.assert_outcomes(failed=1)
        row = shop.rows()[0]
        assert (row["outcome"], row["replies"][0]["flag"]) == ("missed", "filtered")
    assert shop.server.count == 1


ERRORS = [name for name in SHAPES if SHAPES[name].is_error]


@pytest.mark.parametrize("name", [*ERRORS, "no JSON"])
def test_an_error_is_no_reply_and_what_it_cost_is_told(shop: Shop, name: str) -> None:
    body = SHAPES[name].whole if name in SHAPES else b"<html>"
    shop.server.reply = lambda _: Sends(body=body)
    shop.run("--ladder-live").assert_outcomes(errors=1)
    spend = shop.matrix()["spend"]
    assert spend["lost_calls"] == shop.server.count
    assert spend["lost_usd"] > 0
    # Nothing is stored, so it is asked for again.
    before = shop.server.count
    shop.server.reply = lambda _: "Blue"
    shop.run("--ladder-live").assert_outcomes(passed=1)
    assert shop.server.count == before + 1


def failing(code: int) -> Sends:
    error = {"message": "upstream", "code": code}
    choice = {"message": {"content": ""}, "finish_reason": "error", "error": error}
    return sends({"choices": [choice], "usage": USAGE})


def test_calls_without_a_reply_are_in_the_spend_line(run: Run, shop: Shop) -> None:
    shop.server.reply = lambda _: failing(400)
    result = run("--ladder-live")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["1 call, no reply; $0.000022"])
    assert shop.matrix()["spend"]["lost_usd"] == pytest.approx(ONCE_USD)


def test_each_attempt_is_in_the_spend_line(shop: Shop) -> None:
    shop.server.reply = lambda _: failing(502)
    result = shop.run("--ladder-live")
    result.stdout.fnmatch_lines(["6 calls, no reply; $0.000132"])
    assert shop.server.count == 6


def test_a_call_that_told_no_usage_counts_with_its_worst_case(shop: Shop) -> None:
    shop.server.script(Sends(body=b"<html>"), says("Blue", usage=USAGE))
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["spent $0.000022 on 1 call; 0 replayed. Besides 1 call, no reply; at most*"]
    )
    # Of a replay nothing is lost.
    shop.run().stdout.fnmatch_lines(["replayed 1 call*spent nothing"])


def test_a_filtered_answer_of_success_is_no_error(shop: Shop) -> None:
    shop.server.reply = lambda _: filtered()
    shop.run("--ladder-live").assert_outcomes(failed=1)
    assert "lost_calls" not in shop.matrix()["spend"]
