"""Judged tests: `verdict` and `judge`, their spend, and the funnel before them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugin.scratch_suite import JUDGE, LADDER, ONE_WORKER, TONE, Run, Shop
from tests.scripted_server import Says, last_user_message, says

BOTH = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.5)
def test_cheap(reply, case):
    assert case.expected in reply.text

@pytest.mark.judged(at_least=0.5, rubric="The reply names a colour.")
def test_tone(verdict):
    assert verdict.passed, verdict.reason
"""

_HEAD, _CHEAP, _JUDGED = BOTH.split("\n\n")
JUDGED_FIRST = "\n\n".join([_HEAD, _JUDGED, _CHEAP]).replace("0.5", "0.3") + "\n"


@pytest.fixture
def judged(shop: Shop) -> Shop:
    """A shop whose judge passes what holds the word blue."""
    shop.ladder(LADDER + JUDGE)
    shop.server.reply = answer
    return shop


def answer(body: dict[str, Any]) -> Says:
    text = last_user_message(body)
    if body["model"] != "judge":
        return says(text.removeprefix("say "))
    verdict = "pass" if "blue" in text else "fail"
    return says(json.dumps({"reason": f"it is a {verdict}", "verdict": verdict}))


def asked(shop: Shop, model: str) -> int:
    return sum(request.body["model"] == model for request in shop.server.requests)


@ONE_WORKER
def test_a_verdict_is_the_judges_and_its_price_is_evaluation(
    judged: Shop, run: Run
) -> None:
    judged.test(TONE)
    result = run("--ladder-live", "--ladder=matrix")
    result.assert_outcomes(passed=2, failed=2)
    assert asked(judged, "judge") == 6
    rows = judged.rows("ladder-report")
    verdicts = {(row["rung"], row["case"]): row["verdict"] for row in rows}
    assert verdicts["bot/plain", "sky"]["passed"] is True
    assert verdicts["bot/plain", "fire"]["reason"] == "it is a fail"
    assert {one["judge"] for one in verdicts.values()} == {"openai/judge"}
    assert all(one["rubric"].startswith("own#") for one in verdicts.values())
    spend = judged.matrix("ladder-report")["spend"]
    assert spend["evaluation_usd"] > spend["product_usd"] > 0
    cell = judged.matrix("ladder-report")["rungs"][0]["levels"]["judged"]
    assert (cell["quality"], cell["n"], cell["missed"]) == (
        pytest.approx(1 / 3, abs=1e-4),
        3,
        2,
    )


def test_a_clone_replays_verdicts_without_a_call(judged: Shop) -> None:
    judged.test(TONE.replace("judged(", "judged(at_least=0.3, "))
    judged.run("--ladder-live")
    before = judged.server.count
    (judged.path / ".ladder").rename(judged.path / "gone")
    result = judged.run()
    assert result.ret == 0
    assert judged.server.count == before
    assert judged.matrix()["spend"]["evaluation_usd"] == 0


def test_what_misses_a_cheap_check_is_not_judged_and_counts_as_a_miss(
    judged: Shop, run: Run
) -> None:
    judged.server.reply = lambda body: (
        says(json.dumps({"reason": "fine", "verdict": "pass"}))
        if body["model"] == "judge"
        else says(last_user_message(body))
    )
    judged.test(BOTH)
    result = run("--ladder-live")
    assert result.ret == 0
    outcomes = judged.outcomes()
    assert outcomes["test_tone[bot/plain-sun]"] == "missed"
    assert outcomes["test_tone[bot/plain-sky]"] == "passed"
    (row,) = [r for r in judged.rows() if (r["case"], r["level"]) == ("sun", "judged")]
    assert row["reason"].startswith("funnel:")
    assert row["score"] == 0
    cell = judged.matrix()["rungs"][0]["levels"]["judged"]
    assert (cell["missed"], cell["n"]) == (1, 3)


def test_without_xdist_the_funnel_saves_the_judge(judged: Shop) -> None:
    judged.test(BOTH)
    judged.run("--ladder-live", "--ladder=matrix")
    # Of three cases on two rungs one case misses its cheap check on each.
    assert asked(judged, "judge") == 4


def test_the_funnel_can_be_switched_off(judged: Shop) -> None:
    judged.ladder(LADDER + JUDGE + "funnel = false\n")
    judged.test(BOTH)
    judged.run("--ladder-live")
    assert asked(judged, "judge") == 3


def test_the_funnel_forgets_no_recorded_verdict(judged: Shop, run: Run) -> None:
    """As where one configuration has the funnel and another beside it has not."""
    without = LADDER + JUDGE + "funnel = false\n"
    judged.test(BOTH.replace("judged(at_least=0.5", "judged(at_least=0.3"))
    judged.ladder(without)
    run("--ladder-live")
    judged.ladder(LADDER + JUDGE)
    assert run("--ladder-live").ret == 0
    (judged.path / ".ladder").rename(judged.path / "gone")
    judged.ladder(without)
    before = judged.server.count
    assert run().ret == 0
    assert judged.server.count == before


def test_a_replay_that_judges_first_needs_no_verdict_on_what_the_funnel_held_back(
    judged: Shop, run: Run
) -> None:
    judged.test(BOTH)
    judged.run("--ladder-live", "--ladder=matrix")
    for source in (JUDGED_FIRST, JUDGED_FIRST.replace('jsonl"', 'jsonl", pack=True')):
        judged.test(source)
        assert run("--ladder=matrix").ret == 0
        cells = [
            rung["levels"]["judged"] for rung in judged.matrix("ladder-report")["rungs"]
        ]
        assert [(c["missed"], c["errors"], c["n"]) for c in cells] == [(2, 0, 3)] * 2


def test_a_verdict_that_is_missing_fails_only_what_passed_its_cheap_check(
    judged: Shop, run: Run
) -> None:
    judged.test(BOTH)
    judged.run("--ladder-live")
    judged.test(JUDGED_FIRST.replace("names a colour", "names a new colour"))
    result = run()
    assert result.ret == 1
    # An error of the test itself where another worker ended the check before.
    told = [line for line in result.outlines if line.startswith("No reply of [judge]")]
    told += [line for line in result.outlines if line.startswith("funnel: the case")]
    assert len(told) == 2
    assert not any("-sun" in line for line in told)
    cell = judged.matrix()["rungs"][0]["levels"]["judged"]
    assert (cell["missed"], cell["errors"], cell["n"]) == (1, 2, 1)
    again = judged.run("--lf", "--collect-only", "-q")
    again.stdout.fnmatch_lines(
        ["*test_tone?bot/plain-sky?", "*test_tone?bot/plain-fire?"]
    )
    again.stdout.no_fnmatch_line("*test_tone?bot/plain-sun?")


def test_a_judge_that_cannot_be_read_is_an_error_and_no_score(judged: Shop) -> None:
    judged.server.reply = lambda body: says("I would say it is rather good.")
    judged.test(TONE)
    result = judged.run("--ladder-live")
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*gave no usable verdict*"])
    assert {row["outcome"] for row in judged.rows()} == {"error"}
    # Each was asked once more, and both answers are paid for.
    assert asked(judged, "judge") == 6
    assert judged.matrix()["spend"]["evaluation_usd"] > 0


def test_the_judge_fixture_grades_any_reply(judged: Shop) -> None:
    judged.test("""
@pytest.mark.judged
def test_free(llm, judge):
    first = llm("say blue")
    assert judge(first, rubric="The reply names a colour.")
    assert not judge("red", rubric="The reply names a colour.")

@pytest.mark.judged
async def test_coroutine(llm, judge):
    reply = await llm.acall("say blue")
    assert await judge.acall(reply, rubric="The reply names a colour.")
""")
    result = judged.run("--ladder-live")
    result.assert_outcomes(passed=2)
    assert asked(judged, "judge") == 2
    assert asked(judged, "bot") == 1


def test_a_judge_of_code_needs_no_model(shop: Shop) -> None:
    shop.test("""
def short(reply, case):
    return {"score": 0.75, "reason": "short enough"}

@pytest.mark.judged(judge=short)
@pytest.mark.ladder(cases="cases.jsonl")
def test_short(verdict):
    assert verdict.score > 0.5
""")
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=3)
    cell = shop.matrix()["rungs"][0]["levels"]["judged"]
    assert cell["quality"] == 0.75


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ("judged", "A judge needs one of `rubric="),
        ("judged(judge='corectness')", "did you mean `correctness`?"),
        ("judged(rubric='It is short.', samples=0)", "samples=0 is not a whole number"),
        ("cheap(rubric='x')", "does not know 'rubric'"),
    ],
)
def test_mistakes_show_while_collecting(judged: Shop, marker: str, told: str) -> None:
    judged.test(
        f"@pytest.mark.{marker}\n@pytest.mark.ladder(cases='cases.jsonl')\n"
        "def test_it(verdict):\n    pass\n"
    )
    result = judged.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{told.replace('[', '[[]')}*"])
    assert judged.server.count == 0


@pytest.mark.parametrize("asked", ["rubric='It is short.'", "judge='correctness'"])
def test_a_judge_that_nobody_asks_is_no_judgement(judged: Shop, asked: str) -> None:
    judged.test(
        f"@pytest.mark.judged({asked})\n@pytest.mark.ladder(cases='cases.jsonl')\n"
        "def test_it(reply):\n    assert reply.text\n"
    )
    result = judged.run("--ladder-live")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*that it never asks; take `verdict` as an argument*"])
    assert judged.server.count == 0


def test_a_rubric_without_a_judge_says_what_to_add(shop: Shop) -> None:
    shop.test(TONE)
    result = shop.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*add [[]judge] with an `id`*"])


def test_a_judge_of_retrieval_is_skipped_where_nothing_is_retrieved(
    judged: Shop,
) -> None:
    judged.test(
        TONE.replace(
            'rubric="The reply names a colour of the sky."', 'judge="chunk_relevance"'
        )
    )
    result = judged.run("--ladder-live")
    result.assert_outcomes(skipped=3)


def test_packed_tests_are_judged_case_by_case(judged: Shop) -> None:
    judged.test(
        TONE.replace("judged(", "judged(at_least=0.3, ").replace(
            'cases="cases.jsonl"', 'cases="cases.jsonl", pack=True'
        )
    )
    result = judged.run("--ladder-live")
    assert result.ret == 0
    assert [row["outcome"] for row in judged.rows()] == ["missed", "passed", "missed"]


def test_the_plan_counts_verdicts_at_most_and_calls_nobody(judged: Shop) -> None:
    judged.test(TONE.replace("judged(", "judged(samples=2, "))
    result = judged.run("--ladder-plan", "--ladder=matrix")
    result.stdout.fnmatch_lines(["*[[]judge] *12 * 0 *"])
    assert judged.server.count == 0


def test_a_budget_needs_the_price_of_the_judge(judged: Shop) -> None:
    judged.ladder(LADDER + JUDGE.replace("price", "# price"))
    judged.test(TONE)
    result = judged.run("--ladder-live", "--ladder-budget=1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*price of model '[[]judge]' is unknown*"])
