"""Answers in one's own table: `case,a,b,preferred,rater`, `case,rung,verdict,rater`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_ladder.errors import ConfigError
from pytest_ladder.real.sources.annotations import Annotations, Said, pseudonym

_ANSWERS = ("preferred", "verdict")
_PSEUDONYM = re.compile(r"[A-Za-z0-9._-]{1,20}")
"""What is short and without a space or an @ is taken as it is."""


def read_table(rows: Sequence[Any], label: str) -> Annotations:
    """Read rows. Raises `ConfigError` where they have no column with an answer."""
    left_out: Counter[str] = Counter()
    said = []
    for n, row in enumerate(rows, 1):
        names = [name for name in _ANSWERS if isinstance(row, Mapping) and name in row]
        if not names:
            raise ConfigError(
                f"{label}: row {n} has neither `preferred` nor `verdict`; write "
                "case,a,b,preferred,rater or case,rung,verdict,rater."
            )
        answers = [name for name in names if row[name] not in (None, "")]
        left_out["without an answer"] += not answers
        who = str(row.get("rater") or "")
        rater = who if _PSEUDONYM.fullmatch(who) else pseudonym("rater", who)
        seconds = str(row.get("seconds") or "")
        took = float(seconds) if seconds.isdecimal() else None
        said += [
            Said(f"{label}: row {n}", name, row[name], row, rater, took)
            for name in answers
        ]
    return Annotations(said, +left_out)
