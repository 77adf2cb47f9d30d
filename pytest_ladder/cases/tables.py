"""Cases from tables: CSV as spreadsheets and libraries write it, TSV, and Parquet."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.cases.exports import understands
from pytest_ladder.cases.files import MOST_BYTES, FileRow, Rows, conflict, too_large
from pytest_ladder.cases.names import FIELD_OF, folded, near_input, renames
from pytest_ladder.cases.values import of_arrow, plain_row
from pytest_ladder.disk.files import json_problem
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import listed

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may stand between cells, with its name; the first that makes sense is taken."""

_DECLARED = re.compile(r'"?(?i:sep)=(.)"?\r?[\r\n]')
"""The first line by which Excel is told the separator."""
_CONFLICT = "<<<<<<< "
_LISTS = frozenset(
    {"choices", "context", "contexts", "relevant", "tags"}
    | {"referencecontexts", "retrievalcontext", "retrievedcontexts"}
    | {"groundtruths"}
)
"""Columns, as `folded` writes them, whose cells may be lists."""
_OF_LANGFUSE = ("sourceTraceId", "sourceObservationId")
_OF_LANGSMITH = ("inputs", "outputs", "expectations")
"""Columns of LangSmith's and MLflow's; the one or the other alone tells no tool."""
_EXCEL_TEXT = re.compile(r'="([\d .,:/+-]+)"')
"""How an export keeps Excel from taking a text for a number: `="001"`."""
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\"", re.DOTALL)
_OF_NUMPY = re.compile(
    rf"\[(?:{_QUOTED.pattern})(?:\s+(?:{_QUOTED.pattern}))++\]", re.DOTALL
)
"""What numpy prints of an array of texts: no commas between."""
_IS_RULE = re.compile(r":?-+:?").fullmatch
_BATCH_ROWS = 1_000

_Find = Callable[[str], re.Match[str] | None]


class _Record(NamedTuple):
    line: int
    """Where it begins."""
    cells: list[str]
    """Without blanks around, but in quotes."""
    before: list[str] | None
    """With them, as the first release read them; None: the same."""


def csv_rows(text: str, label: str, column: str = "") -> Rows:
    """Yield the rows of comma-separated values, or of other separators.

    `column` is the name of the input's, where no rule knows it.
    """
    return _rows(text, label, ",;\t|", column)


def tsv_rows(text: str, label: str, column: str = "") -> Rows:
    """Yield the rows of tab-separated values, as `csv_rows` does."""
    return _rows(text, label, "\t,;|", column)


def parquet_rows(data: bytes, label: str) -> Rows:
    """Yield the rows of a Parquet file, the first is 1."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ConfigError(
            f"{label}: Parquet is read by pyarrow, which is not installed; run "
            "pip install 'pytest-ladder[parquet]'."
        ) from None
    number = size = 0
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(data))
        for batch in file.iter_batches(_BATCH_ROWS):
            size += batch.nbytes
            if size > MOST_BYTES:
                raise too_large(label)
            for row in batch.to_pylist():
                number += 1
                yield FileRow(number, plain_row(of_arrow(row)))
    except (pyarrow.ArrowException, OSError) as error:
        problem = " ".join(str(error).split())
        raise ConfigError(
            f"{label}: the file is not valid Parquet ({problem}); write it anew."
        ) from error


def _rows(text: str, label: str, order: str, column: str) -> Rows:
    declared = _DECLARED.match(text)
    skipped, text = (1, text[declared.end() :]) if declared else (0, text)
    separator = declared[1] if declared else _separator(text, order, column)
    records = iter(_records(text, label, separator, skipped))
    first = next(records, None)
    if first is None:
        return
    header = _header(first.cells, f"{label}:{first.line}", separator, column)
    between = _between(separator)
    may_be_json = _of_json(header)
    may_be_lists = [name for name in header if folded(name) in _LISTS]
    for line, cells, cells_before in records:
        is_second = separator == "|" and line == first.line + 1
        if is_second and all(map(_IS_RULE, filter(None, cells))):
            # Markdown's, between the names and the cells of a table.
            continue
        if cells[0].startswith(_CONFLICT):
            raise conflict(label, line)
        where = f"{label}:{line}"
        row = before = _row(header, cells, where, between)
        if cells_before is not None:
            with contextlib.suppress(ConfigError):
                before = _row(header, cells_before, where, between)
        for name in may_be_lists:
            found = _list_in(row.get(name))
            if found is not None:
                row = {**row, name: found}
        for name in may_be_json:
            # A text that was written as JSON, a list or an object.
            if row.get(name, "").startswith(('"', "[", "{")):
                with contextlib.suppress(msgspec.DecodeError, RecursionError):
                    row = {**row, name: msgspec.json.decode(row[name])}
        yield FileRow(line, row, None if before is row else before)


def _separator(text: str, order: str, column: str) -> str:
    """Return the separator by which the first row names an input.

    If there is none, that which gives the most cells, for the sentence that says so.
    """
    headers: dict[str, list[str]] = {}
    for separator in order:
        reader = csv.reader(_lines(text), delimiter=separator, skipinitialspace=True)
        with _long_cells(), contextlib.suppress(csv.Error):
            headers[separator] = next((row for row in reader if any(row)), [])
            if _has_input(headers[separator], column):
                return separator
    return max(headers, key=lambda separator: len(headers[separator]))


def _records(text: str, label: str, separator: str, skipped: int) -> list[_Record]:
    """Split a text into rows of cells; blank rows are left out."""
    records, problem = _split(text, separator, skipped, strict=True)
    if problem is not None:
        # Perhaps blanks stand behind quotes, which csv allows where it is not strict.
        lenient, still = _split(text, separator, skipped, strict=False)
        if still is None:
            return lenient
        line, what = problem
        raise ConfigError(
            f"{label}:{line}: the line is not valid CSV ({what}); put a text that "
            f"holds {_between(separator)}, quotes or line breaks in quotes, and write "
            '"" for a quote inside.'
        )
    return records


def _split(
    text: str, separator: str, skipped: int, *, strict: bool
) -> tuple[list[_Record], tuple[int, str] | None]:
    """Return the records, and where and why they end too early."""
    written: list[str] = []

    def lines() -> Iterator[str]:
        for line in _lines(text):
            written.append(line)
            yield line

    has_blanks, is_sound, sound_cells = _patterns(separator)
    options: dict[str, Any] = {"delimiter": separator, "strict": strict}
    reader = csv.reader(lines(), skipinitialspace=True, **options)
    records: list[_Record] = []
    end = skipped
    with _long_cells():
        try:
            for cells in reader:
                line, end = end + 1, reader.line_num + skipped
                raw, before = "".join(written), None
                written.clear()
                if not raw.strip() or not any(map(str.strip, cells)):
                    continue
                if not strict and '"' in raw and not is_sound(raw):
                    return records, (line, "a quote is not closed")
                if has_blanks(raw) or '="' in raw:
                    with contextlib.suppress(csv.Error):
                        (before,) = csv.reader(_lines(raw), **options)
                    cells = [_bare(cell, raw) for cell in cells]
                same = before is None or before == cells
                records.append(_Record(line, cells, None if same else before))
        except csv.Error as error:
            # A quote that stands wrong may be noticed lines after it.
            noticed = reader.line_num + skipped
            start = sound_cells("".join(written))
            before_it = list(_lines(start[0])) if start else []
            opened = end + max(1, len(before_it))
            what = str(error) if opened == noticed else f"{error} in line {noticed}"
            return records, (opened, what)
    return records, None


def _patterns(separator: str) -> tuple[_Find, _Find, _Find]:
    """Return what finds blanks around cells, a sound row, and its first sound cells."""
    # Cells that were copied from a page bring blanks that do not break.
    blank = "[ \u00a0]" if separator == "\t" else "[ \t\u00a0]"
    cut = re.escape(separator)
    quoted = rf'"(?:[^"]|"")*+"{blank}*+'
    cell = rf'{blank}*+(?:{quoted}|[^"{cut}\r\n][^{cut}\r\n]*+)?'
    return (
        re.compile(rf"(?m)(?:^|{cut}){blank}|{blank}(?:{cut}|[\r\n]|\Z)").search,
        re.compile(rf"{cell}(?:{cut}{cell})*[\r\n]*").fullmatch,
        re.compile(rf"(?:{cell}{cut})*{blank}*").match,
    )


def _lines(text: str) -> Iterator[str]:
    """Return lines as csv wants them, with their ends, also those of old Macs."""
    return io.StringIO(text, newline="")


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be longer than 131,072 characters, a limit of the whole process."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _bare(cell: str, raw: str) -> str:
    """Take the blanks around a cell away, unless it stands in quotes in its row."""
    bare = cell.strip()
    if as_text := _EXCEL_TEXT.fullmatch(bare):
        return as_text[1]
    quoted = cell.replace('"', '""')
    return cell if cell == bare or f'"{quoted}"' in raw else bare


def _between(separator: str) -> str:
    return SEPARATORS.get(separator, f"`{separator}`")


def _has_input(names: Sequence[str], column: str) -> bool:
    known = {FIELD_OF.get(name) for name in names}
    known |= {FIELD_OF[name] for name in renames(tuple(names)).values()}
    named = bool(column) and column in map(str.strip, names)
    return named or "input" in known or understands(names)


def _header(cells: Sequence[str], where: str, separator: str, column: str) -> list[str]:
    """Return the names of the columns, `""` for a column without one."""
    header = [cell.strip() for cell in cells]
    twice = next((n for n in header if n and header.count(n) > 1), None)
    if twice is not None:
        raise ConfigError(f"{where}: two columns are named `{twice}`; rename one.")
    if not _has_input(header, column):
        example = separator.join(("id", "input", "expected"))
        rest = (
            f"it holds {listed(header)} (between {_between(separator)}); begin with a "
            f"row of names such as `{example}`."
        )
        near = [hint for name in header if (hint := near_input(name))]
        hint = (
            f"did you mean `{near[0]}`? {rest[0].upper()}{rest[1:]}" if near else rest
        )
        raise ConfigError(
            f"{where}: the first row names no column for the input; {hint}"
        )
    if any(FIELD_OF.get(name) == "input" for name in header):
        return header
    new = renames(tuple(header))
    return [new.get(name, name) for name in header]


def _row(
    header: list[str], cells: list[str], where: str, between: str
) -> dict[str, Any]:
    """Join the cells of a row with their names."""
    missing, spare = header[len(cells) :], cells[len(header) :]
    if any(missing) or any(spare):
        fix = f"put a text that holds {between} in quotes"
        if not spare:
            fix = (
                "put a text that holds line breaks in quotes, and write the last cells "
                "of a row even if they are empty"
            )
        raise ConfigError(
            f"{where}: the row has {count(len(cells), 'cell')} and the header "
            f"{len(header)}; {fix}."
        )
    # An empty cell is how tables say that there is no value; an input is no such thing.
    row: dict[str, Any] = {
        name: cell
        for name, cell in zip(header, cells, strict=False)
        if cell or FIELD_OF.get(name) == "input"
    }
    if "" in row and header.count("") > 1:
        raise ConfigError(
            f"{where}: {row['']!r} stands in a column without a name, of which there "
            "are several; name the column, or empty it."
        )
    for name, separators in (("tags", ",;|"), ("relevant", ",")):
        if name in row and _list_in(row[name]) is None:
            # Where commas separate cells, people often take another sign for tags.
            between = next((each for each in separators if each in row[name]), ",")
            parts = map(str.strip, row[name].split(between))
            row[name] = [part for part in parts if part]
    if "metadata" in row:
        try:
            row["metadata"] = _literal(row["metadata"])
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConfigError(
                f"{where}: metadata is not a JSON object ({json_problem(error)}); "
                'write one such as {"team": "a"}, or use a column per key.'
            ) from error
    return row


def _list_in(cell: Any) -> list[Any] | None:
    """Read a cell that is a list in JSON, Python or numpy; None: it is none."""
    if not isinstance(cell, str) or not cell.startswith("["):
        return None
    if _OF_NUMPY.fullmatch(cell):
        return [ast.literal_eval(each) for each in _QUOTED.findall(cell)]
    with contextlib.suppress(ValueError, RecursionError):
        found = _literal(cell)
        return found if isinstance(found, list) else None
    return None


def _of_json(header: list[str]) -> list[str]:
    """Return the columns that a tool writes as JSON, whatever they hold."""
    if not set(header).isdisjoint(_OF_LANGFUSE):
        return [name for name in ("input", "expectedOutput") if name in header]
    columns = [name for name in _OF_LANGSMITH if name in header]
    return columns if len(columns) > 1 else []


def _literal(cell: str) -> Any:
    """Read a cell of JSON, or of what Python prints, as pandas writes it.

    Raises what decoding JSON raises.
    """
    try:
        return msgspec.json.decode(cell)
    except (msgspec.DecodeError, RecursionError):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            found = ast.literal_eval(cell)
            # Two texts with nothing between are one for Python, and a mistake here.
            if repr(found) == cell:
                return found
        raise
