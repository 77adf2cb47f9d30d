"""Rows of other tools: who said what, and of which trace.

Langfuse scores and observations, LangSmith feedback and runs, Phoenix annotations and
spans, OpenTelemetry logs and spans, and rows that somebody wrote himself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_ladder.real.sources.naming import SYNONYMS
from pytest_ladder.real.sources.paths import DEEPEST, at, opened

# LangSmith's `session_id` is a project, and no user.
USERS = (
    *(*SYNONYMS["unit"], "userId", "metadata.user_id", "extra.metadata.user_id"),
    *("user.id", "sessionId"),
)
TRACES = (
    *("trace", "trace_id", "traceId", "run_id", "runId", "span_id", "spanId"),
    *("context.trace_id", "context.span_id", "subject.traceId", "subject.id", "id"),
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

Layers = tuple[Mapping[str, Any], ...]
"""A row as it is looked through: its attributes, as OpenTelemetry has them, its own
names, and then attributes that are deeper."""

_EVALUATION = "gen_ai.evaluation.result"


def rows_in(row: Mapping[str, Any]) -> Iterator[Layers]:
    """Yield the rows that an object of a file holds.

    It is one, but in exports of OpenTelemetry, where logs and spans are nested, and
    events of spans tell of evaluations.
    """
    inner = next((key for key in _NESTED if isinstance(row.get(key), list)), None)
    if inner is not None:
        for each in row[inner]:
            if isinstance(each, dict):
                yield from rows_in(each)
        return
    whole = _layers(row)
    yield whole
    events = row.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("name") == _EVALUATION:
            of_span = {path: first_of(whole, [path]) for path in (*TRACES, *USERS)}
            yield (*_layers(event), of_span)


def first_of(row: Layers, paths: Iterable[str]) -> Any:
    """Return the first of these that is there and says something."""
    for path in paths:
        for layer in row:
            value = at(layer, path) if path in layer or "." in path else None
            if value is not None and value != "":
                return value
    return None


def _layers(row: Mapping[str, Any]) -> Layers:
    found = [*_attributes(row)]
    own = [inside for depth, inside in found if depth == 0]
    return (*own, row, *(inside for depth, inside in found if depth > 0))


def _attributes(
    row: Mapping[str, Any], depth: int = 0
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what `attributes` and bodies hold, and how deep they are."""
    for name, value in row.items():
        inside = value if isinstance(value, str) else opened(value)
        if isinstance(inside, dict) and depth < DEEPEST:
            if name in ("attributes", "body"):
                yield depth, inside
            yield from _attributes(inside, depth + 1)
