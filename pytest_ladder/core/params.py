"""Which values the parameters of a call may have.

Only those are checked that this package reads itself, for prices, limits and requests;
all others are for the provider to judge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec


class WrongParam(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter with a value that it cannot have."""

    place: tuple[str, ...]
    """Its keys within the parameters, such as `("extra_body", "n")`."""
    problem: str
    """A sentence without its subject, with the fix."""


def wrong_param(params: dict[str, Any]) -> WrongParam | None:
    """Return the first parameter that would break a price, a limit or a request.

    A number may be None, which counts as not set.
    """
    extra = params.get("extra_body")
    extra = extra if isinstance(extra, dict) else {}
    for keys, table in (((), params), (("extra_body",), extra)):
        for name, (is_valid, wanted) in _RULES.items():
            if name in table and not is_valid(table[name]):
                problem = f"{table[name]!r} does not fit here; write {wanted}."
                return WrongParam(place=(*keys, name), problem=problem)
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
