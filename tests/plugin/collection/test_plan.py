"""The plan prices what was collected and selected, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.plugin.scratch_suite import LADDER, Shop
from tests.plugin.slope import Slope
from tests.scripted_server import last_user_message, says

SUITE = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
def test_answer(reply, case):
    pass

@pytest.mark.judged(rubric="It is polite.")
def test_tone(verdict):
    pass

@pytest.mark.cheap
@pytest.mark.parametrize("tone", ["a", "b"])
def test_free(llm, tone):
    pass

@pytest.mark.cheap
def test_without_calls(case):
    pass
"""
OWN_CASES = """
@pytest.mark.cheap
@pytest.mark.parametrize("case", [{"input": "say one"}, {"input": "say two"}])
def test_answer(reply):
    pass
"""
JUDGE = """
[judge]
id = "openai/judge"
api_base = "{api_base}"
price = {{ input = 1.0, output = 1.0 }}
params = {{ max_tokens = 100 }}
"""
JUDGED = LADDER + JUDGE


def calls(result: pytest.RunResult) -> dict[str, int]:
    """Return the calls of each rung, and of the judge, by the plan's table."""
    found = re.findall(r"^(\S+/\S+|\[judge\]) +(\d+) +\d+ +", result.stdout.str(), re.M)
    return {name: int(number) for name, number in found}


@pytest.mark.parametrize(
    ("selection", "planned", "items"),
    [
        ([], {"bot/plain": 3, "[judge]": 3}, 2),
        (["-k", "test_answer and sky"], {"bot/plain": 1}, 0),
        (["-k", "test_tone and (sky or sun)"], {"bot/plain": 2, "[judge]": 2}, 0),
        (["-m", "judged"], {"bot/plain": 3, "[judge]": 3}, 0),
        (["test_shop.py::test_answer"], {"bot/plain": 3}, 0),
        (["test_shop.py::test_answer[bot/plain-fire]"], {"bot/plain": 1}, 0),
        (["--deselect", "test_shop.py::test_tone"], {"bot/plain": 3}, 2),
        (["-k", "test_free and a"], {}, 1),
        (["-k", "without_calls"], {"bot/plain": 0}, 0),
        (["-k", "nothing"], {}, 0),
    ],
)
def test_what_is_deselected_is_not_planned(
    shop: Shop, selection: list[str], planned: dict[str, int], items: int
) -> None:
    shop.ladder(JUDGED)
    shop.test(SUITE)
    result = shop.run("--ladder-plan", *selection)
    assert calls(result) == planned
    assert (f"{items} item" in result.stdout.str()) is bool(items)
    assert shop.server.count == 0


@pytest.mark.parametrize(
    ("mark", "planned"),
    [
        ("skip", {"bot/plain": 3}),
        ("skipif(True, reason='mine')", {"bot/plain": 3}),
        # Only the run itself knows; a plan says what is called at most.
        ("skipif('1 == 1', reason='mine')", {"bot/plain": 3, "[judge]": 3}),
        ("skipif(False, reason='mine')", {"bot/plain": 3, "[judge]": 3}),
    ],
)
def test_what_is_marked_to_be_skipped_is_not_planned(
    shop: Shop, mark: str, planned: dict[str, int]
) -> None:
    shop.ladder(JUDGED)
    skipped = f"@pytest.mark.{mark}\n@pytest.mark.judged"
    shop.test(SUITE.replace("@pytest.mark.judged", skipped))
    assert calls(shop.run("--ladder-plan")) == planned


def test_rungs_that_are_deselected_are_not_planned(shop: Shop) -> None:
    shop.ladder(JUDGED)
    shop.test(SUITE)
    result = shop.run(
        "--ladder-plan", "--ladder=matrix", "-k", "test_answer and loud and sun"
    )
    assert calls(result) == {"bot/loud": 1}


def test_a_litmus_plans_its_sample(shop: Shop) -> None:
    slope = Slope(shop)
    slope.cases(40, context=["The answer is right."])
    result = slope.shop.run(
        "--ladder=litmus", "--ladder-plan", "--ladder-rungs=big/plain"
    )
    assert calls(result) == {"big/gold": 20}


@pytest.mark.parametrize("option", [(), ("-k", "two")])
def test_a_users_own_case_list_is_planned(shop: Shop, option: tuple[str, ...]) -> None:
    shop.test(OWN_CASES)
    assert calls(shop.run("--ladder-plan", *option)) == {
        "bot/plain": 1 if option else 2
    }


def test_packed_tests_plan_all_their_cases_and_samples(shop: Shop) -> None:
    shop.test(SUITE.split("@pytest.mark.judged", maxsplit=1)[0])
    source = (shop.path / "test_shop.py").read_text()
    packed = source.replace('"cases.jsonl"', '"cases.jsonl", pack=True, samples=2')
    shop.write("test_shop.py", packed)
    assert calls(shop.run("--ladder-plan")) == {"bot/plain": 6}


def test_each_sample_is_judged_by_itself(shop: Shop) -> None:
    shop.ladder(JUDGED)
    shop.test(SUITE)
    result = shop.run("--ladder-plan", "--ladder-samples=2", "-k", "test_tone")
    assert calls(result) == {"bot/plain": 6, "[judge]": 6}


def test_a_mistake_is_told_without_a_plan(shop: Shop) -> None:
    shop.ladder(LADDER.replace("tier =", "teir ="))
    shop.test(SUITE)
    result = shop.run("--ladder-plan")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "did you mean" in result.stderr.str()
    assert "at most" not in result.stdout.str()


def _unusable_at_first(body: dict[str, Any]) -> Any:
    """Let a judge answer as long as it may, and usably only when asked again."""
    if body["model"] != "judge":
        return says("x" * 80, usage={"prompt_tokens": 3, "completion_tokens": 20})
    sent = sum(len(message["content"]) for message in body["messages"]) // 4
    usage = {"prompt_tokens": sent, "completion_tokens": 100}
    if "cannot be used" not in last_user_message(body):
        return says("So polite! " * 36, usage=usage)
    return says(json.dumps({"reason": "fine", "verdict": "pass"}), usage=usage)


def test_at_most_holds_when_every_verdict_is_asked_for_twice(shop: Shop) -> None:
    shop.ladder(JUDGED)
    shop.test(SUITE)
    shop.server.reply = _unusable_at_first
    planned = shop.run("--ladder-plan", "-k", "test_tone").stdout
    planned.fnmatch_lines(
        [
            "6 calls, at most $* unless a lost call is billed as well; nothing was *",
            "A judge is asked once more where its answer cannot be used: *",
        ]
    )
    shop.run("--ladder-live", "-k", "test_tone").assert_outcomes(passed=3)
    assert shop.server.count == 9
    spend = shop.matrix()["spend"]
    spent = spend["product_usd"] + spend["evaluation_usd"]
    (bound,) = re.findall(r"at most \$([\d.]+) ", planned.str())
    assert float(bound) / 2 < spent <= float(bound)
    again = shop.run("--ladder-plan", "-k", "test_tone").stdout
    again.fnmatch_lines(["0 calls, at most $0; nothing was called or spent."])
    assert "asked once more" not in again.str()


def test_what_is_paid_by_time_tells_the_rate(shop: Shop) -> None:
    by_time = "serve = {{ usd_per_hour = 0.6, utilisation = 0.5 }}"
    shop.ladder(JUDGED.replace("price = {{ input = 1.0, output = 2.0 }}", by_time))
    shop.test(SUITE)
    shop.run("--ladder-plan", "-k", "test_answer").stdout.fnmatch_lines(
        [
            "bot/plain * $0.02 a minute *",
            "3 calls, paid by the time they take; nothing was called or spent.",
            "Paid by the time of computing: bot/plain; the first run tells *",
        ]
    )


def test_an_unknown_price_is_told(shop: Shop) -> None:
    shop.ladder(JUDGED.replace("price = {{ input = 1.0, output = 2.0 }}", ""))
    shop.test(SUITE)
    shop.run("--ladder-plan", "-k", "test_answer").stdout.fnmatch_lines(
        [
            "3 calls, at an unknown price; nothing was called or spent.",
            "Not in it, price or output limit unknown: bot/plain.",
        ]
    )


def test_the_limit_that_reasoning_models_know_bounds_the_plan(shop: Shop) -> None:
    shop.ladder(JUDGED.replace("max_tokens = 20", "max_completion_tokens = 7"))
    shop.test(SUITE)
    result = shop.run("--ladder-plan", "-k", "test_answer")
    result.stdout.fnmatch_lines(["bot/plain * <= 21 *"])


FREE = """
@pytest.mark.cheap
def test_free(llm):
    llm("hello")
"""
TASK = """
def task(case, llm):
    return llm(case.input)

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", task=task)
def test_task(reply):
    pass
"""
KNOWN = """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_known(reply):
    pass
"""


@pytest.mark.parametrize("source", [FREE, TASK], ids=["free form", "task"])
def test_calls_that_nobody_knows_are_unknown_and_not_none(
    shop: Shop, source: str
) -> None:
    shop.test(source)
    said = shop.run("--ladder-plan").stdout.str()
    assert "An unknown number of calls at an unknown price; nothing was called" in said
    assert re.search(r"^bot/plain +unknown +0 .* unknown +127", said, re.M)
    assert "$0" not in said


def test_what_is_known_is_told_beside_what_is_not(shop: Shop) -> None:
    shop.test(FREE + KNOWN)
    said = shop.run("--ladder-plan").stdout.str()
    assert re.search(r"^bot/plain +3 +0 .* \$\S+ \+ unknown +127", said, re.M)
    assert re.search(
        r"^3 calls, at most \$\S+ unless a lost call is billed as well, and an unknown "
        r"number more at an unknown price; nothing",
        said,
        re.M,
    )


def test_a_rung_that_is_stored_does_not_price_those_paid_by_time(shop: Shop) -> None:
    shop.test(KNOWN)
    shop.run("--ladder-live")
    text = (
        LADDER
        + """
[[model]]
name = "own"
tier = "fine-tuned"
id = "openai/own"
api_base = "{api_base}"
serve = {{ usd_per_hour = 1.0 }}
params = {{ max_tokens = 5 }}
"""
    )
    shop.ladder(text.replace('name = "loud"', 'name = "loud"\nmodels = ["own"]'))
    said = shop.run("--ladder-plan", "--ladder=matrix").stdout.str()
    assert "6 calls, paid by the time they take; nothing was called or spent." in said
    assert "at most $" not in said


MISTYPED = """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_mistyped(repl):
    pass

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_second(reply, caes):
    pass

@pytest.mark.cheap
def test_alone(tmp_path):
    pass

@pytest.mark.cheap
@pytest.mark.parametrize("n", [1, 2])
def test_sound(llm, n, request):
    pass

@pytest.mark.skip
@pytest.mark.cheap
def test_skipped(repl):
    pass

def test_unmarked(repl):
    pass
"""


def test_tests_that_ask_for_nothing_are_told(shop: Shop) -> None:
    shop.cases([{"input": "say one"}, {"input": "say two"}])
    shop.test(MISTYPED)
    result = shop.run("--ladder-plan")
    said = [line for line in result.stdout.lines if "::" in line]
    assert said == [
        "test_shop.py::test_mistyped is marked cheap and asks for nothing: fixture "
        "'repl' not found; did you mean `reply`? Correct the name.",
        "test_shop.py::test_second would fail: fixture 'caes' not found; did you mean "
        "`case`? Correct the name.",
        "test_shop.py::test_alone is marked cheap and asks for nothing: it takes no "
        "fixture of pytest-ladder.",
    ]
    assert result.ret in (0, pytest.ExitCode.NO_TESTS_COLLECTED)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"input": "a", "expcted": "b"}', "examples.jsonl: *no `expected`*"),
        ('{"input": "a", "expected": ', "examples.jsonl:2: *JSON*"),
    ],
    ids=["a-field", "cut"],
)
def test_files_of_rungs_that_are_not_planned_are_read(
    shop: Shop, line: str, told: str
) -> None:
    shop.cases([{"input": "say one"}])
    sound = '{"input": "x", "expected": "y"}'
    (shop.path / "examples.jsonl").write_text(f"{sound}\n{line}\n", encoding="utf-8")
    text = (shop.path / "ladder.toml").read_text(encoding="utf-8")
    shots = '[[strategy]]\nname = "shots"\nexamples = "examples.jsonl"\nshots = 1\n'
    (shop.path / "ladder.toml").write_text(f"{text}\n{shots}", encoding="utf-8")
    shop.test(OWN_CASES)
    said = shop.run("--ladder-plan").stdout
    said.fnmatch_lines([f'The strategy "shots", not in this plan, fails: {told}'])
    assert "2 calls" in said.str()


def test_a_damaged_file_of_labels_is_told_by_a_plan(shop: Shop) -> None:
    shop.test(OWN_CASES)
    (shop.path / "labels.jsonl").write_text('{"case": \n', encoding="utf-8")
    shop.run("--ladder-plan").stdout.fnmatch_lines(["labels.jsonl:1: *"])
