"""Rows of case files: JSONL, CSV, JSON and YAML, each row with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.disk.files import json_byte, json_lines, json_problem, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import kind_of, listed

Rows = Iterator[tuple[int, Any]]
"""(line number, undecoded case)."""

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


def read_rows(path: Path, label: str) -> Rows:
    """Yield the rows of a file; its suffix says the format. Raises `ConfigError`."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"{label}: cases are not read from `{path.suffix or path.name}` files; "
            f"use one of {listed(READERS)}."
        )
    return reader(read_text(path, label), label)


def _json_rows(text: str, label: str) -> Rows:
    data = text.encode()
    try:
        rows = msgspec.json.decode(data, type=list[msgspec.Raw]) if text.strip() else []
    except msgspec.ValidationError:
        kind = kind_of(msgspec.json.decode(data))
        raise _not_a_list(label, kind) from None
    except (msgspec.DecodeError, RecursionError) as error:
        at = json_byte(error)
        line = data.count(b"\n", 0, len(data.rstrip()) if at is None else at) + 1
        raise ConfigError(
            f"{label}:{line}: the file is not valid JSON ({json_problem(error)}); "
            "correct it, or name it .jsonl if every line is an object of its own."
        ) from error
    line, counted, end = 1, 0, 0
    for row in map(bytes, rows):
        start = data.index(row, end)
        line += data.count(b"\n", counted, start)
        counted, end = start, start + len(row)
        yield line, msgspec.json.decode(row)


def _csv_rows(text: str, label: str) -> Rows:
    import csv
    import io

    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    end = 0
    try:
        for cells in reader:
            line, end = end + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _csv_header(cells, f"{label}:{line}")
                continue
            yield line, _csv_row(header, cells, f"{label}:{line}")
    except csv.Error as error:
        raise ConfigError(
            f"{label}:{reader.line_num}: the line is not valid CSV ({error}); put a "
            'text that holds commas, quotes or line breaks in quotes, and write "" '
            "for a quote inside."
        ) from error


def _csv_header(cells: list[str], where: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    twice = next((n for n in header if header.count(n) > 1), None)
    if twice is not None:
        raise ConfigError(f"{where}: two columns are named `{twice}`; rename one.")
    if not any(FIELD_OF.get(name) == "input" for name in header):
        raise ConfigError(
            f"{where}: the first row names no column for the input; begin with a row "
            "of comma-separated names such as `id,input,expected`."
        )
    return header


def _csv_row(header: list[str], cells: list[str], where: str) -> dict[str, Any]:
    if len(cells) != len(header):
        raise ConfigError(
            f"{where}: the row has {len(cells)} cells and the header {len(header)}; "
            "put a text that holds commas in quotes."
        )
    # An empty cell is how CSV says that there is no value.
    row: dict[str, Any] = {k: v for k, v in zip(header, cells, strict=True) if v}
    for name in ("tags", "relevant"):
        if name in row:
            row[name] = [part.strip() for part in row[name].split(",") if part.strip()]
    if "metadata" in row:
        try:
            row["metadata"] = msgspec.json.decode(row["metadata"])
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConfigError(
                f"{where}: metadata is not a JSON object ({json_problem(error)}); "
                'write one such as {"team": "a"}, or use a column per key.'
            ) from error
    return row


def _yaml_rows(text: str, label: str) -> Rows:
    import yaml

    loader = _yaml_loader()(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            mapping = isinstance(node, yaml.MappingNode)
            raise _not_a_list(label, "an object" if mapping else "a single value")
        for item in node.value:
            yield item.start_mark.line + 1, loader.construct_object(item, deep=True)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(
            f"{label}{line}: the file is not valid YAML ({problem}); correct the line, "
            "and put texts that hold `: ` or `#` in quotes."
        ) from error
    finally:
        loader.dispose()


def _yaml_loader() -> Any:
    """Return a safe loader that leaves dates, `yes` and `no` the texts they are.

    An expected answer "no" that turns into False would fail every test, and a date
    cannot be stored as JSON.
    """
    import re

    import yaml

    safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    left_alone = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"}
    words = ("true", "True", "TRUE", "false", "False", "FALSE")

    class Loader(safe):  # type: ignore[misc]
        yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own attribute)
            first: [(tag, form) for tag, form in rules if tag not in left_alone]
            for first, rules in safe.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(rf"(?:{'|'.join(words)})\Z"), list("tTfF")
    )
    return Loader


def _not_a_list(label: str, kind: str) -> ConfigError:
    return ConfigError(
        f"{label}: the file holds {kind} where a list of cases is needed; put the "
        "cases in [ … ] or write one `- ` for each."
    )


READERS: dict[str, Callable[[str, str], Rows]] = {
    ".jsonl": json_lines,
    ".csv": _csv_rows,
    ".json": _json_rows,
    ".yaml": _yaml_rows,
    ".yml": _yaml_rows,
}
