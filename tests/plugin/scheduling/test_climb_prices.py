"""A climb decides as the matrix does: wrong guesses of prices, errors, few cases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import (
    ANSWER,
    MATRIX_REPORT,
    OBJECTIVE,
    STRATEGY,
    Slope,
    said,
)
from tests.scripted_server import Act, Body, Says, fails, last_user_message

PRICED = """
[[model]]
name = "{name}"
tier = "off-the-shelf"
id = "openai/{name}"
api_base = "{api_base}"
params = {{ temperature = 0, max_tokens = {most} }}
{price}
"""


@pytest.fixture
def slope(shop: Shop) -> Slope:
    return Slope(shop)


def two_models(slope: Slope, prices: dict[str, tuple[str, int]]) -> None:
    """Write a ladder of models by name, each with its price and `max_tokens`."""
    api_base = slope.shop.server.api_base
    models = [
        PRICED.format(name=name, price=price, most=most, api_base=api_base)
        for name, (price, most) in prices.items()
    ]
    slope.skill |= dict.fromkeys(prices, 20)
    slope.shop.write("ladder.toml", "".join([*models, STRATEGY, OBJECTIVE]))


def decided_by_matrix(slope: Slope) -> tuple[object, object]:
    _run(slope, "matrix")
    return slope.decided


WRONG_GUESS = {
    # Long replies are allowed, and none comes.
    "chatty": ("price = { input = 0.05, output = 0.4 }", 2000),
    "terse": ("price = { input = 1, output = 2 }", 20),
}


def test_what_measured_lengths_make_cheaper_is_tried_after_a_pass(
    slope: Slope,
) -> None:
    two_models(slope, WRONG_GUESS)
    result = slope.climb()
    order = [str(request.body["model"]) for request in slope.shop.server.requests]
    assert order[0] == "terse", "the guess puts it first"
    assert slope.decided == ("chatty/plain", "pass")
    assert result.ret == 0
    # That it is the cheaper one is known when terse has passed, not at its end.
    assert slope.asked["chatty"] == 40
    assert slope.asked["terse"] < 40
    assert decided_by_matrix(slope) == ("chatty/plain", "pass")


def test_a_rung_that_only_might_have_been_cheaper_costs_one_look(slope: Slope) -> None:
    """A model may say half as much as another; five calls show that it does not."""
    prices = {
        "terse": ("price = { input = 0.01, output = 1 }", 20),
        "dearer": ("price = { input = 0.01, output = 1.2 }", 20),
        "dear": ("price = { input = 0.01, output = 9 }", 20),
    }
    two_models(slope, prices)
    slope.shop.server.reply = lambda body: Says(
        text="right", usage={"completion_tokens": 9}
    )
    result = slope.climb()
    assert slope.decided == ("terse/plain", "pass")
    assert slope.asked == {"terse": 40, "dearer": 5}
    # By the 9 tokens that were measured, and not by the 20 that are allowed.
    assert "climb: 75 calls and about $0.0036 not spent" in said(result)


def test_a_rung_without_a_price_is_named_and_what_to_add(slope: Slope) -> None:
    prices = {
        "known": ("price = { input = 1, output = 2 }", 20),
        "odd": ("", 20),
    }
    two_models(slope, prices)
    result = slope.climb()
    assert slope.decided == ("known/plain", "pass")
    assert "odd" not in slope.asked
    assert "odd/plain has no price and was not tried." in said(result)
    line = (
        "odd has no price, so its cost is unknown: openai/odd is in no list. Add "
        "`price = { input = …, output = … }` to its [[model]], in USD per million "
        "tokens."
    )
    assert said(result).count(line) == 1
    # A report that is read again still knows.
    found = slope.matrix["expected"]
    assert found == {"odd/plain": None}


@pytest.mark.parametrize("mode", ["matrix", "climb"])
def test_a_few_errors_do_not_push_the_choice_upwards(slope: Slope, mode: str) -> None:
    """38 of 40 pass on mid; 3 of these fail for good, which leaves 35: 87.5 %."""
    reply = slope.shop.server.reply

    def some_fail(body: Body) -> str | Act:
        number = int(last_user_message(body).split()[1])
        if body["model"] == "mid" and number in (0, 1, 2):
            return fails(400, "no such model")
        return reply(body)

    slope.shop.server.reply = some_fail
    _run(slope, mode)
    assert slope.decided == ("mid/plain", "pass")


@pytest.mark.parametrize("mode", ["matrix", "climb"])
@pytest.mark.parametrize(
    ("skill", "verdict"), [(20, "undecided"), (15, "undecided"), (0, "fail")]
)
def test_few_cases_decide_as_little_in_a_climb(
    slope: Slope, mode: str, skill: int, verdict: str
) -> None:
    slope.cases(9)
    slope.skill = dict.fromkeys(slope.skill, skill)
    slope.shop.test(ANSWER.replace("at_least=0.2", "at_least=0.01"))
    result = _run(slope, mode)
    assert slope.decided == (None, verdict)
    failed = [name for name in result.parseoutcomes() if name == "failed"]
    assert bool(failed) == (verdict == "fail")


def _run(slope: Slope, mode: str) -> Any:
    slope.report = MATRIX_REPORT if mode == "matrix" else slope.report
    return slope.shop.run(f"--ladder={mode}", "--ladder-live")


# The winner's end.


@pytest.mark.parametrize("how", ["option", "ini", "environment"])
def test_the_winner_may_be_left_unfinished(
    slope: Slope, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slope.skill["mid"] = 20
    options = []
    if how == "option":
        options = ["--ladder-finish=no"]
    elif how == "ini":
        slope.shop.write("pytest.ini", "[pytest]\nladder_finish = no\n")
    else:
        monkeypatch.setenv("LADDER_FINISH", "no")
    result = slope.climb("-rs", *options)
    assert slope.decided == ("mid/plain", "pass")
    assert slope.states["mid/plain"] == "stopped"
    assert slope.asked["mid"] == 20
    assert "big" not in slope.asked
    assert "enough for the bar of 80 %; not completed" in said(result)
    assert result.ret == 0
    slope.climb("--ladder-finish=yes")
    assert slope.asked["mid"] == 40
    assert slope.states["mid/plain"] == "run"


def test_another_word_for_it_is_refused(slope: Slope) -> None:
    result = slope.climb("--ladder-finish=maybe")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--ladder-finish is 'maybe'; choose one of: yes, no." in said(result)
    assert slope.asked == {}
