"""Where two requests begin to differ: the place, and both sides quoted from there."""

from __future__ import annotations

from typing import Any, NamedTuple

_SHOWN = 24
"""Characters that are quoted from where two texts begin to differ."""
_BEFORE = 12
"""Characters before that, at most, that are quoted for the word they belong to."""


class RequestDifference(NamedTuple):
    """The first difference of two requests."""

    place: str
    """Empty: there is none."""
    new: Any
    old: Any
    alike: tuple[int, int]
    """How many messages are alike, and how many characters of the next."""


def in_values(place: str, new: Any, old: Any, alike: int) -> RequestDifference:
    """Return the first difference within two values that differ."""
    if isinstance(new, str) and isinstance(old, str):
        return in_texts(place, new, old, alike)
    if isinstance(new, dict) and isinstance(old, dict):
        for name in [*new, *(each for each in old if each not in new)]:
            if new.get(name) != old.get(name):
                inner = f"{place}.{name}"
                return in_values(inner, new.get(name), old.get(name), alike)
    if isinstance(new, list) and isinstance(old, list):
        for index, (one, other) in enumerate(zip(new, old, strict=False)):
            if one != other:
                return in_values(f"{place}[{index}]", one, other, alike)
        return RequestDifference(
            f"the length of {place}", len(new), len(old), (alike, 0)
        )
    return RequestDifference(place, _short(new), _short(old), (alike, 0))


def in_texts(place: str, new: str, old: str, alike: int) -> RequestDifference:
    """Return where two texts begin to differ, quoted from there."""
    if new == old:
        return RequestDifference("", new, old, (alike, len(new)))
    same = next(
        (i for i, (a, b) in enumerate(zip(new, old, strict=False)) if a != b),
        min(len(new), len(old)),
    )
    # From the begin of the word, by which a date or an id is known.
    begin = same
    while begin > max(0, same - _BEFORE) and not new[begin - 1].isspace():
        begin -= 1
    return RequestDifference(
        f"{place}, character {same + 1}",
        new[begin : begin + _SHOWN],
        old[begin : begin + _SHOWN],
        (alike, same),
    )


def _short(value: Any) -> Any:
    if isinstance(value, dict | list | str):
        text = value if isinstance(value, str) else str(value)
        return text[:_SHOWN]
    return value
