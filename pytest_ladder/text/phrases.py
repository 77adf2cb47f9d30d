"""Phrases that error messages share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

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
    """`path` as people read it: from the working folder where it lies below it."""
    relative = os.path.relpath(path) if path.is_absolute() else str(path)
    outside = relative.startswith(os.pardir + os.sep)
    return Path(path if outside else relative).as_posix()


def did_you_mean(name: str, known: Iterable[str], rest: str) -> str:
    """Ask for the nearest of `known`, if any is near, and say the `rest`."""
    import difflib

    # Upper and lower case and the kind of dash are what people mistype most.
    plain = {_plain(k): k for k in known}
    near = difflib.get_close_matches(_plain(name), plain, n=1)
    if not near:
        return rest
    return f"did you mean `{plain[near[0]]}`? {rest[0].upper()}{rest[1:]}"


def listed(names: Iterable[str]) -> str:
    """Name the first dozen and count the rest."""
    every = list(names)
    rest = len(every) - _MOST_LISTED
    more = f" and {rest} more" if rest > 0 else ""
    return ", ".join(f"`{name}`" for name in every[:_MOST_LISTED]) + more


def kind_of(value: object) -> str:
    """Say what `value` is, in the words of JSON rather than Python."""
    name = type(value).__name__
    return _KINDS.get(name, f"a Python {name}")


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-")
