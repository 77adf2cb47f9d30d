"""A configuration file as text and table, decoded with errors that place a mistake."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pytest_ladder.disk.files import read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import did_you_mean, kind_of, listed, shown

Place = tuple[str | int, ...]
"""Where a value stands: `("model", 1, "price", "input")`."""

PYPROJECT = "pyproject.toml"
PYPROJECT_TABLE = "tool.pytest-ladder"

_T = TypeVar("_T")
# For messages, so each is compiled when the first one is written.
_AT = r"(?s)(?P<problem>.*?)(?: - at `\$(?P<path>.*)`)?\Z"
_STEP = r"\.([^.\[\]]+)|\[(\d+)\]"
_EXPECTED = r"Expected `(?P<wanted>.+?)`, got"
_NAMED = r"Object (?P<what>contains unknown|missing required) field `(.+)`"
_HEADER = r"\s*\[{1,2}([^\[\]]+)\]"
_TOML_POSITION = r" \(at (?:line (\d+), column \d+|end of document)\)\Z"

_WANTED = {
    "str": 'a text in quotes, such as "…"',
    "int": "a whole number",
    "float": "a number",
    "bool": "`true` or `false`",
    "array": "a list, such as [ … ]",
    "object": "a table, such as { … }",
}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration file that is valid TOML."""

    path: Path
    text: str
    table: dict[str, Any]
    """What belongs to pytest-ladder, undecoded."""
    prefix: str = ""
    """Header above that table: empty, or `tool.pytest-ladder.`."""

    def head(self, place: Place) -> str:
        """Name file, line and key, as every message begins."""
        line = self._line(place)
        where = shown(self.path) + (f":{line}" if line else "")
        label = self._label(place)
        return f"{where}: {label}" if label else where

    def error(self, place: Place, problem: str) -> ConfigError:
        """Return the error for what stands at `place`."""
        return ConfigError(f"{self.head(place)}: {problem}")

    def get(self, place: Place) -> Any:
        """Return the undecoded value at `place`; None when nothing stands there."""
        value: Any = self.table
        for step in place:
            if isinstance(step, int):
                value = value[step] if isinstance(value, list) else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        return value

    def _label(self, place: Place) -> str:
        if len(place) < 2 or not isinstance(place[1], int):
            return _joined(place)
        name = self.get((*place[:2], "name"))
        # A name that is not one is shown by position, 1 being the first.
        known = isinstance(name, str) and name and place[2:] != ("name",)
        head = f'{place[0]} "{name}"' if known else f"{place[0]} {place[1] + 1}"
        return f"{head}: {_joined(place[2:])}" if place[2:] else head

    def _line(self, place: Place) -> int | None:
        """Find the line by searching headers and keys: cheap, and right as a rule."""
        if not place:
            return None
        lines = self.text.split("\n")
        keys = [step for step in place if isinstance(step, str)]
        table, header = self.prefix + keys[0], None
        # The innermost list of tables that has a header of its own.
        for cut in reversed(range(1, len(place))):
            index = place[cut]
            if header is None and isinstance(index, int):
                named = self.prefix + ".".join(s for s in place[:cut] if s in keys)
                header = _find_header(lines, named, index)
                table = table if header is None else named
        if header is None:
            header = _find_header(lines, table, 0)
        if header is None:
            start = _find_header(lines, self.prefix.rstrip("."), 0) or 0
            stop = _next_header(lines, start + bool(self.prefix), table)
        elif len(keys) == 1:
            return header + 1
        else:
            start, stop = header, _next_header(lines, header + 1, f"{table}.")
        found = _find_key(lines[start:stop], keys[-1])
        if found is not None:
            return start + found + 1
        return None if header is None else header + 1


def read_source(path: Path) -> Source:
    """Read and parse a configuration file. Raises `ConfigError`."""
    text = read_text(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The position is in the text of the error up to Python 3.13.
        position = re.search(_TOML_POSITION, str(error))
        line = (position and position.group(1)) or text.rstrip().count("\n") + 1
        problem = re.sub(_TOML_POSITION, "", str(error))
        fix = "correct this line or the one before it"
        if re.search("key part|after a key", problem):
            fix += "; a key of more than a-z, A-Z, 0-9, _ and - stands between quotes"
        raise ConfigError(
            f"{shown(path)}:{line}: this is not valid TOML ({problem}); {fix}."
        ) from error
    if path.name != PYPROJECT:
        return Source(path=path, text=text, table=table)
    whole = Source(path=path, text=text, table=table)
    own = whole.get(("tool", "pytest-ladder"))
    if not isinstance(own, dict):
        raise whole.error((), f"there is no [{PYPROJECT_TABLE}] table; add one.")
    return Source(path=path, text=text, table=own, prefix=PYPROJECT_TABLE + ".")


def decode(
    source: Source, kind: type[_T], place: Place = (), top: type[Any] | None = None
) -> _T:
    """Decode what stands at `place` strictly.

    `top` is the kind of the whole file where that is another. Raises `ConfigError` for
    the first mistake.
    """
    try:
        return msgspec.convert(source.get(place), kind)
    except msgspec.ValidationError as error:
        raise _decode_error(source, kind, place, top or kind, str(error)) from error


def _decode_error(
    source: Source, kind: type[Any], base: Place, top: type[Any], message: str
) -> ConfigError:
    found = re.match(_AT, message)
    assert found is not None, "the pattern matches any text"
    inside = tuple(
        int(index) if index else name
        for name, index in re.findall(_STEP, found["path"] or "")
    )
    place = (*base, *inside)
    problem = found["problem"]
    if named := re.match(_NAMED, problem):
        if named["what"].startswith("contains"):
            known = _fields(_type_at(kind, inside))
            return _unknown_key(source, known, top, place, named.group(2))
        return source.error(place, f"`{named.group(2)}` is missing; add it.")
    if problem.startswith("Invalid enum value"):
        value, valid = source.get(place), _values(_type_at(kind, inside))
        fix = did_you_mean(str(value), valid, f"choose one of {listed(valid)}.")
        return source.error(place, f"`{value}` is unknown; {fix}")
    if expected := re.match(_EXPECTED, problem):
        return source.error(place, _wrong_type(source, place, expected["wanted"]))
    return source.error(place, f"{problem}.")


def _unknown_key(
    source: Source, known: list[str], top: type[Any], place: Place, name: str
) -> ConfigError:
    if place and name in _fields(_type_at(top, ())) and name not in known:
        fix = (
            f"`{name}` belongs to the top level: move it above the first [table] of "
            "the file."
        )
    else:
        fix = did_you_mean(name, known, f"known keys: {listed(known)}.")
    return source.error((*place, name), f"this key is unknown; {fix}")


def _wrong_type(source: Source, place: Place, wanted: str) -> str:
    value = source.get(place)
    if len(place) == 1 and wanted == "array" and isinstance(value, dict):
        return f"write [[{place[0]}]] with two brackets, once for each {place[0]}."
    wanted = wanted.removesuffix(" | null")
    if wanted == "array" and isinstance(value, str):
        return f'a list is needed, not a text; write ["{value}"].'
    return f"{kind_of(value)} does not fit here; write {_WANTED.get(wanted, wanted)}."


def _type_at(kind: type[Any], place: Place) -> Any:
    """Return msgspec's description of the type that stands at `place`."""
    import msgspec.inspect as inspect

    found: Any = inspect.type_info(kind)
    for step in place:
        if isinstance(step, int):
            found = found.item_type
        else:
            found = next(f.type for f in found.fields if f.encode_name == step)
        if isinstance(found, inspect.UnionType):
            found = next(t for t in found.types if not isinstance(t, inspect.NoneType))
    return found


def _fields(kind: Any) -> list[str]:
    return [field.encode_name for field in kind.fields]


def _values(kind: Any) -> list[str]:
    if hasattr(kind, "cls"):
        return [str(member.value) for member in kind.cls]
    # msgspec sorts the values of a Literal: their order in the code is lost.
    return [str(value) for value in kind.values]


def _joined(place: Place) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".")


def _find_header(lines: list[str], name: str, index: int) -> int | None:
    """Line of the `index`-th header of a table, counted from 0."""
    found = [n for n, line in enumerate(lines) if _header(line) == name]
    return found[index] if index < len(found) else None


def _find_key(lines: list[str], key: str) -> int | None:
    """Line that gives a key its value, in an inline table too."""
    written = re.compile(rf"(?:^|[\s{{,.])[\"']?{re.escape(key)}[\"']?\s*=")
    for number, line in enumerate(lines):
        if written.search(line) and not line.lstrip().startswith("#"):
            return number
    return None


def _next_header(lines: list[str], start: int, within: str) -> int:
    """First line from `start` that opens a table outside of `within`."""
    for number in range(start, len(lines)):
        header = _header(lines[number])
        if header and not header.startswith(within):
            return number
    return len(lines)


def _header(line: str) -> str:
    found = re.match(_HEADER, line)
    return re.sub(r"[\s\"']", "", found.group(1)) if found else ""
