"""`pytest-ladder cases convert`: files of other tools become case files of our own."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_ladder.cases.as_rows import check_is_jsonl, json_lines
from pytest_ladder.cases.files import FileRow
from pytest_ladder.cases.load import load_file
from pytest_ladder.cases.names import FIELD_OF
from pytest_ladder.cases.told import Told
from pytest_ladder.cli.arguments import Given, Subparsers, add_actions, add_command
from pytest_ladder.cli.cases_export import add_export_to
from pytest_ladder.cli.cases_pull import add_pull_to
from pytest_ladder.core.case import Case
from pytest_ladder.disk.files import check_is_new, write_atomically, writing
from pytest_ladder.errors import ConfigError, LadderWarning
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import did_you_mean, listed, shown

_DESCRIPTION = """\
Read a file of cases as tests do, and write it as JSONL with the names of this project:
to look at what was read, to name columns that no rule can know, or to edit it. It says
which tool wrote the file, what the cases have, and what could not be read. What a model
answered is never taken for what is expected.
"""
_EXAMPLES = """\
examples:
  pytest-ladder cases convert promptfoo.csv -o cases.jsonl
  pytest-ladder cases convert log.csv --input user_text --expected gold > cases.jsonl
"""
_NAMED = {
    "id": "the id",
    "input": "the input",
    "expected": "what is expected",
    "context": "the passages that hold the answer",
}


def add_to(commands: Subparsers) -> None:
    """Add the command with its actions."""
    actions = add_actions(
        commands, "cases", "bring cases in from other tools; export replies to train on"
    )
    convert = add_command(
        actions,
        "convert",
        "write a case file of another tool as JSONL",
        _DESCRIPTION,
        _EXAMPLES,
    )
    convert.add_argument("file", type=Path, metavar="FILE", help="the file to read")
    convert.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write; left out, the cases are printed",
    )
    for field, meaning in _NAMED.items():
        convert.add_argument(
            f"--{field}", metavar="NAME", help=f"the column that holds {meaning}"
        )
    convert.set_defaults(run=_convert)
    add_export_to(actions)
    add_pull_to(actions)


def _convert(given: Given) -> int:
    """Convert a file; what is said of it goes beside the cases, to standard error."""
    output: Path | None = given.output
    if output is not None:
        check_is_new(output)
        check_is_jsonl(output)
    named = {
        field: name for field in _NAMED if (name := getattr(given, field)) is not None
    }
    told = Told()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LadderWarning)
        cases = _read(given.file, named, told)
    content = json_lines(cases)
    if output is None:
        # Bytes: JSON is UTF-8, whatever the terminal's language is.
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        with writing(output):
            output.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(output, content)
    for line in _report(cases, told, output):
        sys.stderr.write(line + "\n")
    for warning in caught:
        sys.stderr.write(f"{warning.message}\n")
    return 0


def _read(file: Path, named: dict[str, str], told: Told) -> list[Case]:
    label = shown(file)
    if not named:
        return load_file(file, label, told)
    found: set[str] = set()

    def adapt(row: FileRow) -> FileRow:
        if not isinstance(row.value, dict):
            return row
        found.update(map(str, row.value))
        return FileRow(row.number, _renamed(row.value, named))

    try:
        return load_file(file, label, told, adapt, named.get("input", ""))
    finally:
        # A wrong name explains whatever else is wrong.
        for name in named.values() if found else ():
            if name not in found:
                rest = f"there are {listed(sorted(found))}."
                raise ConfigError(
                    f"{label}: no row has `{name}`; {did_you_mean(name, found, rest)}"
                )


def _renamed(row: dict[Any, Any], named: dict[str, str]) -> dict[str, Any]:
    """Give the named columns their field's name; others that say it go aside."""
    fields = {field: row[name] for field, name in named.items() if name in row}
    rest = {k: v for k, v in row.items() if k not in named.values()}
    aside = {k: v for k, v in rest.items() if FIELD_OF.get(k) in fields}
    renamed = {**fields, **{k: v for k, v in rest.items() if k not in aside}}
    given = renamed.get("metadata")
    if aside and isinstance(given, dict | None):
        renamed["metadata"] = {**(given or {}), **aside}
    return renamed


def _report(cases: Sequence[Case], told: Told, output: Path | None) -> Iterator[str]:
    where = f", written to {shown(output)}" if output is not None else ""
    yield f"{count(len(cases), 'case')} read{where}"
    for tool, number in told.tools.most_common():
        yield f"read as {tool}: {count(number, 'row')}"
    for field in ("expected", "context", "choices"):
        having = sum(getattr(case, field) not in (None, ()) for case in cases)
        if having:
            yield f"with {field}: {having:,}"
        elif field == "expected":
            yield "with expected: none"
    names = sorted({name for case in cases for name in case.metadata})
    if names:
        yield f"in the metadata: {listed(names)}"
