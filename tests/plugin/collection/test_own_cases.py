"""A user's own `parametrize("case", …)`: mistakes in it, and a list that is empty."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import Shop

OWN = """

@pytest.mark.cheap
@pytest.mark.parametrize("case", {cases})
def test_own(reply):
    assert reply.text == case
"""


@pytest.mark.parametrize(
    ("cases", "problem"),
    [
        ("[{'expected': 'x'}]", "case 1: the case has no `input` (or `question`, *"),
        ("[{}]", "case 1: the case has no `input` (or *; its keys are none at all."),
        (
            "[{'input': 'x'}, 3]",
            "case 2: a case is an object with an input, not a number; write *",
        ),
        (
            "[{'input': 'x'}, pytest.param({'input': 3}, id='y')]",
            "case 2: the input is a number; write a text in quotes or *",
        ),
        (
            "[{'input': 'x', 'tags': [1]}]",
            "case 1: tags holds a list; write a list of texts.",
        ),
        (
            "[{'input': 'x', 'question': 'y'}]",
            "case 1: `input` and `question` both say the input; keep one of them.",
        ),
        (
            "[{'input': 'x'}, {'input': 'x'}]",
            "case 2: the same case stands already at *test_shop.py:4: test_own: *",
        ),
    ],
)
def test_a_wrong_case_is_one_sentence_with_the_line_of_the_test(
    shop: Shop, cases: str, problem: str
) -> None:
    shop.test(OWN.replace("{cases}", cases))
    check_refused(shop, shop.run("--ladder-live"), problem)


def test_over_processes_a_wrong_case_is_one_sentence_as_well(shop: Shop) -> None:
    shop.test(OWN.replace("{cases}", "[{}]"))
    check_refused(shop, shop.run("--ladder-live", "-n2"), "case 1: the case has no *")


def check_refused(shop: Shop, result: pytest.RunResult, problem: str) -> None:
    said = [*result.outlines, *result.errlines]
    pytest.LineMatcher(said).fnmatch_lines(
        [f"*test_shop.py:4: test_own: parametrize: {problem}"]
    )
    assert "Traceback" not in "\n".join(said)
    assert "INTERNALERROR" not in "\n".join(said)
    assert "pytest_ladder/" not in "\n".join(said)
    assert result.ret not in (0, 3)
    assert shop.server.count == 0


def test_an_empty_list_is_skipped_as_pytest_does_and_says_why(shop: Shop) -> None:
    shop.test(OWN.replace("{cases}", "[]"))
    result = shop.run("--ladder-live", "-rs")
    result.assert_outcomes(skipped=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["SKIPPED * got empty parameter set for (case)"])
    assert shop.server.count == 0


def test_keys_of_your_own_are_metadata(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap
@pytest.mark.parametrize("case", [{"input": "x", "team": "tea"}])
def test_own(rung, case):
    assert case.metadata == {"team": "tea"}
""")
    shop.run().assert_outcomes(passed=1)
