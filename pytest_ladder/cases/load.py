"""Cases from a file, a list or a function, checked and given ids."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.cases.fields import CHECKS
from pytest_ladder.cases.files import FileRow
from pytest_ladder.cases.formats import format_of, read_rows
from pytest_ladder.cases.names import FIELD_OF, names_of, near_input, sorted_out
from pytest_ladder.cases.told import Told
from pytest_ladder.cases.values import plain_row, rows_in
from pytest_ladder.core.case import Case, has_parts
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import kind_of, listed, shown

Source = (
    str
    | Path
    | Iterable[dict[str, Any] | Case]
    | Callable[[], Iterable[dict[str, Any] | Case]]
)


class _Origin(NamedTuple):
    """Where rows come from."""

    source: str
    """What their cases name as their source."""
    folder: Path
    """Below it lie the images and files that they name."""


_LONGEST_SLUG = 32
_SHORT_HASH, _LONG_HASH = 6, 16
_WORDS = re.compile("[a-z0-9]+").findall
_ENCODE = msgspec.json.Encoder(order="deterministic").encode


def load_cases(
    source: Source, *, folder: Path, where: str, told: str | None = None
) -> list[Case]:
    """Load cases from a file, a list, or a function that returns a list.

    A path is relative to `folder`, and so is the `source` of its cases; cases of a
    list or a function have `where`. Messages say that, or `told`, of who asks. Raises
    `ConfigError` for the first mistake.
    """
    told = told or where
    if isinstance(source, str | Path):
        path = folder / source
        return load_file(path, Path(os.path.relpath(path, folder)).as_posix())
    if callable(source):
        source = _called(source, told)
    if isinstance(source, dict | str | bytes) or not isinstance(source, Iterable):
        raise ConfigError(
            f"{told}: {kind_of(source)} is no source of cases; give a list of dicts, "
            "a function that returns one, or the path of a file."
        )
    rows = (
        FileRow(number, plain := plain_row(row), None if plain is row else row)
        for number, row in enumerate(rows_in(source), start=1)
    )
    return _cases(rows, where, lambda n: f"{told}: case {n}", Told(), folder)


def load_file(
    path: Path,
    source: str,
    told: Told | None = None,
    adapt: Callable[[FileRow], FileRow] = lambda row: row,
    column: str = "",
) -> list[Case]:
    """Load the cases of a file, with `source` as theirs.

    `told` notes how its rows were read; `adapt` may change a row before that, and
    `column` names a table's column of inputs. Raises `ConfigError`.
    """
    label = shown(path)
    place = format_of(path, label).place
    return _cases(
        map(adapt, read_rows(path, label, column)),
        source,
        lambda number: place.format(label=label, number=number),
        told or Told(),
        path.parent,
        file=label,
    )


def _called(function: Callable[[], Any], where: str) -> Any:
    cases = function()
    if inspect.iscoroutine(cases):
        cases.close()
        raise ConfigError(
            f"{where}: {getattr(function, '__name__', 'the function')} is async; cases "
            "come from a plain function, because they are needed at collection."
        )
    return cases


def _cases(
    rows: Iterable[FileRow],
    source: str,
    where_of: Callable[[int], str],
    told: Told,
    folder: Path,
    file: str = "",
) -> list[Case]:
    """Make a case of every row; `where_of` names a row in messages, `file` its file.

    Images and files of cases lie below `folder`.
    """
    seen: dict[str, tuple[int, str]] = {}
    cases = []
    for number, value, before in rows:
        try:
            case, first = _case(value, before, _Origin(source, folder), told)
            is_text = isinstance(case.input, str)
            if file and is_text and not (case.text.strip() or case.attachments):
                raise ConfigError(
                    "the input is empty; write one, or leave the case out."
                )
            digest = "" if case.id else _digest(first or case)
            if digest:
                made = _made_id(first or case, digest, seen)
                case = msgspec.structs.replace(case, id=made)
        except ConfigError as error:
            raise ConfigError(f"{where_of(number)}: {error}") from None
        if case.id in seen:
            raise _duplicate(
                case.id, where_of(number), where_of(seen[case.id][0]), digest
            )
        seen[case.id] = number, digest
        cases.append(case)
    if not cases:
        raise ConfigError(
            f"{where_of(1)}: there are no cases; write at least one, such as "
            '{"input": "How long is the refund window?", "expected": "45 days"}.'
        )
    told.warn(file or source)
    return cases


def _duplicate(name: str, where: str, first: str, digest: str) -> ConfigError:
    if digest:
        return ConfigError(
            f"{where}: the same case stands already at {first}; remove one, or give "
            "each an id of its own."
        )
    return ConfigError(
        f'{where}: the id "{name}" is already used at {first}; rename one.'
    )


def _case(
    row: Any, before: Any, origin: _Origin, told: Told
) -> tuple[Case, Case | None]:
    """Make a case, without an id if it has none; errors do not say where it is.

    The second is the case that the first release made of the row, where it made another
    one: ids stay what they were, and so does what was in the metadata.
    """
    if isinstance(row, Case):
        source = row.source or origin.source
        fields = {
            name: value
            for name, value in msgspec.structs.asdict(row).items()
            if name in ("input", "expected")
            or (name not in ("source", "former_hash", "attachments") and value)
        }
        return _of_fields(fields, origin._replace(source=source)), None
    if not isinstance(row, dict):
        raise ConfigError(
            f"a case is an object with an input, not {kind_of(row)}; write "
            '{"input": …}.'
        )
    meant, tool = row, ""
    if not row.keys() <= CHECKS.keys():
        # Not for rows with our own names alone, which no tool claims.
        from pytest_ladder.cases.exports import read_as

        meant, tool = read_as(row)
    case = _of_fields(meant, origin)
    told.note(meant, tool, case)
    if meant is row and before is None:
        return case, None
    first = _first_reading(row if before is None else before, origin)
    if first is None:
        return case, None
    metadata = case.metadata
    by_names = first if before is None else _first_reading(row, origin)
    if meant is not row and by_names is not None:
        metadata = {**by_names.metadata, **metadata}
    former = first.content_hash
    return msgspec.structs.replace(
        case,
        metadata=metadata,
        former_hash="" if former == case.content_hash else former,
    ), first


def _first_reading(row: Any, origin: _Origin) -> Case | None:
    """Read a row as the first release did, by exact names; None: it could not."""
    try:
        return _of_fields(row, origin) if isinstance(row, dict) else None
    except ConfigError:
        return None


def _of_fields(row: dict[Any, Any], origin: _Origin) -> Case:
    """Make a case of a row with our own names."""
    fields, extras = sorted_out(row)
    if "input" not in fields:
        if empty := next((n for n in row if FIELD_OF.get(n) == "input"), None):
            raise ConfigError(
                f"the case has no `input`: `{empty}` is null; write what is asked."
            )
        hints = (near_input(str(name)) for name in row)
        hint = next((f"did you mean `{name}`? Its" for name in hints if name), "its")
        raise ConfigError(
            f"the case has no `input` (or {listed(names_of('input')[1:])}); {hint} "
            f"keys are {listed(map(str, row)) or 'none at all'}."
        )
    kept = {name: CHECKS[name](value) for name, value in fields.items()}
    kept |= _attached(extras, kept["input"], origin.folder)
    metadata = kept.get("metadata", {})
    for name in extras:
        if name in metadata:
            raise ConfigError(
                f"`{name}` stands in the case and in its metadata; keep one of them."
            )
    if extras:
        kept["metadata"] = {**extras, **metadata}
    return Case(id=kept.pop("id", ""), source=origin.source, **kept)


def _attached(extras: dict[str, Any], asked: Any, folder: Path) -> dict[str, Any]:
    """Take images and files out of what is no other field, and look at them."""
    # Few cases have any, or messages of parts.
    in_turns = isinstance(asked, list) and has_parts(asked)
    if "images" not in extras and "files" not in extras and not in_turns:
        return {}
    from pytest_ladder.cases.attachments import FIELDS, attached, is_named

    named = {name: extras.pop(name) for name in FIELDS if is_named(extras.get(name, 0))}
    found = attached(named, asked, folder)
    if not found:
        return {}
    listed = {n: (v,) if isinstance(v, str) else tuple(v) for n, v in named.items()}
    return {**listed, "attachments": found}


def _digest(case: Case) -> str:
    """Hash what a model may be shown of a case; the same in every process.

    What is expected is left out, so that correcting a label keeps the id.
    """
    try:
        shown: tuple[Any, ...] = (case.input, case.context, case.metadata)
        content = _ENCODE((*shown, case.attached) if case.attachments else shown)
    except TypeError as error:
        raise ConfigError(
            f"no id can be made from the case ({error}); give it an `id`."
        ) from error
    return hashlib.sha256(content).hexdigest()[:_LONG_HASH]


def _made_id(case: Case, digest: str, seen: dict[str, tuple[int, str]]) -> str:
    slug = _slug(case.text) or "case"
    made = f"{slug}-{digest[:_SHORT_HASH]}"
    if made in seen and seen[made][1] != digest:
        # In a large file six digits of different cases may well be the same.
        return f"{slug}-{digest}"
    return made


def _slug(text: str) -> str:
    """Join the first words of a text in ASCII; empty for other scripts."""
    # Cut first: inputs may be long, and what is no letter takes room too.
    start = text[: 4 * _LONGEST_SLUG].casefold()
    if not start.isascii():
        start = unicodedata.normalize("NFKD", start)
        # Accents go, so that "Rückgabe" is one word.
        start = "".join(c for c in start if not unicodedata.combining(c))
    slug = ""
    for word in _WORDS(start):
        longer = f"{slug}-{word}" if slug else word[:_LONGEST_SLUG]
        if len(longer) > _LONGEST_SLUG:
            break
        slug = longer
    return slug
