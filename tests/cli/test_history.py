"""The scripted history: its model does what its table says of it."""

from __future__ import annotations

import pytest

from tests.cli.history import CASES, CHANGES, ORDER, MadeUpModel, quality


def test_changes_cost_what_their_names_say() -> None:
    costs = {
        one.name: 100 * (quality(one.system, one.cases) - quality(ORDER, one.cases))
        for one in CHANGES
    }
    told = {"harmless": 0, "ten-points": -10, "two-points": -2, "few-cases": -3.1}
    assert costs == pytest.approx(told, abs=0.1)


def test_its_answers_are_right_as_often_as_it_says() -> None:
    model = MadeUpModel()
    right = sum(
        "days" in model({"messages": [{"content": ORDER}, {"content": question}]})
        for question in [f"How long may I keep order {n}?" for n in range(CASES)] * 20
    )
    assert right / (20 * CASES) == pytest.approx(quality(ORDER), abs=0.01)
