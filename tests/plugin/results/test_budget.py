"""The budget: a cap over all processes, and what a run says when it is reached."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.plugin.scratch_suite import ANSWER, LADDER, Run, Shop
from tests.scripted_server import fails, says

FOLLOW_UP = """
@pytest.mark.cheap
def test_follow_up(llm):
    first = llm("say one thing")
    assert llm([*first.messages, {"role": "user", "content": "and another"}]).text
"""
USAGE = {"prompt_tokens": 40, "completion_tokens": 20}
REPLY_USD = (40 * 1.0 + 20 * 2.0) / 1e6


@pytest.fixture(autouse=True)
def _suite(shop: Shop) -> None:
    shop.cases(
        [{"id": f"c{n}", "input": f"say {n}", "expected": str(n)} for n in range(80)]
    )
    shop.test(ANSWER)
    shop.server.reply = _reply


def _reply(body: dict[str, Any]) -> Any:
    return says(str(body["messages"][-1]["content"]), usage=USAGE)


def told_budget(result: pytest.RunResult) -> str:
    found = re.search(r"--ladder-budget=([\d.]+)", result.stdout.str())
    assert found is not None
    return found[1]


@pytest.mark.parametrize("workers", [(), ("-n", "4")], ids=["plain", "xdist"])
def test_the_cap_is_never_exceeded_and_the_rest_can_be_run(
    shop: Shop, workers: tuple[str, ...]
) -> None:
    shop.server.latency_s = 0.005
    cap = 30 * REPLY_USD
    result = shop.run("--ladder-live", f"--ladder-budget={cap:.6f}", *workers)
    paid = shop.server.count
    assert paid * REPLY_USD <= cap
    assert paid >= 25
    result.assert_outcomes(passed=paid, skipped=80 - paid, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*ladder budget*",
            f"*is spent; left out: {80 - paid} calls that may cost up to $0.00*. To *",
            f"bot/plain, cheap: {80 - paid} not run: budget, which no quality *",
        ]
    )
    cell = shop.matrix()["rungs"][0]["levels"]["cheap"]
    assert cell["coverage"] == pytest.approx(paid / 80, abs=1e-4)
    assert shop.matrix()["spend"]["product_usd"] == pytest.approx(paid * REPLY_USD)
    refused = [row for row in shop.rows() if row["outcome"] == "error"]
    assert {row["reason"].split(": $")[0] for row in refused} == {"not run: budget"}
    again = shop.run("--ladder-live", f"--ladder-budget={told_budget(result)}")
    again.assert_outcomes(passed=80)
    assert shop.server.count == 80
    assert again.ret == pytest.ExitCode.OK


def test_a_budget_that_suffices_changes_nothing(shop: Shop, run: Run) -> None:
    result = run("--ladder-live", "--ladder-budget=1")
    result.assert_outcomes(passed=80)
    assert "ladder budget" not in result.stdout.str()


def test_free_form_tests_end_when_the_budget_does(shop: Shop) -> None:
    shop.test(FOLLOW_UP)
    result = shop.run("--ladder-live", "--ladder-budget=0.0002")
    result.assert_outcomes(skipped=1, failed=1)
    assert shop.server.count == 1
    result.stdout.fnmatch_lines(["*is spent; left out: 1 call that may cost up to *"])


NO_PRICE = (
    ("price = {{ input = 1.0, output = 2.0 }}\n", ""),
    "*--ladder-budget: the price of model 'bot' is unknown; declare `price` or "
    "`serve` in ladder.toml, or drop --ladder-budget.*",
)


@pytest.mark.parametrize(
    ("change", "problem", "workers"),
    [
        (*NO_PRICE, ()),
        (*NO_PRICE, ("-n1",)),
        (
            (", max_tokens = 20", ""),
            "*--ladder-budget: nothing bounds the output of model 'bot'; set "
            "params.max_tokens in ladder.toml.*",
            (),
        ),
    ],
    ids=["no price", "no price in a worker", "no max_tokens"],
)
def test_a_budget_that_cannot_be_kept_is_an_error_before_the_first_call(
    shop: Shop, change: tuple[str, str], problem: str, workers: tuple[str, ...]
) -> None:
    shop.ladder(LADDER.replace(*change))
    result = shop.run("--ladder-live", "--ladder-budget=1", *workers)
    text = f"{result.stdout.str()}\n{result.stderr.str()}"
    assert re.search(re.escape(problem.strip("*")), " ".join(text.split()))
    assert result.ret != pytest.ExitCode.OK
    assert shop.server.count == 0


def test_a_budget_without_live_calls_is_a_mistake(shop: Shop) -> None:
    result = shop.run("--ladder-budget=1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--ladder-budget caps what calls cost*"])


def test_a_lost_call_counts_with_its_worst_case(shop: Shop) -> None:
    shop.server.reply = lambda _: says("no usage", usage=None)
    result = shop.run("--ladder-live", f"--ladder-budget={10 * REPLY_USD:.6f}")
    # Replies without usage have an unknown cost; what was set aside stays so.
    paid = shop.server.count
    assert 3 <= paid <= 10
    result.stdout.fnmatch_lines([f"*is spent; left out: {80 - paid} calls *"])


def test_errors_are_told_apart_from_what_the_budget_left_out(shop: Shop) -> None:
    shop.server.script(fails(400))
    result = shop.run("--ladder-live", f"--ladder-budget={10 * REPLY_USD:.6f}")
    left = 80 - shop.server.count
    result.stdout.fnmatch_lines(
        [f"*cheap: 1 error and {left} not run: budget, which *"]
    )
    summary = (shop.path / "ladder-report/current/matrix.md").read_text("utf-8")
    assert f"cases missed, 1 error and {left} not run: budget\n" in summary
    cell = shop.matrix()["rungs"][0]["levels"]["cheap"]
    assert (cell["errors"], cell["over_budget"]) == (1 + left, left)


def test_a_call_that_nothing_bounds_is_told_as_such(shop: Shop) -> None:
    shop.test(FOLLOW_UP.replace('"say one thing"', '"say one thing", max_tokens=None'))
    result = shop.run("--ladder-live", "--ladder-budget=1")
    result.stdout.fnmatch_lines(
        ["not run: budget: nothing bounds the output of model 'bot'; set *"]
    )
    assert "left out: 0 calls" not in result.stdout.str()


ODD_USAGE = {"prompt_tokens": 1000, "completion_tokens": 24_500}
"""Of a reply to 20 `max_tokens`; it comes to 0.05."""
JUDGED = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.judged(rubric="The reply names a number.")
def test_tone(verdict):
    assert verdict.passed
"""
JUDGE = """
[judge]
id = "openai/judge"
api_base = "{api_base}"
price = {{ input = 1.0, output = 2.0 }}
params = {{ max_tokens = 20 }}
"""


def _odd_reply(body: dict[str, Any]) -> Any:
    return says(str(body["messages"][-1]["content"]), usage=ODD_USAGE)


def test_a_provider_that_bills_more_than_max_tokens_stops_the_run(
    shop: Shop, run: Run
) -> None:
    shop.server.reply = lambda body: says(
        body["messages"][-1]["content"], usage=ODD_USAGE
    )
    told = ("--ladder-live", "--ladder-budget=0.025", "--ladder-concurrency=1")
    result = run(*told)
    assert shop.server.count == 1
    result.assert_outcomes(passed=1, skipped=79, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = " ".join(result.stdout.str().split())
    assert "$0.05 of $0.025 is spent; left out: 79 calls that may cost" in said
    assert "Model 'bot' billed 1 call higher than its prompt and its limits" in said


def test_an_odd_bill_of_the_last_call_fails_the_run_as_well(shop: Shop) -> None:
    shop.server.reply = lambda body: says(
        body["messages"][-1]["content"], usage=ODD_USAGE
    )
    shop.cases([{"id": "c1", "input": "say 1", "expected": "1"}])
    result = shop.run("--ladder-live", "--ladder-budget=0.025")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["$0.05 of $0.025 is spent; no call was left out. *"])


def test_an_odd_bill_that_the_budget_holds_is_told_and_fails_nothing(
    shop: Shop,
) -> None:
    shop.server.reply = lambda body: says(
        body["messages"][-1]["content"], usage=ODD_USAGE
    )
    shop.cases([{"id": "c1", "input": "say 1", "expected": "1"}])
    result = shop.run("--ladder-live", "--ladder-budget=1")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["Model 'bot' billed 1 call higher than its prompt *"])


def test_a_judge_that_bills_more_than_max_tokens_stops_the_run(shop: Shop) -> None:
    shop.ladder(LADDER + JUDGE)
    shop.test(JUDGED)
    verdict = says('{"reason": "it does", "verdict": "pass"}', usage=ODD_USAGE)
    shop.server.reply = lambda body: (
        verdict if body["model"] == "judge" else says("7", usage=USAGE)
    )
    result = shop.run(
        "--ladder-live", "--ladder-budget=0.025", "--ladder-concurrency=1"
    )
    judged = [one for one in shop.server.requests if one.body["model"] == "judge"]
    assert len(judged) == 1
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "Model '[judge]' billed 1 call higher" in result.stdout.str()
