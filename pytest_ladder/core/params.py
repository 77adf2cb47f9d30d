"""What parameters of a call must be, those that are read here before they are sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec


class WrongParam(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter that cannot be what it says."""

    place: tuple[str, ...]
    """Its name, below that of the table it stands in."""
    problem: str
    """A sentence without its subject, with the fix."""


def wrong_param(params: dict[str, Any]) -> WrongParam | None:
    """Return the first parameter that would break a price, a limit or a request.

    A number may be None, which counts as not set.
    """
    inner = params.get("extra_body")
    inner = inner if isinstance(inner, dict) else {}
    for place, table in (((), params), (("extra_body",), inner)):
        for name, (holds, says) in _RULES.items():
            if name in table and not holds(table[name]):
                problem = f"{table[name]!r} does not fit here; write {says}."
                return WrongParam(place=(*place, name), problem=problem)
    return None


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 1)


def _is_number(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < math.inf)


def _is_duration(value: Any) -> bool:
    return _is_number(value) and value != 0


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


_COUNT = (_is_count, "a whole number from 1 on")
_TABLE = (_is_table, "a table, such as { … }")
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "max_tokens": _COUNT,
    "max_completion_tokens": _COUNT,
    "n": _COUNT,
    "temperature": (_is_number, "a number that is 0 or more"),
    "timeout": (_is_duration, "a number of seconds above 0"),
    "extra_body": _TABLE,
    "stream_options": _TABLE,
}
