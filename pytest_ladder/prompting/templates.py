"""Templates over the fields of a case: nothing is looked up, called or nested."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import msgspec

from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import did_you_mean, listed

FIELDS = ("input", "context", "id", "cluster", "tags", "choices", "metadata.name")

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_METADATA = "metadata."


class Template(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A compiled template; made by `compile_template`."""

    key: str
    """What the template is called in messages."""
    parts: tuple[tuple[str, str | None], ...]
    """Literal text, each followed by a field or None."""

    @functools.cached_property
    def fields(self) -> frozenset[str]:
        """Names of the fields the template shows."""
        return frozenset(field for _, field in self.parts if field is not None)

    def render(self, case: Case, context: str) -> str:
        """Fill in a case; `context` is the text for `{context}`.

        Raises `ConfigError` when the case lacks metadata, cluster or choices that the
        template names.
        """
        text = []
        for literal, field in self.parts:
            text.append(literal)
            if field is not None:
                text.append(self._value(field, case, context))
        return "".join(text)

    def _value(self, field: str, case: Case, context: str) -> str:
        if field == "input":
            return case.text
        if field == "context":
            return context
        if field == "id":
            return case.id
        if field == "tags":
            return ", ".join(case.tags)
        if field == "choices" and case.choices:
            from pytest_ladder.cases.choices import lettered

            return lettered(case.choices)
        value = (
            case.cluster
            if field == "cluster"
            else case.metadata.get(field.removeprefix(_METADATA))
        )
        if value is None:
            raise ConfigError(
                f'{self.key}: case "{case.id}" of {case.source or "the test"} has no '
                f"`{field}`; add it to the case or take {{{field}}} out of the "
                "template."
            )
        return as_text(value)


def compile_template(text: str, key: str, *, lines: bool = False) -> Template:
    """Compile a template; `key` names it in messages, with `lines` as a file.

    `{{` and `}}` are literal braces. Raises `ConfigError` for an unknown field.
    """
    parts: list[tuple[str, str | None]] = []
    literal = ""
    end = 0
    for piece in _PIECE.finditer(text):
        literal += text[end : piece.start()]
        end = piece.end()
        token = piece.group()
        if token in ("{{", "}}"):
            literal += token[0]
            continue
        line = f":{text.count(chr(10), 0, piece.start()) + 1}" if lines else ""
        parts.append((literal, _field(piece, key + line)))
        literal = ""
    return Template(key=key, parts=(*parts, (literal + text[end:], None)))


def as_text(value: Any) -> str:
    """Write a value as a model reads it: texts as they are, all else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _field(piece: re.Match[str], key: str) -> str:
    token, name = piece.group(), piece.group(1)
    if name is None:
        raise ConfigError(
            f"{key}: a single `{token}` stands at character {piece.start() + 1}; write "
            f"`{token * 2}` for a literal brace."
        )
    if name == "expected":
        raise ConfigError(
            f"{key}: {{expected}} would show the model the answer; take it out."
        )
    if name in FIELDS[:-1] or (name.startswith(_METADATA) and name != _METADATA):
        return name
    known = f"known fields: {listed(FIELDS)}; write {{{{…}}}} for literal braces."
    raise ConfigError(
        f"{key}: the field {{{name}}} is unknown; {did_you_mean(name, FIELDS, known)}"
    )
