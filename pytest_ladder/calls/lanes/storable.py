"""Makes what providers send storable: what JSON cannot hold is replaced or left out.

A paid reply must be written to the store, and read back the same. Providers, and the
readers of JSON in between, let through what JSON or UTF-8 cannot hold: NaN, halves of
characters, integers without end.
"""

from __future__ import annotations

import math
from typing import Any

# Deeper than any answer, and far from where a reader of JSON gives up.
_DEEPEST = 32
# JSON has no limit for integers, but msgspec reads 64 bits.
_LONGEST_INT = 2**63


def whole_characters(text: str) -> str:
    """Replace halves of characters, which UTF-8 cannot write, by U+FFFD.

    Two halves that belong together, as a stream may cut them, become one again.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def plain(value: Any, deepest: int = _DEEPEST) -> Any:
    """Return a value as JSON can hold it.

    None stands for what it cannot hold: NaN and infinity, an integer beyond 64 bits,
    values nested more than `deepest` levels deep, and all types that JSON lacks.
    """
    if isinstance(value, str):
        return whole_characters(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _LONGEST_INT else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if deepest == 0:
        return None
    if isinstance(value, dict):
        return {
            whole_characters(str(name)): plain(inner, deepest - 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [plain(inner, deepest - 1) for inner in value]
    return None
