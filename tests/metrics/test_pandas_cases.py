"""Cases from data frames: the frame itself, and its rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case

FRAME = pd.DataFrame(
    {
        "id": [1, 2],
        "question": ["a", "b"],
        "answer": ["x", None],
        "n": [1.5, float("nan")],
        "when": pd.to_datetime(["2024-05-01", None]),
    }
)


def test_a_frame_and_its_rows_say_the_same() -> None:
    series = [row for _, row in FRAME.iterrows()]
    tuples = list(FRAME.itertuples(index=False))
    for source in (FRAME, FRAME.to_dict("records"), series, tuples):
        cases = load_cases(source, folder=Path(), where="t")
        assert cases == [
            Case(
                id="1",
                input="a",
                expected="x",
                metadata={"n": 1.5, "when": "2024-05-01T00:00:00"},
                source="t",
            ),
            Case(id="2", input="b", metadata={"n": None, "when": None}, source="t"),
        ]
