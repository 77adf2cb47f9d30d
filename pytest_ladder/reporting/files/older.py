"""What reports of older versions say only in a sentence, taken from it once, when read.

Rows had no `why` and looks of a climb no decision; nothing else reads a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.why import Why

_SENTENCES = (
    (Why.BUDGET, Outcome.ERROR, "not run: budget.*"),
    (
        Why.UNSURE,
        Outcome.ERROR,
        "funnel: the case passed its cheap checks, and has no verdict: .*",
    ),
    (
        Why.FUNNEL,
        Outcome.MISSED,
        "funnel: a cheap check of the case missed, so it is not judged",
    ),
)
"""What the reason of a row was, as a pattern; other errors were all alike."""


def saying_why(row: Row) -> Row:
    """Return a row with the code for what its reason says, if that was one of ours."""
    for why, outcome, sentence in _SENTENCES:
        if row.outcome is outcome and re.fullmatch(sentence, row.reason):
            return msgspec.structs.replace(row, why=why)
    return row


def decisions_in(looks: Sequence[str]) -> list[str]:
    """Return what followed from each look of a climb, with which its sentence ends."""
    return [look.rpartition(": ")[2] for look in looks]
