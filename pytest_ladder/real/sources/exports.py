"""Rows of other tools as flat objects: who said what, and of which trace.

Langfuse scores and observations, LangSmith feedback and runs, Phoenix annotations and
spans, OpenTelemetry logs and spans, and rows that somebody wrote himself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_ladder.real.sources.reading import SYNONYMS

# LangSmith's `session_id` is a project, and no user.
USERS = (
    *(*SYNONYMS["unit"], "userId", "metadata.user_id", "extra.metadata.user_id"),
    *("user.id", "sessionId"),
)
TRACES = (
    *("trace", "trace_id", "traceId", "run_id", "runId", "span_id", "spanId"),
    *("context.trace_id", "context.span_id", "id"),
)
TIMES = (
    *("timestamp", "time", "ts", "created_at", "createdAt", "updated_at", "start_time"),
    *("startTime", "timeUnixNano", "startTimeUnixNano"),
)
SCORE_NAMES = ("name", "key", "gen_ai.evaluation.name")
MAKERS = ("source", "annotator_kind", "feedback_source.type")
"""Where exports say who gave a score."""

MACHINES = frozenset({"eval", "llm", "code", "model", "auto_eval"})
"""Who is no person there: Langfuse, Phoenix, LangSmith."""

VALUES = (
    *("thumb", "rating", "grade", "score", "value", "result.label", "result.score"),
    *("score.value", "score.label", "stringValue", "string_value"),
    *("gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label"),
)
VARIANTS = ("variant", "rung")

_NESTED = (
    *("resourceLogs", "scopeLogs", "logRecords"),
    *("resourceSpans", "scopeSpans", "spans"),
)
"""Keys under which OpenTelemetry keeps what it tells of, from the outside in."""

_EVALUATION = "gen_ai.evaluation.result"
_MOST_PACKED = 3
"""Times that text may be JSON of text again."""
_DEEPEST = 12
"""Levels of an object that are looked at: what is below is no score."""


def flat_rows(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows that an object of a file holds, flat: `result.label`.

    It is one, but in exports of OpenTelemetry, where logs and spans are nested, and
    events of spans tell of evaluations.
    """
    inner = next((key for key in _NESTED if isinstance(row.get(key), list)), None)
    if inner is not None:
        for each in row[inner]:
            if isinstance(each, dict):
                yield from flat_rows(each)
        return
    flat = _flat(row)
    yield flat
    events = row.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("name") == _EVALUATION:
            of_span = {path: flat[path] for path in (*TRACES, *USERS) if path in flat}
            yield of_span | _flat(event)


def first_of(flat: Mapping[str, Any], paths: Iterable[str]) -> Any:
    """Return the first of these that is there and says something."""
    for path in paths:
        value = flat.get(path)
        if value is None and "." in path:
            value = _in_text(flat, path)
        if value is not None and value != "":
            return value
    return None


def _in_text(flat: Mapping[str, Any], path: str) -> Any:
    """Look for a path inside of JSON that an export keeps as text.

    Such as the `metadata` of traces in Langfuse's CSV.
    """
    steps = path.split(".")
    for length in range(1, len(steps)):
        inner = flat.get(".".join(steps[:length]))
        for _ in range(_MOST_PACKED):
            if not isinstance(inner, str) or inner.lstrip()[:1] not in ("{", '"'):
                break
            try:
                inner = json.loads(inner)
            except (ValueError, RecursionError):
                return None
        if isinstance(inner, dict):
            return first_of(_flat(inner), [".".join(steps[length:])])
    return None


def _flat(row: Mapping[str, Any], above: str = "", depth: int = 0) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        path = f"{above}{key}"
        inner = _attributes(value)
        if not isinstance(inner, dict):
            flat[path] = inner
        elif depth < _DEEPEST:
            flat |= _flat(inner, f"{path}.", depth + 1)
            # OpenTelemetry puts what counts under `attributes`.
            if key in ("attributes", "body"):
                flat |= _flat(inner, depth=depth + 1)
    return flat


def _attributes(value: Any) -> Any:
    """Return OpenTelemetry's list of attributes as an object; else the value."""
    if not isinstance(value, list) or not value:
        return value
    if not all(isinstance(each, dict) and "key" in each for each in value):
        return value
    return {str(each["key"]): _plain(each.get("value")) for each in value}


def _plain(value: Any) -> Any:
    """Take a value out of `{"stringValue": …}`."""
    return next(iter(value.values()), None) if isinstance(value, dict) else value
