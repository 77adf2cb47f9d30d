"""JSON in a model's text: alone, in a fenced block, or with words around it.

Models are asked for JSON and nothing else, and write a fence around it, or a sentence
in front. What can be meant in one way only is read; where a text holds two things that
differ, nobody guesses which of them counts.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import msgspec

_FENCED = r"(?s)\A\s*```[\w-]*\s*\n(.*?)\n?\s*```\s*\Z"
"""A text that is one fenced block."""
_BLOCK = (
    r"(?smi)^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[ \t]*\n"
    r"(.*?)(?:^[ \t]*\1[`~]*[ \t]*$|\Z)"
    r"|`{3}[ \t]*(?:json)?[ \t]*([\[{][^\n]*?[\]}])[ \t]*`{3}"
)
"""A fenced block among words; the last one may lack its end, others stand in a line."""


class ObjectInText(NamedTuple):
    """A JSON object that stands in a text."""

    pairs: tuple[tuple[str, Any], ...]
    """Names and values as they stand there, so that a name may come twice."""
    text: str


class _Pairs(tuple[tuple[str, Any], ...]):
    """What an object is decoded to, told from a list."""

    __slots__ = ()


# A line that ends inside a string is no JSON, and models write it all the same.
_OBJECTS = json.JSONDecoder(object_pairs_hook=_Pairs, strict=False)


def is_json(text: str) -> bool:
    """Tell whether a text is JSON, in a fence or without one, and nothing else."""
    fenced = re.match(_FENCED, text)
    try:
        _decoded(fenced.group(1) if fenced else text)
    except ValueError:
        return False
    return True


def value_in(text: str) -> Any:
    """Return the JSON value that a text is, or that its fenced blocks hold.

    Blocks of other languages are passed over. Raises ValueError where there is none,
    where a block cannot be read, and where two blocks differ.
    """
    fenced = re.match(_FENCED, text)
    try:
        return _decoded(fenced.group(1) if fenced else text)
    except ValueError as error:
        values = [_decoded(block) for block in _blocks_of_json(text)]
        if not values:
            raise
        if any(value != values[0] for value in values):
            raise ValueError("it holds blocks of JSON that differ") from error
        return values[0]


def objects_in(text: str) -> tuple[list[ObjectInText], str]:
    """Return the JSON objects that stand in a text, and the words around them.

    Objects inside of others are parts of these. Raises ValueError where a brace begins
    or ends no object: then what follows may belong to something that is broken.
    """
    found, words, at = [], [], 0
    while (begin := text.find("{", at)) >= 0:
        try:
            pairs, end = _OBJECTS.raw_decode(text, begin)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        found.append(ObjectInText(tuple(pairs), text[begin:end]))
        words.append(text[at:begin])
        at = end
    words.append(text[at:])
    around = " ".join(words)
    if "}" in around:
        raise ValueError("a brace ends no object")
    return found, around


def _blocks_of_json(text: str) -> list[str]:
    blocks = []
    for block in re.finditer(_BLOCK, text):
        language, inner = (block[2] or "").lower(), block[4] or block[3]
        if language.startswith("json") or (not language and inner.lstrip()[:1] in "[{"):
            blocks.append(inner)
    return blocks


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except RecursionError as error:
        raise ValueError(str(error)) from None
