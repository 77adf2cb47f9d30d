"""Cases from a file, a list or a function, checked and given ids."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.cases.formats import FIELD_OF, read_rows
from pytest_ladder.core.case import Case, Message
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import kind_of, listed, shown

Source = (
    str
    | Path
    | Iterable[dict[str, Any] | Case]
    | Callable[[], Iterable[dict[str, Any] | Case]]
)

TEXT_KEYS = ("text", "content", "page_content")
"""Keys under which passages and documents keep their text."""

_LONGEST_SLUG = 32
_SHORT_HASH, _LONG_HASH = 6, 16
_WORDS = re.compile("[a-z0-9]+").findall
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
_ENCODE = msgspec.json.Encoder(order="deterministic").encode


def load_cases(source: Source, *, folder: Path, where: str) -> list[Case]:
    """Load cases from a file, a list, or a function that returns a list.

    A path is relative to `folder`, and so is the `source` of its cases; cases of a
    list or a function have `where`, which also names who asks in messages. Raises
    `ConfigError` for the first mistake.
    """
    if isinstance(source, str | Path):
        return _from_file(folder / source, folder)
    if callable(source):
        source = _called(source, where)
    if isinstance(source, dict | str | bytes) or not isinstance(source, Iterable):
        raise ConfigError(
            f"{where}: {kind_of(source)} is no source of cases; give a list of dicts, "
            "a function that returns one, or the path of a file."
        )
    numbered = enumerate(source, start=1)
    return _cases(numbered, where, lambda number: f"{where}: case {number}")


def _from_file(path: Path, folder: Path) -> list[Case]:
    label = shown(path)
    name = Path(os.path.relpath(path, folder)).as_posix()
    return _cases(read_rows(path, label), name, lambda line: f"{label}:{line}")


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
    rows: Iterable[tuple[int, Any]], source: str, where_of: Callable[[int], str]
) -> list[Case]:
    """Make a case of every row; `where_of` names a row in messages."""
    seen: dict[str, tuple[int, str]] = {}
    cases = []
    for number, row in rows:
        try:
            case = _case(row, source)
            digest = "" if case.id else _digest(case)
            if digest:
                case = msgspec.structs.replace(case, id=_made_id(case, digest, seen))
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


def _case(row: Any, source: str) -> Case:
    """Make a case, without an id if it has none; errors do not say where it is."""
    if isinstance(row, Case):
        source = row.source or source
        row = {
            name: value
            for name, value in msgspec.structs.asdict(row).items()
            if name in ("input", "expected") or (name != "source" and value)
        }
    if not isinstance(row, dict):
        raise ConfigError(
            f"a case is an object with an input, not {kind_of(row)}; write "
            '{"input": …}.'
        )
    fields, extras = _sorted_out(row)
    if "input" not in fields:
        raise ConfigError(
            f"the case has no `input` (or {listed(_names_of('input')[1:])}); its keys "
            f"are {listed(map(str, row)) or 'none at all'}."
        )
    kept = {name: _CHECKS[name](value) for name, value in fields.items()}
    if extras:
        kept["metadata"] = _merged(extras, kept.get("metadata", {}))
    return Case(id=kept.pop("id", ""), source=source, **kept)


def _sorted_out(row: dict[Any, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a row into the fields of a case and what is left for its metadata."""
    fields: dict[str, Any] = {}
    extras: dict[str, Any] = {}
    for name, value in row.items():
        field = FIELD_OF.get(name)
        if field is not None and value is None:
            continue
        if field is None:
            extras[str(name)] = value
        elif field in fields:
            names = [f"`{n}`" for n in row if FIELD_OF.get(n) == field]
            raise ConfigError(
                f"{' and '.join(names)} both say the {field}; keep one of them."
            )
        else:
            fields[field] = value
    return fields, extras


def _merged(extras: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    for name in extras:
        if name in metadata:
            raise ConfigError(
                f"`{name}` stands in the case and in its metadata; keep one of them."
            )
    return {**extras, **metadata}


def _input(value: Any) -> str | list[Message]:
    if isinstance(value, dict):
        return _input_of_object(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return _conversation(value)
    raise ConfigError(
        f"the input is {kind_of(value)}; write a text in quotes or a list of chat "
        "messages."
    )


def _input_of_object(value: dict[str, Any]) -> str | list[Message]:
    """Text of structured input: its only text, its messages, or all of it as JSON."""
    only = next(iter(value.values())) if len(value) == 1 else None
    if isinstance(only, str):
        return only
    if isinstance(value.get("messages"), list) and len(value) == 1:
        return _conversation(value["messages"])
    try:
        return msgspec.json.encode(value).decode()
    except TypeError as error:
        raise ConfigError(
            f"the input cannot be written as JSON ({error}); use texts and numbers."
        ) from error


def _conversation(value: list[Any]) -> list[Message]:
    spoken = False
    for number, message in enumerate(value, start=1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ConfigError(
                f"message {number} of the input is no chat message; write "
                '{"role": "user", "content": "…"}.'
            )
        if message["role"] == "user":
            spoken = True
            if not isinstance(message.get("content"), str | list):
                raise ConfigError(
                    f"message {number} of the input has no content; write a text."
                )
    if not spoken:
        raise ConfigError(
            "no message of the input is the user's; add one with the role `user`."
        )
    return list(value)


def _id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ConfigError(
            f"the id is {kind_of(value)}; write a text or a whole number."
        )
    clean = value.strip()
    if not clean:
        raise ConfigError(
            "the id is empty; write one, or leave it out and one is made."
        )
    if "[" in clean or "]" in clean:
        raise ConfigError(
            f"the id {clean!r} holds a bracket, which pytest keeps for parameters; "
            "use ( and )."
        )
    if not clean.isprintable() and any(
        unicodedata.category(character) in _UNPRINTABLE for character in clean
    ):
        raise ConfigError(
            f"the id {clean!r} holds a control character; use letters and digits of "
            "any script."
        )
    return clean


def _context(value: Any) -> tuple[str, ...]:
    passages = (value,) if isinstance(value, str | dict) else value
    if not isinstance(passages, list | tuple):
        raise ConfigError(
            f"the context is {kind_of(value)}; write a text or a list of texts."
        )
    return tuple(_passage(passage) for passage in passages)


def _passage(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[k] for k in TEXT_KEYS if k in value), value)
    if isinstance(value, str):
        return value
    raise ConfigError(
        f"a passage of the context is {kind_of(value)}; write a text, or an object "
        "with a `text`."
    )


def _texts(field: str) -> Callable[[Any], tuple[str, ...]]:
    def check(value: Any) -> tuple[str, ...]:
        values = (value,) if isinstance(value, str) else value
        if isinstance(values, list | tuple) and all(isinstance(v, str) for v in values):
            return tuple(values)
        raise ConfigError(f"{field} holds {kind_of(value)}; write a list of texts.")

    return check


def _cluster(value: Any) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise ConfigError(f"the cluster is {kind_of(value)}; write a text.")


def _metadata(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {str(name): inner for name, inner in value.items()}
    raise ConfigError(
        f'the metadata is {kind_of(value)}; write an object such as {{"team": "a"}}.'
    )


def _digest(case: Case) -> str:
    """Hash what a model may be shown of a case; the same in every process.

    What is expected is left out, so that correcting a label keeps the id.
    """
    try:
        content = _ENCODE((case.input, case.context, case.metadata))
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


def _names_of(field: str) -> list[str]:
    return [name for name, meant in FIELD_OF.items() if meant == field]


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "id": _id,
    "input": _input,
    "expected": lambda value: value,
    "context": _context,
    "relevant": _texts("relevant"),
    "cluster": _cluster,
    "tags": _texts("tags"),
    "metadata": _metadata,
}
