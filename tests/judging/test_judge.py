"""A judge gives a verdict with a reason, or an error; never a score made up."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import JudgeConfig
from pytest_ladder.core.reply import Reply, Retrieved
from pytest_ladder.core.rung import Limits
from pytest_ladder.core.score import Verdict, score_from
from pytest_ladder.errors import ConfigError, JudgeError
from pytest_ladder.judging.jury import Jury, judge_models, standard_of
from pytest_ladder.judging.prompts import takes_schema
from tests.judging.verdict_words import fails, grades, passes
from tests.scripted_server import says

if TYPE_CHECKING:
    from tests.judging.conftest import Bench

CASE = Case(
    id="refund",
    source="cases.jsonl",
    input="How long is the refund window?",
    expected="45 days",
    context=("The refund window is 45 days.",),
)
POLITE = "The answer is polite."


def retrieved(*texts: str) -> Reply:
    passages = tuple(
        Retrieved(source=f"{n}.md", rank=n, text=text)
        for n, text in enumerate(texts, start=1)
    )
    return Reply(text="45 days", retrieved=passages)


def test_a_verdict_has_reason_judge_rubric_and_cost(bench: Bench) -> None:
    bench.says(passes("it says 45 days"))
    verdict = bench.jury()("45 days", judge="correctness", case=CASE)
    assert verdict
    assert (verdict.score, verdict.graded) == (1.0, False)
    assert verdict.reason == "it says 45 days"
    assert verdict.judge == "openai/judge"
    assert verdict.rubric.startswith("correctness@1#")
    assert verdict.cost_usd is not None
    assert verdict.cost_usd > 0


def test_a_fail_is_false_so_that_assert_verdict_means_something(bench: Bench) -> None:
    bench.says(fails())
    verdict = bench.jury()("rude", POLITE)
    assert not verdict
    assert verdict.score == 0.0


@pytest.mark.parametrize(
    ("grade", "score", "passed"),
    [
        (1, 0.0, False),
        (2, 0.25, False),
        (3, 0.5, True),
        (4, 0.75, True),
        (5, 1.0, True),
    ],
)
def test_grades_become_scores(
    bench: Bench, grade: int, score: float, passed: bool
) -> None:
    bench.says(grades(grade))
    verdict = bench.jury()("hello", POLITE, scale="graded")
    assert (verdict.score, verdict.passed, verdict.graded) == (score, passed, True)


def test_the_judge_sees_rubric_question_expected_answer_and_reply(bench: Bench) -> None:
    bench.says(passes())
    bench.jury()("forty-five days", judge="correctness", case=CASE)
    system, user = (m["content"] for m in bench.asked[0]["messages"])
    assert "every fact that the expected answer states" in system
    for shown in ("How long is the refund window?", "45 days", "forty-five days"):
        assert shown in user
    assert "The refund window is 45 days." not in user


def test_an_answer_is_held_to_a_schema_with_the_reason_first(bench: Bench) -> None:
    bench.says(passes())
    bench.jury()("hello", POLITE)
    described = bench.asked[0]["response_format"]["json_schema"]
    assert described["strict"] is True
    assert list(described["schema"]["properties"]) == ["reason", "verdict"]
    assert described["schema"]["additionalProperties"] is False


def test_params_of_the_configuration_win(bench: Bench) -> None:
    bench.says(passes())
    params = {"temperature": 0, "response_format": {"type": "json_object"}}
    bench.jury(params=params)("hello", POLITE)
    assert bench.asked[0]["response_format"] == {"type": "json_object"}
    assert bench.asked[0]["temperature"] == 0


@pytest.mark.parametrize(
    ("model_id", "takes"),
    [
        ("openai/gpt-5-mini", True),
        ("hosted_vllm/anything", True),
        ("local/smollm2-135m", True),
        ("anthropic/claude-sonnet-4-5", True),
        ("gemini/gemini-2.5-flash", True),
        ("ollama/llama2", False),
        ("somebody/unheard-of", False),
        ("scripted/echo", False),
    ],
)
def test_a_schema_is_sent_to_models_that_take_one(model_id: str, takes: bool) -> None:
    (model,) = judge_models([JudgeConfig(id=model_id)])
    assert takes_schema(model) is takes


def test_a_local_judge_cannot_go_on_for_ever(bench: Bench) -> None:
    jury = Jury(judge_models([JudgeConfig(id="local/smollm2-135m")]), bench.asker)
    (request,) = jury.requests("hello", POLITE)
    schema = request.params["response_format"]["json_schema"]["schema"]
    assert request.params["max_tokens"] == 256
    assert schema["properties"]["reason"]["maxLength"] == 240


UNUSABLE: dict[str, Any] = {
    "prose": "The verdict is pass.",
    "empty": "",
    "no reason": '{"verdict": "pass"}',
    "another value": '{"reason": "ok", "verdict": "fine"}',
}


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_answer_is_repaired_once(bench: Bench, unusable: str) -> None:
    bench.says(unusable, passes("better now"))
    verdict = bench.jury()("hello", POLITE)
    assert verdict.reason == "better now"
    assert len(bench.asked) == 2
    *_, said, told = bench.asked[1]["messages"]
    assert said["role"] == "assistant"
    assert told["content"].startswith("This answer cannot be used. It")


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE)
def test_two_unusable_answers_are_an_error_and_no_score(
    bench: Bench, unusable: str
) -> None:
    bench.says(unusable, unusable)
    told = r"case 'refund' by the rubric 'correctness'.*; take a .*`max_tokens`"
    with pytest.raises(JudgeError, match=told):
        bench.jury()("hello", judge="correctness", case=CASE)
    assert len(bench.asked) == 2


def test_an_answer_that_was_cut_off_is_not_used(bench: Bench) -> None:
    whole = json.dumps(passes())
    bench.server.script(*[says(whole, finish_reason="length")] * 2)
    with pytest.raises(JudgeError, match="cut off"):
        bench.jury()("hello", POLITE)


def test_a_repair_is_paid_for(bench: Bench) -> None:
    bench.says(passes(), "what?", passes())
    once = bench.jury()("hello", POLITE).cost_usd
    twice = bench.jury()("good day", POLITE).cost_usd
    assert once is not None
    assert twice is not None
    assert twice > 2 * once


def test_an_unknown_price_stays_unknown(bench: Bench) -> None:
    bench.says(passes())
    assert bench.jury(price=None)("hello", POLITE).cost_usd is None


def test_a_coroutine_can_judge(bench: Bench) -> None:
    bench.says("what?", passes())
    verdict = asyncio.run(bench.jury().acall("hello", POLITE))
    assert verdict
    assert len(bench.asked) == 2


def test_the_same_verdict_is_paid_for_once(bench: Bench) -> None:
    bench.says(passes())
    jury = bench.jury()
    assert jury("hello", POLITE) == jury("hello", POLITE)
    assert len(bench.asked) == 1


def test_what_is_asked_ahead_is_what_is_asked(bench: Bench) -> None:
    bench.says(*[passes()] * 4)
    jury = bench.jury("openai/judge", "openai/other")
    ahead = jury.requests("hello", judge="correctness", case=CASE, samples=2)
    jury("hello", judge="correctness", case=CASE, samples=2)
    assert [r.messages for r in ahead] == [body["messages"] for body in bench.asked]
    assert [r.sample for r in ahead] == [1, 2, 1, 2]
    assert jury.requests("hello", judge=lambda *_: True) == []


VOTES: dict[str, tuple[list[dict[str, Any]], float, bool]] = {
    "two of three": ([passes("a"), fails("b"), passes("c")], 1.0, True),
    "one of three": ([passes("a"), fails("b"), fails("c")], 0.0, False),
    "half is no majority": ([passes("a"), fails("b")], 0.0, False),
}


@pytest.mark.parametrize(("said", "score", "passed"), VOTES.values(), ids=VOTES)
def test_the_majority_of_votes_counts(
    bench: Bench, said: list[dict[str, Any]], score: float, passed: bool
) -> None:
    bench.says(*said)
    verdict = bench.jury()("hello", POLITE, samples=len(said))
    assert (verdict.score, verdict.passed) == (score, passed)
    assert verdict.votes == tuple(float(one["verdict"] == "pass") for one in said)
    agreeing = [one["reason"] for one in said if (one["verdict"] == "pass") is passed]
    assert verdict.reason == agreeing[0]


def test_the_median_of_grades_counts(bench: Bench) -> None:
    bench.says(grades(1, "low"), grades(4, "middle"), grades(5, "high"))
    verdict = bench.jury()("hello", POLITE, scale="graded", samples=3)
    assert (verdict.score, verdict.reason) == (0.75, "middle")


def test_a_jury_has_several_models(bench: Bench) -> None:
    bench.says(passes(), fails(), passes())
    jury = bench.jury("openai/a", "openai/b", "openai/c")
    verdict = jury("hello", POLITE)
    assert verdict
    assert verdict.judge == jury.id == "openai/a + openai/b + openai/c"
    assert [body["model"] for body in bench.asked] == ["a", "b", "c"]


def test_each_passage_is_judged_and_the_share_counts(bench: Bench) -> None:
    bench.says(passes("tells it"), fails("other subject"), fails("nothing"))
    reply = retrieved("The window is 45 days.", "Tea is brewed at 80 °C.", "…")
    verdict = bench.jury()(reply, judge="chunk_relevance", case=CASE)
    assert verdict.score == pytest.approx(1 / 3)
    assert verdict.graded
    assert verdict.reason.startswith("1 of 3 passages pass. (1) pass: tells it")
    assert "80 °C" not in bench.asked[0]["messages"][1]["content"]
    assert "80 °C" in bench.asked[1]["messages"][1]["content"]


@pytest.mark.parametrize("judge", ["chunk_relevance", "context_sufficiency"])
def test_a_retrieval_that_found_nothing_fails_without_a_call(
    bench: Bench, judge: str
) -> None:
    verdict = bench.jury()("45 days", judge=judge, case=CASE)
    assert (verdict.passed, verdict.score, verdict.cost_usd) == (False, 0.0, 0.0)
    assert verdict.reason == "Nothing was retrieved."
    assert bench.asked == []


def test_groundedness_looks_at_what_was_retrieved_else_at_the_case(
    bench: Bench,
) -> None:
    bench.says(passes(), passes())
    jury = bench.jury()
    jury(retrieved("Shown passage."), judge="groundedness", case=CASE)
    jury("45 days", judge="groundedness", case=CASE)
    first, second = (body["messages"][1]["content"] for body in bench.asked)
    assert "Shown passage." in first
    assert "The refund window is 45 days." not in first
    assert "The refund window is 45 days." in second


def test_guidelines_come_from_the_case(bench: Bench) -> None:
    bench.says(passes())
    case = Case(id="a", input="Hi", metadata={"guidelines": ["No emoji", "In German"]})
    bench.jury()("hello", judge="guidelines", case=case)
    user = bench.asked[0]["messages"][1]["content"]
    assert "(1) No emoji\n(2) In German" in user


def test_a_conversation_is_shown_whole(bench: Bench) -> None:
    bench.says(passes())
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Bye"},
    ]
    bench.jury()("See you", POLITE, case=Case(id="a", input=turns))
    user = bench.asked[0]["messages"][1]["content"]
    assert "user: Hi\nassistant: Hello!\nuser: Bye" in user


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, 'needs one of `rubric="…"`'),
    "both": ({"rubric": POLITE, "judge": "safety"}, 'needs one of `rubric="…"`'),
    "unknown judge": ({"judge": "correctnes"}, "did you mean `correctness`"),
    "a text as judge": ({"judge": "Be polite."}, "goes into `rubric=`"),
    "unknown name as rubric": ({"rubric": "Safety"}, "did you mean `safety`"),
    "no expected": (
        {"judge": "correctness", "case": Case(id="x", input="?", source="c.jsonl")},
        "'correctness' needs 'expected', and case 'x' of c.jsonl has none; add it",
    ),
    "no case": ({"judge": "correctness"}, "hand it over with `case=`"),
    "no guidelines": ({"judge": "guidelines", "case": CASE}, "has none; add it"),
    "nothing relevant": (
        {"judge": "document_recall", "case": Case(id="x", input="?")},
        "name the sources in `relevant`",
    ),
}


@pytest.mark.parametrize(("options", "told"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_in_a_sentence_and_cost_nothing(
    bench: Bench, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        bench.jury()("hello", **options)
    assert told in str(caught.value)
    assert bench.asked == []


def test_a_rubric_without_a_judge_names_the_table_to_add(bench: Bench) -> None:
    jury = Jury((), bench.asker)
    with pytest.raises(ConfigError, match=r"add \[judge\] with an `id`"):
        jury("hello", POLITE)
    assert jury("hello", judge=lambda reply, case: True)


class Result:
    """As metric libraries return it."""

    score = 0.4
    reason = "meh"


FUNCTIONS: dict[str, tuple[Any, tuple[bool, float, bool, str]]] = {
    "true": (True, (True, 1.0, False, "")),
    "false": (False, (False, 0.0, False, "")),
    "a number": (0.7, (True, 0.7, True, "")),
    "a low number": (0.2, (False, 0.2, True, "")),
    "a dict": ({"score": 0.7, "reason": "ok"}, (True, 0.7, True, "ok")),
    "passed": ({"passed": False, "reason": "no"}, (False, 0.0, False, "no")),
    "both": ({"passed": False, "score": 0.7}, (False, 0.7, True, "")),
    "an object": (Result(), (False, 0.4, True, "meh")),
    "a verdict": (
        Verdict(passed=True, score=1.0, reason="fine"),
        (True, 1.0, False, "fine"),
    ),
}


@pytest.mark.parametrize(("result", "expected"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_can_judge(
    bench: Bench, result: Any, expected: tuple[bool, float, bool, str]
) -> None:
    def mine(reply: Reply, case: Case | None) -> Any:
        assert (reply.text, case) == ("hello", CASE)
        return result

    verdict = bench.jury()("hello", judge=mine, case=CASE)
    found = (verdict.passed, verdict.score, verdict.graded, verdict.reason)
    assert found == expected
    assert (verdict.judge, verdict.rubric) == ("mine", "")


def test_a_function_that_returns_no_number_is_told_so(bench: Bench) -> None:
    with pytest.raises(TypeError, match="holds no number"):
        bench.jury()("hello", judge=lambda reply, case: None)
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        bench.jury()("hello", judge=lambda reply, case: 7)


def test_a_metric_of_the_package_is_a_judge(bench: Bench) -> None:
    case = Case(id="a", input="?", relevant=("1.md", "9.md"))
    verdict = bench.jury()(retrieved("a", "b"), judge="document_recall", case=case)
    assert (verdict.score, verdict.judge) == (0.5, "document_recall")


def test_a_verdict_can_be_handed_to_score() -> None:
    score = score_from(Verdict(passed=True, score=0.75, reason="fine"))
    assert (score.value, score.reason) == (0.75, "fine")


def test_a_judge_is_a_model_whose_name_no_model_can_have() -> None:
    judge = JudgeConfig(
        id="openai/gpt-5-mini",
        params={"temperature": 0},
        limits=Limits(rpm=5),
        revision="r1",
    )
    first, second = judge_models([judge, JudgeConfig(id="openai/other")])
    assert (first.name, second.name) == ("[judge]", "[judge 2]")
    assert (first.id, first.params) == ("openai/gpt-5-mini", {"temperature": 0})
    assert (first.limits.rpm, first.revision) == (5, "r1")


def test_judging_loads_no_heavy_library() -> None:
    script = (
        "import sys; from pytest_ladder.judging import causes, jury; "
        "from pytest_ladder.judging.calibration import calibrate; "
        "heavy = {'litellm', 'aiohttp', 'numpy', 'scipy', 'jsonschema', 'yaml'}; "
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_a_marker_says_can_be_checked_before_anything_runs() -> None:
    with pytest.raises(ConfigError):
        standard_of(judge="tone")
    assert callable(standard_of(judge="document_recall"))
