"""Cases as rows of JSONL, with our own names: what `cases convert` and `pull` write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown

_FIELDS = ("id", "input", "images", "files", "expected", "context", "cluster", "tags")


def check_is_jsonl(path: Path) -> None:
    """Raise `ConfigError` where cases shall go to a file of another form."""
    if path.suffix != ".jsonl":
        raise ConfigError(
            f"{shown(path)}: cases are written as JSONL; name it "
            f"{path.with_suffix('.jsonl').name}."
        )


def json_lines(cases: Iterable[Case]) -> bytes:
    """Write a case a line, in their order."""
    return b"".join(msgspec.json.encode(_row_of(case)) + b"\n" for case in cases)


def _row_of(case: Case) -> dict[str, Any]:
    """Return a case as a row of ours that is read as the same case again."""
    row: dict[str, Any] = {
        name: value
        for name in _FIELDS
        if (value := getattr(case, name)) not in (None, ())
    }
    if case.relevant:
        row["relevant"] = case.relevant
    if case.metadata:
        row["metadata"] = case.metadata
    return row
