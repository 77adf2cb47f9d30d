"""A finished report to MLflow: runs first, then the traces that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from pytest_ladder.core.review import Review
from pytest_ladder.judging.calibration.labels import Label
from pytest_ladder.reporting.report import Report
from pytest_ladder.tracking.mlflow_assessments import PeopleSaid
from pytest_ladder.tracking.mlflow_runs import LoggedReport, Which, logged
from pytest_ladder.tracking.mlflow_send import LoggedTo, send
from pytest_ladder.tracking.mlflow_server import open_client
from pytest_ladder.tracking.mlflow_traces import SentTraces, endpoint, send_traces


class LoggedToMlflow(msgspec.Struct, frozen=True, kw_only=True):
    """What was logged, and where it is."""

    told: LoggedReport
    runs: LoggedTo
    traces: SentTraces | None = None
    """None: none were asked for."""


def log_mlflow(
    report: Report,
    experiment: str,
    *,
    traces: Which = "none",
    labels: Iterable[Label] = (),
    reviews: Iterable[Review] = (),
    progress: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> LoggedToMlflow:
    """Log a report to an experiment of the server that the environment names.

    `traces`: which rows go with what was said, as traces and in tables; `labels` and
    `reviews` are people's words on their replies. `progress` is told what is sent, how
    much of it is done, and of how much. Raises `ConfigError`
    without an address or an extra, and `TrackingError` where the server fails.
    """
    if traces != "none":
        endpoint()
    told = logged(report, traces)
    with open_client() as client:
        runs = send(client, told, experiment, lambda *done: progress("runs", *done))
        sent = None
        if traces != "none":
            sent = send_traces(
                client,
                report,
                runs,
                traces,
                PeopleSaid(report.rows, labels, reviews),
                lambda *done: progress("traces", *done),
            )
    return LoggedToMlflow(told=told, runs=runs, traces=sent)
