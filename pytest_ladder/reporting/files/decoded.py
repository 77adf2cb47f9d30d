"""JSON of a report as values of a type, with errors that name file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pytest_ladder.disk.files import json_byte, json_problem, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown

AGAIN = "run pytest again to write the report anew, or name another folder."
_T = TypeVar("_T")


def decoded_whole(path: Path) -> Any:
    """Read a file of JSON; raises `ConfigError` with the line of a mistake."""
    text = read_text(path)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        byte, data = json_byte(error), text.rstrip().encode()
        line = data.count(b"\n", 0, len(data) if byte is None else byte) + 1
        raise ConfigError(
            f"{shown(path)}:{line}: this is not valid JSON ({json_problem(error)}); "
            f"{AGAIN}"
        ) from error


def converted(value: Any, kind: type[_T], where: str) -> _T:
    """Convert what was read; raises `ConfigError` that `where` begins."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem = str(error).replace("`", "").replace(" - at $.", " at ")
        raise not_ours(where, problem) from error


def not_ours(where: str, problem: str) -> ConfigError:
    """Say that pytest-ladder does not write such a file."""
    return ConfigError(
        f"{where}: this is not what pytest-ladder writes ({problem}); {AGAIN}"
    )
