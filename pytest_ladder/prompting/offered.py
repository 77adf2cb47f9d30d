"""What a strategy offers with each call: the form of the reply, and functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.core.rung import Strategy, is_spec
from pytest_ladder.disk.files import json_byte, json_problem, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.functions import functions_of
from pytest_ladder.prompting.user_code import imported
from pytest_ladder.text.phrases import kind_of, shown

Schema = dict[str, Any]

_SAYS_SOMETHING = frozenset(
    {"type", "properties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"}
)
"""Keywords of which a schema has one; an example of a reply has none."""
_LONGEST_NAME = 64
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")


def offered_params(strategy: Strategy, path: Path) -> dict[str, Any]:
    """Return the parameters `response_format` and `tools` of each call.

    `path` is the configuration file. Raises `ConfigError` for what cannot be used.
    """
    params: dict[str, Any] = {}
    if strategy.response_format is not None:
        where = place_of_form(strategy, path)
        try:
            params["response_format"] = _format(strategy.response_format, path.parent)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
    if strategy.tools:
        functions = functions_of(strategy, path)
        params["tools"] = [function.schema for function in functions.values()]
    return params


def place_of_form(strategy: Strategy, path: Path) -> str:
    """Say where a strategy asks for its form, for a sentence on it."""
    return f'{shown(path)}: strategy "{strategy.name}": response_format'


def read_format(path: Path) -> dict[str, Any]:
    """Read a form of replies from a file: a JSON schema, bare or as OpenAI wraps it.

    Raises `ConfigError` for a file that holds neither.
    """
    text, label = read_text(path), shown(path)
    try:
        read = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        # Where it ends too early, the mistake is in the last line that says something.
        end, data = json_byte(error), text.rstrip().encode()
        line = 1 + data[:end].count(b"\n")
        raise ConfigError(
            f"{label}:{line}: the file is not valid JSON ({json_problem(error)}); "
            "write a JSON schema."
        ) from error
    if not isinstance(read, dict):
        raise ConfigError(
            f"{label}: it holds {kind_of(read)} and no JSON schema; write one such as "
            '{"type": "object", "properties": {…}}.'
        )
    if read.get("type") == "json_object" and len(read) == 1:
        return read
    named = read.get("json_schema") if read.get("type") == "json_schema" else read
    if isinstance(named, dict) and isinstance(named.get("schema"), dict):
        _check(named["schema"], label)
        named = {"name": _name(path.stem), **named}
        return {"type": "json_schema", "json_schema": named}
    _check(read, label)
    return _named(path.stem, read)


def _format(named: str, folder: Path) -> dict[str, Any]:
    if not is_spec(named):
        return read_format(folder / named)
    model = imported(named, folder, "the model")
    make = getattr(model, "model_json_schema", None)
    if not isinstance(model, type) or make is None:
        raise ConfigError(
            f"{named} is no pydantic model; derive it from pydantic.BaseModel, or name "
            "a file with a JSON schema."
        )
    schema: Schema = make()
    # Whether no object takes keys that the model does not name.
    can_be_strict = not any(
        each.get("additionalProperties") for each in _objects(schema)
    )
    return _named(model.__name__, _strict(schema) if can_be_strict else schema)


def _check(schema: Schema, label: str) -> None:
    if not _SAYS_SOMETHING & schema.keys():
        raise ConfigError(
            f"{label}: it says nothing that a JSON schema says, such as `type` or "
            "`properties`; write the schema of a reply, and not a reply."
        )


def _named(name: str, schema: Schema) -> dict[str, Any]:
    named: dict[str, Any] = {"name": _name(name), "schema": schema}
    if all(map(_is_strict, _objects(schema))):
        # Where it is not, providers refuse to promise it.
        named["strict"] = True
    return {"type": "json_schema", "json_schema": named}


def _name(text: str) -> str:
    """Make a name that providers take: letters, digits, `_` and `-`."""
    return _NO_NAME.sub("_", text)[:_LONGEST_NAME] or "reply"


def _objects(schema: Any) -> Iterator[Schema]:
    """Yield the schemas of objects in a schema, itself first."""
    if isinstance(schema, list):
        for each in schema:
            yield from _objects(each)
    elif isinstance(schema, dict):
        if "properties" in schema or schema.get("type") == "object":
            yield schema
        for key, inner in schema.items():
            if key in ("properties", "$defs", "definitions"):
                yield from _objects(list(inner.values()))
            elif key not in ("default", "examples", "enum", "const"):
                yield from _objects(inner)


def _is_strict(schema: Schema) -> bool:
    properties = schema.get("properties", {})
    is_closed = schema.get("additionalProperties") is False
    return is_closed and set(schema.get("required", ())) >= set(properties)


def _strict(schema: Any) -> Any:
    """Return a schema as providers promise to keep it.

    As OpenAI's own client does: each object has all its properties and no other, and
    there are no defaults, for nothing is left out.
    """
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict: Schema = {}
    for key, inner in schema.items():
        if key in ("properties", "$defs"):
            strict[key] = {name: _strict(each) for name, each in inner.items()}
        elif key in ("enum", "const", "examples"):
            strict[key] = inner
        elif key != "default":
            strict[key] = _strict(inner)
    if "properties" in schema or schema.get("type") == "object":
        strict["additionalProperties"] = False
        strict["required"] = list(schema.get("properties", {}))
    return strict
