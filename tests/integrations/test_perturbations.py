"""Perturbed questions under Hypothesis, in ladder tests."""

from __future__ import annotations

import difflib
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ladder.core.case import Case
from pytest_ladder.integrations import perturb
from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import Says, last_user_message, says

TEXT = "How long is the refund window? I bought Tea."
IN_A_WORKER = ("-n1",)
PROCESSES = pytest.mark.parametrize(
    "processes", [(), IN_A_WORKER], ids=["plain", "worker"]
)
SUITE = """
from hypothesis import given, strategies as st
from pytest_ladder.integrations import perturb

pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
@perturb.sparing()
@given(data=st.data())
def test_asked_otherwise(llm, case, data):
    asked = data.draw(perturb.PERTURBATION)
    assert llm.ask(asked).text == case.expected
"""
CASES = [{"id": "refund", "input": TEXT, "expected": "45 days"}]
JUST_STRATEGIES = settings(perturb.PROFILE, max_examples=40)


@pytest.fixture
def asking(shop: Shop) -> Shop:
    """A shop whose model knows the answer as long as it reads the word refund."""
    shop.cases(CASES)
    shop.server.reply = answer
    return shop


def answer(body: dict[str, Any]) -> Says:
    asked = last_user_message(body)
    if asked.startswith("Rewrite"):
        return says("  When does the refund window end?\n")
    return says("45 days" if "refund" in asked.lower() else "what?")


def suite(perturbation: str) -> str:
    return SUITE.replace("PERTURBATION", perturbation)


def run_given(shop: Shop, *arguments: str) -> pytest.RunResult:
    return shop.run_with("hypothesispytest", *arguments)


@pytest.mark.parametrize(
    ("perturbation", "processes"),
    [
        ("casing(case)", ()),
        ("distractors(case)", ()),
        ("whitespace(case)", ()),
        ("paraphrases(case, llm)", ()),
        ("paraphrases(case, llm)", IN_A_WORKER),
    ],
)
def test_an_answer_that_does_not_change_passes_and_replays(
    asking: Shop, perturbation: str, processes: tuple[str, ...]
) -> None:
    asking.test(suite(perturbation))
    run_given(asking, "--ladder-live", *processes).assert_outcomes(passed=1)
    calls = asking.server.count
    assert 1 < calls <= 20
    run_given(asking, *processes).assert_outcomes(passed=1)
    assert asking.server.count == calls


@PROCESSES
def test_a_changed_answer_is_a_miss_shrunk_from_the_store(
    asking: Shop, processes: tuple[str, ...]
) -> None:
    asking.test(suite("typos(case)"))
    live = run_given(asking, "--ladder-live", *processes)
    live.assert_outcomes(failed=1)
    calls = asking.server.count
    replayed = run_given(asking, *processes)
    replayed.assert_outcomes(failed=1)
    for result in (live, replayed):
        result.stdout.fnmatch_lines(["*asked: 'How long is the efund window?*"])
    assert asking.server.count == calls <= 40
    (row,) = asking.rows()
    assert (row["outcome"], row["score"], row["text"]) == ("missed", 0.0, "what?")


def test_an_edited_test_draws_the_same_examples(asking: Shop) -> None:
    asking.test(suite("typos(case, most=1)").replace("45", "4"))
    run_given(asking, "--ladder-live")
    edited = suite("typos(case, most=1)").replace("expected\n", "expected, 'hm'\n")
    asking.test(edited)
    run_given(asking, "--ladder-missing=fail")
    assert asking.outcomes() == {"test_asked_otherwise[bot/plain-refund]": "missed"}


def test_a_miss_on_another_rung_is_data(asking: Shop) -> None:
    asking.test(suite("typos(case)"))
    result = run_given(
        asking, "--ladder-live", "--ladder=matrix", "--ladder-rungs=*/l*"
    )
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*1 missed*"])


def test_the_budget_ends_the_examples(asking: Shop) -> None:
    asking.ladder(LADDER.replace("input = 1.0", "input = 1000.0"))
    asking.test(suite("distractors(case)"))
    run_given(asking, "--ladder-live", "--ladder-budget=0.15")
    assert 0 < asking.server.count < 10
    assert set(asking.outcomes().values()) == {"error"}


@PROCESSES
def test_a_reply_is_asked_for_ahead_and_compared_with(
    asking: Shop, processes: tuple[str, ...]
) -> None:
    asking.test(
        suite("casing(case)")
        .replace("llm, case", "llm, case, reply")
        .replace("case.expected", "reply.text")
    )
    run_given(asking, "--ladder-live", *processes).assert_outcomes(passed=1)


def test_shots_in_another_order_ask_the_model_anew(asking: Shop) -> None:
    examples = '{"input": "a refund", "expected": "1"}\n{"input": "b", "expected": "2"}'
    asking.write("examples.jsonl", examples)
    asking.ladder(LADDER.replace('"plain"', '"plain"\nexamples = "examples.jsonl"'))
    asking.test(
        suite("reordered_shots(reply.messages[:-1])")
        .replace("llm, case", "llm, case, reply")
        .replace("llm.ask(asked)", "llm(asked)")
    )
    run_given(asking, "--ladder-live").assert_outcomes(passed=1)
    first, second = asking.server.requests
    assert first.body["messages"][4:] == second.body["messages"][4:]
    assert first.body["messages"][:2] == second.body["messages"][2:4]


@JUST_STRATEGIES
@given(text=perturb.typos(TEXT))
def test_typos_are_few(text: str) -> None:
    similar = difflib.SequenceMatcher(None, text, TEXT, autojunk=False)
    kept = sum(block.size for block in similar.get_matching_blocks())
    assert len(TEXT) - 2 <= kept
    assert len(text) <= len(TEXT) + 2


@JUST_STRATEGIES
@given(text=perturb.casing(TEXT))
def test_casing_changes_nothing_else(text: str) -> None:
    assert text != TEXT
    assert text.lower() == TEXT.lower()


@JUST_STRATEGIES
@given(text=perturb.whitespace(TEXT))
def test_white_space_changes_no_word(text: str) -> None:
    assert text != TEXT
    assert text.split() == TEXT.split()


@JUST_STRATEGIES
@given(text=perturb.lookalikes(TEXT))
def test_lookalikes_are_other_letters(text: str) -> None:
    others = [letter for letter in text if ord(letter) > 0x400]
    assert len(text) == len(TEXT)
    assert 1 <= len(others) <= 3


@JUST_STRATEGIES
@given(text=perturb.distractors(TEXT, ["Hm."]))
def test_distractors_stand_between_sentences(text: str) -> None:
    assert text.replace("Hm.", "").split() == TEXT.split()


@JUST_STRATEGIES
@given(order=perturb.reordered([1, 2, 3]))
def test_reordered_keeps_all(order: list[int]) -> None:
    assert sorted(order) == [1, 2, 3]


@JUST_STRATEGIES
@given(data=st.data(), text=st.sampled_from(["", "?!", "  ", "45"]))
def test_what_cannot_be_perturbed_stays(data: st.DataObject, text: str) -> None:
    for strategy in (perturb.typos, perturb.casing, perturb.lookalikes):
        assert data.draw(strategy(text)) == text


@JUST_STRATEGIES
@given(data=st.data())
def test_of_a_conversation_the_last_question_changes(data: st.DataObject) -> None:
    said = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "why"},
    ]
    case = Case(id="a", input=said, expected=1)
    asked = data.draw(perturb.casing(case))
    assert list(asked.input[:2]) == said[:2]
    assert asked.text in ("WHY", "Why")
    assert (asked.id, asked.expected, case.text) == ("a", 1, "why")


def test_without_hypothesis_the_sentence_names_the_extra() -> None:
    script = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import pytest_ladder.integrations.perturb"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "pip install 'pytest-ladder[properties]'" in done.stderr
