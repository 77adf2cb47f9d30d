"""A strategy of one's own: a class that a strategy of ladder.toml uses."""

from __future__ import annotations

import json
import re
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from pytest_ladder.core.case import Case
from pytest_ladder.core.rung import Strategy
from pytest_ladder.prompting.prompter import Conversation, Estimate, Prompt, Prompter
from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import OBJECTIVE
from tests.scripted_server import Act, Body, fails, last_user_message, says

COUNT = 16


class Chain(Prompter):
    """A draft, then an answer with the draft in its prompt."""

    @classmethod
    def estimate(cls, strategy: Strategy, folder: Path) -> Estimate:
        return Estimate(prompt_tokens=120, calls=2)

    def converse(self, case: Case) -> Conversation:
        draft = yield Prompt(messages=[user(f"draft {case.text}")])
        asked = f"{case.text} after {draft.text}"
        return (yield Prompt(messages=[user(asked)], params={"max_tokens": 7}))


class Forgetful(Chain):
    """The same, without a reply in the end."""

    def converse(self, case: Case) -> Conversation:
        yield from super().converse(case)
        return None  # type: ignore[return-value]


LADDER = """\
current = "bot/chain"

[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
api_base = "{api_base}"
price = {{ input = 1.0, output = 2.0 }}
params = {{ temperature = 0, max_tokens = 20 }}
limits = {{ concurrency = 16 }}

[[strategy]]
name = "chain"
use = "tests.plugin.session.test_new_strategy:Chain"

[[strategy]]
name = "plain"
"""
JUDGE = """
[judge]
id = "openai/judge"
api_base = "{api_base}"
price = {{ input = 1.0, output = 1.0 }}
params = {{ max_tokens = 100 }}
"""
ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
def test_answer(reply, case):
    assert reply.text == f"{case.input} after draft {case.input}"
"""
TONE = """
@pytest.mark.judged(rubric="It is polite.")
def test_tone(verdict):
    assert verdict
"""


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


@pytest.fixture
def chained(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop with 16 cases whose current rung drafts first."""
    monkeypatch.chdir(shop.path)
    shop.ladder(LADDER)
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(COUNT)])
    shop.test(ANSWER)
    return shop


def drafts(shop: Shop) -> list[int]:
    """Return how many calls were under way when each draft was asked for."""
    return _under_way(shop, draft=True)


def answers(shop: Shop) -> list[int]:
    return _under_way(shop, draft=False)


def _under_way(shop: Shop, *, draft: bool) -> list[int]:
    seen = shop.server.requests
    return [r.in_flight for r in seen if _is_draft(r.body) is draft]


def _is_draft(body: Body) -> bool:
    return last_user_message(body).startswith("draft")


def slow_until_all_drafts_are_asked_for(shop: Shop, answers_s: float) -> None:
    """Give a busy machine time to ask for all drafts before the first comes.

    Answers, and the last draft, take `answers_s`.
    """
    shop.server.latency_s = 1.5

    def reply(body: Body) -> str:
        if len(drafts(shop)) == COUNT:
            shop.server.latency_s = answers_s
        return last_user_message(body)

    shop.server.reply = reply


def failing_answers(body: Body) -> str | Act:
    return last_user_message(body) if _is_draft(body) else fails(400)


@pytest.mark.parametrize("pack", [False, True], ids=["items", "packed"])
def test_first_calls_are_made_at_once_and_later_ones_ahead(
    chained: Shop, pack: bool
) -> None:
    packed = '"cases.jsonl", pack=True' if pack else '"cases.jsonl"'
    chained.test(ANSWER.replace('"cases.jsonl"', packed))
    slow_until_all_drafts_are_asked_for(chained, 0.3)
    result = chained.run("--ladder-live")
    result.assert_outcomes(passed=1 if pack else COUNT)
    assert (len(drafts(chained)), len(answers(chained))) == (COUNT, COUNT)
    assert max(drafts(chained)) == COUNT
    assert statistics.median(answers(chained)) > 2


def test_first_calls_are_made_at_once_where_nothing_can_be_rehearsed(
    chained: Shop,
) -> None:
    chained.test(
        """
@pytest.fixture
def own():
    pass
"""
        + ANSWER.replace("(reply", "(own, reply")
    )
    slow_until_all_drafts_are_asked_for(chained, 0.02)
    chained.run("--ladder-live").assert_outcomes(passed=COUNT)
    assert max(drafts(chained)) == COUNT
    assert statistics.median(answers(chained)) == 1


def test_a_strategy_that_returns_no_reply_says_so(chained: Shop) -> None:
    chained.ladder(LADDER.replace(":Chain", ":Forgetful"))
    result = chained.run("--ladder-live", "-k", "c0")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['The strategy "chain" returned *; return the reply *'])
    assert chained.matrix()["spend"]["live_calls"] == 2


def test_calls_add_up_to_one_reply_that_a_replay_pays_nothing_for(
    chained: Shop,
) -> None:
    chained.run("--ladder-live").assert_outcomes(passed=COUNT)
    (bill,) = chained.rows()[0]["replies"]
    assert len(bill["calls"]) == 2
    # "draft say 0", then "say 0 after draft say 0"; both are echoed.
    assert bill["usage"] == {**bill["usage"], "input": 3 + 6, "output": 3 + 6}
    assert bill["cost_usd"] == pytest.approx(27e-6)
    spend = chained.matrix()["spend"]
    assert (spend["live_calls"], spend["replayed_calls"]) == (2 * COUNT, 0)
    recorded = (chained.path / "recordings/test_shop.jsonl").read_text()
    assert len(recorded.splitlines()) == 2 * COUNT
    shutil.rmtree(chained.path / ".ladder")
    chained.run().assert_outcomes(passed=COUNT)
    assert chained.server.count == 2 * COUNT
    spend = chained.matrix()["spend"]
    assert (spend["live_calls"], spend["replayed_calls"]) == (0, 2 * COUNT)


def test_parameters_of_a_call_go_under_those_of_whoever_asks(chained: Shop) -> None:
    chained.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_short(llm, case):
    assert llm.ask(case, stop="end").text == llm.ask(case, max_tokens=5).text
""")
    chained.run("--ladder-live", "-k", "c0").assert_outcomes(passed=1)
    sent = [(r.body["max_tokens"], r.body.get("stop")) for r in chained.server.requests]
    assert sorted(sent, key=str) == [(20, "end"), (5, None), (5, None), (7, "end")]
    assert [len(bill["calls"]) for bill in chained.rows()[0]["replies"]] == [2, 2]


def test_a_task_sums_up_every_call_behind_it(chained: Shop) -> None:
    chained.test("""
def task(case, llm):
    return llm.ask(case).text + llm("!").text

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", task=task)
def test_task(reply):
    assert reply.text == "say 0 after draft say 0!"
    assert reply.cost_usd == pytest.approx(30e-6)
""")
    chained.run("--ladder-live", "-k", "c0").assert_outcomes(passed=1)
    (bill,) = chained.rows()[0]["replies"]
    assert len(set(bill["calls"])) == 3


@pytest.mark.parametrize("kind", ["strategy", "task"])
def test_what_was_paid_before_a_call_failed_is_on_the_bill(
    chained: Shop, kind: str
) -> None:
    if kind == "task":
        own = "cases='cases.jsonl', task=lambda case, llm: llm.ask(case)"
        chained.test(ANSWER.replace('cases="cases.jsonl"', own))
    chained.server.reply = failing_answers
    chained.run("--ladder-live", "-k", "c0").assert_outcomes(errors=1)
    (row,) = chained.rows()
    (bill,) = row["replies"]
    assert (row["outcome"], bill["cost_usd"]) == ("error", pytest.approx(9e-6))
    assert chained.matrix()["spend"]["product_usd"] == pytest.approx(9e-6)


def test_the_plan_counts_what_is_known_and_what_the_strategy_expects(
    chained: Shop,
) -> None:
    chained.ladder(LADDER + JUDGE)
    chained.test(ANSWER + TONE)
    planned = chained.run("--ladder-plan").stdout
    planned.fnmatch_lines(
        [
            f"bot/chain * {2 * COUNT} * 0 * <= {40 * COUNT} *",
            f"[[]judge] * {COUNT} * 0 *",
            f"{3 * COUNT} calls, at most $*",
            f"Up to {COUNT} of them depend on replies that are not stored "
            "yet; how many and how long is what the strategy expects: bot/chain.",
        ]
    )
    chained.server.reply = judging
    chained.run("--ladder-live").assert_outcomes(passed=2 * COUNT)
    spend = chained.matrix()["spend"]
    (bound,) = re.findall(r"at most \$([\d.]+) ", planned.str())
    assert spend["product_usd"] + spend["evaluation_usd"] <= float(bound)
    chained.run("--ladder-plan").stdout.fnmatch_lines(["0 calls, at most $0; *"])


def judging(body: Body) -> str | Act:
    if body["model"] == "judge":
        return says(json.dumps({"reason": "fine", "verdict": "pass"}))
    return last_user_message(body)


def test_a_long_case_makes_later_prompts_longer_than_the_strategy_can_tell(
    chained: Shop,
) -> None:
    chained.cases([{"id": "long", "input": "say it " * 1000}])
    planned = chained.run("--ladder-plan").stdout.str()
    (tokens,) = re.findall(r"^bot/chain +2 +0 +([\d,]+) ", planned, re.MULTILINE)
    assert int(tokens.replace(",", "")) > 2 * 7 * 1000 / 4


def test_with_the_draft_stored_the_plan_knows_the_answers_request(
    chained: Shop,
) -> None:
    chained.server.reply = failing_answers
    chained.run("--ladder-live")
    planned = chained.run("--ladder-plan").stdout
    planned.fnmatch_lines([f"bot/chain * {COUNT} * {COUNT} * <= {7 * COUNT} *"])
    assert "depend on replies" not in planned.str()


def recordings(shop: Shop) -> list[str]:
    return (shop.path / "recordings/test_shop.jsonl").read_text().splitlines()


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    main(["recordings", *arguments])
    return capsys.readouterr().out


def test_recordings_are_checked_along_the_conversation(
    chained: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    chained.ladder(LADDER + JUDGE)
    chained.test(ANSWER + TONE)
    chained.server.reply = judging
    chained.run("--ladder-live").assert_outcomes(passed=2 * COUNT)
    shutil.rmtree(chained.path / ".ladder")
    whole = recordings(chained)
    assert len(whole) == 3 * COUNT
    assert f"{3 * COUNT} recordings: nothing to do" in check(capsys, "check")
    file = chained.path / "recordings/test_shop.jsonl"

    def is_draft(line: str) -> bool:
        return str(json.loads(line)["prompt"]).startswith("draft")

    def is_answer(line: str) -> bool:
        return str(json.loads(line)["prompt"]).startswith("say")

    file.write_text("".join(f"{line}\n" for line in whole if not is_answer(line)))
    assert f"not recorded: {COUNT}\n" in check(capsys, "check")
    file.write_text("".join(f"{line}\n" for line in whole if not is_draft(line)))
    assert f"not recorded: {COUNT}\n" in check(capsys, "check")
    check(capsys, "prune")
    # Without the drafts nobody knows whether answers and verdicts are still needed.
    assert recordings(chained) == [line for line in whole if not is_draft(line)]
    file.write_text("".join(f"{line}\n" for line in whole))
    chained.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(COUNT - 1)])
    check(capsys, "prune")
    assert len(recordings(chained)) == 3 * (COUNT - 1)


def test_a_climb_knows_what_a_conversation_costs_before_it_has_one(
    chained: Shop,
) -> None:
    chained.ladder(LADDER.replace('"bot/chain"', '"bot/plain"') + OBJECTIVE)
    chained.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(40)])
    chained.test(ANSWER.split("    assert")[0] + "    assert reply.text\n")
    result = chained.run("--ladder=climb", "--ladder-live")
    matrix = chained.matrix("ladder-report/climb")
    # Although it is the first in the file.
    assert matrix["run_order"] == ["bot/plain", "bot/chain"]
    assert matrix["recommendation"]["rung"] == "bot/plain"
    assert not drafts(chained)
    made, left = chained.server.count, 40 - chained.server.count
    # Two calls a case on the rung that was not needed: 120 tokens in, if cases had the
    # 50 that are guessed; the rung that ran had 2 in, and 2 out a call.
    usd = 40 * ((120 - 50 + 2) * 1 + 2 * 2 * 2) / 1e6
    told = re.search(r"climb: (\d+) calls and about \$([\d.]+)", result.stdout.str())
    assert told is not None, made
    assert int(told[1]) == 2 * 40 + left
    assert float(told[2]) == pytest.approx(usd, rel=0.1)


def test_a_climb_goes_on_to_a_conversation(chained: Shop) -> None:
    chained.ladder(LADDER + OBJECTIVE)
    chained.test(ANSWER.replace("cheap", "cheap(at_least=0.1)"))
    chained.run("--ladder=climb", "--ladder-live")
    matrix = chained.matrix("ladder-report/climb")
    assert matrix["recommendation"]["rung"] == "bot/chain"
    assert len(drafts(chained)) == len(answers(chained)) - len(plain(chained))


def plain(shop: Shop) -> list[str]:
    said = (last_user_message(request.body) for request in shop.server.requests)
    return [text for text in said if text.startswith("say") and "after" not in text]


def test_two_workers_share_a_conversation_and_pay_once(chained: Shop) -> None:
    chained.server.latency_s = 0.05
    chained.run("--ladder-live", "-n", "2").assert_outcomes(passed=COUNT)
    assert (len(drafts(chained)), len(answers(chained))) == (COUNT, COUNT)
    assert max(drafts(chained)) > 1
    shutil.rmtree(chained.path / ".ladder")
    chained.run("-n", "2").assert_outcomes(passed=COUNT)
    assert chained.server.count == 2 * COUNT
