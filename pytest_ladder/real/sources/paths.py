"""Where a row tells something: under a name of its own, or deeper, at a path.

`properties.variant` is what `properties` holds as `variant`, be it an object, JSON that
is kept as text, or a list of attributes, as OpenTelemetry and Google Analytics have.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

_MOST_PACKED = 3
"""Times that text may be JSON of text again."""
DEEPEST = 12
"""Levels of a row in which names are looked for."""


def at(row: Mapping[str, Any], path: str) -> Any:
    """Return what a row says at a path; None: nothing, or an object.

    A name with a dot in it, as in files that are flat already, goes before a path.
    """
    value = row.get(path)
    if value is not None:
        return None if isinstance(value, dict) else value
    for outer, inner in _splits(path) if "." in path else ():
        held = row.get(outer)
        inside = held if isinstance(held, dict) or held is None else opened(held)
        if isinstance(inside, dict):
            return at(inside, inner)
    return None


@functools.lru_cache
def _splits(path: str) -> list[tuple[str, str]]:
    """Return where a path may be cut: a name may have dots itself."""
    steps = path.split(".")
    return [
        (".".join(steps[:length]), ".".join(steps[length:]))
        for length in range(1, len(steps))
    ]


def paths_in(row: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield all paths of a row that lead below its own names."""
    for name, value in row.items():
        inside = opened(value)
        if isinstance(inside, dict) and depth < DEEPEST:
            yield from (f"{name}.{inner}" for inner in inside)
            yield from (f"{name}.{path}" for path in paths_in(inside, depth + 1))


def opened(value: Any) -> Any:
    """Return a value as the object that it holds; as it is, where it holds none."""
    for _ in range(_MOST_PACKED):
        if not isinstance(value, str) or value.lstrip()[:1] not in ("{", '"', "["):
            break
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, list) or not value:
        return value
    if not all(isinstance(each, dict) and "key" in each for each in value):
        return value
    return {str(each["key"]): _plain(each.get("value")) for each in value}


def text_of(value: Any) -> str:
    """Write a JSON value as a CSV has it; of nothing, an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else str(value)


def _plain(value: Any) -> Any:
    """Take a value out of `{"stringValue": …}`, whatever else is null there."""
    if not isinstance(value, dict):
        return value
    return next((each for each in value.values() if each is not None), None)
