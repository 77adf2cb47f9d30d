"""JSON of a report as values of a type, and as numbers that a run can measure.

Errors name file and line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.disk.files import json_byte, json_problem, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown

AGAIN = "run pytest again to write the report anew, or name another folder."
_LEAST = 1e-18
_SHARE = (0.0, 1.0)
_AMOUNT = (_LEAST, 1e9)
"""Of a weight, USD or seconds that are not 0: smaller ones overflow in a ratio."""
_SAMPLE = (1, 1e15)
_TOKENS = (0, 1e15)
"""Of tokens, and of images."""
_DIGITS = 30
"""Of a number in a message: JSON has no longest one."""

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


def check_numbers(row: Row, where: str) -> None:
    """Refuse what no run measures, and what sums, ratios and logarithms break on.

    Raises `ConfigError` that `where` begins.
    """
    for key, value, (low, high) in _numbers(row):
        if value is None or low <= value <= high or (value == 0 and low == _LEAST):
            continue
        zero = "0 or " if low == _LEAST else ""
        digits = str(value)
        said = digits if len(digits) <= _DIGITS else f"{digits[:_DIGITS]}…"
        raise ConfigError(
            f"{where}: the {key} {said} is not {zero}in [{low:g}, {high:g}]; {AGAIN}"
        )


def _numbers(row: Row) -> Iterator[tuple[str, float | None, tuple[float, float]]]:
    """Yield what a row says in numbers: key, value, and range."""
    yield "score", row.score, _SHARE
    for name, score in row.scores.items():
        yield f"score `{name}`", score, _SHARE
    yield "weight", row.weight, _AMOUNT
    for share in (row.at_least, *row.shares.values()):
        yield "at_least", share, _SHARE
    yield "sample", row.sample, _SAMPLE
    if row.verdict is not None:
        yield "verdict.cost_usd", row.verdict.cost_usd, _AMOUNT
    for bill in (*row.replies, *row.evaluations):
        yield "cost_usd", bill.cost_usd, _AMOUNT
        yield "latency_s", bill.latency_s, _AMOUNT
        yield "ttft_s", bill.ttft_s, _AMOUNT
        yield "images", bill.images, _TOKENS
        usage = bill.usage
        if usage is not None:
            yield "usage.input", usage.input, _TOKENS
            yield "usage.cached_input", usage.cached_input, _TOKENS
            yield "usage.cache_write", usage.cache_write, _TOKENS
            yield "usage.output", usage.output, _TOKENS
            yield "usage.reasoning", usage.reasoning, _TOKENS
