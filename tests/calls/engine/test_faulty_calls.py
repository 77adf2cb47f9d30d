"""What the engine makes of faults: attempts, replies, errors, and what is kept."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_ladder.calls import caller, retries, wrong_keys
from pytest_ladder.errors import CallError
from tests.calls.engine.engine_under_test import Desk, texts
from tests.scripted_server import (
    Act,
    ScriptedServer,
    fails,
    filtered,
    garbage,
    hangs,
    limits,
    resets,
    says,
    sends,
    truncates,
)

pytestmark = pytest.mark.usefixtures("short_pauses")

PASSING: dict[str, tuple[Act, str]] = {
    "500": (fails(500), "answered 500"),
    "502": (fails(502), "answered 502"),
    "503": (fails(503), "answered 503"),
    "529": (fails(529), "answered 529"),
    "408": (fails(408), "answered 408"),
    "409": (fails(409), "answered 409"),
    "425": (fails(425), "answered 425"),
    "429": (limits(), "answered 429"),
    "429 with Retry-After": (limits(milliseconds="20"), "answered 429"),
    "reset": (resets(), "connection to model 'bot' failed"),
    "truncated body": (truncates(), "connection to model 'bot' failed"),
    "garbage": (garbage(), "it is not JSON"),
    "half a JSON": (garbage('{"choices": ['), "it is not JSON"),
    "no choice": (sends({"choices": []}), "it holds no choice"),
    "error in a 200": (sends({"error": {"message": "busy"}}), "reported an error"),
    "hang": (hangs(), "did not answer within 1 s (params.timeout)"),
}
SHORT_S, LONG_S = 1.0, 30.0
"""Timeouts of calls that hang, and of all others: those a busy machine must keep."""
FINAL: dict[str, tuple[Act, str]] = {
    "context length": (
        fails(400, "maximum context length is 8", code="context_length_exceeded"),
        "Model 'bot' answered 400: maximum context length is 8",
    ),
    "401": (
        fails(401, "bad key"),
        "No key was sent to {host} (`api_key_env` names the variable that holds one): "
        "model 'bot' answered 401: bad key",
    ),
    "403": (fails(403, "not yours"), "Model 'bot' answered 403: not yours"),
    "404": (
        fails(404, "no such model"),
        "Model 'bot' answered 404 to {url}: no such model",
    ),
    "422": (fails(422, "no"), "Model 'bot' answered 422: no"),
    "no quota": (
        fails(429, "quota", code="insufficient_quota"),
        "Model 'bot' answered 429: quota",
    ),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_tried_again(
    desk: Desk, server: ScriptedServer, fault: str
) -> None:
    act, problem = PASSING[fault]
    server.script(act, act)
    served = desk.ask(timeout=SHORT_S if fault == "hang" else LONG_S)
    assert (served.text, served.replayed, server.count) == ("say blue", False, 3)
    assert served.timing is not None
    assert served.timing.attempts == 3
    stored = desk.stored()
    assert stored is not None
    assert [problem in attempt.problem for attempt in stored.failed] == [True, True]
    assert {a.status for a in stored.failed} == {getattr(act, "status", None)} - {
        200
    } or {None}


def test_a_kept_connection_that_was_just_closed_costs_no_attempt(
    desk: Desk, server: ScriptedServer
) -> None:
    desk.ask("first")
    server.script(resets())
    served = desk.ask("second")
    assert (served.text, server.count) == ("second", 3)
    assert desk.engine.lost_before(desk.archive, served) is None
    assert served.timing is not None
    assert served.timing.attempts == 1


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_stays_is_given_up(
    desk: Desk, server: ScriptedServer, fault: str
) -> None:
    act, problem = PASSING[fault]
    server.reply = lambda _: act
    with pytest.raises(CallError) as raised:
        desk.ask(timeout=SHORT_S if fault == "hang" else LONG_S)
    refused = fault in ("429", "429 with Retry-After", "503", "529")
    attempts = retries.MAX_REFUSALS if refused else retries.MAX_ATTEMPTS
    assert server.count == attempts
    assert problem in str(raised.value)
    assert str(raised.value).endswith(f"(gave up after {attempts} attempts)")
    assert desk.stored() is None


@pytest.mark.parametrize("fault", FINAL)
def test_what_would_fail_again_is_not_tried_again(
    desk: Desk, server: ScriptedServer, fault: str
) -> None:
    act, message = FINAL[fault]
    server.reply = lambda _: act
    with pytest.raises(CallError) as raised:
        desk.ask()
    url = f"{server.api_base}/chat/completions"
    host = urlsplit(url).netloc
    told = message.format(url=url, host=host)
    assert (str(raised.value), server.count) == (told, 1)


def test_a_filtered_reply_is_a_reply(desk: Desk, server: ScriptedServer) -> None:
    server.script(filtered())
    served = desk.ask()
    assert (served.text, served.flag) == ("", "filtered")
    assert server.count == 1


@pytest.mark.parametrize("ending", ["cut_after", "stop_after"])
def test_a_stream_that_ends_in_the_middle_is_tried_again(
    desk: Desk, server: ScriptedServer, ending: str
) -> None:
    cut: dict[str, Any] = {ending: 2}
    server.script(says("one two three four", **cut))
    served = desk.ask(model={"stream": True})
    assert (served.text, server.count) == ("say blue", 2)
    assert served.ttft_s is not None


def test_every_nth_failure_costs_an_attempt_and_no_reply(
    desk: Desk, server: ScriptedServer
) -> None:
    server.every(7, fails(500))
    outcomes = desk.ask_many(60)
    assert texts(outcomes) == [f"question {n}" for n in range(60)]
    assert server.count == 60 + server.count // 7


def test_a_model_that_takes_few_at_once_gets_few_at_once(
    desk: Desk, server: ScriptedServer
) -> None:
    def reply(body: dict[str, Any]) -> str | Act:
        text: str = body["messages"][-1]["content"]
        return limits() if server.in_flight > 5 else text

    server.latency_s, server.reply = 0.01, reply
    outcomes = desk.ask_many(150)
    assert texts(outcomes) == [f"question {n}" for n in range(150)]


def test_a_retry_comes_before_calls_that_came_later(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s = 0.005
    server.script(fails(500))
    alone = {"limits": {"concurrency": 1}}
    assert len(desk.ask_many(30, model=alone)) == 30
    asked = [request.body["messages"][-1]["content"] for request in server.requests]
    assert asked[0] == "question 0"
    assert "question 0" in asked[1:8]


def test_waiting_for_a_turn_does_not_count_as_trying(
    desk: Desk, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "MAX_TOTAL_S", 0.2)
    server.latency_s = 0.03
    server.every(11, fails(500))
    outcomes = desk.ask_many(20, model={"limits": {"concurrency": 1}})
    assert texts(outcomes) == [f"question {n}" for n in range(20)]


def test_calls_are_given_up_after_a_time(
    desk: Desk, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "MAX_TOTAL_S", 0.25)
    server.latency_s, server.reply = 0.1, lambda _: fails(500)
    with pytest.raises(CallError, match="answered 500"):
        desk.ask()
    assert server.count in (2, 3)


def test_nobody_waits_an_hour(desk: Desk, server: ScriptedServer) -> None:
    server.script(limits("3600"))
    outcomes = desk.ask_many(3, model={"limits": {"concurrency": 1}})
    assert [isinstance(outcome, CallError) for outcome in outcomes] == [
        True,
        False,
        False,
    ]


def test_retry_after_is_waited_for_by_everybody(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s = 0.02
    server.script(limits(milliseconds="300"))
    desk.ask_many(40)
    arrived = [request.at for request in server.requests]
    refused = arrived[0] + server.latency_s
    # What was under way with the refused call, and nothing until the pause is over.
    early = [at for at in arrived if at < refused + 0.05]
    assert len(early) <= 32
    assert all(at >= refused + 0.29 for at in arrived if at >= refused + 0.05)


def test_after_three_lost_calls_one_attempt_has_to_do(
    desk: Desk, server: ScriptedServer
) -> None:
    server.reply = lambda _: fails(500)
    for text in ("one", "two", "three"):
        with pytest.raises(CallError):
            desk.ask(text)
    before = server.count
    with pytest.raises(CallError):
        desk.ask("four")
    assert (before, server.count) == (3 * retries.MAX_ATTEMPTS, before + 1)
    server.reply = lambda _: "back"
    desk.ask("five")
    server.script(fails(500))
    assert desk.ask("six").text == "back"


def test_pauses_grow_and_are_jittered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE_S", 0.5)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE_S", 3.0)
    error = CallError("busy", status=500, transient=True)
    for attempts, longest in [(1, 0.5), (2, 1.0), (3, 2.0), (4, 3.0), (5, 3.0)]:
        pauses = [retries.pause_s(error, attempts, 0.0) for _ in range(50)]
        assert all(p is not None and longest / 2 <= p <= longest for p in pauses)
        assert len(set(pauses)) > 10
    assert retries.pause_s(error, retries.MAX_ATTEMPTS, 0.0) is None
    assert retries.pause_s(error, 1, retries.MAX_TOTAL_S) is None


def test_jitter_leaves_the_users_random_numbers_alone(
    desk: Desk, server: ScriptedServer
) -> None:
    random.seed(7)
    expected = random.random()
    random.seed(7)
    server.script(fails(500))
    desk.ask()
    assert random.random() == expected


@pytest.mark.parametrize("model", [{}, {"lane": "litellm"}], ids=["direct", "litellm"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_tried_a_few_times_and_no_more(
    desk: Desk,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    model: dict[str, str],
    status: int,
) -> None:
    # As long as it takes: a machine with other work imports slowly.
    for name in ("NEAR_BY_S", "FAR_AWAY_S"):
        monkeypatch.setattr(caller, name, 60.0)
    server.latency_s = 0.02
    server.reply = lambda _: fails(status, "no such key")
    outcomes = desk.ask_many(40, model=model)
    said = f"odel 'bot' answered {status}: no such key"
    assert [str(outcome).endswith(said) for outcome in outcomes] == [True] * 40
    assert server.count == wrong_keys.FIRST_CALLS
    # Another model has another key.
    server.reply = lambda _: "blue"
    assert desk.ask(model={"name": "other"}).text == "blue"


def test_a_key_that_was_right_once_is_not_taken_for_a_wrong_one(
    desk: Desk, server: ScriptedServer
) -> None:
    server.script(says("blue"))
    desk.ask()
    server.reply = lambda _: fails(403, "your prompt was flagged")
    for number in range(5):
        with pytest.raises(CallError):
            desk.ask(f"question {number}")
    assert server.count == 6


def test_refusals_that_take_long_still_stop_what_was_not_sent(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s = 5 * wrong_keys.NEAR_BY_S
    server.reply = lambda _: fails(401, "no such key")
    outcomes = desk.ask_many(40, model={"limits": {"concurrency": 10}})
    said = "model 'bot' answered 401: no such key"
    assert [str(outcome).endswith(said) for outcome in outcomes] == [True] * 40
    # Of the first six that come back, five may each have made room for another one.
    assert server.count < 10 + wrong_keys.FIRST_CALLS


@pytest.mark.parametrize(
    "model", [{}, {"api_key_env": "ITS_KEY"}], ids=["near by", "far away"]
)
def test_slow_first_answers_hold_up_no_other_call_for_long(
    desk: Desk,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    model: dict[str, str],
) -> None:
    monkeypatch.setenv("ITS_KEY", "a key of no use")
    server.latency_s = 2.0 if model else 0.5
    desk.ask_many(8, model=model)
    assert server.peak == 8
