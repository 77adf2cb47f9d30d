"""`judge.llm`: the judge's model itself, for metrics that ask one."""

from __future__ import annotations

import shutil

import pytest

from tests.plugin.scratch_suite import JUDGE, LADDER, ONE_WORKER, Run, Shop
from tests.scripted_server import last_user_message, says

SUITE = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.judged(at_least=0.1)
def test_metric(reply, judge, score):
    score("worth", float(judge.llm(f"Grade: {reply.text}", seed=7).text))
"""


@pytest.fixture
def graded(shop: Shop) -> Shop:
    """A shop whose judge gives what ends in `blue` 1, and other texts 0.5."""
    shop.ladder(LADDER + JUDGE)
    shop.test(SUITE)
    shop.server.reply = lambda body: says(
        last_user_message(body)
        if body["model"] == "bot"
        else str(1.0 if last_user_message(body).endswith("blue") else 0.5)
    )
    return shop


@ONE_WORKER
def test_its_calls_are_evaluation_and_never_made_twice(graded: Shop, run: Run) -> None:
    run("--ladder-live").assert_outcomes(passed=3)
    first = graded.rows()
    assert [row["scores"]["worth"] for row in first] == [0.5, 1.0, 0.5]
    spend = graded.matrix()["spend"]
    assert spend["evaluation_usd"] > spend["product_usd"] > 0
    assert graded.matrix()["rungs"][0]["cost"]["usd_per_1k"] == pytest.approx(0.006)
    asked = [one.body for one in graded.server.requests if one.body["model"] == "judge"]
    assert {(body["seed"], body["max_tokens"]) for body in asked} == {(7, 200)}
    # A clone of the repository has the recordings alone.
    shutil.rmtree(graded.path / ".ladder")
    run().assert_outcomes(passed=3)
    assert graded.server.count == 6
    assert [row["scores"] for row in graded.rows()] == [row["scores"] for row in first]


def test_a_coroutine_awaits_it(graded: Shop) -> None:
    graded.test(
        SUITE.replace("def test", "async def test")
        .replace("float(judge.llm(", "float((await judge.llm.acall(")
        .replace(").text))", ")).text))")
    )
    graded.run("--ladder-live").assert_outcomes(passed=3)


def test_without_a_recording_it_says_how_to_make_one(graded: Shop) -> None:
    graded.run("--ladder-live")
    graded.test(SUITE.replace("Grade", "Rate"))
    result = graded.run()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*Record it: pytest*--ladder-live*"])
    assert set(graded.outcomes().values()) == {"error"}
    assert graded.server.count == 6


def test_the_budget_holds_for_it(graded: Shop) -> None:
    result = graded.run("--ladder-live", "--ladder-budget=0.001", "-rs")
    result.stdout.fnmatch_lines(["SKIPPED*budget*"])
    asked = [one.body["model"] for one in graded.server.requests]
    assert "judge" not in asked


def test_it_needs_a_judge_in_the_configuration(graded: Shop) -> None:
    graded.ladder(LADDER)
    result = graded.run("--ladder-live")
    result.stdout.fnmatch_lines(["E  *There is no model that judges; add [[]judge[]]*"])
    assert set(graded.outcomes().values()) == {"error"}
