"""Exports of Label Studio: JSON (tasks with annotations), and JSON-MIN (one a line)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pytest_ladder.errors import ConfigError
from pytest_ladder.real.sources.annotations import (
    Annotations,
    Said,
    is_known,
    pseudonym,
)

_VALUES = {
    "pairwise": "selected",
    "choices": "choices",
    "rating": "rating",
    "taxonomy": "taxonomy",
    "ranker": "ranker",
}
"""Types of results that say something of a reply, and where they keep it."""
_OF_TASK = (
    *("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"),
    *("agreement", "history", "file_upload", "completed_by"),
)
"""Keys of JSON-MIN that are neither data nor an answer."""
_TOOL = "ls"
_NOT_ANSWERED, _SKIPPED, _BY_MACHINE = (
    "without an answer",
    "skipped by the annotator",
    "predicted by a model",
)


def read_label_studio(
    rows: Sequence[Any], label: str, question: str | None = None
) -> Annotations:
    """Read an export. Raises `ConfigError` for what is none of Label Studio's.

    `question` is the control that is wanted, which JSON-MIN does not tell from data.
    """
    controls = {question} if question else _controls(rows)
    left_out: Counter[str] = Counter()
    said: list[Said] = []
    for n, task in enumerate(rows, 1):
        if not isinstance(task, Mapping):
            raise _strange(label, n)
        where = f"{label}: task {task.get('id', n)}"
        if "annotations" in task or "completions" in task:
            said += _of_task(task, where, left_out)
        elif "annotation_id" in task or "annotator" in task:
            answers = list(_of_row(task, where, controls))
            left_out[_NOT_ANSWERED] += not answers
            said += answers
        else:
            raise _strange(label, n)
    return Annotations(said, +left_out)


def _of_task(
    task: Mapping[str, Any], where: str, left_out: Counter[str]
) -> Iterator[Said]:
    data = task.get("data")
    data = data if isinstance(data, Mapping) else {}
    # Before version 1.0 annotations were called completions.
    given = task.get("annotations", task.get("completions")) or []
    left_out[_BY_MACHINE] += len(task.get("predictions") or [])
    left_out[_NOT_ANSWERED] += not given
    for annotation in given:
        if not isinstance(annotation, Mapping):
            continue
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            left_out[_SKIPPED] += 1
            continue
        answers = [
            Said(
                where=where,
                question=str(result.get("from_name") or ""),
                value=value,
                data=data,
                rater=pseudonym(_TOOL, _who(annotation.get("completed_by"))),
                seconds=_number(annotation.get("lead_time")),
            )
            for result in annotation.get("result") or []
            if isinstance(result, Mapping)
            for value in [_value(result.get("type"), result.get("value"))]
            if value is not None
        ]
        left_out[_NOT_ANSWERED] += not answers
        yield from answers


def _controls(rows: Sequence[Any]) -> set[str]:
    """Return the names that answers of JSON-MIN stand under, beside all data.

    A rating, a pairwise choice and a taxonomy are objects; a single choice is bare
    words, and is told from data by its words.
    """
    return {
        name
        for row in rows
        if isinstance(row, Mapping)
        for name, value in row.items()
        if name not in _OF_TASK
        if _of_object(value) is not None or (isinstance(value, str) and is_known(value))
    }


def _of_row(
    row: Mapping[str, Any], where: str, controls: Collection[str | None]
) -> Iterator[Said]:
    """Yield the answers of a line of JSON-MIN, in which data and answers are mixed."""
    rater = pseudonym(_TOOL, _who(row.get("annotator", row.get("completed_by"))))
    for name, value in row.items():
        if name not in controls or value in (None, "", []):
            continue
        found = _of_object(value)
        seconds = _number(row.get("lead_time"))
        yield Said(where, name, value if found is None else found, row, rater, seconds)


def _of_object(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if not isinstance(value, Mapping):
        return None
    return next(
        (found for kind in _VALUES if (found := _value(kind, value)) is not None), None
    )


def _value(kind: Any, value: Any) -> Any:
    key = _VALUES.get(str(kind).lower())
    if key is None or not isinstance(value, Mapping) or key not in value:
        return None
    found = value[key]
    if key == "ranker":
        # A ranker keeps the items of each column, best first.
        columns = found.values() if isinstance(found, Mapping) else [found]
        items = [
            item for column in columns if isinstance(column, list) for item in column
        ]
        return {str(item): n for n, item in enumerate(items, 1)} or None
    return found or None


def _who(given: Any) -> Any:
    if isinstance(given, Mapping):
        return given.get("id", given.get("email", given.get("username")))
    return given


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _strange(label: str, n: int) -> ConfigError:
    return ConfigError(
        f"{label}: entry {n} is no task of Label Studio; export JSON or JSON-MIN, with "
        "annotations."
    )
