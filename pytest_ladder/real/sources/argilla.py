"""Exports of Argilla: records with responses, nested, flat, or rows of a data set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_ladder.errors import ConfigError
from pytest_ladder.real.sources.annotations import Annotations, Said, pseudonym

_FLAT = ".responses"
_TOOL = "argilla"
_UNSUBMITTED, _NOT_ANSWERED = "not submitted", "without an answer"


def read_argilla(rows: Sequence[Any], label: str) -> Annotations:
    """Read an export. Raises `ConfigError` for what is none of Argilla's."""
    left_out: Counter[str] = Counter()
    said: list[Said] = []
    for n, record in enumerate(rows, 1):
        if not isinstance(record, Mapping):
            raise _strange(label, n)
        where = f"{label}: record {record.get('id') or record.get('external_id') or n}"
        data = _data(record)
        answers = list(_answers(record))
        if not answers and not _is_record(record):
            raise _strange(label, n)
        told = 0
        for question, value, who, status in answers:
            if status not in (None, "submitted"):
                left_out[_UNSUBMITTED] += 1
                told += 1
                continue
            found = _value(value)
            if found is not None:
                told += 1
                rater = pseudonym(_TOOL, who)
                said.append(Said(where, question, found, data, rater))
        left_out[_NOT_ANSWERED] += not told
    return Annotations(said, +left_out)


def columns_as_rows(found: Mapping[str, Any]) -> list[Any]:
    """Return the records of a dictionary: of lists by column, or of records by id."""
    if isinstance(found.get("records"), list):
        return list(found["records"])
    if found and all(isinstance(column, list) for column in found.values()):
        lengths = {len(column) for column in found.values()}
        if len(lengths) == 1:
            names = list(found)
            rows = zip(*found.values(), strict=True)
            return [dict(zip(names, row, strict=True)) for row in rows]
    if found and all(isinstance(record, Mapping) for record in found.values()):
        is_by_id = all("fields" in r or "responses" in r for r in found.values())
        if is_by_id:
            return list(found.values())
    return [found]


def _data(record: Mapping[str, Any]) -> dict[str, Any]:
    """Gather what a record says of itself: fields, metadata, and bare columns."""
    metadata = record.get("metadata")
    if isinstance(metadata, str):
        # The first version writes metadata of data sets as a text of JSON.
        try:
            metadata = json.loads(metadata)
        except ValueError:
            metadata = None
    fields = record.get("fields")
    return {
        **{key: value for key, value in record.items() if isinstance(value, str | int)},
        **(fields if isinstance(fields, Mapping) else {}),
        **(metadata if isinstance(metadata, Mapping) else {}),
    }


def _answers(record: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield question, value, person and status of each answer."""
    responses = record.get("responses")
    if isinstance(responses, Mapping):
        for question, given in responses.items():
            yield from _listed(question, given)
    elif isinstance(responses, list):
        # As the server keeps them: a person's answers to all questions together.
        for response in (one for one in responses if isinstance(one, Mapping)):
            values = response.get("values")
            for question, given in (values or {}).items():
                value = given.get("value") if isinstance(given, Mapping) else given
                yield question, value, response.get("user_id"), response.get("status")
    else:
        yield from _columns(record)


def _columns(record: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield answers of a row: `q.responses` with users, or `q` as a list of answers."""
    for name, column in record.items():
        if name.endswith(_FLAT) and isinstance(column, list):
            users = record.get(f"{name}.users") or [None] * len(column)
            states = record.get(f"{name}.status") or [None] * len(column)
            question = name.removesuffix(_FLAT)
            for value, who, status in zip(column, users, states, strict=False):
                yield question, value, who, status
        elif f"{name}-suggestion" in record or _is_answers(column):
            yield from _listed(name, column)


def _listed(question: str, given: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    if isinstance(given, Mapping) and isinstance(given.get("value"), list):
        # A sequence of a data set: a dictionary of lists.
        columns = [given.get(key) for key in ("value", "user_id", "status")]
        n = len(given["value"])
        value, who, status = (c if isinstance(c, list) else [None] * n for c in columns)
        yield from ((question, *one) for one in zip(value, who, status, strict=False))
    for one in given if isinstance(given, list) else ():
        if isinstance(one, Mapping):
            yield question, one.get("value"), one.get("user_id"), one.get("status")


def _value(value: Any) -> Any:
    """Return a rating, words, or the ranks of options; None: nothing was said."""
    if isinstance(value, Mapping):
        options, ranks = value.get("value"), value.get("rank")
        if isinstance(options, list) and isinstance(ranks, list):
            return dict(zip(map(str, options), ranks, strict=False)) or None
        return None
    if isinstance(value, list):
        if not value:
            return None
        if all(isinstance(one, Mapping) and "rank" in one for one in value):
            return {str(one["value"]): one["rank"] for one in value}
        if len(value) > 1 and all(isinstance(one, str) for one in value):
            # A ranking without ties is its options in order, best first.
            return {one: n for n, one in enumerate(value, 1)}
    return value


def _is_answers(column: Any) -> bool:
    return (
        isinstance(column, list)
        and bool(column)
        and all(isinstance(one, Mapping) and "value" in one for one in column)
        and any("user_id" in one or "status" in one for one in column)
    )


def _is_record(record: Mapping[str, Any]) -> bool:
    return any(
        key in ("fields", "responses", "external_id", "_server_id")
        or key.endswith((_FLAT, "-suggestion", ".suggestion"))
        for key in record
    )


def _strange(label: str, n: int) -> ConfigError:
    return ConfigError(
        f"{label}: entry {n} is no record of Argilla; export with records.to_json, or "
        "save the data set as JSON."
    )
