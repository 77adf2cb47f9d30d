"""Traces of rows at a server of MLflow, with scores and what was expected on them.

Spans go by OTLP, as to any other endpoint, with what MLflow reads of its own beside the
conventions; MLflow names a trace `tr-` and its id. Then each is linked to the run of
its rung, and gets its assessments. All of them bear ids or names that stay: what is
there is not sent again.

Feedback is one request each, on a few threads, as in `mlflow_send`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.errors import ConfigError, TrackingError
from pytest_ladder.reporting.report import Report, content_text
from pytest_ladder.tracking import names
from pytest_ladder.tracking.mlflow_address import ADDRESS, address, authorization
from pytest_ladder.tracking.mlflow_assessments import Assessed, PeopleSaid, assessments
from pytest_ladder.tracking.mlflow_runs import Which, is_told
from pytest_ladder.tracking.mlflow_send import LoggedTo
from pytest_ladder.tracking.otel import deliver
from pytest_ladder.tracking.spans import RowTrace, Span, trace_id, traces_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

MOST = 1_000
"""Traces of one report."""
_AT_ONCE = 4
_LINKED_AT_ONCE = 100  # MLflow's own limit
_FOUND_AT_ONCE = 500  # likewise


class SentTraces(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the traces."""

    traces: int
    """Of the report, of those that were asked for."""
    new: int
    """That were not there before."""
    assessments: int
    """Likewise, of feedback and expectations."""
    left_out: int
    """Rows beyond the thousandth."""


def traced_rows(rows: Sequence[Row], which: Which) -> list[Row]:
    """Return the rows that are asked for, misses first, also those beyond `MOST`."""
    asked = [row for row in rows if is_told(row, which)]
    return sorted(asked, key=lambda row: row.outcome is not Outcome.MISSED)


def endpoint() -> str:
    """Return where the server takes traces; raises `ConfigError` for one that does not.

    What is no address of HTTP is Databricks, or a database.
    """
    named = address()
    if not named.startswith(("http://", "https://")):
        raise ConfigError(
            f"--traces needs a server: {ADDRESS} must begin with http:// or https://."
        )
    return named.rstrip("/") + "/v1/traces"


def send_traces(
    client: MlflowClient,
    report: Report,
    to: LoggedTo,
    which: Which,
    people: PeopleSaid,
    progress: Callable[[int, int], None],
) -> SentTraces:
    """Send the traces of rows to the runs that were logged.

    Raises `ConfigError` without the extra `otel`, and `TrackingError` where the server
    does not take all of them.
    """
    asked = traced_rows(report.rows, which)
    rows = asked[:MOST]
    there = {
        trace.info.trace_id: trace.info.assessments or []
        for rung in sorted({row.rung for row in rows})
        for trace in _linked(client, to, rung)
    }
    new = [row for row in rows if _id(report, row, to) not in there]
    _deliver(report, new, to)
    for rung in sorted({row.rung for row in new}):
        ids = [_id(report, row, to) for row in new if row.rung == rung]
        for first in range(0, len(ids), _LINKED_AT_ONCE):
            batch = ids[first : first + _LINKED_AT_ONCE]
            client.link_traces_to_run(batch, to.run_ids[rung])
    assess = _Assessor(client, report, to, people, there)
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ladder-mlflow")
    sent = 0
    try:
        for done, number in enumerate(pool.map(assess, rows), start=1):
            sent += number
            progress(done, len(rows))
    finally:
        pool.shutdown(cancel_futures=True)
    return SentTraces(
        traces=len(rows),
        new=len(new),
        assessments=sent,
        left_out=len(asked) - len(rows),
    )


def _deliver(report: Report, rows: Sequence[Row], to: LoggedTo) -> None:
    if not rows:
        return
    headers = {"x-mlflow-experiment-id": to.experiment_id, **authorization()}
    # MLflow has each id once, for all experiments: in another one traces are others.
    place = to.run_ids[""]
    traces = traces_of(report, rows, content=report.info.texts, place=place)
    delivered = deliver(
        (_as_mlflow_reads(report, trace) for trace in traces),
        endpoint(),
        headers=headers,
    )
    if not delivered.is_whole:
        raise TrackingError(f"{delivered.sentence}; logging again sends them anew.")


def _as_mlflow_reads(report: Report, trace: RowTrace) -> RowTrace:
    """Say in MLflow's own attributes what its pages would show as JSON or guess.

    That is question and reply of the row, and what each call cost: of a model that its
    list of prices knows, MLflow would work out a cost of its own.
    """
    case, root = report.cases.get(trace.row.unit), trace.spans[0]
    own: dict[str, Any] = {}
    if case is not None and names.INPUT_MESSAGES in root.attributes:
        own[names.MLFLOW_INPUTS] = _asked(case.input)
    if names.OUTPUT_MESSAGES in root.attributes:
        own[names.MLFLOW_OUTPUTS] = trace.row.text
    spans = [_with(root, own)]
    for span in trace.spans[1:]:
        cost = span.attributes.get(names.COST_USD)
        own = {} if cost is None else {names.MLFLOW_COST: {"total_cost": cost}}
        spans.append(_with(span, own))
    return msgspec.structs.replace(trace, spans=tuple(spans))


def _asked(asked: str | Sequence[Message]) -> Any:
    if isinstance(asked, str):
        return asked
    return {
        "messages": [
            {"role": str(one.get("role", "user")), "content": content_text(one)}
            for one in asked
        ]
    }


def _with(span: Span, own: Mapping[str, Any]) -> Span:
    written = {name: json.dumps(value) for name, value in own.items()}
    return msgspec.structs.replace(span, attributes={**span.attributes, **written})


def _linked(client: MlflowClient, to: LoggedTo, rung: str) -> Iterator[Any]:
    """Yield the traces of a run that an earlier log linked to it, without spans."""
    token = None
    while True:
        page = client.search_traces(
            locations=[to.experiment_id],
            run_id=to.run_ids[rung],
            include_spans=False,
            max_results=_FOUND_AT_ONCE,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


class _Assessor:
    """Puts scores and what was expected on a trace.

    `MlflowClient` has no method for that, and `mlflow.log_feedback` goes to the server
    of the process, which is global. `TracingClient`, which both are made of, takes the
    address of ours; of it only `log_assessment` is used.
    """

    def __init__(
        self,
        client: MlflowClient,
        report: Report,
        to: LoggedTo,
        people: PeopleSaid,
        there: Mapping[str, Sequence[Any]],
    ) -> None:
        from mlflow.tracing.client import TracingClient

        self.client = TracingClient(client.tracking_uri)
        self.report = report
        self.to = to
        self.people = people
        self.there = there

    def __call__(self, row: Row) -> int:
        """Return how many were not there yet."""
        trace = _id(self.report, row, self.to)
        known = {
            (one.name, str(one.source.source_type), one.source.source_id)
            for one in self.there.get(trace, ())
        }
        told = assessments(row, self.report.cases.get(row.unit), self.people)
        lacking = [one for one in told if one.key not in known]
        for one in lacking:
            self.client.log_assessment(trace, self._entity(one))
        return len(lacking)

    def _entity(self, told: Assessed) -> Any:
        from mlflow.entities import AssessmentSource, Expectation, Feedback

        source = AssessmentSource(told.source_type, told.source)
        if told.is_expected:
            return Expectation(name=told.name, value=told.value, source=source)
        reason = told.reason if self.report.info.texts else ""
        return Feedback(
            name=told.name, value=told.value, source=source, rationale=reason or None
        )


def _id(report: Report, row: Row, to: LoggedTo) -> str:
    return f"tr-{trace_id(report.info.id, row, to.run_ids[''])}"
