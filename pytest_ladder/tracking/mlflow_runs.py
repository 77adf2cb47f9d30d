"""What MLflow is told of a report: runs with tags, params, metrics, tables and files.

Pure data out of a report; nothing here knows MLflow's client. Text is in it only as far
as it was asked for: questions, replies and reasons leave the machine in no other way.
Artifacts are made when they are asked for, since a page takes longer than all requests;
a digest of what they are made of tells whether they are needed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec

import pytest_ladder
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.rung import Model
from pytest_ladder.decide.matrix import RungResult
from pytest_ladder.reporting.files.matrix_csv import CSV_COLUMNS, matrix_lines
from pytest_ladder.reporting.files.read import rungs_of
from pytest_ladder.reporting.files.write import WRITERS
from pytest_ladder.reporting.public import ROW_COLUMNS, TEXT_COLUMNS, row_line
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.without_texts import without_texts

Which = Literal["none", "misses", "all"]
"""Of which rows texts are sent, and traces."""

RUN_ID, RUNG = "ladder.run_id", "ladder.rung"
"""Tags that a run is found by; the parent has no rung."""
STARTED = "ladder.started"
FILES = ("matrix.md", "index.html", "matrix.json", "rows.jsonl")
"""Of the report, as artifacts below `report/`."""
_LONGEST_TAG = 8000
_LONGEST_PARAM = 6000
_LONGEST_NAME = 250
_NOT_IN_NAMES = re.compile(r"[^\w./ -]", re.ASCII)
"""What MLflow refuses in the name of a param."""
_NOT_RUN = "not run"
_NUMBERS = ("quality", "low", "high", "n", "missed", "errors", "coverage")
"""Of a cell, as metrics after the name of its level."""


class LoggedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table as `mlflow.log_table` keeps one: JSON, as pandas splits it."""

    columns: Sequence[str]
    data: Sequence[Sequence[Any]]


class LoggedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of MLflow: the parent, or that of a rung."""

    name: str
    rung: str = ""
    """Empty: it is the parent."""
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    table_name: str
    table: Callable[[], LoggedTable]
    files: Mapping[str, Callable[[], bytes]] = {}
    """Artifacts, by their path."""
    digest: str
    """Of all that table and files are made of."""
    status: Literal["FINISHED", "KILLED"] = "FINISHED"


class LoggedDataset(msgspec.Struct, frozen=True, kw_only=True):
    """The cases, which are the same where the digest is."""

    name: str
    digest: str
    sources: Sequence[str]
    cases: int


class LoggedReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that is logged of a report, but traces."""

    run_id: str
    parent: LoggedRun
    rungs: Sequence[LoggedRun]
    dataset: LoggedDataset
    left_out: Sequence[str] = ()
    """Rungs that did not run."""

    @property
    def runs(self) -> Sequence[LoggedRun]:
        """The parent, and those of the rungs."""
        return self.parent, *self.rungs


def logged(report: Report, texts: Which = "none") -> LoggedReport:
    """Say what is logged of a report; `texts`: of which rows with what was said."""
    ran = [rung for rung in report.matrix.rungs if rung.state != _NOT_RUN]
    rows: dict[str, list[Row]] = {rung.id: [] for rung in ran}
    for row in report.rows:
        rows[row.rung].append(row)
    models = {rung.id: rung.model for rung in rungs_of(report)}
    return LoggedReport(
        run_id=report.info.id,
        parent=_parent(report, texts),
        rungs=[
            _of_rung(report, rung, models[rung.id], rows[rung.id], texts)
            for rung in ran
        ],
        dataset=dataset_of(report.rows),
        left_out=[r.id for r in report.matrix.rungs if r.state == _NOT_RUN],
    )


def is_told(row: Row, texts: Which) -> bool:
    """Whether a row is sent with what was said."""
    return texts == "all" or (texts == "misses" and row.outcome is Outcome.MISSED)


def dataset_of(rows: Sequence[Row]) -> LoggedDataset:
    """Name the cases of rows, by a hash of what they ask and expect."""
    units = sorted({(row.source, row.case, row.case_hash) for row in rows})
    sources = sorted({source for source, _, _ in units})
    name = sources[0] if len(sources) == 1 else f"{len(sources)} sources"
    return LoggedDataset(
        name=name, digest=_digest(units), sources=sources, cases=len(units)
    )


def _parent(report: Report, texts: Which) -> LoggedRun:
    # As a whole only where every row may be read.
    told = report if texts == "all" else without_texts(report)
    # Two of them are needed twice, and take a while.
    made = functools.cache(partial(_written, told))
    return LoggedRun(
        name=report.info.id,
        tags=dict(_tags(report))
        | {"mlflow.note.content": _cut(made("matrix.md").decode(), _LONGEST_TAG)},
        params=_params(_about(report)),
        metrics=_metrics(_sums(report)),
        table_name="matrix.json",
        table=lambda: LoggedTable(
            columns=CSV_COLUMNS,
            data=[list(map(_cell, line)) for line in matrix_lines(report.matrix)],
        ),
        files={f"report/{name}": partial(made, name) for name in FILES},
        digest=_digest(
            [list(told.rows), list(told.cases.values()), list(told.exchanges.values())],
            made("matrix.json"),
        ),
        status="KILLED" if report.info.stopped else "FINISHED",
    )


def _written(report: Report, name: str) -> bytes:
    written = WRITERS[name](report)
    assert written is not None, f"every report has a {name}"
    return written if isinstance(written, bytes) else b"".join(written)


def _tags(report: Report) -> Iterator[tuple[str, str]]:
    info, advice = report.info, report.decision.recommendation
    yield RUN_ID, info.id
    yield STARTED, info.started
    yield "ladder.mode", info.mode
    yield "mlflow.source.name", "pytest-ladder"
    if info.git_sha:
        yield "ladder.git_sha", info.git_sha
        yield "mlflow.source.git.commit", info.git_sha
    if advice is not None:
        yield "ladder.verdict", advice.verdict
        yield "ladder.recommended", advice.rung or "none"
        yield "ladder.reason", _cut(advice.reason, _LONGEST_TAG)
    if info.part is not None:
        yield "ladder.part", str(info.part)


def _about(report: Report) -> Iterator[tuple[str, Any]]:
    info, objective = report.info, report.objective
    yield "mode", info.mode
    yield "current", info.current
    yield "seed", info.seed
    yield "level", report.decision.level
    yield "volume", report.matrix.volume
    if objective is not None:
        yield "objective", objective.kind
        for name in ("quality", "usd_per_1k", "latency_p95_s"):
            yield f"objective.{name}", getattr(objective, name)
    for name, version in info.versions.items():
        yield f"version.{name}", version


def _sums(report: Report) -> Iterator[tuple[str, float | None]]:
    spend, advice = report.matrix.spend, report.decision.recommendation
    yield "spend.product_usd", spend.product_usd
    yield "spend.evaluation_usd", spend.evaluation_usd
    yield "spend.saved_usd", spend.saved_usd
    yield "spend.live_calls", spend.live_calls
    yield "rows", len(report.rows)
    chosen = advice.rung if advice is not None else None
    for rung in report.matrix.rungs:
        if rung.id == chosen:
            cell = rung.levels.get(report.decision.level)
            yield "recommended.quality", cell.quality if cell else None
            yield "recommended.usd_per_1k", rung.cost.usd_per_1k
            yield "n", cell.n if cell else None


def _of_rung(
    report: Report, rung: RungResult, model: Model, rows: Sequence[Row], texts: Which
) -> LoggedRun:
    tags = {RUN_ID: report.info.id, RUNG: rung.id, "ladder.state": str(rung.state)}
    verdict = report.decision.rung_verdicts.get(rung.id)
    if verdict is not None:
        tags["ladder.verdict"] = verdict
    if report.info.git_sha:
        tags["mlflow.source.git.commit"] = report.info.git_sha
    return LoggedRun(
        name=rung.id,
        rung=rung.id,
        tags={**tags, "mlflow.source.name": "pytest-ladder"},
        params=_params(
            (*_made_of(rung, model, rows), *_set(report.makings.get(rung.id, {})))
        ),
        metrics=_metrics(_measured(rung)),
        table_name="cases.json",
        table=partial(_table, report, rung, rows, texts),
        digest=_digest(
            [rows, texts, list(report.cases.values()) if texts != "none" else []]
        ),
    )


def _made_of(
    rung: RungResult, model: Model, rows: Sequence[Row]
) -> Iterator[tuple[str, Any]]:
    yield "model", rung.model
    yield "strategy", rung.strategy
    yield "tier", str(rung.tier)
    yield "model_id", model.id
    yield "revision", model.revision
    yield "adapter", model.adapter
    if model.build is not None:
        yield "build_usd", model.build.total_usd
        yield "build_hours", model.build.hours
        yield "build_examples", model.build.examples or None
    judges = {row.verdict.judge for row in rows if row.verdict is not None}
    yield "judge", ", ".join(sorted(filter(None, judges))) or None


def _set(making: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is set of a rung: `params.temperature` of its calls, `strategy.shots`.

    A name for each, for people filter and compare by it.
    """
    for name, value in making.items():
        if name != "params":
            yield f"strategy.{name}", _in_json(value)
    if making.get("params"):
        yield from _named("params", making["params"])


def _named(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        yield _NOT_IN_NAMES.sub("_", prefix)[:_LONGEST_NAME], _in_json(value)
        return
    for name, inner in value.items():
        yield from _named(f"{prefix}.{name}", inner)


def _in_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _measured(rung: RungResult) -> Iterator[tuple[str, float | None]]:
    for level, cell in rung.levels.items():
        for name in _NUMBERS:
            yield f"{level}.{name}", getattr(cell, name)
    cost, latency, tokens = rung.cost, rung.latency, rung.tokens
    yield "usd_per_1k", cost.usd_per_1k
    yield "serve_usd_per_1k", cost.serve_usd_per_1k
    yield "p50_s", latency.p50_s
    yield "p95_s", latency.p95_s
    if tokens is not None:
        yield "input_tokens", tokens.input
        yield "output_tokens", tokens.output
    yield "live_calls", rung.calls.live
    yield "replayed_calls", rung.calls.replayed


def _table(
    report: Report, rung: RungResult, rows: Sequence[Row], texts: Which
) -> LoggedTable:
    # What every line would say alike is left to params and tags.
    common = ("rung", "model", "strategy", "tier")
    silent = {*common, *(TEXT_COLUMNS if texts == "none" else ())}
    kept = [place for place, name in enumerate(ROW_COLUMNS) if name not in silent]
    blank = {
        place
        for place, name in enumerate(ROW_COLUMNS)
        if name in TEXT_COLUMNS and name not in silent
    }
    data = []
    for row in rows:
        line = row_line(row, rung, report.cases.get(row.unit))
        hidden = blank if blank and not is_told(row, texts) else ()
        data.append(["" if at in hidden else _cell(line[at]) for at in kept])
    return LoggedTable(columns=[ROW_COLUMNS[at] for at in kept], data=data)


def _digest(*parts: Any) -> str:
    """Hash values, and the version that makes something of them."""
    whole = msgspec.msgpack.encode((pytest_ladder.__version__, parts))
    return hashlib.sha256(whole).hexdigest()[:16]


def _params(values: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Return what is known as texts, which is all that params of MLflow can be."""
    return {
        name: _cut(f"{value:g}" if isinstance(value, float) else str(value))
        for name, value in values
        if value is not None
    }


def _metrics(values: Iterator[tuple[str, float | None]]) -> dict[str, float]:
    """Leave out what is unknown; MLflow would take NaN for a measurement."""
    return {
        name: float(value)
        for name, value in values
        if value is not None and math.isfinite(value)
    }


def _cell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _cut(text: str, most: int = _LONGEST_PARAM) -> str:
    """Shorten what MLflow would refuse, and say that it was."""
    said = " … (shortened)"
    return text if len(text) <= most else text[: most - len(said)] + said
