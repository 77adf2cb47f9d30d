"""Records of an evaluation dataset, or traces, of an MLflow server as cases.

By MLflow's own client, which knows how to get in everywhere MLflow runs. What comes
from the server is somebody's data: a record that is no case is left out and named, and
none ends the rest.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import did_you_mean, listed
from pytest_ladder.tracking.mlflow_server import open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATASET, TRACES = "mlflow", "mlflow-traces"
_PAGE = 100
_MACHINERY = ("mlflow.", "service.", "telemetry.")
"""How tags begin that MLflow makes, and those of the resource of OTLP spans."""
_DIGITS = 6
"""Of a record's id, at the end of its case's."""


class Pulled(NamedTuple):
    """What was read of a source."""

    name: str
    """The source, for people."""
    cases: list[Case]
    left_out: list[tuple[str, str]]
    """Ids of what is no case, or was there already, and why."""
    read: int
    more: bool
    """Whether there was more than was asked for."""


class _MlflowRecord(NamedTuple):
    """One record or trace, by the names that datasets have."""

    id: str
    made: int
    """Milliseconds since 1970."""
    row: dict[str, Any]
    """As `read_as` knows rows of MLflow."""


def pull(source: str, most: int, progress: Callable[[int], None]) -> Pulled:
    """Read the newest `most` records that a source names, as `mlflow:DATASET`.

    `progress` is told how many were read so far. Raises `ConfigError` for a source
    that is none and without the extra `mlflow`, `TrackingError` for what the server
    does not give.
    """
    kind, _, rest = source.partition(":")
    name, _, wanted = rest.partition("?")
    if kind not in (DATASET, TRACES) or not name:
        raise ConfigError(
            f"{source!r} is no source of cases; write {DATASET}:DATASET, or "
            f"{TRACES}:EXPERIMENT with ?FILTER behind it."
        )
    records: list[_MlflowRecord] = []
    with open_client("nothing was written.") as client:
        read = (
            _records(client, name) if kind == DATASET else _traces(client, name, wanted)
        )
        for record in islice(read, most + 1):
            records.append(record)
            progress(len(records))
    newest = records[:most]
    newest.sort(key=lambda record: (record.made, record.id))
    cases, left_out = _cases(newest)
    return Pulled(f"{kind}:{name}", cases, left_out, len(newest), len(records) > most)


def _records(client: MlflowClient, name: str) -> Iterator[_MlflowRecord]:
    """Yield the records of a dataset, the newest first."""
    if "'" in name:
        raise ConfigError(f"MLflow cannot look for a dataset with a quote: {name!r}.")
    found = client.search_datasets(filter_string=f"name = '{name}'")
    if not found:
        known = [dataset.name for dataset in client.search_datasets()]
        rest = f"there are {listed(known)}." if known else "there are none."
        raise ConfigError(
            f"MLflow has no dataset {name!r}; {did_you_mean(name, known, rest)}"
        )
    if len(found) > 1:
        ids = listed(dataset.dataset_id for dataset in found)
        raise ConfigError(f"MLflow has several datasets called {name!r}: {ids}.")
    for record in sorted(found[0].records, key=lambda one: -one.created_time):
        row = {"inputs": record.inputs, "expectations": record.expectations or {}}
        tags = _tags(record.tags or {})
        yield _MlflowRecord(
            record.dataset_record_id, record.created_time, {**row, **tags}
        )


def _traces(client: MlflowClient, name: str, wanted: str) -> Iterator[_MlflowRecord]:
    """Yield the traces of an experiment, the newest first."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        known = [each.name for each in client.search_experiments()]
        rest = f"there are {listed(known)}."
        raise ConfigError(
            f"MLflow has no experiment {name!r}; {did_you_mean(name, known, rest)}"
        )
    token = None
    while True:
        page = client.search_traces(
            locations=[experiment.experiment_id],
            filter_string=wanted or None,
            max_results=_PAGE,
            page_token=token,
        )
        for trace in page:
            told = trace.search_assessments(type="expectation")
            expectations = {one.name: one.value for one in told}
            row = {"inputs": _asked(trace), "expectations": expectations}
            tags = _tags(trace.info.tags or {})
            yield _MlflowRecord(
                trace.info.trace_id, trace.info.request_time, {**row, **tags}
            )
        token = page.token
        if not token:
            return


def _asked(trace: Any) -> Any:
    """Return what a trace was asked, as its root span has it."""
    request = trace.data.request
    with contextlib.suppress(TypeError, ValueError):
        request = json.loads(request)
    if isinstance(request, list):
        return {"messages": [_of_parts(message) for message in request]}
    return request


def _of_parts(message: Any) -> Any:
    """Read a message whose text stands in `parts`, as OpenTelemetry writes them."""
    if not isinstance(message, dict) or not isinstance(message.get("parts"), list):
        return message
    parts = [part for part in message["parts"] if isinstance(part, dict)]
    texts = [str(part["content"]) for part in parts if "content" in part]
    return {"role": message.get("role"), "content": "\n".join(texts)}


def _tags(tags: dict[str, Any]) -> dict[str, list[str]]:
    """Write tags as labels, `key=value`; those of machinery say who and where."""
    told = sorted(f"{k}={v}" for k, v in tags.items() if not k.startswith(_MACHINERY))
    return {"tags": told} if told else {}


def _cases(records: list[_MlflowRecord]) -> tuple[list[Case], list[tuple[str, str]]]:
    """Make cases of records, and say which are none; equal ones are one case."""
    cases: dict[str, Case] = {}
    left_out = []
    ids: set[str] = set()
    for record in records:
        try:
            case = _case(record, ids)
        except ConfigError as error:
            left_out.append((record.id, str(error).rpartition(": ")[2]))
            continue
        if case.content_hash in cases:
            left_out.append((record.id, "asks and expects the same as an earlier one"))
            continue
        cases[case.content_hash] = case
        ids.add(case.id)
    return list(cases.values()), left_out


def _case(record: _MlflowRecord, taken: set[str]) -> Case:
    """Make a case whose id stays, whatever MLflow's users correct in its record."""
    if not record.row["inputs"]:
        raise ConfigError(f"{record.id}: it asks nothing")
    (case,) = load_cases([record.row], folder=Path(), where=record.id)
    if not case.text.strip():
        raise ConfigError(f"{record.id}: it asks nothing")
    slug = case.id.rpartition("-")[0]
    name = f"{slug}-{record.id[-_DIGITS:]}"
    told = dict(case.metadata)
    expectations = told.pop("expectations", {})
    if len(expectations) > 1:
        told["expectations"] = expectations
    return msgspec.structs.replace(
        case,
        id=f"{slug}-{record.id}" if name in taken else name,
        metadata={**told, "record": record.id},
    )
