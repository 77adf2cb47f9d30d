"""Formats of case files: which reader a suffix has, and how JSON is read."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.cases.files import (
    PACKED,
    FileRow,
    Rows,
    conflict,
    conflict_line,
    not_a_list,
    read_unpacked,
    suffixes,
    text_of,
)
from pytest_ladder.disk.files import json_byte, json_lines, json_problem
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import kind_of, listed

_NOT_JSON = rb"-?(?:NaN|Infinity)\b|\b(?:None|True|False|undefined)\b"


class Format(NamedTuple):
    """How files of one suffix are read."""

    read: Callable[..., Rows]
    """Of the file's text, or its bytes, and its name in messages."""
    of_bytes: bool = False
    place: str = "{label}:{number}"
    """How a row is named in messages."""
    is_table: bool = False
    """Whether its reader has to find the column of the input, which may be named."""


def read_rows(path: Path, label: str, column: str = "") -> Rows:
    """Yield the rows of a file; its suffix says the format. Raises `ConfigError`.

    `column` is the name of the input's, where no rule knows it.
    """
    format_ = format_of(path, label)
    data = read_unpacked(path, label)
    if format_.of_bytes:
        yield from format_.read(data, label)
        return
    text = text_of(data, label)
    named = {"column": column} if format_.is_table else {}
    try:
        yield from format_.read(text, label, **named)
    except ConfigError:
        line = conflict_line(text)
        if line is not None:
            raise conflict(label, line) from None
        raise


def format_of(path: Path, label: str) -> Format:
    """Return the format of a file by its name. Raises `ConfigError`."""
    suffix, _ = suffixes(path)
    if suffix not in READERS:
        raise ConfigError(
            f"{label}: cases are not read from `{suffix or path.name}` files; use one "
            f"of {listed(READERS)}, also packed as {listed(PACKED)}."
        )
    return READERS[suffix]


def _jsonl_rows(text: str, label: str) -> Rows:
    if "\n" not in text:
        # As old Macs end lines. Within a line of JSON no such character stands.
        text = text.replace("\r", "\n")
    if text.lstrip().startswith("["):
        # One list of all cases, which is JSON by another name.
        yield from _json_rows(text, label)
        return
    lines = text.split("\n")
    try:
        for line, value in json_lines(text, label):
            _refuse_twice(lines[line - 1], value, f"{label}:{line}")
            yield FileRow(line, value)
    except ConfigError as error:
        broken = error.__cause__
        if isinstance(broken, msgspec.DecodeError):
            number = int(str(error).removeprefix(f"{label}:").partition(":")[0])
            line_text = text.split("\n")[number - 1].encode()
            _refuse_nan(line_text, broken, f"{label}:{number}")
        raise


def _refuse_twice(line: str, value: Any, where: str) -> None:
    """Refuse a key that stands twice, of which JSON takes the last in silence."""
    names = value if isinstance(value, dict) else ()
    if not any(line.count(f'"{name}"') > 1 for name in names):
        return
    # So often, but perhaps as a text, or of another object.
    try:
        keys = json.loads(line, object_pairs_hook=lambda pairs: [k for k, _ in pairs])
    except RecursionError:
        return
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"{where}: `{twice}` stands there twice; keep one of the two."
        )


def _refuse_nan(data: bytes, error: Exception, where: str) -> None:
    """Name what Python and JavaScript write where JSON has no word for it."""
    at = json_byte(error)
    # msgspec may have read some of it: `-I`, or the N.
    for start in () if at is None else range(max(0, at - 2), at + 1):
        word = re.compile(_NOT_JSON).match(data, start)
        if word is not None:
            fix = "write null, or leave the key out"
            if word[0] in (b"True", b"False"):
                fix = f"write {word[0].decode().lower()}"
            raise ConfigError(
                f"{where}: {word[0].decode()} is no JSON; {fix}."
            ) from error


def _json_rows(text: str, label: str) -> Rows:
    data = text.encode()
    try:
        rows, beside = _list_in(data, label) if text.strip() else ([], {})
    except (msgspec.DecodeError, RecursionError) as error:
        # Every line may be an object, whatever the file is called.
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and all(
            line.startswith("{") and line.rstrip().endswith("}") for line in lines
        ):
            yield from _jsonl_rows(text, label)
            return
        at = json_byte(error)
        line = data.count(b"\n", 0, len(data.rstrip()) if at is None else at) + 1
        _refuse_nan(data, error, f"{label}:{line}")
        is_lines = ".jsonl" in label
        instead = ", or name it .jsonl if every line is an object of its own"
        raise ConfigError(
            f"{label}:{line}: the file is not valid JSON ({json_problem(error)}); "
            f"correct it{'' if is_lines else instead}."
        ) from error
    if beside:
        from pytest_ladder.cases.exports import from_document
    line, counted, end = 1, 0, 0
    for row in map(bytes, rows):
        start = data.index(row, end)
        line += data.count(b"\n", counted, start)
        counted, end = start, start + len(row)
        value = msgspec.json.decode(row)
        _refuse_twice(row.decode(), value, f"{label}:{line}")
        for each in from_document(value, beside) if beside else (value,):
            yield FileRow(line, each)


def _list_in(data: bytes, label: str) -> tuple[list[msgspec.Raw], dict[str, Any]]:
    """Find the list of cases, and the document around it where a tool writes one."""
    whole = msgspec.json.decode(data, type=msgspec.Raw)
    first = bytes(whole)[:1]
    if first == b"[":
        return msgspec.json.decode(whole, type=list[msgspec.Raw]), {}
    if first == b"{":
        from pytest_ladder.cases.exports import LISTS

        document = msgspec.json.decode(whole, type=dict[str, msgspec.Raw])
        for key in LISTS:
            if bytes(document.get(key, b""))[:1] == b"[":
                rows = msgspec.json.decode(document[key], type=list[msgspec.Raw])
                if rows:
                    beside = {
                        name: msgspec.json.decode(raw)
                        for name, raw in document.items()
                        if name != key
                    }
                    return rows, {**beside, key: ()}
    raise not_a_list(label, kind_of(msgspec.json.decode(whole)))


def _late(module: str, function: str) -> Callable[..., Rows]:
    """Return a reader whose module is loaded with its first file.

    Most suites have files of JSON lines alone, and pay for every import.
    """

    def read(*given: Any, **named: Any) -> Rows:
        loaded = importlib.import_module(f"pytest_ladder.cases.{module}")
        rows: Rows = getattr(loaded, function)(*given, **named)
        return rows

    return read


READERS: dict[str, Format] = {
    ".jsonl": Format(_jsonl_rows),
    ".ndjson": Format(_jsonl_rows),
    ".csv": Format(_late("tables", "csv_rows"), is_table=True),
    ".tsv": Format(_late("tables", "tsv_rows"), is_table=True),
    ".json": Format(_json_rows),
    ".yaml": Format(_late("yaml_files", "yaml_rows")),
    ".yml": Format(_late("yaml_files", "yaml_rows")),
    ".parquet": Format(
        _late("tables", "parquet_rows"), of_bytes=True, place="{label}: row {number}"
    ),
}
