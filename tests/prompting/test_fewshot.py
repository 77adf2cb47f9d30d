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
