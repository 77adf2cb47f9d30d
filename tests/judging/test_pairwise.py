"""Two replies are compared in both orders, and what the order decides is no win."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError, JudgeError
from pytest_ladder.judging.pairwise import Preference, compare
from tests.judging.verdict_words import prefers

if TYPE_CHECKING:
    from tests.judging.conftest import Bench

POLITE = "The answer is polite."
A = Preference(score=1)
B = Preference(score=-1)
FIRST = Preference(score=0, favoured_slot=1)
SECOND = Preference(score=0, favoured_slot=2)


@pytest.mark.parametrize(
    ("said", "score", "slot"),
    [
        (("first", "second"), 1, None),
        (("second", "first"), -1, None),
        (("first", "first"), 0, 1),
        (("second", "second"), 0, 2),
    ],
)
def test_a_win_counts_in_both_orders_only(
    bench: Bench, said: tuple[str, str], score: int, slot: int | None
) -> None:
    bench.says(*(prefers(place) for place in said))
    found = bench.jury().prefer("Yours truly", "Whatever", POLITE)
    assert (found.score, found.favoured_slot) == (score, slot)
    assert found.consistent is (slot is None)
    assert found.judge == "openai/judge"


def test_both_orders_are_asked(bench: Bench) -> None:
    bench.says(prefers("first"), prefers("second"))
    case = Case(id="a", input="Hi", expected="Hello")
    bench.jury().prefer("Yours truly", "Whatever", POLITE, case=case)
    one, two = (body["messages"][1]["content"] for body in bench.asked)
    assert one.index("Yours truly") < one.index("Whatever")
    assert two.index("Whatever") < two.index("Yours truly")
    assert "Hello" in one


def test_an_unusable_preference_is_an_error(bench: Bench) -> None:
    bench.says(prefers("tie"), prefers("both"))
    with pytest.raises(JudgeError, match="on two replies by your rubric"):
        bench.jury().prefer("a", "b", POLITE)


def test_passages_of_a_reply_cannot_be_compared(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="nothing was retrieved"):
        bench.jury().prefer("a", "b", "chunk_relevance", case=Case(id="a", input="?"))


def test_a_comparison_has_effect_interval_and_position_consistency() -> None:
    found = compare([A] * 8 + [B] * 2 + [FIRST] * 4 + [SECOND])
    assert (found.n, found.wins, found.losses) == (15, 8, 2)
    assert found.effect == pytest.approx(6 / 15)
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low < found.effect < found.high <= 1
    assert found.consistency == pytest.approx(10 / 15)
    # Two-sided binomial tests: 8 of 10, and 4 of 5.
    assert found.p == pytest.approx(0.109375)
    assert (found.first_slot, found.slot_p) == (4, 0.375)


def test_a_single_pair_has_no_interval() -> None:
    found = compare([A])
    assert (found.effect, found.low, found.high, found.p) == (1, None, None, 1)


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="1 or more preferences"):
        compare([])
