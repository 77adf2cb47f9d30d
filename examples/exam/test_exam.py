"""An exam of four-choice questions in the form of MMLU: which letter is right?

A quarter is right by chance. docs/exam.md says how to put the real MMLU in its place.
"""

from __future__ import annotations

import pytest

from pytest_ladder import checks


@pytest.mark.cheap(at_least=0.15)
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case, score):
    score(checks.choice(reply, case))
