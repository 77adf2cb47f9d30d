"""Calls that were made ahead of tests that then did not run are told of."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import Act, Sends, fails, last_user_message, says, sends

ANSWER = """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert case.expected in reply.text
"""


def test_what_was_called_for_and_not_used_is_in_the_sum(shop: Shop) -> None:
    shop.test(ANSWER)
    shop.cases(
        [{"id": f"c{n}", "input": f"say {n}", "expected": "no"} for n in range(40)]
    )
    result = shop.run("--ladder-live", "-x", "--ladder-concurrency=8")
    told = result.stdout.str()
    (used,) = re.findall(r"spent \S+ on (\d+) call", told)
    (unused,) = re.findall(r"(\d+) more calls \(\$\S+\) were made ahead", told)
    assert int(used) + int(unused) == shop.server.count
    # They are stored: the next run pays for none of them again.
    before = shop.server.count
    shop.run("--ladder-live")
    assert shop.server.count == before + 40 - (int(used) + int(unused))


def test_where_every_reply_is_used_nothing_is_said(shop: Shop) -> None:
    shop.test(ANSWER)
    for options in (("--ladder-live",), ()):
        told = shop.run(*options).stdout.str()
        assert "calls" in told
        assert "made ahead" not in told


@pytest.mark.parametrize("stream", ["", "stream = true\n"], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "lane", ["", pytest.param('lane = "litellm"\n', marks=pytest.mark.litellm)]
)
def test_failures_that_no_test_asked_for_are_in_the_sum(
    shop: Shop, lane: str, stream: str
) -> None:
    shop.ladder(LADDER.replace("price =", f"{lane}{stream}price ="))
    shop.test(ANSWER)
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(40)])
    error = {"code": 400, "message": "no"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    shop.server.reply = lambda _: sends({"error": error, "usage": usage})
    told = shop.run("--ladder-live", "-x", "--ladder-concurrency=8").stdout.str()
    (used,) = re.findall(r"(\d+) calls?, no reply; \$", told)
    ((unused, usd),) = re.findall(
        r"(\d+) more calls, made ahead of tests that did .*: no reply; (\S+)\.",
        told,
    )
    assert int(used) + int(unused) == shop.server.count > 1
    assert usd == f"${int(unused) * 0.00002:.6f}".rstrip("0")


def test_attempts_before_a_reply_that_came_ahead_are_on_its_row(shop: Shop) -> None:
    shop.test(ANSWER)
    breaks = {"say blue": 2, "say red": 1}

    def reply(body: dict[str, Any]) -> Act:
        asked = last_user_message(body)
        breaks[asked] = breaks.get(asked, 0) - 1
        return says(asked) if breaks[asked] < 0 else Sends(body=b"", cut_after=0)

    shop.server.reply = reply
    # The second reply is there, after its broken call, before its test asks for it.
    told = shop.run("--ladder-live", "-k", "sky or fire").stdout.str()
    assert "Besides 3 calls, no reply; at most" in told
    assert "made ahead" not in told


@pytest.mark.processes
def test_workers_share_what_failed(shop: Shop) -> None:
    """Issue 17: a call that failed ahead in one worker was made again by the other."""
    shop.test(ANSWER)
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(12)])
    shop.server.reply = lambda _: fails(400, "no such thing")
    result = shop.run("--ladder-live", "-n2")
    result.assert_outcomes(errors=12)
    told = result.stdout.str()
    assert shop.server.count == 12, told
    assert "12 calls, no reply; nothing spent" in told
    assert "made ahead" not in told
