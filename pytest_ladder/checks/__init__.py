"""Ready checks of a reply: plain functions that return a score with a reason.

Each takes the reply (or a text) and the case (or what is expected itself), asks nobody,
and works with `assert check(reply, case)` and with `score(check(reply, case))`. Where a
case expects several texts in a list, any of them is right.
"""

from __future__ import annotations

from pytest_ladder.cases.choices import score_choice as choice
from pytest_ladder.checks.fields import json_fields
from pytest_ladder.checks.quantities import number
from pytest_ladder.checks.refusals import refusal
from pytest_ladder.checks.texts import contains, exact, regex, token_f1

__all__ = [
    "choice",
    "contains",
    "exact",
    "json_fields",
    "number",
    "refusal",
    "regex",
    "token_f1",
]
