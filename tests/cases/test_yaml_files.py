"""YAML: what is plainly a number is one, and all else is the text that stands there."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError

KEPT = [
    *("12:30", "16:9", "1:2:3", "190:20:30.15", "-1:30", "1_000"),
    *("1_0.5", "0o17", "0x1F", "0b101", "007", "00"),
    *("010", "-0", "+5", "+4930123456", "=", "<<"),
    *("2024-05-01", "2024-05-01T12:30:00Z", "yes", "no", "on", "off"),
    *("Yes", "NO", "y", "n", ".inf", "-.inf"),
    *(".Inf", ".nan", ".NaN", "1e3", "1.5e+3", "1.5E+3"),
    *("1e-3", "-1.5e-3", "+1.5", "5.", "01.05", "1.2.3"),
    *("1,000", "50%", "$5", "None", "nil", "undefined"),
    *("tRUE", "--", ".", "..", "9:00", "0:0"),
    *("0_0", "1__0", "_1", "0x", "0b2", "08"),
    *("-012", "+.5", ".5e+1", "NULLs", "trues", "1:60"),
    *("~x", "3.10", "1.10", "-2.50", ".5", "-.5", "0.00001", "100000.00"),
    *("0.10000000000000000001", "12345678901234567890.5"),
]
READ: dict[str, Any] = {
    "0": 0,
    "45": 45,
    "-3": -3,
    "12345678901234567890123": 12345678901234567890123,
    "1.5": 1.5,
    "-0.5": -0.5,
    "1.1": 1.1,
    "0.0": 0.0,
    "0.8571428571428571": 0.8571428571428571,
    "10.0": 10.0,
    "true": True,
    "True": True,
    "FALSE": False,
    "null": None,
    "Null": None,
    "~": None,
    "": None,
    '"45"': "45",
    "'true'": "true",
    "!!str 45": "45",
    "!!int 45": 45,
    "!!float 1e3": 1000.0,
    "!!timestamp 2024-05-01": "2024-05-01",
}
FIRST_RELEASE: dict[str, Any] = {
    "12:30": 750,
    "16:9": 969,
    "1_000": 1000,
    "007": 7,
    "0x1F": 31,
    "0b101": 5,
    "+5": 5,
    ".inf": float("inf"),
    "1.5e+3": 1500.0,
    "190:20:30.15": 685230.15,
    "5.": 5.0,
    "3.10": 3.1,
    ".5": 0.5,
}
"""What it read of each; ids are made of it still."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str) -> list[Case]:
    Path("c.yaml").write_text(text, encoding="utf-8")
    return load_cases("c.yaml", folder=Path(), where="t")


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "form", ["- input: a\n  expected: {}\n", "- input: a\n  n: {}\n"]
)
@pytest.mark.parametrize("text", KEPT)
def test_the_text_of_a_scalar_is_kept(text: str, form: str) -> None:
    (case,) = load(form.format(text))
    assert text in (case.expected, case.metadata.get("n"))


@pytest.mark.parametrize("text", READ)
def test_plain_numbers_and_words_are_what_they_are(text: str) -> None:
    (case,) = load(f"- input: a\n  expected: {text}\n")
    assert case.expected == READ[text]
    assert type(case.expected) is type(READ[text])
    assert case.former_hash == ""


@pytest.mark.parametrize("text", FIRST_RELEASE)
def test_a_case_knows_what_the_first_release_read(text: str) -> None:
    (case,) = load(f"- input: a\n  n: {text}\n  expected: {text}\n")
    first = Case(id="", input="a", expected=FIRST_RELEASE[text])
    assert case.former_hash == first.content_hash != case.content_hash
    value = FIRST_RELEASE[text]
    (same,) = load_cases([{"input": "a", "n": value}], folder=Path(), where="t")
    assert case.id == same.id
    assert case.metadata == {"n": text}


def test_keys_are_texts_and_merges_still_merge() -> None:
    first, second = load(
        "- &base {input: a, 12:30: x, tags: [t]}\n- {<<: *base, input: b, =: y}\n"
    )
    assert first.metadata == {"12:30": "x"}
    assert (second.input, second.tags) == ("b", ("t",))
    assert second.metadata == {"12:30": "x", "=": "y"}


DEEP = {
    "brackets": "- {input: a, n: " + "[" * 100_000 + "]" * 100_000 + "}\n",
    "braces": "- {input: a, n: " + "{a: " * 20_000 + "}" * 20_000 + "}\n",
    "dashes": "- input: a\n  n:\n   " + "- " * 50_000 + "a\n",
    "questions": "- input: a\n  n:\n   " + "? " * 50_000 + "a\n",
    "columns": "- input: a\n  n:\n"
    + "".join(f"{' ' * (n + 3)}x:\n" for n in range(1_500)),
    "lists in keys": "- input: a\n  n:\n"
    + "".join(f"{' ' * (n + 3)}x:\n{' ' * (n + 3)}-\n" for n in range(700)),
}


@pytest.mark.parametrize("how", DEEP)
def test_what_is_nested_too_deeply_gets_a_sentence(how: str) -> None:
    said = problem(DEEP[how])
    assert said.startswith("c.yaml:")
    assert "deep" in said or "depth" in said


def test_what_is_nested_less_deeply_is_read() -> None:
    (case,) = load("- {input: a, n: " + "[" * 60 + "]" * 60 + "}\n")
    assert case.metadata["n"]


def test_aliases_that_stand_for_too_much_are_refused() -> None:
    names = "abcdefghij"
    bomb = "- input: q\n  m:\n  - &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"  - &{new} [{', '.join([f'*{old}'] * 9)}]\n"
        for old, new in itertools.pairwise(names)
    )
    for text in (bomb, "- &a {input: q, m: [*a]}\n"):
        assert problem(text) == (
            "c.yaml: its aliases (`*name`) stand for more than 5,000,000 values, or "
            "for themselves; write out what they stand for."
        )
