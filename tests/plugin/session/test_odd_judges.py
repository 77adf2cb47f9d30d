"""Judges on servers without JSON schema, and judges that do not answer to the point.

A key stands for what was asked for first; what gave no verdict is asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_ladder.errors import JudgeError
from tests.plugin.scratch_suite import JUDGE, LADDER, TONE, Run, Shop
from tests.scripted_server import Act, Sends, fails, last_user_message, says, sends
from tests.server_shapes import SHAPES, body, said, sse, written

SWAPPED = """
@pytest.mark.judged
def test_pair(judge):
    assert judge.prefer("blue", "red", "It names a colour.").score == 1
"""
PASS = json.dumps({"reason": "fine", "verdict": "pass"})
FAIL = PASS.replace("pass", "fail")
UNAVAILABLE = fails(400, "This response_format type is unavailable now")
REFUSALS: dict[str, Act] = {
    "DeepSeek": UNAVAILABLE,
    "vLLM": sends(
        {
            "object": "error",
            "message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', "
            "'type'), 'msg': \"Input should be 'text' or 'json_object'\"}]",
            "code": 400,
        },
        status=400,
    ),
    "TGI": sends(
        "Failed to deserialize the JSON body into the target type: response_format: "
        "unknown variant `json_schema`, expected one of `json`, `regex`",
        status=422,
    ),
    "OpenAI": fails(
        400,
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported "
        "with this model.",
    ),
    "FastAPI": sends(
        {"detail": [{"loc": ["body", "response_format", "json_schema"], "msg": "no"}]},
        status=422,
    ),
    "Groq": fails(400, "This model does not support response format `json_schema`."),
    "a gateway": fails(404, "No provider supports structured outputs for this model"),
    "not built": fails(501, "json_schema is not implemented"),
    "broken": fails(500, "response_format is not implemented yet"),
    "MLX": fails(500, "NotImplementedError: guided_json"),
    "inside of success": sends(
        {"error": {"code": 400, "message": "response_format is not supported"}}
    ),
}


@pytest.fixture
def judged(shop: Shop) -> Shop:
    shop.ladder(LADDER + JUDGE)
    shop.test(TONE)
    return shop


def judge_of(
    takes: str, refuses: Act, verdict: Callable[[dict[str, Any]], str] = lambda _: PASS
) -> Callable[[dict[str, Any]], Act]:
    """Make a server whose judge takes one kind of response format, and no better."""
    kinds = ["json_schema", "json_object", "text"]

    def reply(body: dict[str, Any]) -> Act:
        if body["model"] == "bot":
            return says(last_user_message(body).removeprefix("say "))
        if kinds.index(kind_of(body)) < kinds.index(takes):
            return refuses
        return says(verdict(body))

    return reply


def kind_of(body: dict[str, Any]) -> str:
    return str(body.get("response_format", {}).get("type", "text"))


def kinds(shop: Shop) -> list[str]:
    """Return what response formats the judge was asked for, in order."""
    bodies = (request.body for request in shop.server.requests)
    return [kind_of(body) for body in bodies if body["model"] != "bot"]


def recorded(shop: Shop) -> list[dict[str, Any]]:
    """Return the judge's answers among the recordings."""
    path = shop.path / "recordings" / "test_shop.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [line for line in map(json.loads, lines) if line.get("judge")]


def forget_store(shop: Shop) -> None:
    (shop.path / ".ladder").rename(shop.path / f"gone-{shop.server.count}")


@pytest.mark.parametrize("takes", ["json_object", "text"])
def test_a_server_without_json_schema_is_met_once_and_replayed(
    judged: Shop, run: Run, takes: str
) -> None:
    judged.server.reply = judge_of(takes, UNAVAILABLE)
    result = run("--ladder-live")
    result.assert_outcomes(passed=3)
    asked = kinds(judged)
    assert asked.count(takes) == 3
    # Each worker may meet it before the other has told of it.
    assert asked.count("json_schema") in (1, 2)
    told = [line for line in result.outlines if "is unavailable now" in line]
    assert len(told) == 1
    assert "asked for" in told[0]
    assert [one["reply"]["response_format"] for one in recorded(judged)] == [takes] * 3
    forget_store(judged)
    before = judged.server.count
    again = run()
    again.assert_outcomes(passed=3)
    assert "unavailable" not in again.stdout.str()
    assert judged.server.count == before


def test_the_key_is_that_of_a_server_that_takes_the_schema(judged: Shop) -> None:
    judged.server.reply = judge_of("json_schema", UNAVAILABLE)
    judged.run("--ladder-live")
    with_schema = {one["key"] for one in recorded(judged)}
    assert not any("response_format" in one["reply"] for one in recorded(judged))
    forget_store(judged)
    (judged.path / "recordings").rename(judged.path / "old-recordings")
    judged.server.reply = judge_of("text", UNAVAILABLE)
    judged.run("--ladder-live")
    assert {one["key"] for one in recorded(judged)} == with_schema


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_refusals_of_all_kinds_are_understood(judged: Shop, refusal: Act) -> None:
    judged.server.reply = judge_of("json_object", refusal)
    judged.run("--ladder-live").assert_outcomes(passed=3)
    assert sorted(set(kinds(judged))) == ["json_object", "json_schema"]
    assert kinds(judged).count("json_schema") == 1


@pytest.mark.parametrize(
    ("refusal", "requests"),
    [
        (fails(400, "The model `judge` is not supported"), 3),
        (fails(404, "The model is unavailable"), 3),
        (fails(401, "response_format is not for you"), 3),
        (fails(400, "maximum context length is 9 tokens: response_format …"), 3),
    ],
)
def test_another_refusal_is_an_error(judged: Shop, refusal: Act, requests: int) -> None:
    judged.server.reply = judge_of("text", refusal)
    judged.run("--ladder-live").assert_outcomes(errors=3)
    asked = kinds(judged)
    assert set(asked) == {"json_schema"}
    # A rehearsal that comes late may ask once more for what has failed.
    assert requests <= len(asked) <= 2 * requests


def test_a_server_that_refuses_whatever_is_asked_is_no_server_without_schema(
    judged: Shop,
) -> None:
    refused = fails(400, "unknown field response_format in 'json_schema'")
    judged.server.reply = lambda body: (
        refused if body["model"] == "judge" else says("blue")
    )
    result = judged.run("--ladder-live")
    result.assert_outcomes(errors=3)
    assert "asked for" not in result.stdout.str()
    assert kinds(judged)[:3] == ["json_schema", "json_object", "text"]


def test_a_format_that_the_user_chose_is_sent_as_it_is(judged: Shop) -> None:
    chosen = 'max_tokens = 200, response_format = {{ type = "json_object" }}'
    judged.ladder(LADDER + JUDGE.replace("max_tokens = 200", chosen))
    judged.server.reply = judge_of("text", UNAVAILABLE)
    judged.run("--ladder-live").assert_outcomes(errors=3)
    assert set(kinds(judged)) == {"json_object"}


def test_a_format_that_a_test_asks_for_is_sent_as_it_is(judged: Shop) -> None:
    judged.test("""
@pytest.mark.cheap
def test_json(llm):
    llm("say it", response_format={"type": "json_schema", "json_schema": {}})
""")
    judged.server.reply = lambda _: UNAVAILABLE
    judged.run("--ladder-live").assert_outcomes(failed=1)
    assert judged.server.count == 1


def test_litellm_falls_back_as_well(judged: Shop) -> None:
    # One of which litellm's file says that it takes a schema.
    known = JUDGE.replace("openai/judge", "openai/gpt-4o-mini")
    judged.ladder(LADDER + known + 'lane = "litellm"\n')
    judged.server.reply = judge_of("text", UNAVAILABLE)
    result = judged.run("--ladder-live")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*is unavailable now. It is asked for plain text*"])
    assert kinds(judged).count("text") == 3


def test_an_unusable_verdict_is_asked_for_again_and_never_recorded(
    judged: Shop, run: Run
) -> None:
    judged.server.reply = judge_of("json_schema", UNAVAILABLE, lambda _: "I think so")
    first = run("--ladder-live")
    first.assert_outcomes(errors=3)
    assert len(kinds(judged)) == 6
    assert recorded(judged) == []
    assert judged.matrix()["spend"]["evaluation_usd"] > 0
    # What was paid is stored: a replay tells of it, and calls nobody.
    replay = run()
    replay.assert_outcomes(errors=3)
    told = [line for line in replay.outlines if "gave no usable verdict" in line]
    assert all("That is stored; --ladder-live asks again." in line for line in told)
    assert len(told) >= 3
    assert len(kinds(judged)) == 6
    judged.server.reply = judge_of("json_schema", UNAVAILABLE)
    run("--ladder-live").assert_outcomes(passed=3)
    assert len(kinds(judged)) == 9
    assert [one["reply"]["text"] for one in recorded(judged)] == [PASS] * 3
    forget_store(judged)
    run().assert_outcomes(passed=3)
    assert len(kinds(judged)) == 9


def test_one_that_stays_unusable_is_asked_for_twice_in_each_run(
    judged: Shop, run: Run
) -> None:
    judged.server.reply = judge_of("json_schema", UNAVAILABLE, lambda _: "I think so")
    run("--ladder-live")
    run("--ladder-live").assert_outcomes(errors=3)
    assert len(kinds(judged)) == 12
    assert judged.matrix()["spend"]["live_calls"] == 6
    assert recorded(judged) == []


def test_an_answer_that_a_repair_made_good_is_recorded_with_it(
    judged: Shop, run: Run
) -> None:
    judged.server.reply = judge_of(
        "json_schema",
        UNAVAILABLE,
        lambda body: PASS if len(body["messages"]) > 2 else "I think so",
    )
    run("--ladder-live").assert_outcomes(passed=3)
    assert len(recorded(judged)) == 6
    run("--ladder-live").assert_outcomes(passed=3)
    assert len(kinds(judged)) == 6
    forget_store(judged)
    run().assert_outcomes(passed=3)
    assert len(kinds(judged)) == 6


def test_recordings_of_before_that_hold_no_verdict_are_asked_for_again(
    judged: Shop, run: Run
) -> None:
    """An earlier version recorded both answers, and replayed their error for ever."""
    judged.server.reply = judge_of("json_schema", UNAVAILABLE)
    judged.run("--ladder-live")
    path = judged.path / "recordings" / "test_shop.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        if line.get("judge"):
            line["reply"]["text"] = "I think so"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    forget_store(judged)
    # Their second answers as well.
    judged.server.reply = judge_of("json_schema", UNAVAILABLE, lambda _: "I think so")
    judged.run("--ladder-live").assert_outcomes(errors=3)
    assert judged.run("--ladder-live").ret == 1
    judged.server.reply = judge_of("json_schema", UNAVAILABLE)
    run("--ladder-live").assert_outcomes(passed=3)
    forget_store(judged)
    before = judged.server.count
    run().assert_outcomes(passed=3)
    assert judged.server.count == before


def test_of_a_jury_only_the_judge_without_a_verdict_is_asked_again(
    judged: Shop, run: Run
) -> None:
    judged.ladder(
        LADDER
        + JUDGE
        + 'jury = [{{ id = "openai/second", api_base = "{api_base}", '
        + "price = {{ input = 1.0, output = 1.0 }} }}]\n"
    )
    usable = False

    def reply(body: dict[str, Any]) -> Act:
        if body["model"] == "bot":
            return says("blue")
        return says(PASS if usable or body["model"] == "judge" else "I think so")

    judged.server.reply = reply
    run("--ladder-live").assert_outcomes(errors=3)
    # Each case is asked of the first one once, and of the second one twice.
    assert len(kinds(judged)) == 9
    assert [one["identity"] for one in recorded(judged)] == ["openai/judge"] * 3
    usable = True
    run("--ladder-live").assert_outcomes(passed=3)
    assert len(kinds(judged)) == 12
    assert judged.server.requests[-1].body["model"] == "second"
    assert len(recorded(judged)) == 6


def test_a_preference_without_a_usable_answer_in_one_order_is_asked_again(
    judged: Shop, run: Run
) -> None:
    judged.test(SWAPPED)
    usable = False

    def reply(body: dict[str, Any]) -> Act:
        user = body["messages"][1]["content"]
        swapped = user.index("blue") > user.index("red")
        better = "second" if swapped else "first"
        said = json.dumps({"reason": "clearer", "better": better})
        return says(said if usable or not swapped else "Both")

    judged.server.reply = reply
    result = run("--ladder-live")
    assert result.ret == 1
    assert JudgeError.__name__ in result.stdout.str()
    assert len(kinds(judged)) == 3
    assert len(recorded(judged)) == 1
    usable = True
    run("--ladder-live").assert_outcomes(passed=1)
    assert len(kinds(judged)) == 4
    assert len(recorded(judged)) == 2


def test_a_plan_counts_what_would_be_asked_for_again(judged: Shop) -> None:
    judged.server.reply = judge_of("json_schema", UNAVAILABLE, lambda _: "I think so")
    judged.run("--ladder-live")
    judged.run("--ladder-plan").stdout.fnmatch_lines(["3 calls, at most $*"])
    judged.server.reply = judge_of("json_schema", UNAVAILABLE)
    judged.run("--ladder-live")
    judged.run("--ladder-plan").stdout.fnmatch_lines(["0 calls, at most $0; *"])


def test_a_verdict_between_thoughts_and_fences_is_a_verdict(
    judged: Shop, run: Run
) -> None:
    said = f"<think>polite, or should it fail?</think>\n```json\n{PASS}\n```"
    judged.server.reply = judge_of("json_schema", UNAVAILABLE, lambda _: said)
    run("--ladder-live").assert_outcomes(passed=3)
    assert len(kinds(judged)) == 3


FUNCTION = {"name": "verdict", "arguments": PASS}
TOOL = {"id": "call_1", "type": "function", "function": FUNCTION}
ELSEWHERE = {
    "in the call of a tool": ({"tool_calls": [{"index": 0, **TOOL}]}, "tool_calls"),
    "in its thoughts": ({"content": None, "reasoning_content": PASS}, "stop"),
    "in details of thoughts": ({"reasoning_details": [{"text": PASS}]}, "stop"),
    "as a truth": ({"content": '{"reason": "fine", "verdict": true}'}, "stop"),
}
SERVED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def judge_that_sends(
    shop: Shop,
    message: Any,
    finish: str = "stop",
    *,
    lane: str = "",
    stream: bool = False,
) -> None:
    shop.ladder(LADDER + JUDGE + lane)
    judged = Sends(body=written(body(message, finish=finish)))
    if stream:
        events = sse(*said(message, finish=finish))
        judged = Sends(body=events, content_type="text/event-stream")
    shop.server.reply = lambda asked: (
        says("blue") if asked["model"] == "bot" else judged
    )


@SERVED
@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_verdict_is_read_where_it_stands(
    judged: Shop, stream: bool, where: str
) -> None:
    judge_that_sends(judged, *ELSEWHERE[where], stream=stream)
    judged.run("--ladder-live").assert_outcomes(passed=3)
    assert len(kinds(judged)) == 3
    judged.run().assert_outcomes(passed=3)


UNCLEAR = {
    "drafts in thoughts": {"reasoning_content": f"Maybe {PASS}? Or it fails."},
    "two tools": {
        "tool_calls": [
            {"index": 0, **TOOL},
            {"index": 1, **TOOL, "function": FUNCTION | {"arguments": FAIL}},
        ]
    },
    "a text that says another thing": {
        "content": FAIL,
        "tool_calls": [{"index": 0, **TOOL}],
    },
    "thoughts beside an answer": {"content": "So.", "reasoning_content": PASS},
}


@pytest.mark.parametrize("unclear", UNCLEAR.values(), ids=UNCLEAR)
def test_a_verdict_elsewhere_that_is_not_clear_is_no_verdict(
    judged: Shop, unclear: Any
) -> None:
    judge_that_sends(judged, unclear)
    judged.run("--ladder-live").assert_outcomes(errors=3)


@pytest.mark.litellm
def test_litellm_brings_a_verdict_in_the_call_of_a_tool(judged: Shop) -> None:
    message, finish = ELSEWHERE["in the call of a tool"]
    judge_that_sends(judged, message, finish, lane='lane = "litellm"\n')
    judged.run("--ladder-live").assert_outcomes(passed=3)


@SERVED
def test_a_judge_that_is_filtered_is_told_to_be(judged: Shop, stream: bool) -> None:
    judge_that_sends(judged, {"content": ""}, "content_filter", stream=stream)
    told = judged.run("--ladder-live").stdout.str()
    assert "It was filtered: a content filter stopped it." in told
    assert "not JSON" not in told


@pytest.mark.parametrize(
    "name", [name for name in SHAPES if name.endswith("a filtered prompt")]
)
def test_a_judge_whose_prompt_is_filtered_is_told_to_be(
    judged: Shop, name: str
) -> None:
    shape = SHAPES[name]
    judged.server.reply = lambda asked: (
        says("blue")
        if asked["model"] == "bot"
        else Sends(body=shape.whole, status=shape.status)
    )
    result = judged.run("--ladder-live")
    result.assert_outcomes(errors=3)
    assert "It was filtered" in result.stdout.str()
    assert "key" not in result.stdout.str()
