"""Multiple choice: what is shown, and which letter a reply chooses."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pytest_ladder import Case, ConfigError, score_choice
from pytest_ladder.cases.choices import chosen_letters

CITIES = ["Berlin", "Paris", "Rome", "Paris and Rome"]

CHOSEN = {
    "B": "B",
    "b": "B",
    "(b)": "B",
    "[B]": "B",
    "B.": "B",
    "**B**": "B",
    "<b>B</b>": "B",
    "`B`": "B",
    "$\\boxed{B}$": "B",
    "\\boxed{\\text{B}}": "B",
    "B) Paris": "B",
    "b. paris": "B",
    "B\n\nBecause it is the capital.": "B",
    "Paris": "B",
    "paris.": "B",
    "It is Paris, of course.": "B",
    "The answer is B.": "B",
    "The answer is (b).": "B",
    "Answer: B": "B",
    "**Answer:** B. Paris": "B",
    "The correct answer is **B - Paris**": "B",
    "Die Antwort ist B.": "B",
    "答案是B": "B",
    "I would choose B, because A is wrong.": "B",
    "Option B": "B",
    "I want B": "B",
    "It's B.": "B",
    "B is correct": "B",
    "The answer is not A, it is B.": "B",
    "Not Berlin but Paris": "B",
    "A) no B) yes\nAnswer: B": "B",
    "The answer is A. No: my final answer is B.": "B",
    "A.": "A",
    "The answer is A": "A",
    "A good question. It is Rome.": "C",
    "Paris and Rome": "D",
    # What chooses nothing, and what chooses several things.
    "": "",
    "I do not know.": "",
    "E": "",
    "It is not B.": "",
    "It isn't B.": "",
    "It isn\u2019t (B).": "",
    "It's neither A nor B.": "",
    "The answer is a city.": "",
    "A or B": "AB",
    "It is either A or B.": "AB",
    "The answer is A. The answer is B.": "AB",
    "Berlin or Paris": "AB",
    "A: no\nB: yes": "AB",
}


def case(expected: Any, choices: Any = CITIES) -> Case:
    return Case(
        id="q", input="Which?", expected=expected, metadata={"choices": choices}
    )


@pytest.mark.parametrize(("text", "letters"), CHOSEN.items())
def test_a_reply_chooses(text: str, letters: str) -> None:
    assert "".join(sorted(chosen_letters(text, CITIES))) == letters


@pytest.mark.parametrize("expected", ["B", "b", " (B) ", 1, "1", "Paris", "paris"])
def test_what_is_expected_is_a_letter_an_index_or_a_text(expected: Any) -> None:
    right, wrong = score_choice("B", case(expected)), score_choice("C", case(expected))
    assert (right.value, right.reason) == (1, "chooses B")
    assert (wrong.value, wrong.reason) == (0, "chooses C; B is right")


def test_a_wrong_choice_is_false_so_that_it_may_be_asserted() -> None:
    assert score_choice("B", case("B"))
    assert not score_choice("C", case("B"))
    assert not score_choice("Hm.", case("B"))


def test_what_is_no_clear_choice_has_no_point_and_a_reason() -> None:
    none, both = score_choice("Hm.", case("B")), score_choice("A or B", case("B"))
    assert (none.value, none.reason) == (0, "chooses nothing; B is right")
    assert both.value == 0
    assert both.reason == "ambiguous: chooses A and B; B is right"


def test_several_may_be_right_together() -> None:
    both = case(["A", "C"])
    assert score_choice("A and C", both).value == 1
    assert score_choice("(a), (c)", both).value == 1
    assert score_choice("A", both).value == 0


def test_a_text_that_is_a_number_is_a_text_first() -> None:
    numbers = case("3", ["1", "2", "3"])
    assert score_choice("C", numbers).value == 1
    assert score_choice("3", numbers).value == 1
    assert score_choice("3", case(0, ["1", "2", "3"])).value == 0


@pytest.mark.parametrize(
    "choices",
    [
        ["x", "y"],
        ("x", "y"),
        {"text": ["x", "y"], "label": ["1", "2"]},
        [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}],
    ],
)
def test_choices_come_in_many_forms(choices: Any) -> None:
    assert case("A", choices).choices == ("x", "y")


@pytest.mark.parametrize(
    "choices", [None, "x|y", [], ["x"], [["x"], ["y"]], ["x"] * 27, {"a": 1}, 3]
)
def test_what_is_no_list_of_texts_are_no_choices(choices: Any) -> None:
    assert case("A", choices).choices == ()


def test_a_hostile_reply_takes_no_time() -> None:
    start = time.process_time()
    for text in (
        "answer" + " " * 100_000,
        "final " * 20_000,
        "A) " * 20_000,
        "(a" * 20_000,
    ):
        chosen_letters(text, CITIES)
    assert time.process_time() - start < 30


def test_a_case_without_choices_or_without_a_right_one_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match='case "q" of the test has no `choices`'):
        score_choice("B", Case(id="q", input="?", expected="B"))
    wrong: tuple[Any, ...] = ("E", 4, -1, "London", None, [], True, 0.5)
    for expected in wrong:
        with pytest.raises(ConfigError, match="which is none of its 4 choices"):
            score_choice("B", case(expected))
