"""JSON schemas of what people write and of what programs read, made of the types.

They are shipped in `cli/schemas/`; `python -m docs.generate_reference` writes
them anew. An editor that knows TOML or JSON completes keys by them.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from pytest_ladder.config.load import LadderFile
from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.rung import Strategy
from pytest_ladder.decide.cost import Spend
from pytest_ladder.decide.decision import Recommendation
from pytest_ladder.decide.gate.result import Check
from pytest_ladder.decide.matrix import RungResult
from pytest_ladder.reporting.report import RunInfo

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NOT_IN_FILES = ("source", "former_hash")
"""Fields of a case that reading it fills in."""


class _File(LadderFile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ladder.toml` as most people write it."""

    strategy: tuple[Strategy, ...] = ()  # type: ignore[assignment]


class MatrixFile(msgspec.Struct, frozen=True, kw_only=True):
    """`matrix.json`, version 1, as far as it is promised; it has more keys."""

    schema: Literal["pytest-ladder/1"]
    run: RunInfo
    rungs: tuple[RungResult, ...]
    """Cheapest first."""
    objective: Objective | None
    recommendation: Recommendation | None
    gates: tuple[Check, ...]
    spend: Spend


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by the name of their file."""
    ladder = msgspec.json.schema(_File)
    # What a strategy of a kind of its own may set, that kind says.
    ladder["$defs"]["Strategy"]["additionalProperties"] = True
    # An input alone is asked for; further names are metadata, or those of other tools.
    schema = msgspec.json.schema(Case)
    case = schema["$defs"]["Case"]
    for name in _NOT_IN_FILES:
        del case["properties"][name]
    case["required"] = ["input"]
    return {
        "ladder.schema.json": _headed("ladder.toml", ladder),
        "case.schema.json": _headed("a line of a case file", schema),
        "matrix.schema.json": _headed("matrix.json", msgspec.json.schema(MatrixFile)),
    }


def as_text(schema: dict[str, Any]) -> str:
    """Write a schema as its file has it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _headed(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": _DRAFT, "title": f"pytest-ladder: {title}", **schema}
