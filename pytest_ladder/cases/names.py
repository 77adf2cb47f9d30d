"""Names of columns and keys: which field of a case each of them says."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection, Iterable
from typing import Any

from pytest_ladder.errors import ConfigError

_SYNONYMS = {
    "id": (),
    "input": ("question", "prompt", "query", "inputs"),
    "expected": ("target", "ideal", "answer", "expected_output", "reference"),
    "context": ("contexts", "retrieval_context"),
    "relevant": (),
    "cluster": (),
    "tags": (),
    "metadata": (),
}
FIELD_OF = {
    name: field for field, others in _SYNONYMS.items() for name in (field, *others)
}
"""Field of a case by the names that it has in files, our own and those of peers."""

_NEAR = 0.8
_MOST_LETTERS_MORE = 2
_OTHER_WORDS = frozenset({"content", "contents", "contest", "contexts"}) | {
    # Ragas': what a model was shown, and no part of the case.
    "retrievedcontexts"
}
"""Words of their own that look like a misspelt field."""
_MAY_BE_ANSWERS = (
    *("answer", "chosen", "completion", "correct", "expect", "gold", "label"),
    *("output", "preferred", "response", "result", "solution", "truth"),
)


@functools.lru_cache(maxsize=4096)
def folded(name: object) -> str:
    """Return a name without case, blanks, dashes and underscores.

    One with an underscore before it is a tool's own, such as `__expected`.
    """
    text = str(name)
    return text if text.startswith("_") else re.sub(r"[\W_]+", "", text).casefold()


_BY_FOLDED = {folded(name): name for name in FIELD_OF}


def names_of(field: str) -> list[str]:
    """Return all names of a field, its own first."""
    return [name for name, meant in FIELD_OF.items() if meant == field]


@functools.lru_cache(maxsize=1024)
def renames(names: tuple[Any, ...]) -> dict[Any, str]:
    """Say how columns are called that are written otherwise, such as `Question`.

    A name as it should be wins. Where the input has one, only what is expected is
    looked for otherwise: all else of such rows was metadata before.
    """
    exact = {FIELD_OF[name] for name in names if name in FIELD_OF}
    found: dict[Any, str] = {}
    for name in names:
        known = _BY_FOLDED.get(folded(name))
        if known is None or name in FIELD_OF or known in found.values():
            continue
        field = FIELD_OF[known]
        if field not in exact and ("input" not in exact or field == "expected"):
            found[name] = known
    return found


def sorted_out(row: dict[Any, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a row into the fields of a case and what is left for its metadata."""
    fields: dict[str, Any] = {}
    extras: dict[str, Any] = {}
    for name, value in row.items():
        field = FIELD_OF.get(name)
        if field is not None and value is None:
            continue
        if field is None:
            extras[str(name)] = value
        elif field in fields:
            names = [f"`{n}`" for n in row if FIELD_OF.get(n) == field]
            raise ConfigError(
                f"{' and '.join(names)} both say the {field}; keep one of them."
            )
        else:
            fields[field] = value
    return fields, extras


def near_names(extras: Iterable[str], used: Collection[str]) -> dict[str, str]:
    """Return names in metadata that look like a misspelt field that no row has."""
    wanted = {folded(n): n for n, field in FIELD_OF.items() if field not in used}
    near = {}
    for name in extras:
        plain = folded(name)
        if plain in _OTHER_WORDS:
            continue
        for known in difflib.get_close_matches(plain, wanted, n=1, cutoff=_NEAR):
            if abs(len(known) - len(plain)) <= _MOST_LETTERS_MORE:
                near[name] = wanted[known]
    return near


def near_input(name: str) -> str | None:
    """Return the name of the input that a name may be meant for, or None."""
    plain = {folded(known): known for known in names_of("input")}
    near = difflib.get_close_matches(folded(name), plain, n=1, cutoff=_NEAR)
    return plain[near[0]] if near else None


def possible_answers(extras: Iterable[str]) -> list[str]:
    """Return names in metadata that may hold what is expected, or may not."""
    return [
        name
        for name in extras
        if any(word in name.casefold() for word in _MAY_BE_ANSWERS)
    ]
