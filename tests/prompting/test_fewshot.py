from __future__ import annotations

from pathlib import Path

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.rung import Strategy
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.fewshot import FewShot, read_examples

INPUTS = [
    "Where is my parcel?",
    "The kettle leaks.",
    "May I send the kettle back?",
    "Do you sell matcha?",
]
EXAMPLES = [Case(id=str(n), input=text, expected="x") for n, text in enumerate(INPUTS)]


def chosen(text: str, **settings: object) -> list[int]:
    strategy = Strategy(name="s", examples="e", **settings)  # type: ignore[arg-type]
    return FewShot(EXAMPLES, strategy).choose(Case(id="c", input=text))


def test_first_shows_the_first_in_file_order() -> None:
    assert chosen("Hi", shots=2) == [0, 1]
    assert chosen("Hi", shots=9) == [0, 1, 2, 3]


def test_similar_puts_the_most_similar_last() -> None:
    assert chosen("The kettle leaks badly", shots=2, select="similar") == [2, 1]


def test_similar_fills_up_with_the_first_ones_in_front() -> None:
    assert chosen("matcha", shots=3, select="similar") == [1, 0, 3]
    assert chosen("抹茶", shots=2, select="similar") == [1, 0]


@pytest.mark.parametrize("select", ["first", "similar"])
def test_an_example_with_the_input_of_the_case_is_left_out(select: str) -> None:
    positions = chosen(" the KETTLE\nleaks. ", shots=2, select=select)
    assert 1 not in positions
    assert len(positions) == 2


def test_examples_need_an_answer(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text('{"id": "a", "input": "b"}\n')
    with pytest.raises(ConfigError) as caught:
        read_examples(Strategy(name="s", examples="e.jsonl"), tmp_path, "s")
    assert str(caught.value) == (
        'e.jsonl: the example "a" has no `expected`; examples show the model an '
        "answer, so add one."
    )


KINDS = [
    Case(id="m1", input="How do I feel?", expected="x", tags=("mood",), cluster="a"),
    Case(id="f1", input="How high is it?", expected="x", tags=("fact", "height")),
    Case(id="m2", input="Am I sad?", expected="x", tags=("mood",), cluster="b"),
    Case(id="f2", input="How far is it?", expected="x", tags=("fact",), cluster="b"),
]


@pytest.mark.parametrize(
    ("select", "of_case", "positions"),
    [
        ("same-tag", {"tags": ("fact",)}, [1, 3]),
        ("same-tag", {"tags": ("height", "mood")}, [0, 1]),
        ("same-tag", {"tags": ("other",)}, []),
        ("same-tag", {}, []),
        ("same-cluster", {"cluster": "b"}, [2, 3]),
        ("same-cluster", {}, []),
    ],
)
def test_examples_of_the_kind_of_the_case_are_shown_and_no_others(
    select: str, of_case: dict[str, object], positions: list[int]
) -> None:
    strategy = Strategy(name="s", examples="e", select=select, shots=2)  # type: ignore[arg-type]
    case = Case(id="c", input="And this?", **of_case)  # type: ignore[arg-type]
    assert FewShot(KINDS, strategy).choose(case) == positions


@pytest.mark.parametrize("kind", ["tag", "cluster"])
def test_examples_of_no_kind_at_all_are_told_of(tmp_path: Path, kind: str) -> None:
    (tmp_path / "e.jsonl").write_text('{"input": "b", "expected": "c"}\n')
    strategy = Strategy(name="s", examples="e.jsonl", select=f"same-{kind}")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"names one; add `{kind}"):
        read_examples(strategy, tmp_path, "s")
