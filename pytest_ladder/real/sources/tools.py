"""Which labelling tools' exports can be read, and how their files are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.review import Review
from pytest_ladder.disk.files import json_lines, json_problem, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.real.sources.annotations import Annotations, reviews_from
from pytest_ladder.real.sources.argilla import columns_as_rows, read_argilla
from pytest_ladder.real.sources.label_studio import read_label_studio
from pytest_ladder.real.sources.own_table import read_table
from pytest_ladder.real.sources.reading import RawFile
from pytest_ladder.text.phrases import did_you_mean, listed, shown

_Reader = Callable[[list[Any], str, str | None], Annotations]

TOOLS: dict[str, _Reader] = {
    "label-studio": read_label_studio,
    "argilla": lambda rows, label, question: read_argilla(rows, label),
    "table": lambda rows, label, question: read_table(rows, label),
}
"""What `--from` may name."""


def reviews_of_tool(
    tool: str, path: Path, ladder: Ladder, question: str | None = None
) -> tuple[list[Review], Mapping[str, int]]:
    """Read an export: the reviews in it, and what was left out by the reason.

    Raises `ConfigError` for what cannot be read, with file and place.
    """
    if tool not in TOOLS:
        near = did_you_mean(tool, TOOLS, f"known are {listed(TOOLS)}.")
        raise ConfigError(
            f'--from: "{tool}" is no tool whose exports are known; {near}'
        )
    label = shown(path)
    found = TOOLS[tool](_rows(path, label), label, question)
    if not found.said:
        raise ConfigError(
            f"{label}: nobody has answered anything in it; export submitted answers, "
            "with the annotations."
        )
    rungs = [rung.id for rung in ladder.rungs]
    reviews = reviews_from(found.said, rungs, ladder.review, question)
    return reviews, found.left_out


def _rows(path: Path, label: str) -> list[Any]:
    """Read a list, an object of columns or records, an object a line, or CSV."""
    if {".csv", ".tsv"} & {suffix.lower() for suffix in path.suffixes[-2:]}:
        return [row for _, row in RawFile(path).objects()]
    text = read_text(path, label)
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        lines = text.lstrip()
        if not lines.startswith("{"):
            raise ConfigError(
                f"{label}: this is not JSON ({json_problem(error)}); export JSON, or a "
                "JSON object a line."
            ) from error
        return [row for _, row in json_lines(text, label)]
    if isinstance(found, Mapping):
        return columns_as_rows(found)
    if isinstance(found, list):
        return found
    raise ConfigError(f"{label}: there is no task in it; export a list of them.")
