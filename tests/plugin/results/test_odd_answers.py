"""A run over answers as no provider should send them, and the runs after it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from pytest_ladder.calls import retries
from tests.odd_answers import odd_answers
from tests.plugin.scratch_suite import ANSWER, LADDER, ONE_WORKER, Run, Shop
from tests.scripted_server import Act, Sends, says, sends

COUNT = 60


def answered(choice: dict[str, Any], **usage: Any) -> Sends:
    """Return a completion whose choice is odd."""
    whole = {"message": {"content": "45 days"}, "finish_reason": "stop"} | choice
    counts = {"prompt_tokens": 12, "completion_tokens": 5, **usage}
    return sends({"choices": [whole], "usage": counts})


ODD_FIELDS = {
    "object as finish reason": answered({"finish_reason": {"type": "stop_sequence"}}),
    "truth as tokens": answered(
        {}, completion_tokens_details={"reasoning_tokens": True}
    ),
    "deep tool call": answered(
        {"message": {"content": "45 days", "tool_calls": [{"id": [[[[[]]]]] * 50}]}}
    ),
    "tokens without end": answered({}, prompt_tokens=10**30),
}


@pytest.mark.parametrize("name", ODD_FIELDS)
def test_a_reply_with_an_odd_field_is_kept_and_replayed(shop: Shop, name: str) -> None:
    shop.cases([{"id": "refund", "input": "How long?", "expected": "45 days"}])
    shop.test(ANSWER)
    shop.server.reply = lambda _: ODD_FIELDS[name]
    for options in (("--ladder-live",), ("--ladder-live",), ()):
        result = shop.run(*options)
        result.assert_outcomes(passed=1)
        assert result.ret == pytest.ExitCode.OK
    assert shop.server.count == 1


# litellm itself refuses most of them.
@pytest.mark.parametrize(("lane", "least"), [("direct", COUNT // 2), ("litellm", 3)])
def test_no_fuzzed_answer_ends_a_run_or_the_one_after_it(
    shop: Shop, lane: str, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "MAX_ATTEMPTS", 1)
    shop.ladder(LADDER.replace("price =", f'lane = "{lane}"\nprice ='))
    shop.test(ANSWER)
    shop.cases([{"id": f"c{n}", "input": f"{n}", "expected": ""} for n in range(COUNT)])
    bodies = list(odd_answers(COUNT))

    def reply(body: dict[str, Any]) -> Act:
        odd = bodies[int(body["messages"][-1]["content"])]
        kind = "text/event-stream" if odd.stream else "application/json"
        return Sends(body=odd.body, content_type=kind)

    shop.server.reply = reply
    first = shop.run("--ladder-live", "--ladder-budget=1")
    outcomes, calls = shop.outcomes(), shop.server.count
    assert "INTERNALERROR" not in first.stdout.str() + first.stderr.str()
    assert len(outcomes) == COUNT
    assert calls == COUNT
    passed = sum(outcome == "passed" for outcome in outcomes.values())
    assert passed >= least
    again = shop.run("--ladder-live", "--ladder-budget=1")
    assert "INTERNALERROR" not in again.stdout.str() + again.stderr.str()
    assert shop.outcomes() == outcomes
    # Only what gave no reply is asked for again.
    assert shop.server.count - calls == COUNT - passed


@ONE_WORKER
def test_a_row_that_is_no_reply_is_told_and_called_for_again(
    shop: Shop, run: Run
) -> None:
    shop.cases([{"id": "refund", "input": "How long?", "expected": "45 days"}])
    shop.test(ANSWER)
    shop.server.reply = lambda _: says("45 days")
    shop.run("--ladder-live").assert_outcomes(passed=1)
    _spoil(shop)
    replayed = run()
    replayed.assert_outcomes(errors=1)
    replayed.stdout.fnmatch_lines(["*1 row could not be read as a reply (*"])
    run("--ladder-live").assert_outcomes(passed=1)
    last = run()
    last.assert_outcomes(passed=1)
    assert "could not be read" not in last.stdout.str()
    assert shop.server.count == 2


def _spoil(shop: Shop) -> None:
    with sqlite3.connect(shop.path / ".ladder" / "store.sqlite") as connection:
        connection.execute("UPDATE replies SET reply = ?", (json.dumps({"text": 5}),))
    connection.close()
    for recording in (shop.path / "recordings").iterdir():
        recording.unlink()
