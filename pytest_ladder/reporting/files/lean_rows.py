"""Rows that share what they have in common: a large report takes half as much memory.

A file of its own, for nothing else here asks what a value takes.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from pytest_ladder.core.row import Row

_REPEATED = ("test", "rung", "source", "case", "case_hash", "reason", "cluster")
"""Texts of a row that many others have, too."""
_MOSTLY_EMPTY = ("scores", "shares")
_EMPTY: dict[str, float] = {}
"""Shared by rows that name no scores: no row is ever changed."""


def share_texts(line: Any) -> None:
    """Let lines of `rows.jsonl` that say the same share one text."""
    if isinstance(line, dict):
        for key in _REPEATED:
            if isinstance(text := line.get(key), str):
                line[key] = sys.intern(text)


def share_nothing(row: Row) -> None:
    """Let rows without named scores share the empty mappings that say so.

    Two of them in each row are a tenth of it.
    """
    for name in _MOSTLY_EMPTY:
        if not getattr(row, name):
            msgspec.structs.force_setattr(row, name, _EMPTY)
