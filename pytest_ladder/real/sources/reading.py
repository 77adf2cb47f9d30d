"""Raw files as rows or as columns: CSV, JSONL and JSON, packed by gzip or not, Parquet.

A file may be larger than memory, but for one of plain JSON. Values come as text, as
they stand in the file. Messages name the line, and quote no more than a word of it: it
may be of a person.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from pytest_ladder.disk.loading import no_garbage_collection
from pytest_ladder.errors import BadRow, ConfigError
from pytest_ladder.real.sources.cells import Layout, columns_of, rows_of
from pytest_ladder.real.sources.files import opened
from pytest_ladder.real.sources.naming import NUMBERS, called
from pytest_ladder.real.sources.objects import listed_rows, parquet_rows
from pytest_ladder.real.sources.paths import at, paths_in, text_of
from pytest_ladder.real.sources.sniffing import Start, is_by_line, start_of
from pytest_ladder.real.sources.values import told
from pytest_ladder.text.phrases import did_you_mean, listed, shown
from pytest_ladder.text.untrusted import plain

Progress = Callable[[str, float, int], None]
"""Called with a file's name, the share of it that is read, and its rows so far."""

_EVERY = 20_000
"""Rows between two words on progress."""

NO_UNIT = "without a unit"
CLIPPED = "clipped to the range"
"""Counted with what is left out, and is not."""

_SAMPLE = 100
"""Rows that are looked at for names inside of objects, and for variants."""

_LONGEST_PATH = 60
"""Letters of a name that a message tells."""

_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_ROWS = 500


class RawFile:
    """One raw file: its columns, and its rows as often as they are asked for."""

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path = path
        self.label = shown(path)
        self.rows_read = 0
        self.notes: list[str] = []
        """What is worth knowing of the file, and no mistake."""
        self.headers = 1
        """Rows of a CSV before the first that counts; forms have two or three."""
        inner = Path(path.stem) if path.suffix.lower() == ".gz" else path
        self._kind = inner.suffix.lower()
        self._progress = progress
        if self._kind not in _SUFFIXES or path.name.lower().endswith(".parquet.gz"):
            raise ConfigError(
                f"{self.label}: this is no kind of file that can be read; use "
                f"{listed(_SUFFIXES)}, packed by gzip or not."
            )
        if self._kind == ".json":
            with self._bytes() as stream:
                self._kind = ".jsonl" if is_by_line(stream) else ".json"
        self.columns = self._read_columns()

    def error(self, line: int, problem: str) -> ConfigError:
        """Make the error of a line; of a JSON file or Parquet `line` is the row."""
        row = f"{self.label}: row {line}"
        where = row if self._kind in (".json", ".parquet") else f"{self.label}:{line}"
        return ConfigError(f"{where}: {plain(problem, 2_000)}")

    def column(
        self,
        role: str,
        named: str | None,
        fix: str,
        fits: Callable[[str], Any] = bool,
    ) -> str:
        """Return the column that holds something, such as the unit.

        `named` is what the configuration says; `fix` says where it could, and of
        several that are known the one holds it in which a value `fits`. Raises
        `ConfigError` where there is none, or two.
        """
        found = self.find_column(role, named, fix, fits)
        if found is None:
            raise self.unknown([role], fix)
        return found

    def unknown(self, roles: Sequence[str], fix: str) -> ConfigError:
        """Make the error of what no column is known to hold, all of it at once."""
        inside = f"; inside of them are {self._inside()}" if self._paths else ""
        named = " or the ".join(filter(None, (", the ".join(roles[:-1]), roles[-1])))
        return self.error(
            1,
            f"no column is known as the {named} (the columns are "
            f"{', '.join(map(told, self.columns))}{inside}); {fix}, or put a line with "
            "names of columns first.",
        )

    def find_column(
        self,
        role: str,
        named: str | None,
        fix: str,
        fits: Callable[[str], Any] = bool,
    ) -> str | None:
        """Return the same, or None where no column is known as such.

        It may be the path of a name inside of a column: `properties.variant`.
        """
        if named is not None:
            return self._named(named)
        fitting = called(role, self.columns)
        if not fitting and role not in NUMBERS:
            paths = [*self.columns, *self._paths]
            fitting = called(role, paths, inside=True)
        if len(fitting) > 1:
            fitting = self._holding(fitting, fits) or fitting
        if len(fitting) > 1:
            first, second = fitting[:2]
            problem = f'"{first}" and "{second}" could both be the {role}; {fix}.'
            raise self.error(1, problem)
        return fitting[0] if fitting else None

    def _named(self, named: str) -> str:
        """Return a column, or a path into one, that the configuration names."""
        same = [name for name in self.columns if name == named]
        # A form's question may go over lines, which nobody types into TOML.
        words = named.split()
        same = same or [name for name in self.columns if name.split() == words]
        if len(same) == 1:
            return same[0]
        if same:
            raise self.error(1, f"two columns are called `{named}`; rename one.")
        # Of events each has its own names, so the first rows need not have it.
        is_path = self.may_hold(named)
        rows = self.objects() if is_path or not self.is_table else iter(())
        if any(at(row, named) is not None for _, row in rows):
            return named
        if is_path:
            raise self.nowhere(named)
        among = f"the columns are {listed(self.columns)}."
        inside = [path for path in self._paths if path.split(".")[-1] == named]
        near = did_you_mean(named, self.columns, among)
        if inside:
            near = f"inside of others there is {listed(inside)}."
        raise self.error(1, f"there is no column `{named}`; {near}")

    def may_hold(self, named: str) -> bool:
        """Whether it is a column, or may be a path into one."""
        return any(f"{named}.".startswith(f"{name}.") for name in self.columns)

    def _holding(self, columns: Sequence[str], fits: Callable[[str], Any]) -> list[str]:
        """Return those of several columns in which a value fits; none where all do."""
        held = [
            name
            for name in columns
            if any(fits(text_of(at(row, name))) for row in self._sample)
        ]
        return held if len(held) == 1 else []

    @functools.cached_property
    def _sample(self) -> list[dict[str, Any]]:
        """The first rows."""
        return [row for _, row in itertools.islice(self.objects(), _SAMPLE)]

    def rows(
        self, columns: Sequence[str | None]
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yield (line, values of these columns) of each row; None gives empty texts.

        Raises `ConfigError` for a row that cannot be read.
        """
        for line, row in self.objects():
            yield (
                line,
                tuple(text_of(at(row, name)) if name else "" for name in columns),
            )

    def nowhere(self, path: str) -> ConfigError:
        """Make the error of a path that is in no row."""
        among = f"there are {self._inside()}."
        near = did_you_mean(path, self._paths, among)
        return ConfigError(f"{self.label}: no row has `{path}`; {near}")

    def _inside(self) -> str:
        """Name what is inside of columns, in the first rows."""
        return listed(self._paths) if self._paths else "none"

    @functools.cached_property
    def _paths(self) -> list[str]:
        """Paths into columns, of the first rows; none that may be of a person."""
        paths = dict.fromkeys(itertools.chain(*map(paths_in, self._sample)))
        return [
            path for path in paths if len(path) <= _LONGEST_PATH and "@" not in path
        ]

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (line, row as an object) of each row. Raises `ConfigError`."""
        self.rows_read = 0
        with self._bytes() as stream:
            for line, value in self._values(stream):
                self._count()
                if not isinstance(value, dict):
                    row = '{"user": "u1", …}'
                    raise self.error(
                        line, f"a row is an object, such as {row}; correct this line."
                    )
                yield line, value

    def chunks(
        self,
        columns: Sequence[str | None],
        take: Callable[[list[Sequence[str]]], None],
    ) -> None:
        """Hand over these columns, many rows at a time: what large files need.

        `take` raises `BadRow` for a row that cannot be; it becomes a `ConfigError`
        that names the line.
        """
        self.rows_read = 0
        chunked = self._table_chunks if self.is_table else self._object_chunks
        with no_garbage_collection():
            for chunk in chunked(columns):
                try:
                    take(chunk)
                except BadRow as bad:
                    raise self._error_of(self.rows_read + bad.row, bad) from bad
                self._count(len(chunk[0]))

    @property
    def is_table(self) -> bool:
        """Whether it is a CSV, and not a file of objects."""
        return self._kind in (".csv", ".tsv")

    def head(self, most: int) -> list[list[str]]:
        """Return the first rows of a CSV, with its header, as they are."""
        with self._bytes() as stream:
            self._skip(stream)
            reader = self._reader(stream)
            try:
                return [*itertools.islice(reader, most)]
            except UnicodeDecodeError as error:
                problem = "the text is not UTF-8; save the file as UTF-8."
                raise self.error(reader.line_num + 1, problem) from error
            except (csv.Error, EOFError, OSError) as error:
                problem = f"this cannot be read ({error}); export the file again."
                raise self.error(reader.line_num + 1, problem) from error

    @functools.cached_property
    def sha256(self) -> str:
        """The digest of the file as it lies on disk."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextlib.contextmanager
    def _bytes(self) -> Iterator[IO[bytes]]:
        stream, self._on_disk = opened(self.path)
        with stream:
            try:
                start = stream.peek(3)[:3]  # type: ignore[attr-defined]
            except (EOFError, OSError) as error:
                problem = f"this cannot be read ({error}); export the file again."
                raise self.error(1, problem) from error
            if start == b"\xef\xbb\xbf":
                stream.read(3)
            yield stream

    def _count(self, rows: int = 1) -> None:
        before = self.rows_read
        self.rows_read += rows
        if self._progress is not None and before // _EVERY < self.rows_read // _EVERY:
            size = self.path.stat().st_size or 1
            self._progress(self.label, self._on_disk.tell() / size, self.rows_read)

    def _layout(self) -> Layout:
        return Layout(len(self.columns), self._delimiter, self.error)

    @functools.cached_property
    def _start(self) -> Start:
        """How a CSV begins."""
        with self._bytes() as stream:
            return start_of(stream, "\t" if self._kind == ".tsv" else ",")

    @property
    def _delimiter(self) -> str:
        return self._start.delimiter

    def _reader(self, stream: IO[bytes]) -> Any:
        lines = (line.decode() for line in stream)
        return csv.reader(lines, delimiter=self._delimiter, strict=True)

    def _past_headers(self, stream: IO[bytes]) -> int:
        """Read over the headers; returns how many lines they take."""
        self._skip(stream)
        reader = self._reader(stream)
        for _ in range(self.headers):
            next(reader, None)
        lines: int = reader.line_num
        return lines + self._start.skip

    def _skip(self, stream: IO[bytes]) -> None:
        """Read over what is before the header, such as Excel's `sep=;`."""
        for _ in range(self._start.skip):
            stream.readline()

    def _table_chunks(
        self, columns: Sequence[str | None]
    ) -> Iterator[list[Sequence[str]]]:
        if any(name and name not in self.columns for name in columns):
            # Paths lead into JSON that cells hold.
            yield from self._object_chunks(columns)
            return
        places = [self.columns.index(name) if name else None for name in columns]
        with self._bytes() as stream:
            before = self._past_headers(stream)
            for cells in columns_of(stream, self._layout(), before):
                empty = ("",) * len(cells[0])
                yield [empty if at is None else cells[at] for at in places]

    def _object_chunks(
        self, columns: Sequence[str | None]
    ) -> Iterator[list[Sequence[str]]]:
        rows = (row for _, row in self.rows(columns))
        while chunk := [*itertools.islice(rows, _ROWS)]:
            # `chunks` counts them as they are taken.
            self.rows_read -= len(chunk)
            yield [*zip(*chunk, strict=True)]

    def _error_of(self, row: int, bad: BadRow) -> ConfigError:
        """Name the line of a row, counted from 0: the file is read again for it."""
        again = RawFile(self.path)
        again.headers = self.headers
        lines = (line for line, _ in again.objects())
        return self.error(next(itertools.islice(lines, row, None), 1), bad.problem)

    def _values(self, stream: IO[bytes]) -> Iterator[tuple[int, Any]]:
        """Yield (line, row) of whatever kind of file it is."""
        line = 1
        try:
            if self.is_table:
                before = self._past_headers(stream)
                for line, cells in rows_of(stream, self._layout(), before):
                    yield line, dict(zip(self.columns, cells, strict=True))
            elif self._kind == ".parquet":
                yield from enumerate(parquet_rows(self.path, self.label), 1)
            elif self._kind == ".json":
                yield from enumerate(listed_rows(json.load(stream), self.label), 1)
            else:
                for line, written in enumerate(stream, start=1):
                    if written.strip():
                        yield line, json.loads(written)
        except json.JSONDecodeError as error:
            line = error.lineno if self._kind == ".json" else line
            problem = f"this is not JSON ({error.msg}); correct this line."
            raise ConfigError(f"{self.label}:{line}: {problem}") from error
        except UnicodeDecodeError as error:
            problem = "the text is not UTF-8; save the file as UTF-8."
            raise self.error(line, problem) from error
        except (ValueError, EOFError, OSError, RecursionError) as error:
            problem = f"this cannot be read ({error}); correct this line."
            raise self.error(line, problem) from error

    def _read_columns(self) -> list[str]:
        if self.is_table:
            rows = self.head(1)
            if not rows or not rows[0]:
                raise ConfigError(f"{self.label}: the file is empty; export it again.")
            return rows[0]
        with self._bytes() as stream:
            first = [row for _, row in itertools.islice(self._values(stream), _SAMPLE)]
        if not first:
            raise ConfigError(f"{self.label}: the file is empty; export it again.")
        names = (row for row in first if isinstance(row, dict))
        return [*dict.fromkeys(itertools.chain(*names))]
