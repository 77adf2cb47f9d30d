"""What others sent, made such that it can be kept: written, and read back the same."""

from __future__ import annotations

import math
from typing import Any

# Deeper than any answer, and far from where a reader of JSON gives up.
_DEEPEST = 32
# JSON has no limit, but its readers have one.
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
    """Return a value as JSON can hold it; None where it cannot.

    That is a number which is none, an integer beyond 64 bits, what is nested more than
    `deepest` levels deep, and all that is no JSON.
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
