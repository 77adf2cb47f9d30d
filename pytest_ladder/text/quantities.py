"""Numbers as they stand in texts of models: with signs, groups, powers and units."""

from __future__ import annotations

import re
from typing import NamedTuple

_GROUPS = "[,'_\u2019\u00a0\u202f]"
# `4,5` is one number elsewhere, and none here: it is neither 4 nor 5.
_NUMBER = re.compile(
    r"(?<![\w.])(?<!\d,)(?:(?P<before>[A-Z]{1,2}\$|[$€£¥₹]|[A-Z]{3}\b)\s?)?"
    r"(?P<sign>[-+\u2212](?!\s))?(?:(?P<behind>[$€£¥₹])\s?)?"
    rf"(?P<digits>\d{{1,3}}(?:{_GROUPS}\d{{3}})+(?!\d)(?:\.\d+)?"
    r"|\d+(?:\.\d+)?(?!\.?\d)|\.\d+)(?!,\d)"
    r"(?P<power>[eE][-+]?\d+\b)?"
    r"(?:[ \u00a0\u202f-]?(?P<after>%|[$€£¥₹]|[^\W\d_°µ²³/][\w°²³/]*|[°µ][\w/]*))?"
)
_MARKUP = re.compile(
    r"(?<!\w)[*_`]+|[*_`]+(?!\w)|\\(?:text|mathrm|,|!)|\\(?=[%$])|\\boxed\{\s*|[{}]"
)
_AROUND = " \t\r\n()[]\"'\u2018\u2019\u201c\u201d"
_BEHIND = f"{_AROUND}.,;:!"
_SWAPPED = str.maketrans(".,", ",.")
_SAME_UNIT = {
    "percent": "%",
    "prozent": "%",
    "pct": "%",
    "usd": "$",
    "us$": "$",
    "dollar": "$",
    "eur": "€",
    "euro": "€",
    "gbp": "£",
    "pound": "£",
    "jpy": "¥",
    "yen": "¥",
}
_SYMBOL_LENGTH = 3
"""Units of up to so many letters are told apart by case: mW is not MW."""


class Quantity(NamedTuple):
    """A number that stands in a text."""

    value: float
    units: tuple[str, ...]
    """What stands before and behind it, as units are compared; words that are none
    among them."""
    text: str
    digits: str = ""
    """What stands there as `Decimal` reads it, without groups; empty: in no text."""


def quantities(text: str, decimal: str = ".") -> list[Quantity]:
    """Return the numbers of a text in their order, with what stands beside them."""
    plain = _MARKUP.sub("", text)
    if decimal == ".":
        return [_quantity(match) for match in _NUMBER.finditer(plain)]
    found = map(_quantity, _NUMBER.finditer(plain.translate(_SWAPPED)))
    return [each._replace(text=each.text.translate(_SWAPPED)) for each in found]


def whole_quantity(text: str) -> Quantity | None:
    """Return the number that a text is, with what stands beside it; None: it is none.

    Marks and brackets around it, and punctuation behind it, make no other number.
    """
    plain = _MARKUP.sub("", text).rstrip(_BEHIND).lstrip(_AROUND)
    match = _NUMBER.fullmatch(plain)
    return None if match is None else _quantity(match)


def _quantity(match: re.Match[str]) -> Quantity:
    digits = re.sub(_GROUPS, "", match["digits"]) + (match["power"] or "")
    if match["sign"] in ("-", "\u2212"):
        digits = f"-{digits}"
    beside = (match["before"], match["behind"], match["after"])
    units = tuple(plain_unit(unit) for unit in beside if unit)
    return Quantity(float(digits), units, match[0].strip(), digits)


def plain_unit(unit: str) -> str:
    """Write a unit as it is compared: one word for `percent` and `%`, no plural."""
    unit = unit.strip()
    name = unit.casefold()
    singular = name[:-1] if name.endswith("s") and not name.endswith("ss") else name
    if (same := _SAME_UNIT.get(name) or _SAME_UNIT.get(singular)) is not None:
        return same
    return unit if len(unit) <= _SYMBOL_LENGTH else singular
