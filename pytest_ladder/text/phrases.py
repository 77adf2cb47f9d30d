"""Phrases that error messages share, and words that replies begin an answer with."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

ANSWER_WORDS = (
    "answer|antwort|antwoord|r\u00e9ponse|respuesta|resposta|risposta|svar|odpowied\u017a"
    "|cevap|\u043e\u0442\u0432\u0435\u0442|\u7b54\u6848|\u56de\u7b54|\u7b54\u3048|\ub2f5"
)
"""What models write before a colon and their answer, as a regex: MGSM's languages, and
some more."""

_MOST_LISTED = 12

_KINDS = {
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "NoneType": "null",
}


def shown(path: Path) -> str:
    """Return a path as messages show it: relative where it is in the working folder."""
    relative = os.path.relpath(path) if path.is_absolute() else str(path)
    outside = relative.startswith(os.pardir + os.sep)
    return Path(path if outside else relative).as_posix()


def did_you_mean(name: str, known: Iterable[str], rest: str) -> str:
    """Return `rest`, after a question for the nearest of `known` if one is near."""
    import difflib

    # Upper and lower case and the kind of dash are what people mistype most.
    plain = {_plain(k): k for k in known}
    near = difflib.get_close_matches(_plain(name), plain, n=1)
    if not near:
        return rest
    return f"did you mean `{plain[near[0]]}`? {rest[0].upper()}{rest[1:]}"


def listed(names: Iterable[str]) -> str:
    """Return the first dozen of names, and how many more there are."""
    all_names = list(names)
    rest = len(all_names) - _MOST_LISTED
    if rest <= 1:  # "and 1 more" would take as much room as the name.
        return ", ".join(f"`{name}`" for name in all_names)
    names = ", ".join(f"`{name}`" for name in all_names[:_MOST_LISTED])
    return f"{names} and {rest} more"


def kind_of(value: object) -> str:
    """Return what kind of value it is, by JSON's name rather than Python's."""
    name = type(value).__name__
    return _KINDS.get(name, f"a Python {name}")


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-")
