"""Ready checks: what counts as right, and what the reason says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_ladder import Case, ConfigError, Reply, checks


def case(expected: Any, **more: Any) -> Case:
    return Case(id="c1", input="?", expected=expected, source="cases.jsonl", **more)


@pytest.mark.parametrize(
    ("said", "expected", "right"),
    [
        ("Paris", "Paris", True),
        ("**Paris.**\n", "paris", True),
        ("The Beatles!", "Beatles", True),
        ("Paris, France", "Paris", False),
        ("", "Paris", False),
        ("42", 42, True),
        ("\uff0b\uff14\uff12", "+42", True),
        ("+", "+", True),
        ("the", "a", False),
        ("no", ["yes", "No."], True),
        ("Straße", "STRASSE", True),
    ],
)
def test_exact(said: str, expected: Any, right: bool) -> None:
    score = checks.exact(said, case(expected))
    assert bool(score) is right
    assert score.reason


@pytest.mark.parametrize(
    ("said", "expected", "right"),
    [
        ("The capital is **Oslo**, of course.", "Oslo", True),
        ("the Osloer", "Oslo", False),
        ("within 145 days", "45 days", False),
        ("(45 days)", "45 days", True),
        ("days: 45", "45 days", False),
        ("it costs $5", "5", True),
        ("it costs 5", "$5", False),
        ("I write C++.", "C++", True),
        ("I write C.", "C++", False),
        ("in the US", "U.S.", True),
        ("答えは東京です。", "東京", True),
        ("a band: The Who", "the who", True),
        ("", "x", False),
        ("Rome or Oslo", ["Oslo", "Bergen"], True),
    ],
)
def test_contains(said: str, expected: Any, right: bool) -> None:
    assert bool(checks.contains(said, case(expected))) is right


# By hand after SQuAD's script (evaluate-v1.1.py); the last after MLQA's.
@pytest.mark.parametrize(
    ("said", "expected", "f1"),
    [
        ("a cat sat on the mat", "the cat sat", 2 * (2 / 4) * 1 / (2 / 4 + 1)),
        ("cat cat", "cat", 2 / 3),
        ("dog", "cat", 0.0),
        ("Denver Broncos", ["Carolina Panthers", "the Denver Broncos!"], 1.0),
        ("東京都", "東京", 0.8),
    ],
)
def test_token_f1(said: str, expected: Any, f1: float) -> None:
    assert checks.token_f1(said, case(expected)).value == pytest.approx(f1)


@pytest.mark.parametrize(
    ("said", "expected", "options", "right"),
    [
        ("The window is 45 days.", "45 days", {}, True),
        ("a 45-day window", "45 days", {}, True),
        ("145 days", "45 days", {}, False),
        ("45.", "45 days", {}, False),
        ("45 hours or 3 days", "45 days", {}, False),
        ("**$1,234.50**", 1234.5, {}, True),
        ("-$3", "-3 USD", {}, True),
        ("EUR 12.50", "12.5 €", {}, True),
        ("40 percent", "40 %", {}, True),
        ("2 MW", "2 mW", {}, False),
        ("5 °C", "-5 °C", {}, False),
        ("\u22125 °C", "-5 °C", {}, True),
        ("3 + 4 = 7, so the answer is \\boxed{7}. I took 2 steps.", 7, {}, True),
        ("\\boxed{7}", 7, {}, True),
        ("$\\boxed{ 7.0 }$", 7, {"only": True}, True),
        ("1.000.000", 1, {}, False),
        ("on 01.12.2026: 7", 7, {"only": True}, True),
        ("it is 0,5 km", 5, {}, False),
        ("it is 0.5 km", 5, {"decimal": ","}, False),
        ("1'000 or 1_000", 1000, {"only": True}, True),
        ("US$5", "$5", {}, True),
        ("HK$5", "$5", {}, False),
        ("first 6, then 3\n#### 18", 18, {}, True),
        ("5*3 is 15", 15, {}, True),
        ("between 3-5", 5, {}, True),
        ("between 3-5", 5, {"only": True}, False),
        ("12, as I said: 12", 12, {"only": True}, True),
        ("1.234,5 €", 1234.5, {"decimal": ","}, True),
        ("3.14", 3.1416, {}, False),
        ("3.14", 3.1416, {"tolerance": 0.01}, True),
        ("1010", 1000, {"relative": 0.01}, True),
        ("1020", 1000, {"relative": 0.01}, False),
        ("300 g", 0.3, {"unit": {"kg": 1, "g": 0.001}}, True),
        ("300 lb", 0.3, {"unit": {"kg": 1, "g": 0.001}}, False),
        ("0.3 kg", "300 g", {"unit": {"kg": 1, "g": 0.001}}, True),
        ("0.3 kg", "301 g", {"unit": {"kg": 1, "g": 0.001}, "tolerance": 2}, True),
        ("0.3 kg", "0.3 g", {"unit": {"kg": 1, "g": 0.001}}, False),
        ("Antwort: 7 (von 9)", 7, {}, True),
        ("よって答え\uff1a7。単位は2つ。", 7, {}, True),
        ("20 Prozent", "20 %", {}, True),
        ("1e3", 1000, {}, True),
        ("version v1.2.3", 1.2, {}, False),
        ("9" * 400, 7, {}, False),
        ("none", 0, {}, False),
    ],
)
def test_number(said: str, expected: Any, options: Any, right: bool) -> None:
    assert bool(checks.number(said, case(expected), **options)) is right


@pytest.mark.parametrize(
    ("check", "said", "expected", "options", "told"),
    [
        (checks.number, "5", float("nan"), {}, "expects nan, which is not one number"),
        (checks.number, "5", 5, {"decimal": "x"}, "decimal='x' is neither"),
        (checks.number, None, 5, {}, "The check was given null to look at; give it"),
        (checks.exact, {"a": "x"}, "x", {}, "The check was given an object to look at"),
    ],
)
def test_what_nobody_can_check_is_a_mistake_and_no_miss(
    check: Any, said: Any, expected: Any, options: Any, told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        check(said, expected, **options)


def test_what_nobody_sees_makes_no_other_word() -> None:
    assert checks.exact("Os\u00adlo\u200b", "Oslo")


def test_a_decimal_comma_without_the_option_is_told_of_it() -> None:
    with pytest.raises(ConfigError, match='like this say `decimal=","`'):
        checks.number("0,75 kg", case("0,75 kg"))


def test_reasons_say_what_was_said() -> None:
    assert checks.number("It is 7 days.", case("45 days")).reason == (
        "says 7 days; 45 days is expected"
    )
    assert checks.contains("Rome", case(["Oslo", "Bergen"])).reason == (
        "says 'Rome'; 'Oslo' or 'Bergen' is expected"
    )
    fields = checks.json_fields('{"a": 1, "b": ["x"]}', case({"a": 2, "b": ["x", "y"]}))
    assert fields.value == pytest.approx(1 / 3)
    assert fields.reason == (
        "1 of 3 values are right: a is 1, not 2; b[1] is missing, not 'y'"
    )


@pytest.mark.parametrize(
    ("said", "expected", "options", "value"),
    [
        ('```json\n{"a": 1}\n```', {"a": 1.0}, {}, 1.0),
        ('{"a": true}', {"a": 1}, {}, 0.0),
        ('{"a": 1, "b": 2}', {"a": 1}, {}, 1.0),
        ('{"a": 1, "b": 2}', {"a": 1}, {"only": True}, 0.5),
        ('{"a": " Oslo"}', {"a": "oslo"}, {"fold": True}, 1.0),
        ('{"a": 1.01}', '{"a": 1}', {"tolerance": 0.02}, 1.0),
        ('{"a": []}', {"a": []}, {}, 1.0),
        ('{"a": null}', {"a": None}, {}, 1.0),
        ("{}", {"a": None}, {}, 0.0),
        ("I cannot.", {"a": 1}, {}, 0.0),
        ("[" * 5000, {"a": 1}, {}, 0.0),
    ],
)
def test_json_fields(said: str, expected: Any, options: Any, value: float) -> None:
    assert checks.json_fields(said, case(expected), **options).value == value


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I\u2019m unable to assist with this request.", True),
        ("As an AI language model, I don't have opinions.", True),
        ("I must respectfully decline.", True),
        ("I'm not able to provide medical advice.", True),
        ("That goes against my guidelines.", True),
        ("I cannot provide a refund after 45 days.", False),
        ("Sorry to hear your tea arrived broken! We refund it.", False),
        ("No, you cannot return it.", False),
        ("I can't wait to help you!", False),
        ("I can't help but smile at that.", False),
        ("I couldn't help noticing it.", False),
        ("I do not know.", False),
        ("Here it is. " * 40 + "I can't help with that.", False),
    ],
)
def test_refusal(said: str, refused: bool) -> None:
    assert bool(checks.refusal(said)) is refused


def test_a_provider_that_says_refused_is_believed() -> None:
    assert checks.refusal(Reply(text="No.", refusal="No."))
    assert checks.refusal(Reply(text="No.", refusal="No.", odd="tied"))
    assert checks.refusal(Reply(text="Well", finish_reason="content_filter"))


def test_regex_and_choice() -> None:
    assert checks.regex("order 12-345", case(r"\b\d\d-\d{3}\b"))
    assert not checks.regex("order 12", r"\d\d-\d{3}")
    assert checks.choice("(b)", case("B", metadata={"choices": ["x", "y"]}))


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (checks.exact, None),
        (checks.contains, ""),
        (checks.token_f1, {"a": 1}),
        (checks.number, "many"),
        (checks.number, "3 or 4"),
        (checks.number, True),
        (checks.json_fields, "no JSON"),
        (checks.regex, "(b"),
    ],
)
def test_a_case_that_expects_nothing_of_the_kind_is_a_mistake(
    check: Any, expected: Any
) -> None:
    with pytest.raises(ConfigError, match=r'case "c1" of cases.jsonl expects'):
        check("Paris", case(expected))
